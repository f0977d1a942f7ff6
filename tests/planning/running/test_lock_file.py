"""Text of dvc.lock, entry by entry."""

from __future__ import annotations

from dvc.utils.serialize import dumps_yaml, parse_yaml

from popcast.planning.running.lock_file import HEAD, join, split
from tests.conftest import ROOT


def test_entries_are_those_of_dvc():
    """Taken apart and joined, the lock of the project is what it was; so are entries made anew, anchors included."""
    text = (ROOT / "dvc.lock").read_text()
    entries = split(text)
    assert join(entries) == text
    chosen = [name for name in entries if "&id" in entries[name]][-3:] or list(entries)[-3:]
    text = join({name: entries[name] for name in chosen})
    data = parse_yaml(text, "dvc.lock")["stages"]
    assert list(data) == chosen
    anew = {name: dumps_yaml({"stages": {name: data[name]}}).removeprefix("stages:\n") for name in data}
    assert join(anew) == text


def test_anchors_are_numbered_through_the_file():
    entries = {"a": "  a:\n    b: &id007 []\n    c: *id007\n", "b": "  b:\n    c:\n    - &id001 []\n    - *id001\n"}
    text = join(entries)
    assert text == HEAD + entries["a"].replace("007", "001") + entries["b"].replace("001", "002")
    assert join(split(text)) == text


def test_what_dvc_writes_otherwise_is_left_to_dvc():
    assert split("schema: '2.0'\nstages: {}\n") is None
    assert split(HEAD + "  a:\n    cmd: x\ndatasets:\n- name: y\n") is None
    assert split(HEAD + "  a:\n    b: &id001 []\n  b:\n    c: *id001\n") is None
    assert split(HEAD + "  # a note\n  a:\n    cmd: x\n") is None
    assert split(HEAD) == {}
