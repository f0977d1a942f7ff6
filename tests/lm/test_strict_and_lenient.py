"""What counts as an answer: a bare number in range, or, leniently, one number and nothing else."""

from __future__ import annotations

import pytest

from popcast.lm import decoding


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("7.52", 7.52),
        ("7.52\n", 7.52),
        ("16.99", 16.99),
        ("1.00", 1.0),
        ("0.99", None),
        ("17.00", None),
        ("", None),
        ("\n", None),
        ("7.5", None),
        ("7.520", None),
        ("7", None),
        ("07.52", None),
        ("+7.52", None),
        ("-7.52", None),
        ("7.52.", None),
        ("7,52", None),
        (" 7.52", None),
        ("7.52 ", None),
        ("7.52\n\n", None),
        ("7.52\r\n", None),
        ("7.52\n8.00", None),
        ("nan", None),
        ("inf", None),
        ("1e1", None),
        ("\u0667.\u0665\u0662", None),
        ("\uff17.52", None),
        ("The popularity is 7.52", None),
    ],
)
def test_only_a_bare_number_in_range_is_an_answer(text, score):
    assert decoding.parse(text, 1.0, 16.99) == score


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("7.52", 7.52),
        ("7.5", 7.5),
        ("7", 7.0),
        (" 7.52", 7.52),
        ("\n7.520 \r\n", 7.52),
        ("\t16", 16.0),
        ("17", None),
        ("0.99", None),
        ("07.5", 7.5),
        ("7.", None),
        (".5", None),
        ("+7.5", None),
        ("-7.5", None),
        ("7,5", None),
        ("7.5.", None),
        ("7 5", None),
        ("7.5 8.0", None),
        ("7.5\n8.0", None),
        ("7.5 or so", None),
        ("about 7.5", None),
        ("7e0", None),
        ("nan", None),
        ("", None),
        (" ", None),
        ("\u0667", None),
        ("1" * 400, None),
        ("7." + "5" * 400, None),
    ],
)
def test_one_number_and_nothing_else_is_a_lenient_answer(text, score):
    assert decoding.lenient(text, 1.0, 16.99) == score


def test_what_is_an_answer_is_the_same_lenient_answer():
    for cents in range(0, 1800, 7):
        for text in (f"{cents / 100:.2f}", f"{cents / 100:.2f}\n"):
            strict = decoding.parse(text, 1.0, 16.99)
            assert decoding.lenient(text, 1.0, 16.99) == strict
            assert (strict is not None) == (100 <= cents <= 1699)


def test_zero_is_an_answer_where_scores_begin_at_it():
    assert decoding.parse("0.00", 0.0, 5.0) == 0.0
    assert decoding.parse("00.00", 0.0, 5.0) is None
