"""Lists in cells: every notation of programs, separated text, objects by their text, and what is none."""

from __future__ import annotations

import pytest

from popcast.datasets.values.cells.list_cells import is_nested, items_of, parted, separator_of, texts_of

LISTS = {
    "['a', 'b c']": ["a", "b c"], '["a", "b c"]': ["a", "b c"], "['a' 'b c']": ["a", "b c"],
    "['a'\n 'b c']": ["a", "b c"],
    "array(['a', 'b c'], dtype=object)": ["a", "b c"], "array(['a' 'b c'])": ["a", "b c"], "{'a', 'b c'}": ["a", "b c"],
    "('a', 'b c')": ["a", "b c"], "('a',)": ["a"], "frozenset({'a'})": ["a"], "set()": [], "[]": [], "{}": [],
    "[1, 2.5]": ["1", "2.5"], "['a', None, \"it's\"]": ["a", "it's"], "[nan]": [], '["a", null]': ["a"],
    "[{'text': 'food', 'indices': [0, 4]}, {'text': 'b'}]": ["food", "b"], '[{"name": "food"}]': ["food"],
    "{'text': 'food'}": ["food"], '{"tag": "food"}': ["food"], "[{'id': 3, 'title': 'x', 'more': {'a': [1]}}]": ["x"],
    "[{'hashtag': None, 'label': 'y'}]": ["y"], '[{"hashtag_name": "z"}]': ["z"],
}  # fmt: skip
NO_LISTS = (
    "[none]", "['x'", "[a, b]", "[[1]]", "[{}]", "[{'id': 1}]", "[Hashtag(text='a')]", "[{'text': {'a': 'b'}}]", "a, b",
    "[{'text': 'a'} {'text': 'b'}]", "[" * 10_000, "[{'a': " * 5000, "{'a': 'b'", "['a'] x", "[1]]", "(",
    "{'text' 'a'}", "array(['a']", "[__import__('os')]",
)  # fmt: skip


@pytest.mark.parametrize(("cell", "items"), LISTS.items())
def test_a_list_of_a_program(cell, items):
    assert items_of(cell) == items
    assert items_of(f"  {cell}\n") == items


@pytest.mark.parametrize("cell", NO_LISTS)
def test_what_is_no_list_of_texts(cell):
    assert items_of(cell) is None


def test_parsed_objects_have_one_text_each():
    assert texts_of([{"text": "a", "name": "b"}, "c", 3, None]) == ["a", "c", "3"]
    assert texts_of([{"size": 1}]) is None
    assert texts_of([["a"]]) is None


@pytest.mark.parametrize(
    ("texts", "separator"),
    [
        (["a|b c", "x"], "|"),
        (["a;b", "c; d"], ";"),
        (["a, b", "c,d", "e"], ","),
        (["#a #b", "#c#d", "#e"], "#"),
        (["night market", "street food", "b c", "x|y"], "|"),
        (["rock &amp; roll", "a b"], None),
        (["a b", "c d e"], None),
        (["a b c", "d e", "f g", "h i, j"], None),
        (["a"], None),
        ([], None),
    ],
)
def test_the_column_says_what_parts_its_items(texts, separator):
    assert separator_of(texts) == separator


@pytest.mark.parametrize(
    ("text", "separator", "items"),
    [
        ('a|"b c"', "|", ["a", "b c"]),
        ('"a|b"|c', "|", ["a|b", "c"]),
        ('5" disk|b', "|", ['5" disk', "b"]),
        ('a|"b ""c"""', "|", ["a", 'b "c"']),
        ('"a", "b"', ",", ["a", "b"]),
        ("a b", None, ["a", "b"]),
        ("#a#b, #c", "#", ["#a", "#b", "#c"]),
        ("#eins\u00a0#zwei\u00a0", "#", ["#eins", "#zwei"]),
        ("a::b", "::", ["a", "b"]),
    ],
)
def test_separated_text_loses_its_quotes(text, separator, items):
    assert parted(text, separator) == items


@pytest.mark.parametrize(
    ("text", "nested"),
    [
        ('{"a": 1}', True),
        ('[{"a": 1}]', True),
        ("[['a']]", False),
        ('[["a"]]', True),
        ("{'a': 'b'}", True),
        ("[{'a': None}]", True),
        ("[[wiki]] and more", False),
        ('["a"]', False),
        ("{curly} words", False),
    ],
)
def test_an_object_where_a_text_is_expected_is_known(text, nested):
    assert is_nested(text) == nested
