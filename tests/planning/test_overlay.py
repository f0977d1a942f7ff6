"""Overlays as editors save them: marks, encodings, line ends, quotes and names; sections are what YAML says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from popcast.core.errors import BadInput
from popcast.planning import overlay, project_params
from tests.conftest import ROOT

PLAIN = """# mine
blend: {method: mean}
models:
  lightgbm:
    learning_rate: 0.5
"""
WRITTEN = {
    "mark": "\ufeff" + PLAIN,
    "odd line ends in a comment": PLAIN.replace("# mine", "# mine\u2028# or not"),
    "CRLF": PLAIN.replace("\n", "\r\n"),
    "quoted": PLAIN.replace("blend", '"blend"').replace("models", "'models'"),
    "blank before the colon": PLAIN.replace("blend:", "blend :"),
    "explicit document": "%YAML 1.2\n---\n" + PLAIN,
    "braces": "{blend: {method: mean}, models: {lightgbm: {learning_rate: 0.5}}}",
    "anchors of another section": PLAIN.replace("models:", "evaluation: &none {}\nmodels:") + "features: *none\n",
    "indented": "".join(f"  {line}\n" for line in PLAIN.splitlines()),
    "a question mark": "? blend\n: {method: mean}\n? models\n: {lightgbm: {learning_rate: 0.5}}\n",
    "no line end": PLAIN.rstrip(),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    return tmp_path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("how", list(WRITTEN))
def test_an_overlay_says_the_same_however_it_is_written(here, how, encoding):
    text = WRITTEN[how].removeprefix("\ufeff" if encoding == "utf-16" else "")
    mark = b"\xfe\xff" if encoding == "utf-16-be" and not text.startswith("\ufeff") else b""
    Path("mine.yaml").write_bytes(mark + text.encode(encoding))
    overlay.use_overlay(Path("mine.yaml"), None)
    read = project_params.load()
    assert read.blend.method == "mean"
    assert read.models["lightgbm"]["learning_rate"] == 0.5
    assert read.models["hyfea"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("feature-rows: {}\n", "feature_rows?"),
        ("Datasets: {}\n", "datasets?"),
        ("dataset: {}\n", "datasets?"),
        ("blent: {}\n", "blend?"),
        ("zzz: {}\n", "one of base, sample"),
    ],
)
def test_an_unknown_section_names_the_nearest(here, text, expected):
    Path("mine.yaml").write_text("blend: {method: mean}\n" + text)
    with pytest.raises(BadInput, match="unknown section") as error:
        overlay.use_overlay(Path("mine.yaml"), None)
    assert f"expected {expected}" in str(error.value)


@pytest.mark.parametrize("key", ["blend", "'blend'", '"blend"'])
def test_a_section_that_stands_twice_is_refused(here, key):
    Path("mine.yaml").write_text(f"blend: {{method: mean}}\nmodels: {{}}\n{key}: {{method: rank}}\n")
    before = Path("params.yaml").read_bytes()
    with pytest.raises(BadInput, match="duplicate key"):
        overlay.use_overlay(Path("mine.yaml"), None)
    assert Path("params.yaml").read_bytes() == before


def test_a_params_file_with_quoted_sections_keeps_its_comments(here):
    text = Path("params.yaml").read_text()
    assert "\nblend:" in text
    Path("params.yaml").write_text(text.replace("\nblend:", '\n# of mine\n"blend":'))
    Path("mine.yaml").write_text(PLAIN)
    overlay.use_overlay(Path("mine.yaml"), None)
    assert Path("params.yaml").read_text().count("# of mine\n") == 1
    assert project_params.load().blend.method == "mean"


MERGED = """\
runs:
  smpd-a: &run
    {dataset: smpd, name: a, model: reference, features: smpd/metadata.parquet, blocks: [metadata], set: {kind: median}}
  smpd-b: {<<: *run, name: b}
feature_rows:
  a: &row {model: hyfea, blocks: [metadata, text], set: {rounds: 10}}
  b: {<<: *row, zero_fill: true}
"""


def test_rows_that_are_merged_into_others_in_several_sections(here):
    Path("mine.yaml").write_text(MERGED)
    overlay.use_overlay(Path("mine.yaml"), None)
    read = project_params.load()
    assert read.runs["smpd-b"].set == read.runs["smpd-a"].set == {"kind": "median"}
    assert read.feature_rows["b"].set == {"rounds": 10}
    assert read.feature_rows["b"].zero_fill
    text = Path("params.yaml").read_text()
    assert "{<<: *run, name: b}" in text, "what is merged is written once"
