"""params.yaml and overlays that no parser should be given: one line from `popcast check` and `popcast use`."""

from __future__ import annotations

import copy
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from popcast.cli import main
from popcast.core import yaml_reading
from popcast.core.errors import BadInput
from popcast.core.params import parse
from popcast.planning import plan
from popcast.planning.project_params import Params
from tests.conftest import ROOT

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + place)}: &{chr(98 + place)} [{', '.join([f'*{chr(97 + place)}'] * 10)}]\n" for place in range(9)
)
BAD: dict[str, tuple[bytes, str]] = {
    "null": (b"datasets:\n", "got nothing"),
    "scalar": (b"datasets: 3\n", "got int"),
    "text": (b"datasets: yes please\n", "got str"),
    "list": (b"datasets: [a, b]\n", "got list"),
    "no UTF-8": (b"datasets: {a: \xff}\n", "row 1: not UTF-8"),
    "cp1252": ("blend: {}\n# Größe\n".encode("cp1252"), "row 2: not UTF-8: expected UTF-8"),
    "cut UTF-16": ("blend: {}\n".encode("utf-16")[:-1], "not UTF-"),
    "UTF-16 without mark": ("blend: {}\n".encode("utf-16-le"), "not valid YAML"),
    "NUL": (b"datasets: {a: \x00}\n", "not valid YAML"),
    "4,301 digits": (b"base: {seed: " + b"9" * 4301 + b"}\n", "not valid YAML: Exceeds the limit"),
    "4,300 digits": (b"base: {seed: " + b"9" * 4300 + b"}\n", "a whole number of more than 64 bits"),
    "65 bits": (b"base: {seed: 18446744073709551616}\n", "a whole number of more than 64 bits"),
    "infinite": (b"blend: {interval: .inf}\n", "the number inf: expected a finite one"),
    "brackets": (b"datasets: " + b"[" * 100_000, "nested more than 40 deep"),
    "braces": (b"datasets: " + b"{a: " * 100_000, "nested more than 40 deep"),
    "dashes": (b"datasets:\n  " + b"- " * 100_000 + b"x\n", "nested more than 40 deep"),
    "aliases": (BOMB.encode(), "more than 200000 values, aliases written out"),
    "circle": (b"datasets: &a [*a]\n", "the alias *a names what it stands in"),
    "object": (b"datasets: !!python/object/apply:os.system ['touch hacked']\n", "the tag tag:yaml.org,2002:python"),
    "date": (b"splits: {a: {valid_from: 2020-99-99}}\n", "month must be in 1..12"),
    "twice": (b"blend: {}\nblend: {}\n", 'found duplicate key "blend"'),
    "two documents": (b"blend: {}\n---\nblend: {}\n", "another document"),
    "key of a list": (b"? [a]\n: b\n", "unknown section"),
    "number as key": (b"3: {}\n", "unknown section"),
    "escape": (b'blend: {"\\e[2J": 1}\n', "with control characters"),
    "empty": (b"", "no section in it"),
    "nothing but a list": (b"- a\n", "no section in it"),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    return tmp_path


def refused(*command: str) -> str:
    result = CliRunner().invoke(main, list(command))
    assert result.exit_code == 1, (result.output, result.exception)
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    assert result.stderr.rstrip("\n").isprintable()
    assert len(result.stderr) <= 1020
    return result.stderr


@pytest.mark.parametrize("name", list(BAD))
def test_an_overlay_that_no_parser_should_get(here, name):
    content, words = BAD[name]
    before = Path("params.yaml").read_bytes()
    Path("overlay.yaml").write_bytes(content)
    assert words in refused("use", "overlay.yaml")
    assert Path("params.yaml").read_bytes() == before
    assert {path.name for path in here.iterdir()} == {"params.yaml", "overlay.yaml"}


@pytest.mark.parametrize("name", list(BAD))
def test_a_params_file_that_no_parser_should_get(here, name):
    Path("params.yaml").write_bytes(BAD[name][0])
    said = refused("check")
    assert said.startswith("error: params.yaml: ")


def test_a_byte_order_mark_is_none_of_the_overlay(here):
    Path("overlay.yaml").write_bytes(b"\xef\xbb\xbfblend: {method: mean}\n")
    assert CliRunner().invoke(main, ["use", "overlay.yaml"]).exit_code == 0


def test_what_is_no_file(here):
    Path("overlay.yaml").symlink_to("overlay.yaml")
    assert "overlay.yaml: " in refused("use", "overlay.yaml")
    Path("overlay.yaml").unlink()
    Path("overlay.yaml").symlink_to("/proc/self/mem")
    assert "overlay.yaml: Input/output error" in refused("use", "overlay.yaml")
    Path("params.yaml").unlink()
    Path("params.yaml").mkdir()
    assert "params.yaml: a folder" in refused("check")


def test_the_project_is_within_its_bounds():
    for file in (ROOT / "params.yaml", ROOT / "dvc.lock", *sorted((ROOT / "recipes").glob("*.yaml"))):
        assert yaml_reading.read_yaml(file)


ODD = (None, 0, -1, 1.5, 2**64 - 1, "", "x", "x\x1b", "$(id)", [], {}, [None], [[1]], {"a": 1}, {"kind": []}, True)


def places(value: Any, *way: Any) -> Iterator[tuple[Any, ...]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*way, key)
        if isinstance(inner, dict | list):
            yield from places(inner, *way, key)


def test_any_value_of_params_may_be_of_any_type():
    """A sample of (place, odd value): all is read, or refused in one line; nothing else is raised."""
    values = YAML(typ="safe").load(ROOT / "params.yaml")
    every = [(way, odd) for way in places(values) for odd in ODD]
    assert len(every) > 10_000
    counts = {True: 0, False: 0}
    for way, odd in random.Random(13).sample(every, 300):
        changed = copy.deepcopy(values)
        place = changed
        for key in way[:-1]:
            place = place[key]
        place[way[-1]] = odd
        said = read(changed)
        counts[said is None] += 1
        assert said is None or said.isprintable(), (way, odd)
    print(f"{counts[True]} read, {counts[False]} refused")
    assert min(counts.values()) >= 10


def read(values: dict) -> str | None:
    """The line with which params.yaml is refused, or None; anything else is raised."""
    try:
        plan.all_instances(parse(Params, values, ""))
    except BadInput as error:
        return str(error)
    return None
