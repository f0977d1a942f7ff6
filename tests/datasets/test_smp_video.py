"""The challenge's video layout: four files of JSON lines joined by pid and uid."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.datasets import loading
from popcast.datasets.params import Dataset


def post(pid: str, uid: str, content: str = "Rainy,walk,dog", **more: object) -> dict:
    values = {
        "pid": pid,
        "uid": uid,
        "post_content": content,
        "post_location": "RO",
        "post_suggested_words": ["dogs", "rain today"],
        "post_text_language": "en",
        "video_path": f"train/{uid}/V{pid}.mp4",
        "post_time": "2023-07-29 18:21",
    }
    return {**values, **more}


def user(uid: str, followers: int | None) -> dict:
    names = ("following", "follower", "likes", "video", "digg", "heart", "friend")
    return {"uid": uid, **{f"user_{name}_count": followers if name == "follower" else 7 for name in names}}


def video(pid: str, uid: str, music: str = "original sound") -> dict:
    size = {"video_height": 1024, "video_width": 576, "video_duration": 63, "video_ratio": "540p"}
    return {"vid": f"V{pid}", "pid": pid, "uid": uid, **size, "video_format": "mp4", "music_title": music,
            "music_duration": 60}  # fmt: skip


def write(raw: Path, split: str = "train", **changed: list) -> Path:
    (raw / split).mkdir(parents=True, exist_ok=True)
    contents = {
        "posts": [post("P1", "U1"), post("P2", "U2", "", post_suggested_words=[], post_text_language="un")],
        "users": [user("U1", 70200), user("U2", None)],
        "videos": [video("P2", "U2", ""), video("P1", "U1")],
        "popularity": [{"pid": "P2", "uid": "U2", "popularity": 8}, {"pid": "P1", "uid": "U1", "popularity": 11.59}],
        **changed,
    }
    if split == "test":
        del contents["popularity"]
    for name, rows in contents.items():
        lines = [row if isinstance(row, bytes) else orjson.dumps(row) for row in rows]
        path = raw / split / f"SMP-Video_anonymized_{name}_{split}.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
    return raw


def load(raw: Path, share: float = 0.01):
    return loading.load("smp_video", Dataset(kind="smp_video", raw=str(raw), metric="mape", max_reject_share=share))


def test_files_are_joined_and_words_become_title_and_tags(tmp_path):
    posts, quality = load(write(tmp_path))
    tables.check(posts, tables.POSTS, "posts")
    first, second = posts.to_dicts()
    assert first["title"] == "Rainy, walk, dog"
    assert first["tags"] == ["Rainy", "walk", "dog"]
    assert first["posted_at"] == datetime(2023, 7, 29, 18, 21, tzinfo=UTC)
    assert first["popularity"] == 11.59
    assert first["media"] == ["train/U1/VP1.mp4"]
    assert (first["post_location"], first["post_language"]) == ("RO", "en")
    assert (first["post_suggested"], first["post_suggested_count"]) == ("dogs, rain today", 2.0)
    assert (first["user_follower_count"], first["user_friend_count"]) == (70200.0, 7.0)
    assert (first["post_video_height"], first["post_video_ratio"]) == (1024.0, "540p")
    assert (first["post_music_title"], first["post_music_duration"]) == ("original sound", 60.0)
    for field in ("title", "tags", "post_language", "post_suggested", "user_follower_count", "post_music_title"):
        assert second[field] is None, field
    assert (second["post_suggested_count"], second["popularity"]) == (0.0, 8.0)
    assert quality.repaired == {}


def test_an_author_of_both_parts_has_the_snapshot_of_each(tmp_path):
    write(tmp_path)
    write(tmp_path, "test", posts=[post("P9", "U1")], users=[user("U1", 99)], videos=[video("P9", "U1")])
    posts, quality = load(tmp_path)
    followers = dict(posts.select("post_id", "user_follower_count").rows())
    assert followers == {"P1": 70200.0, "P2": None, "P9": 99.0}
    assert quality.posts["unlabelled"] == 1


def test_totals_beyond_32_bits_are_restored_and_counted(tmp_path):
    huge = {**user("U1", 50_300_000), "user_likes_count": -1_889_900_000}
    posts, quality = load(write(tmp_path, users=[huge, user("U2", 5)]))
    assert posts["user_likes_count"].to_list() == [2_405_067_296.0, 7.0]
    assert quality.repaired == {"train users with a total beyond 32 bits": 1}


def test_missing_and_repeated_users_videos_and_labels_are_counted(tmp_path):
    write(
        tmp_path,
        users=[user("U1", 1), user("U1", 2)],
        videos=[video("P1", "U1", "a"), video("P1", "U1", "b")],
        popularity=[{"pid": "P1", "uid": "U1", "popularity": 3.0}, {"pid": "P7", "uid": "U1", "popularity": 4.0}],
    )
    posts, quality = load(tmp_path, share=0.5)
    assert posts["user_follower_count"].to_list() == [1.0, None]
    assert posts["post_music_title"].to_list() == ["a", None]
    assert posts["popularity"].to_list() == [3.0, None]
    assert quality.rejected == {"popularity without post": 1}
    assert quality.repaired == {
        "train users with several rows": 1,
        "train posts with several videos": 1,
        "train posts without user": 1,
        "train posts without video": 1,
        "train posts without popularity": 1,
    }
    with pytest.raises(BadInput, match="1 of 2 rows rejected"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"posts": [post("P1", "U1"), b'{"pid": "P2", "uid"']}, "posts_train.jsonl: row 2: not valid JSON"),
        ({"posts": [post("P1", "U1"), post("P1", "U1")]}, "row 2: field 'pid': duplicate id"),
        ({"posts": [post("P1", "U1", post_time="soon")]}, "row 1: field 'post_time': not a time: got 'soon'"),
        ({"posts": [post("P1", "U1", post_content=5)]}, "row 1: field 'post_content': wrong type"),
        ({"posts": [b"[]"]}, "row 1: not an object"),
        ({"users": [{"uid": "U1"}]}, "row 1: field 'user_following_count': field is missing"),
        ({"videos": [video("P1", "U2")]}, "row 1: field 'uid': video of another author"),
        ({"popularity": [{"pid": "P1", "uid": "U2", "popularity": 1}]}, "row 1: field 'uid': row belongs to another"),
        ({"popularity": [{"pid": "P1", "uid": "U1", "popularity": 90}]}, "row 1: field 'popularity': label out of"),
        ({"popularity": [{"pid": "P1", "uid": "U1", "popularity": "9"}]}, "row 1: field 'popularity': wrong type"),
        ({"popularity": [{"pid": "P1", "uid": "U1", "popularity": None}]}, "row 1: field 'popularity': no label"),
    ],
)
def test_spoilt_rows_are_refused(tmp_path, changed, words):
    with pytest.raises(BadInput) as error:
        load(write(tmp_path, **changed))
    assert words in str(error.value)


def test_a_pid_of_both_parts_a_missing_file_and_a_missing_folder_are_refused(tmp_path):
    write(write(tmp_path), "test")
    with pytest.raises(BadInput, match=r"posts_test\.jsonl: row 1: field 'pid': duplicate id, also in train"):
        load(tmp_path)
    for path in (tmp_path / "train").glob("*users*"):
        path.unlink()
    with pytest.raises(BadInput, match="missing file"):
        load(tmp_path)
    (tmp_path / "other").mkdir()
    with pytest.raises(BadInput, match="missing folder"):
        load(tmp_path / "other")
