"""SMPD folders of both generations, written here by hand with every raw form of the specification sheet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import polars as pl
import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.datasets import loading, raw_files
from popcast.datasets.params import Dataset

PIDS = ["775", "776", "900"]
UIDS = ["417@N12", "417@N12", "8@N2"]
NAMES = {
    "A": ("all_json", "tags", "additional", "temporalspatial", "userdata", "img.txt"),
    "B": (
        "allmetadata_json",
        "text",
        "additional_information",
        "temporalspatial_information",
        "user_data",
        "img_filepath.txt",
    ),
}


def rows(**columns: list) -> list[dict]:
    """Objects with Pid, Uid and the given columns, one per post."""
    table = {"Pid": PIDS, "Uid": UIDS, **columns}
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


def write_split(raw: Path, split: str = "train", generation: str = "B", **changed: object) -> Path:
    """One split's files; ``changed`` replaces the content of a file by its role."""
    folder_name, text, additional, place, user, image = NAMES[generation]
    folder = raw / f"{split}_{folder_name}"
    folder.mkdir(parents=True)
    contents = {
        "category": rows(
            Category=["Animal", "Whether&Season", "Fashion"],
            Subcategory=["Dogs", "Sunny", "High,Heels"],
            Concept=["sheepdog", "sunset", ""],
        ),
        text: rows(
            Title=["None", "", '<a href="x">Rainy walk</a> “ü”},{"'],
            Alltags=["dog rain geo:lat=45.1", "", "None"],
            Mediatype=["photo", "video", "photo"],
        ),
        additional: rows(Pathalias=["None", "Walker", "walker"], Ispublic=["1", "1", "0"], Mediastatus=["ready"] * 3),
        place: rows(
            Postdate=["1440000000", "1440000007", "1425139200"],
            Longitude=["", "7.68", "9.19"],
            Latitude=["0", "45.07", "45.46"],
            Geoaccuracy=["0", "16", "0"],
        ),
        user: users_a() if generation == "A" else users_b(),
        image: {
            "A": "https://www.flickr.com/photos/1@N1/2\n" * 3,
            "B": "".join(f"{split}/{uid}/{pid}.jpg\n" for uid, pid in zip(UIDS, PIDS, strict=True)),
        }[generation],
        "label.txt": "6.23\n1.00\n16.56\n",
    }
    if split == "test":
        del contents["label.txt"]
    for role, content in {**contents, **changed}.items():
        data = content.encode() if isinstance(content, str) else orjson.dumps(content)
        (folder / f"{split}_{role}{'' if '.' in role else '.json'}").write_bytes(data)
    return folder


def users_a() -> list[dict]:
    vector = ",".join(["0.0"] * 398 + ["0.25"])
    zeros = ",".join(["0.0"] * 399)
    table = {
        "photo_firstdate": ["1439913600", "None", "1250000000"],
        "photo_count": ["310", "0", "12"],
        "ispro": ["0", "1", "0"],
        "canbuypro": ["1", "0", "0"],
        "timezone_offset": ["1", "-3", "0"],
        "timezone_timezone_id": ["12", "3", "5"],
        "photo_firstdatetaken": ["1240000000", "2009041720", "None"],
        "user_description": [vector, zeros, vector + "\n"],
        "location_description": ["\n", "\r\n", zeros + ",0.5\r\n"],
    }
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


def users_b() -> dict:
    columns = {
        "Uid": UIDS,
        "Pid": [775, "776", 900],
        "photo_firstdate": ["2015-08-18 16:00:00", None, "2030-01-01 00:00:00"],
        "photo_count": [1813.0, 0.0, None],
        "ispro": [0.0, 1.0, 1.0],
        "timezone_offset": ["+01:00", "-03:30", None],
        "photo_firstdatetaken": ["2009-04-17 20:26:40", None, "someday"],
        "timezone_id": [None, "Rome", None],
        "user_description": ["<b>hi</b>", "", None],
        "location_description": ["Turin, Italy", None, "\n"],
    }
    return {name: {str(i): value for i, value in enumerate(values)} for name, values in columns.items()}


def dataset(raw: Path, **more: object) -> Dataset:
    return Dataset(kind="smpd", raw=str(raw), **more)


