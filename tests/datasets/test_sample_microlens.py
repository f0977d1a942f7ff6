"""The generated MicroLens has the title and count statistics of microlens.md, in every layout of the files."""

from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import pytest

from popcast.datasets.sample import Microlens, generate, generate_microlens, invented_words


@pytest.fixture(scope="module")
def videos() -> generate_microlens.Videos:
    return generate_microlens.draw(Microlens(videos=6000), 7, "microlens")


def folder(tmp_path, **values):
    settings = {"videos": 200, "media": False, **values}
    generate("microlens", settings, 3, tmp_path / "raw", tmp_path / "hidden.csv")
    return tmp_path / "raw", generate_microlens.draw(Microlens(**settings), 3, "microlens")


def test_counts_have_the_measured_distribution(videos):
    label = np.log2(videos.count)
    assert label.mean() == pytest.approx(4.3212, abs=0.1)
    assert label.std() == pytest.approx(1.7088, abs=0.1)
    assert videos.count.min() == 1
    assert videos.count.max() <= 640
    assert np.mean(videos.count == 1) == pytest.approx(0.0234, abs=0.008)
    for share, count in {0.10: 4, 0.25: 9, 0.50: 22, 0.75: 49, 0.90: 87, 0.95: 115}.items():
        assert np.quantile(videos.count, share) == pytest.approx(count, rel=0.1, abs=1), share


def test_titles_have_the_measured_forms(videos):
    titles = [title.strip() for title in videos.titles]
    n = len(titles)
    characters, words = [len(title) for title in titles], [len(title.split()) for title in titles]
    assert np.mean(characters) == pytest.approx(67.1, abs=8)
    assert np.mean(words) == pytest.approx(12.35, abs=1)
    assert np.median(words) == pytest.approx(10, abs=1)
    assert titles.count("") / n == pytest.approx(0.004, abs=0.003)
    repeated = sum(count for count in Counter(titles).values() if count > 1) / n
    assert 0.02 < repeated < 0.05
    assert np.mean(["#" in title for title in titles]) == pytest.approx(0.497, abs=0.03)
    assert np.mean([not title.isascii() for title in titles]) == pytest.approx(0.03, abs=0.01)
    assert np.mean([title.endswith(" ") for title in videos.titles]) == pytest.approx(0.08, abs=0.015)
    assert np.mean([title[:1].islower() for title in titles]) == pytest.approx(0.578, abs=0.03)


def test_words_topics_looks_and_motion_carry_signal_and_ids_none(videos):
    label = np.log2(videos.count)
    moods = [sum(invented_words.MOODS.get(word.lower(), 0.0) for word in title.split()) for title in videos.titles]
    topic = np.bincount(videos.topic, label) / np.bincount(videos.topic)
    assert np.corrcoef(moods, label)[0, 1] > 0.25
    assert np.corrcoef(topic[videos.topic], label)[0, 1] > 0.15
    assert np.corrcoef(videos.looks, label)[0, 1] > 0.2
    assert np.corrcoef(videos.motion, label)[0, 1] > 0.2
    assert abs(np.corrcoef(np.arange(len(label)), label)[0, 1]) < 0.05


def test_100k_titles_and_pairs_reproduce_the_counts(tmp_path):
    raw, drawn = folder(tmp_path)
    content = (raw / "MicroLens-100k_title_en.csv").read_bytes()
    lines = content.decode().split("\r\n")
    assert content.count(b"\n") == content.count(b"\r\n") == 200
    assert [line.split(",", 1)[0] for line in lines[:-1]] == [str(item) for item in range(1, 201)]
    assert all(line.split(",", 1)[1].startswith(" ") for line in lines[:-1])
    assert all(line.count(",") == 1 and '"' not in line for line in lines[:-1])
    header, *rows = (raw / "MicroLens-100k_pairs.csv").read_text().splitlines()
    assert header == "user,item,timestamp"
    pairs = [tuple(map(int, row.split(","))) for row in rows]
    counted = Counter(item for _, item, _ in pairs)
    assert [counted[item] for item in range(1, 201)] == drawn.count.tolist()
    assert len({pair[:2] for pair in pairs}) == len(pairs)
    assert all(len(str(moment)) == 13 and moment <= generate_microlens.LAST for _, _, moment in pairs)
    assert (tmp_path / "hidden.csv").read_text() == "post_id,popularity\n"


def test_50k_titles_are_quoted_csv(tmp_path):
    raw, _ = folder(tmp_path, layout="50k")
    with (raw / "MicroLens-50k_titles.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    assert header == ["item", "title"]
    assert [row[0] for row in rows] == [str(item) for item in range(1, 201)]
    assert any("," in row[1] and '"' in row[1] for row in rows)
    assert (raw / "MicroLens-50k_pairs.csv").exists()


def test_comments_and_csv_carry_the_same_counts(tmp_path):
    raw, drawn = folder(tmp_path / "comments", labels="comments")
    rows = [line.split("\t", 2) for line in (raw / "MicroLens-100k_comment_en.txt").read_text().splitlines()]
    counted = Counter(int(row[1]) for row in rows)
    assert [counted[item] for item in range(1, 201)] == drawn.count.tolist()
    assert any(row[2] == "" for row in rows)
    raw, drawn = folder(tmp_path / "csv", labels="csv")
    content = (raw / "video_label.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfvideo_id,comment_count\n")
    assert [int(line.split(b",")[1]) for line in content.splitlines()[1:]] == drawn.count.tolist()


def test_covers_and_videos_by_item_id(tmp_path):
    raw, _ = folder(tmp_path, videos=60, media=True, image_size=32, frames=4)
    covers = {file.name for file in (raw / "MicroLens-100k_covers").iterdir()}
    films = {file.name for file in (raw / "MicroLens-100k_videos").iterdir()}
    assert covers <= {f"{item}.jpg" for item in range(1, 61)}
    assert len(covers) >= 55
    assert "40.1.mp4" in films
    assert "40.mp4" not in films
    assert len(films) >= 55
