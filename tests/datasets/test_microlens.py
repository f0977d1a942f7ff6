"""MicroLens folders in the 100k and the 50k layout, with each of the three sources of counts."""

from __future__ import annotations

from datetime import UTC, datetime
from math import log2
from pathlib import Path

import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.datasets import loading
from popcast.datasets.params import Dataset

TITLES = b"1, Gu long song, and more \r\n2, \r\n3,# summer  attack\r\n10,None\r\n"
PAIRS = "user,item,timestamp\n7,1,1660000000000\n8,1,1650000000000\n7,3,1660000001000\n9,10,1660000002000\n"


def write(raw: Path, **files: str | bytes) -> Path:
    """A folder with the 100k titles and the named files."""
    raw.mkdir(exist_ok=True)
    for name, content in {"MicroLens-100k_title_en.csv": TITLES, **files}.items():
        (raw / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return raw


def load(raw: Path, **more: object):
    return loading.load("microlens", Dataset(kind="microlens", raw=str(raw), **more))


def test_titles_are_split_at_the_first_comma_and_an_empty_one_is_null(tmp_path):
    posts, quality = load(write(tmp_path, **{"MicroLens-100k_pairs.csv": PAIRS}))
    tables.check(posts, tables.POSTS, "posts")
    assert posts["post_id"].to_list() == ["1", "2", "3", "10"]
    assert posts["title"].to_list() == ["Gu long song, and more", None, "# summer  attack", "None"]
    assert posts["popularity"].to_list() == [1.0, None, 0.0, 0.0]
    assert posts["posted_at"][0] == datetime(2022, 4, 15, 5, 20, tzinfo=UTC)
    assert posts["user_id"].null_count() == 4
    assert quality.posts["unlabelled"] == 1


def test_50k_titles_have_a_header_and_csv_quoting(tmp_path):
    (tmp_path / "MicroLens-50k_titles.csv").write_text('item,title\n1,"He said ""no"", twice"\n2,plain\n')
    (tmp_path / "MicroLens-50k_pairs.csv").write_text("user,item,timestamp\n7,1,1660000000000\n7,2,1660000000000\n")
    assert load(tmp_path)[0]["title"].to_list() == ['He said "no", twice', "plain"]


def test_comments_go_before_pairs_and_pairs_before_a_count_table(tmp_path):
    csv = "\ufeffvideo_id,comment_count\n1,2\n2,640\n3,1\n10,5\n"
    write(tmp_path, **{"video_label.csv": csv})
    posts, _ = load(tmp_path)
    assert posts["popularity"].to_list() == pytest.approx([1.0, log2(640), 0.0, log2(5)])
    assert posts["posted_at"].null_count() == 4
    shifted, _ = load(tmp_path, transform="log2(x+1)")
    assert shifted["popularity"].to_list() == pytest.approx([log2(3), log2(641), 1.0, log2(6)])
    write(tmp_path, **{"MicroLens-100k_pairs.csv": PAIRS})
    assert load(tmp_path)[0]["popularity"].to_list() == [1.0, None, 0.0, 0.0]
    comments = "7\t2\tnice, very\n8\t2\t\n9\t2\ta\tb\n9\t3\t \n"
    write(tmp_path, **{"MicroLens-100k_comment_en.txt": comments})
    assert load(tmp_path)[0]["popularity"].to_list() == [None, pytest.approx(log2(3)), 0.0, None]


def test_likes_views_categories_covers_and_videos_are_joined_where_present(tmp_path):
    write(
        tmp_path,
        **{
            "MicroLens-100k_pairs.csv": PAIRS,
            "MicroLens-100k_likes_and_views.txt": "3\t10500\t900000\n1\t20000\t20000\n",
            "tags_to_summary.csv": "1,Food\n3,\n",
        },
    )
    for name in ("covers/1.jpg", "covers/3.jpg", "MicroLens-100k_videos/3.1.mp4", "MicroLens-100k_videos/10.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    posts, _ = load(tmp_path)
    assert posts["posthoc_likes"].to_list() == [20000.0, None, 10500.0, None]
    assert posts["category"].to_list() == ["Food", None, None, None]
    both = ["covers/3.jpg", "MicroLens-100k_videos/3.1.mp4"]
    assert posts["media"].to_list() == [["covers/1.jpg"], None, both, ["MicroLens-100k_videos/10.mp4"]]


def test_counts_that_cannot_be_are_null_and_counted(tmp_path):
    counts = "1\t20000\t1\n2\t5\t49900000000\n3\t30000000000\t40000000000\n10\t7\t7\n"
    write(tmp_path, **{"MicroLens-100k_pairs.csv": PAIRS, "MicroLens-100k_likes_and_views.txt": counts})
    posts, quality = load(tmp_path)
    assert posts["posthoc_likes"].to_list() == [None, 5.0, None, 7.0]
    assert posts["posthoc_views"].to_list() == [None, None, None, 7.0]
    assert quality.repaired == {"likes beyond 2e+10": 1, "views beyond 2e+10": 2, "likes above views": 1}
    assert quality.notes == []


def test_identical_pairs_count_in_the_label_and_are_said(tmp_path):
    write(tmp_path, **{"MicroLens-100k_pairs.csv": PAIRS + 3 * "7,3,1660000001000\n" + "7,1,1660000000001\n"})
    posts, quality = load(tmp_path)
    assert posts["popularity"].to_list() == [pytest.approx(log2(3)), None, 2.0, 0.0]
    [note] = quality.notes
    assert note.startswith("MicroLens-100k_pairs.csv: 3 pairs repeat an earlier one to the millisecond")


def test_counts_without_title_are_rejected_up_to_the_share(tmp_path):
    write(tmp_path, **{"MicroLens-100k_pairs.csv": PAIRS + "1,99,1660000002000\n"})
    posts, quality = load(tmp_path, max_reject_share=0.3)
    assert "99" not in posts["post_id"].to_list()
    assert quality.rejected == {"count without title": 1}
    with pytest.raises(BadInput, match="1 of 4 rows rejected"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "label*.csv: missing file"),
        ({"video_label.csv": "video_id,comment_count\n1,0\n"}, "row 2: field 'comment_count': label out of range"),
        ({"video_label.csv": "video_id,comment_count\n1,2.5\n"}, "row 2: field 'comment_count': not a count"),
        ({"video_label.csv": "video_id,comment_count\n1,2\n1,3\n"}, "row 3: field 'video_id': duplicate id"),
        ({"video_label.csv": "video_id,n\n1,2\n"}, "row 1: wrong header"),
        ({"video_label.csv": "video_id,comment_count\n"}, "none of the 4 posts has a label"),
        ({"a_title_en.csv": "1, a\n", "MicroLens-100k_title_en.csv": "1, a\n"}, "2 files match *title_en.csv"),
        ({"MicroLens-100k_title_en.csv": "1, a\n1, b\n"}, "row 2: field 'item': duplicate id"),
        ({"MicroLens-100k_title_en.csv": "0, a\n1, b\n"}, "row 1: field 'item': not an item id: got '0'"),
        ({"MicroLens-100k_title_en.csv": "1, a\nb\n"}, "row 2: no comma"),
        ({"MicroLens-100k_title_en.csv": b"1, a\n2, \xff\n"}, "row 2: not UTF-8"),
        ({"a_pairs.csv": PAIRS + "1,1,1660000\n"}, "row 6: field 'timestamp': time out of range"),
        ({"a_pairs.csv": PAIRS + "1,1,yesterday\n"}, "row 6: field 'timestamp': not a time"),
    ],
)
def test_spoilt_files_are_refused(tmp_path, files, words):
    with pytest.raises(BadInput) as error:
        load(write(tmp_path, **files))
    assert words in str(error.value)