def test_generation_b_brings_every_raw_form_to_the_contract(tmp_path):
    write_split(tmp_path)
    posts, quality = loading.load("smpd", dataset(tmp_path))
    tables.check(posts, tables.POSTS, "posts")
    assert posts["post_id"].to_list() == PIDS
    assert posts["user_id"].to_list() == UIDS
    assert posts["title"].to_list() == ["None", None, '<a href="x">Rainy walk</a> “ü”},{"']
    assert posts["tags"].to_list() == [["dog", "rain", "geo:lat=45.1"], None, ["None"]]
    assert posts["subcategory"].to_list() == ["Dogs", "Sunny", "High,Heels"]
    assert posts["concept"].to_list() == ["sheepdog", "sunset", None]
    assert posts["posted_at"][2] == datetime(2015, 2, 28, 16, tzinfo=UTC)
    assert posts["longitude"].to_list() == [None, 7.68, None]
    assert posts["latitude"].to_list() == [None, 45.07, None]
    assert posts["geo_accuracy"].to_list() == [None, 16.0, None]
    assert posts["user_has_alias"].to_list() == [0.0, 1.0, 1.0]
    assert posts["media"].to_list() == [["train/417@N12/775.jpg"], ["train/417@N12/776.jpg"], ["train/8@N2/900.jpg"]]
    assert posts["post_mediatype"].to_list() == ["photo", "video", "photo"]
    assert posts["post_ispublic"].to_list() == [1.0, 1.0, 0.0]
    assert posts["user_photo_count"].to_list() == [1813.0, 0.0, None]
    assert posts["user_canbuypro"].to_list() == [None, None, None]
    assert posts["user_timezone_offset"].to_list() == [1.0, -3.5, None]
    assert posts["user_first_photo"].to_list() == [1.0, None, None]
    assert posts["user_has_description"].to_list() == [1.0, 0.0, 0.0]
    assert posts["user_has_location"].to_list() == [1.0, 0.0, 0.0]
    assert posts["popularity"].to_list() == [6.23, 1.0, 16.56]
    assert quality.repaired == {"photo_firstdate after the post": 1, "photo_firstdatetaken not a date": 1}
    assert not {"alias", "Pathalias"} & set(posts.columns)


def test_generation_a_has_other_names_unix_times_vectors_and_page_addresses(tmp_path):
    write_split(tmp_path, generation="A")
    posts, quality = loading.load("smpd", dataset(tmp_path))
    tables.check(posts, tables.POSTS, "posts")
    assert posts["user_first_photo"].to_list()[:2] == [1.0, None]
    taken = datetime(2009, 4, 17, 20, tzinfo=UTC)
    days = (datetime.fromtimestamp(1440000007, UTC) - taken).total_seconds() / 86400
    assert posts["user_first_taken"].to_list()[1:] == [pytest.approx(days), None]
    assert posts["user_has_description"].to_list() == [1.0, 0.0, 1.0]
    assert posts["user_has_location"].to_list() == [0.0, 0.0, 1.0]
    assert posts["user_canbuypro"].to_list() == [1.0, 0.0, 0.0]
    assert posts["user_timezone_offset"].to_list() == [1.0, -3.0, 0.0]
    assert posts["media"].null_count() == 3
    assert quality.repaired == {}


def test_crlf_bare_numbers_and_the_misspelt_title_key_are_read(tmp_path):
    titles = [{"Pid": int(p), "Uid": u, "Tile": f"t{p}", "Alltags": " a  b "} for p, u in zip(PIDS, UIDS, strict=True)]
    write_split(tmp_path, **{"text": titles, "label.txt": "\ufeff6.23\r\n1.00\r\n2.5"})
    posts, _ = loading.load("smpd", dataset(tmp_path))
    assert posts["title"].to_list() == ["t775", "t776", "t900"]
    assert posts["tags"].to_list() == [["a", "b"]] * 3
    assert posts["popularity"].to_list() == [6.23, 1.0, 2.5]


def test_posts_of_the_test_part_have_no_label(tmp_path, monkeypatch):
    write_split(tmp_path)
    monkeypatch.setattr(__name__ + ".PIDS", ["1116", "1117", "1118"])
    users = users_b()
    users["Pid"] = {"0": 1116, "1": 1117, "2": 1118}
    folder = write_split(tmp_path, "test", user_data=users)
    posts, quality = loading.load("smpd", dataset(tmp_path))
    assert posts["popularity"].to_list() == [6.23, 1.0, 16.56, None, None, None]
    assert quality.posts["unlabelled"] == 3
    assert posts["media"][3].to_list() == ["test/417@N12/1116.jpg"]
    (folder / "test_img_filepath.txt").rename(folder / "test_imgfile.txt")
    assert loading.load("smpd", dataset(tmp_path))[0].equals(posts)


def test_crawled_profiles_are_posthoc_and_joined_by_the_exact_alias(tmp_path):
    write_split(tmp_path)
    header = "pathalias,totalViews,totalTags,totalGeotagged,totalFaves,totalInGroup,photoCount,followerCount,"
    (tmp_path / "profiles.csv").write_text(
        header + "followingCount,snapshot_date\nWalker,1000,5,,7,8,100,9,10,2020-08-19\n"
    )
    posts, _ = loading.load("smpd", dataset(tmp_path, profile="profiles.csv"))
    tables.check(posts, tables.POSTS, "posts")
    assert posts["posthoc_total_views"].to_list() == [None, 1000.0, None]
    assert posts["posthoc_total_geotagged"].to_list() == [None, None, None]
    assert posts["posthoc_follower_count"].to_list() == [None, 9.0, None]
    assert posts["posthoc_snapshot_days"][1] == pytest.approx(1826.3, abs=0.1)


