"""The drill that changes the core and asks the tests: what it changes, what it leaves alone, what it calls killed."""

import pytest

from tests.conftest import ROOT
from tests.mutants import drill
from tests.mutants.mutations import changed, mutants
from tests.mutants.targets import EQUIVALENT, TARGETS

TEXT = '''
"""Two 2."""
LIMIT = 3

class Settings:
    size: int = 5

@cached(1)
def part(values: list[0], start: int = 0) -> int:
    """One 1."""
    assert start < 7
    if not values or start >= LIMIT:
        raise ValueError(f"got {start + 1}")
    return -values[start] + sum(zip(values, strict=True))

def drawn(axes, width):
    axes.plot(width + 1)
'''


def test_operators_and_constants_change_and_words_and_pictures_do_not():
    assert [(mutant.line, mutant.place, mutant.change) for mutant in mutants(TEXT)] == [
        (3, "", "3 -> 4"),
        (9, "part", "0 -> 1"),
        (12, "part", "not values or start >= LIMIT -> not values and start >= LIMIT"),
        (12, "part", "not values -> not not values"),
        (12, "part", "start >= LIMIT -> start > LIMIT"),
        (
            14,
            "part",
            "-values[start] + sum(zip(values, strict=True)) -> -values[start] - sum(zip(values, strict=True))",
        ),
        (14, "part", "-values[start] -> +values[start]"),
    ]
    assert "return -values[start] - sum" in changed(TEXT, 5)
    assert "LIMIT = 3" in changed(TEXT, 5)


@pytest.mark.parametrize(
    ("test", "verdict"),
    [
        ("assert double(3) == 6", "killed"),
        ("assert double(1) > 0", "survived"),
        ("while double(3) != 6: pass", "killed, out of time"),
    ],
)
def test_a_mutant_is_killed_by_a_failing_test_or_by_the_clock(tmp_path, test, verdict):
    """A module ``x * 2`` that becomes ``x / 2`` in a copy of its own; the tests meet the copy and not the original."""
    (tmp_path / "original").mkdir()
    (tmp_path / "original" / "doubling.py").write_text("def double(x):\n    return x * 2\n")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "doubling.py").write_text(changed("def double(x):\n    return x * 2\n", 0))
    (tmp_path / "test_doubling.py").write_text(f"from doubling import double\n\ndef test_it():\n    {test}\n")
    arguments = [str(tmp_path / "test_doubling.py")]
    assert drill.verdict(tmp_path / "original", arguments, 300) == "survived"
    seconds = 4 if verdict.endswith("time") else 300
    assert drill.verdict(tmp_path / "copy", arguments, seconds) == verdict


def test_the_sample_is_the_same_every_time_and_every_target_has_tests():
    first = drill.chosen(5, 200, 42)
    assert first == drill.chosen(5, 200, 42) != drill.chosen(5, 200, 43)
    assert len(first) == 200
    assert max(sum(file == other for other, _ in first) for file, _ in first) <= 5
    for file, arguments in TARGETS.items():
        assert (ROOT / "src" / "popcast" / file).is_file(), file
        tests = [argument for argument in arguments if argument.startswith("tests/")]
        assert tests, file
        assert all((ROOT / test.split("::")[0]).is_file() for test in tests), file


def test_every_reviewed_equivalent_is_still_there_and_has_a_reason():
    for (file, place, change), reason in EQUIVALENT.items():
        known = {(mutant.place, mutant.change) for mutant in mutants((ROOT / "src" / "popcast" / file).read_text())}
        assert (place, change) in known, (file, place, change)
        assert len(reason.split()) > 3


def test_paths_are_left_alone_and_quotients_are_not():
    assert mutants('found = folder / "a" / name') == []
    assert mutants('found = (self.folder / file, paths.MODELS / f"{name}")') == []
    assert [mutant.change for mutant in mutants("found = total / count")] == ["total / count -> total * count"]
