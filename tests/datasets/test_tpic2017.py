"""TPIC2017 folders under both naming variants, not line-aligned, with posts that a file lacks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.datasets import loading
from popcast.datasets.params import Dataset

META = ["1 37@N08 2 0 12 85 9 143.20 210 4417", "2 37@N08 0 1 0 0 0 7.5 210 4417.5", "3 5@N1 1 0 3 0 2 1e3 0 0"]
LABELS = ["3 5@N1 -7.97", "1 37@N08 4.17", "2 37@N08 0"]
TIMES = ["2 37@N08 2009 7 3 5", "3 5@N1 2010 12 31 0", "1 37@N08 2009 7 3 4"]
URLS = ["3 5@N1 https://e.org/3", "1 37@N08 https://e.org/1", "2 37@N08 https://e.org/2"]
HEADERS = {
    "USER_META": "pid uid commentcount haspeople titlelen deslen tagcount avgview groupcount avgmembercount",
    "LABEL": "pid uid logviews",
    "TIME_FLAG": "pid uid year month day hour_index",
    "PHOTO_URL": "pid uid url",
}
IN_ZIP = {"LABEL": "LABELS", "TIME_FLAG": "TIMEFLAG", "PHOTO_URL": "PHOTOURL"}


def write(raw: Path, in_zip: bool = False, **changed: list[str]) -> Path:
    """The four files: header with spaces, rows with tabs; ``changed`` gives other rows."""
    raw.mkdir(exist_ok=True)
    contents = {"USER_META": META, "LABEL": LABELS, "TIME_FLAG": TIMES, "PHOTO_URL": URLS, **changed}
    for name, rows in contents.items():
        lines = [HEADERS[name], *(row.replace(" ", "\t") for row in rows)]
        (raw / f"{IN_ZIP.get(name, name) if in_zip else name}.txt").write_text("\r\n".join(lines) + "\n")
    return raw


def load(raw: Path, share: float = 0.5, zone: str = "UTC"):
    return loading.load("tpic2017", Dataset(kind="tpic2017", raw=str(raw), zone=zone, max_reject_share=share))


def test_files_are_joined_on_both_ids_under_both_naming_variants(tmp_path):
    posts, quality = load(write(tmp_path / "readme"))
    tables.check(posts, tables.POSTS, "posts")
    assert posts["post_id"].to_list() == ["1", "2", "3"]
    assert posts["popularity"].to_list() == [4.17, 0.0, -7.97]
    hours = [datetime(2009, 7, 3, 20), datetime(2009, 7, 3, 23), datetime(2010, 12, 31, 4)]
    assert posts["posted_at"].to_list() == [time.replace(tzinfo=UTC) for time in hours]
    assert posts["post_titlelen"].to_list() == [12.0, 0.0, 3.0]
    assert posts["user_avgmembercount"].to_list() == [4417.0, 4417.5, 0.0]
    assert posts["posthoc_avgview"].to_list() == [143.2, 7.5, 1000.0]
    assert posts["posthoc_commentcount"].to_list() == [2.0, 0.0, 1.0]
    assert posts["title"].null_count() == posts["media"].null_count() == 3
    assert quality.rejected == {}
    assert load(write(tmp_path / "zip", in_zip=True))[0].equals(posts)
    late = tmp_path / "late"
    write(late)
    (late / "LABEL.txt").write_text((late / "LABEL.txt").read_text().replace("logviews", "logview"))
    assert load(late)[0].equals(posts)


def test_the_hour_is_a_clock_hour_of_the_datasets_zone(tmp_path):
    posts, _ = load(write(tmp_path), zone="Asia/Shanghai")
    assert posts["posted_at"][0] == datetime(2009, 7, 3, 12, tzinfo=UTC)


def test_rows_without_partner_are_counted_by_file(tmp_path):
    write(tmp_path, LABEL=LABELS[1:], TIME_FLAG=[*TIMES, "9 5@N1 2010 1 1 1"])
    posts, quality = load(tmp_path)
    assert posts["post_id"].to_list() == ["1", "2"]
    assert quality.rejected == {
        "user_meta without the other files": 1,
        "time_flag without the other files": 2,
        "photo_url without the other files": 1,
    }
    with pytest.raises(BadInput, match="1 of 3 rows rejected"):
        load(tmp_path, share=0.01)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"LABEL": [*LABELS, "1 37@N08 3"]}, "LABEL.txt: row 5: field 'pid': duplicate id: got '1'"),
        ({"LABEL": ["1 37@N08 nan"]}, "LABEL.txt: row 2: field 'logviews': no label"),
        ({"LABEL": ["1 37@N08 99"]}, "LABEL.txt: row 2: field 'logviews': label out of range"),
        ({"LABEL": ["1 37@N08"]}, "LABEL.txt: row 2: wrong number of fields"),
        ({"TIME_FLAG": ["1 37@N08 2009 2 30 1"]}, "TIME_FLAG.txt: row 2: field 'year month day': not a date"),
        ({"TIME_FLAG": ["1 37@N08 2009 July 3 1"]}, "TIME_FLAG.txt: row 2: field 'year month day': not a date"),
        ({"TIME_FLAG": ["1 37@N08 2009 7 3 6"]}, "TIME_FLAG.txt: row 2: field 'hour_index': no hour bucket: got '6'"),
        ({"USER_META": [META[0].replace("85", "long")]}, "USER_META.txt: row 2: field 'deslen': not a number"),
    ],
)
def test_spoilt_rows_are_refused(tmp_path, changed, words):
    with pytest.raises(BadInput) as error:
        load(write(tmp_path, **changed))
    assert words in str(error.value)


def test_a_missing_file_and_a_missing_column_are_refused(tmp_path):
    write(tmp_path)
    (tmp_path / "TIME_FLAG.txt").write_text("pid uid year month day\n1 37@N08 2009 7 3\n")
    with pytest.raises(BadInput, match=r"TIME_FLAG\.txt: row 1: field 'hour_index': missing column"):
        load(tmp_path)
    (tmp_path / "PHOTO_URL.txt").unlink()
    with pytest.raises(BadInput, match=r"PHOTO_URL\.txt: missing file"):
        load(tmp_path)
