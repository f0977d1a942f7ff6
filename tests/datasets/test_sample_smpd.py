"""The generated SMPD has the statistics of datasets.md 1.4-1.9 and every form of its files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import orjson
import pytest
from scipy.stats import skew, spearmanr

from popcast.datasets.sample import Smpd, generate, generate_smpd, invented_words


@pytest.fixture(scope="module")
def world() -> generate_smpd.World:
    return generate_smpd.draw(Smpd(), 7, "smpd")


@pytest.fixture(scope="module")
def large() -> generate_smpd.World:
    return generate_smpd.draw(Smpd(posts=60_000, users=11_000, unlabelled=15_000), 7, "smpd")


def folder(tmp_path: Path, **values: object) -> Path:
    settings = {"posts": 300, "users": 150, "unlabelled": 80, "media": False, **values}
    generate("smpd", settings, 3, tmp_path / "raw", tmp_path / "hidden.csv")
    return tmp_path / "raw"


def test_label_has_the_measured_moments_and_quantiles(world):
    label = world.label[world.labelled]
    assert label.mean() == pytest.approx(6.4055, abs=0.15)
    assert label.std() == pytest.approx(2.473, abs=0.15)
    assert skew(label) == pytest.approx(0.359, abs=0.2)
    measured = {0.05: 2.58, 0.10: 3.32, 0.25: 4.70, 0.50: 6.23, 0.75: 7.98, 0.90: 9.72, 0.95: 10.73, 0.99: 12.79}
    for share, value in measured.items():
        assert np.quantile(label, share) == pytest.approx(value, abs=0.35), share
    assert label.min() == 1.0
    assert (label == 1.0).mean() == pytest.approx(0.0134, abs=0.007)


def test_labels_lie_on_the_lattice(world):
    low = world.label[world.label < 6]
    lattice = np.round(np.log2(np.arange(2, 65)), 2)
    assert np.isin(np.round(low, 2), lattice).all()
    assert len(np.unique(low)) > 40


def test_neighbours_by_pid_depend_and_pid_leaks(large):
    known = large.labelled
    pid, label = large.pid[known], large.label[known]
    assert (np.diff(large.pid) > 0).all()
    assert 0.25 < np.corrcoef(label[1:], label[:-1])[0, 1] < 0.5
    assert spearmanr(pid, large.seconds[known])[0] == pytest.approx(0.487, abs=0.08)
    assert spearmanr(pid, label)[0] == pytest.approx(-0.266, abs=0.09)


def test_bursts_of_consecutive_pids_belong_to_one_user(large):
    pid, user, seconds = large.pid[large.labelled], large.user[large.labelled], large.seconds[large.labelled]
    same = np.diff(pid) == 1
    assert same.mean() == pytest.approx(0.747, abs=0.03)
    assert (user[1:] == user[:-1])[same].all()
    assert (np.diff(seconds)[same] > 0).all()
    assert (np.diff(seconds)[same] < 60).all()
    lengths = np.diff(np.concatenate([[-1], np.flatnonzero(~same), [len(pid) - 1]]))
    assert lengths.mean() == pytest.approx(3.96, abs=0.5)
    assert np.median(lengths) == 1
    assert 6 <= np.quantile(lengths, 0.9) <= 10
    assert lengths.max() <= 219


def test_median_baseline_misses_as_much_as_on_the_real_posts(large):
    known = np.flatnonzero(large.labelled)
    order = known[np.argsort(large.seconds[known], kind="stable")]
    cut = len(order) * 95 // 100
    error = np.abs(large.label[order[cut:]] - np.median(large.label[order[:cut]])).mean()
    assert 1.7 < error < 2.2


def test_drift_of_the_year_and_lower_later_posts(large):
    known = np.flatnonzero(large.labelled)
    order = known[np.argsort(large.seconds[known], kind="stable")]
    means = [block.mean() for block in np.array_split(large.label[order], 20)]
    assert np.corrcoef(means, generate_smpd.YEAR)[0, 1] > 0.4
    assert large.label[~large.labelled].mean() < large.label[large.labelled].mean() - 0.8
    days = np.unique((large.seconds[~large.labelled] - generate_smpd.TRAIN_START) // generate_smpd.DAY)
    assert set(days.tolist()) == set(generate_smpd.UNLABELLED_DAYS)
    train_days = (large.seconds[known] - generate_smpd.TRAIN_START) // generate_smpd.DAY
    assert train_days.min() == 0
    assert train_days.max() == 365


def test_each_source_of_signal_correlates_with_the_label(large):
    known = large.labelled
    label = large.label[known]
    tags = np.array([len(line.split()) for line in large.tags])[known]
    assert np.corrcoef(tags, label)[0, 1] == pytest.approx(0.32, abs=0.12)
    assert np.corrcoef(large.looks[known], label)[0, 1] > 0.2
    assert np.corrcoef(large.level[large.user[known]], label)[0, 1] > 0.35
    words = [set(f"{a} {b}".split()) for a, b in zip(large.titles, large.tags, strict=True)]
    moods = np.array([sum(invented_words.MOODS.get(word, 0.0) for word in sorted(line)) for line in words])[known]
    assert np.corrcoef(moods, label)[0, 1] > 0.15
    concept = large.concept[known]
    means = np.bincount(concept, label) / np.bincount(concept)
    assert np.corrcoef(means[concept], label)[0, 1] > 0.15


def test_posts_and_users_of_the_default_scale(world):
    assert world.labelled.sum() == 8000
    assert (~world.labelled).sum() == 2000
    assert 1200 <= len(np.unique(world.user)) <= 1500
    assert np.bincount(world.user).max() > 100
    assert len(set(world.pid.tolist())) == 10_000
    categories = {invented_words.CONCEPTS[number][0] for number in world.concept.tolist()}
    assert categories == set(invented_words.CATEGORY_POSTS)


def test_generation_b_files_are_aligned_and_typed(tmp_path):
    raw = folder(tmp_path)
    path = raw / "train_allmetadata_json"
    rows = {
        name: orjson.loads((path / f"train_{name}.json").read_bytes())
        for name in ("category", "text", "additional_information", "temporalspatial_information")
    }
    users = orjson.loads((path / "train_user_data.json").read_bytes())
    keys = [(row["Pid"], row["Uid"]) for row in rows["category"]]
    assert len(keys) == 300
    for table in rows.values():
        assert [(row["Pid"], row["Uid"]) for row in table] == keys
        assert all(isinstance(value, str) for row in table for value in row.values())
    assert [str(value) for value in users["Pid"].values()] == [pid for pid, _ in keys]
    assert {type(value) for value in users["Pid"].values()} == {int, str}
    assert list(users["Uid"]) == [str(number) for number in range(300)]
    for column in ("photo_firstdate", "timezone_offset", "timezone_id", "user_description", "location_description"):
        assert None in users[column].values(), column
    assert (path / "train_img_filepath.txt").read_text().split() == [f"train/{uid}/{pid}.jpg" for pid, uid in keys]
    labels = (path / "train_label.txt").read_text().split("\n")
    assert all(len(line.split(".")[1]) == 2 for line in labels[:-1])
    assert len(labels) == 301
    assert labels[-1] == ""
    assert not list((raw / "test_allmetadata_json").glob("*label*"))


def test_generation_a_names_vectors_and_missing_forms(tmp_path):
    raw = folder(tmp_path, generation="A")
    names = {file.name for file in (raw / "train_all_json").iterdir()}
    assert names == {
        f"train_{name}.json" for name in ("category", "additional", "temporalspatial", "tags", "userdata")
    } | {
        "train_img.txt",
        "train_label.txt",
    }
    assert (raw / "test_all_json" / "test_imgfile.txt").exists()
    users = orjson.loads((raw / "train_all_json" / "train_userdata.json").read_bytes())
    assert len(users) == 300
    assert "Pid" not in users[0]
    assert {len(row["user_description"].split(",")) for row in users} == {399}
    locations = {row["location_description"] for row in users}
    assert "\n" in locations
    assert {len(line.split(",")) for line in locations} == {1, 400}
    assert all(line.endswith("\n") for line in locations)
    assert "None" in {row["photo_firstdate"] for row in users}
    assert all(set(row["user_description"]) == {"0", ","} or "." in row["user_description"] for row in users)


def test_missing_value_forms_and_odd_titles(tmp_path):
    raw = folder(tmp_path)
    place, aliases, texts = [], [], []
    for split in ("train", "test"):
        path = raw / f"{split}_allmetadata_json"
        place += orjson.loads((path / f"{split}_temporalspatial_information.json").read_bytes())
        aliases += orjson.loads((path / f"{split}_additional_information.json").read_bytes())
        texts += orjson.loads((path / f"{split}_text.json").read_bytes())
    missing = [(row["Longitude"], row["Latitude"]) for row in place if row["Geoaccuracy"] == "0"]
    assert set(missing) == {("", "0"), ("0", "")}
    assert 0.03 < 1 - len(missing) / len(place) < 0.25
    assert 0.3 < np.mean([row["Pathalias"] == "None" for row in aliases]) < 0.95
    titles, tags = [row["Title"] for row in texts], [row["Alltags"] for row in texts]
    assert {"", *invented_words.ODD_TITLES} <= set(titles)
    assert "" in tags
    assert any(tag.startswith("geo:") or "=" in tag for line in tags for tag in line.split())


def test_crawled_profiles_are_post_hoc(tmp_path):
    settings = {"posts": 4000, "users": 600, "unlabelled": 500, "media": False}
    generate("smpd", settings, 3, tmp_path / "raw", tmp_path / "hidden.csv")
    drawn = generate_smpd.draw(Smpd(**settings), 3, "smpd")
    with (tmp_path / "raw" / "profiles.csv").open(encoding="utf-8", newline="") as file:
        profiles = {row["pathalias"]: row for row in csv.DictReader(file)}
    assert 0.25 < len(profiles) / 600 < 0.4
    found = [user for user in range(600) if invented_words.alias(user) in profiles and np.isfinite(drawn.outcome[user])]
    rows = [profiles[invented_words.alias(user)] for user in found]
    mean_view = [np.log2(float(row["totalViews"]) / float(row["photoCount"])) for row in rows]
    followers = [np.log(1 + float(row["followerCount"])) for row in rows]
    assert np.corrcoef(mean_view, drawn.outcome[found])[0, 1] > 0.8
    assert np.corrcoef(followers, drawn.level[found])[0, 1] > 0.5
    assert min(row["snapshot_date"] for row in rows) > "2020"


def test_withheld_labels_are_in_the_hidden_file_only(tmp_path):
    raw = folder(tmp_path)
    with (tmp_path / "hidden.csv").open(newline="") as file:
        hidden = list(csv.DictReader(file))
    category = orjson.loads((raw / "test_allmetadata_json" / "test_category.json").read_bytes())
    assert [row["post_id"] for row in hidden] == [row["Pid"] for row in category]
    assert all(1.0 <= float(row["popularity"]) <= 17 for row in hidden)
    train = orjson.loads((raw / "train_allmetadata_json" / "train_category.json").read_bytes())
    assert not {row["Pid"] for row in train} & {row["post_id"] for row in hidden}


def test_no_unlabelled_posts_no_test_files(tmp_path):
    raw = folder(tmp_path, unlabelled=0)
    assert not list(raw.glob("test*"))
    assert (tmp_path / "hidden.csv").read_text() == "post_id,popularity\n"
