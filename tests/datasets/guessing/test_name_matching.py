"""The dictionary of names: each name has one role, whatever its spelling."""

from __future__ import annotations

from importlib import resources

import orjson
import pytest

from popcast.datasets.guessing.name_matching import dictionary, match, plain, squashed


def test_no_name_has_two_roles():
    content = orjson.loads(resources.files("popcast.datasets.guessing").joinpath("column_names.json").read_bytes())
    assert content["version"] == dictionary().version
    role_of: dict[str, str] = {}
    for role, strengths in content["roles"].items():
        for names in (names for lists in strengths.values() for names in lists.values()):
            for name in names:
                assert role_of.setdefault(squashed(name), role) == role, name
    assert len(role_of) > 1000


@pytest.mark.parametrize(
    "name", ["likeCount", "like_count", "Like Count", " LIKE-COUNT ", "stats.likeCount", "likecount"]
)
def test_one_name_in_many_spellings(name):
    assert match(name).role == "outcome"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Veröffentlicht am", "veroffentlicht am"),
        ("J’aime", "j aime"),
        ("ガス", "ガス"),
        ("Ｌｉｋｅ", "like"),
        ("", ""),
    ],
)
def test_accents_and_signs_go_and_kana_keep_their_marks(name, text):
    assert plain(name) == text


@pytest.mark.parametrize("name", ["", "...", "x1", "Spalte 7", "\u202e"])
def test_a_name_that_says_nothing_has_no_role(name):
    assert match(name) is None
