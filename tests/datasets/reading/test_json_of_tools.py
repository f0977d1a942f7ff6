"""JSON as tools write it besides arrays and lines: every form gives the same rows."""

import json

import pytest

from popcast.datasets.reading.open_rows import read_rows

POSTS = [{"id": "a", "at": "2025-01-03T09:41:00Z", "likes": 5}, {"id": "b", "at": "2025-01-04T09:41:00Z", "likes": 7}]
LINES = [json.dumps(post) for post in POSTS]
MONGO = [{"id": {"$oid": p["id"]}, "at": {"$date": p["at"]}, "likes": {"$numberInt": str(p["likes"])}} for p in POSTS]

FORMS = {
    "commas between lines": ("posts.jsonl", ",\n".join(LINES)),
    "commas after lines": ("posts.jsonl", ",\n".join(LINES) + ",\n"),
    "a comma after the last": ("posts.json", "[" + ",".join(LINES) + ",]"),
    "an array per line": ("posts.jsonl", "\n".join(f"[{line}]" for line in LINES)),
    "arrays one after another": ("posts.json", "\n".join(f"[{line}]" for line in LINES)),
    "objects by id": ("posts.json", json.dumps({post["id"]: post for post in POSTS})),
    "columns of pandas": (
        "posts.json",
        json.dumps({name: {str(at): post[name] for at, post in enumerate(POSTS)} for name in POSTS[0]}),
    ),
    "MongoDB": ("posts.json", json.dumps(MONGO)),
    "MongoDB, lines": ("posts.jsonl", "\n".join(map(json.dumps, MONGO))),
}


@pytest.mark.parametrize("case", FORMS)
def test_the_same_rows_in_every_form(tmp_path, case):
    name, text = FORMS[case]
    (tmp_path / name).write_text(text)
    found = read_rows(tmp_path, name, {"id", "at", "likes"})
    assert found.columns.select("id", "at", "likes").rows() == [(p["id"], p["at"], str(p["likes"])) for p in POSTS]
