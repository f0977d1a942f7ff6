"""The generated TPIC2017 has the forms of datasets.md 2.2 and the dependencies of 2.4."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from popcast.datasets.sample import Tpic2017, generate, generate_tpic2017

FILES = {
    "readme": ("USER_META.txt", "LABEL.txt", "TIME_FLAG.txt", "PHOTO_URL.txt"),
    "zip": ("USER_META.txt", "LABELS.txt", "TIMEFLAG.txt", "PHOTOURL.txt"),
}


@pytest.mark.parametrize("naming", ["readme", "zip"])
def test_files_have_spaces_above_tabs_and_are_not_aligned(tmp_path, naming):
    generate("tpic2017", {"posts": 400, "users": 40, "naming": naming}, 3, tmp_path / "raw", tmp_path / "hidden.csv")
    assert {file.name for file in (tmp_path / "raw").iterdir()} == set(FILES[naming])
    keys = {}
    for name in FILES[naming]:
        header, *rows = (tmp_path / "raw" / name).read_text().splitlines()
        assert header.startswith("pid uid ")
        assert all(len(row.split("\t")) == len(header.split(" ")) for row in rows)
        keys[name] = [tuple(row.split("\t")[:2]) for row in rows]
        assert len(set(keys[name])) == len(rows)
    user, label, time, url = (keys[name] for name in FILES[naming])
    assert user != label
    assert user != url
    assert label != url
    assert set(user) == set(label) == set(url)
    assert len(set(user) - set(time)) == 1
    assert set(time) < set(user)
    assert (tmp_path / "hidden.csv").read_text() == "post_id,popularity\n"


def test_labels_depend_on_user_past_and_counts():
    columns = generate_tpic2017.draw(Tpic2017(), 3, "tpic2017")
    label = columns["logviews"].astype(float)
    assert 1.9 < label.std() < 2.5
    assert label.min() >= 0
    assert all(len(value.split(".")[1]) == 2 for value in columns["logviews"].tolist())
    for field, floor in {"avgview": 0.5, "commentcount": 0.5, "tagcount": 0.1, "groupcount": 0.05}.items():
        assert np.corrcoef(np.log1p(columns[field].astype(float)), label)[0, 1] > floor, field
    assert abs(np.corrcoef(columns["titlelen"], label)[0, 1]) < 0.1
    user = columns["uid"]
    same = user[1:] == user[:-1]
    assert np.corrcoef(label[1:][same], label[:-1][same])[0, 1] > 0.35
    within = label - np.array([label[user == name].mean() for name in user.tolist()])
    assert np.corrcoef(within[1:][same], within[:-1][same])[0, 1] > 0.1


def test_users_dates_and_constant_profile_within_a_year():
    columns = generate_tpic2017.draw(Tpic2017(), 3, "tpic2017")
    posts = Counter(columns["uid"].tolist())
    assert len(posts) == 300
    assert max(posts.values()) > 60
    assert len(set(columns["pid"].tolist())) == 3000
    assert set(columns["hour_index"].tolist()) == set(range(6))
    assert set(columns["year"].tolist()) == {2007, 2008}
    assert set(columns["month"].tolist()) == set(range(1, 13))
    own = {}
    fields = ("uid", "year", "groupcount", "avgmembercount")
    for uid, year, groups, members in zip(*(columns[field].tolist() for field in fields), strict=True):
        own.setdefault((uid, year), set()).add((groups, members))
    assert {len(values) for values in own.values()} == {1}