def one_change(role: str, row: int, field: str, value: object):
    """A split whose file ``role`` has another value in one row (from 0)."""

    def change(raw: Path) -> None:
        folder = write_split(raw)
        path = folder / f"train_{role}.json"
        table = orjson.loads(path.read_bytes())
        if isinstance(table, dict):
            table[field][str(row)] = value
        else:
            table[row][field] = value
        path.write_bytes(orjson.dumps(table))

    return change


def cut(raw: Path) -> None:
    path = write_split(raw) / "train_text.json"
    path.write_bytes(path.read_bytes()[:-40])


def lost(raw: Path) -> None:
    (write_split(raw) / "train_temporalspatial_information.json").unlink()


def shorter(raw: Path) -> None:
    write_split(raw, additional_information=rows(Pathalias=["a"] * 3, Ispublic=["1"] * 3)[:2])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut, ["train_text.json", "not valid JSON, cut off"]),
        (lost, ["train_temporalspatial_information.json", "missing file"]),
        (shorter, ["train_additional_information.json", "2 rows", "expected 3"]),
        (lambda raw: write_split(raw, **{"label.txt": "1.0\n2.0\n"}), ["train_label.txt", "2 rows", "expected 3"]),
        (lambda raw: write_split(raw, **{"label.txt": "1\n99\n2\n"}), ["row 2", "label out of range", "'99'"]),
        (lambda raw: write_split(raw, **{"label.txt": "1\n2\nnan\n"}), ["row 3", "no label", "'nan'"]),
        (lambda raw: write_split(raw, **{"label.txt": "1\n-3\n2\n"}), ["row 2", "label out of range", "'-3'"]),
        (lambda raw: write_split(raw, **{"label.txt": "1\nx\n2\n"}), ["row 2", "not a number", "'x'"]),
        (one_change("text", 1, "Pid", "900"), ["train_text.json", "row 2", "'Pid'", "'900'", "776"]),
        (one_change("user_data", 2, "Uid", "9@N9"), ["train_user_data.json", "row 3", "'Uid'", "8@N2"]),
        (one_change("category", 2, "Pid", "775"), ["train_category.json", "row 3", "duplicate id", "'775'"]),
        (one_change("category", 1, "Uid", ""), ["train_category.json", "row 2", "missing value"]),
        (one_change("temporalspatial_information", 0, "Postdate", "soon"), ["row 1", "'Postdate'", "'soon'"]),
        (one_change("temporalspatial_information", 0, "Postdate", "1440000000000"), ["row 1", "time out of range"]),
        (one_change("text", 0, "Title", ["a"]), ["train_text.json", "row 1", "'Title'", "not a text"]),
        (lambda raw: write_split(raw, **{"img_filepath.txt": "a/8@N2/775.jpg\n\n\n"}), ["row 1", "417@N12"]),
        (lambda raw: write_split(raw, **{"img_filepath.txt": "../x.jpg\n\n\n"}), ["row 1", "leaves the raw folder"]),
        (lambda raw: write_split(raw, category=[]), ["train_text.json", "3 rows", "expected 0"]),
    ],
)
def test_spoilt_files_are_refused_in_one_line_with_file_and_row(tmp_path, spoil, words):
    spoil(tmp_path)
    with pytest.raises(BadInput) as error:
        loading.load("smpd", dataset(tmp_path))
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_dataset_without_labels_or_posts_is_refused(tmp_path):
    write_split(tmp_path / "unlabelled", "test")
    with pytest.raises(BadInput, match="missing folder"):
        loading.load("smpd", dataset(tmp_path / "unlabelled"))
    empty = {role: [] for role in ("category", *NAMES["B"][1:4])}
    write_split(tmp_path / "empty", **empty, **{"user_data": [], "img_filepath.txt": "", "label.txt": ""})
    with pytest.raises(BadInput, match="the dataset is empty"):
        loading.load("smpd", dataset(tmp_path / "empty"))


def test_blocks_of_a_long_array_join_to_the_same_rows(tmp_path, monkeypatch):
    texts = ['plain},{"Pid":"x"', '"},{"', "}\n,\n{", 'end"}]', "\\", "}  ,  {" * 9]
    objects = [{"Pid": str(i), "Title": texts[i % len(texts)] + str(i)} for i in range(200)]
    path = tmp_path / "array.json"
    path.write_bytes(orjson.dumps(objects, option=orjson.OPT_INDENT_2))
    whole = raw_files.json_array(path, ["Pid", "Title"])
    assert whole.to_dicts() == objects
    for size in (7, 64, 500):
        monkeypatch.setattr(raw_files, "BLOCK", size)
        assert raw_files.json_array(path, ["Pid", "Title"]).equals(whole)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(BadInput, match="after row 19"):
        raw_files.json_array(path, ["Pid", "Title"])
    assert whole.schema == {"Pid": pl.String, "Title": pl.String}
