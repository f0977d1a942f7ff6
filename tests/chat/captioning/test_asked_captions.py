"""Captions by a server that sees: what is sent, what is not, and that nothing is asked twice."""

from __future__ import annotations

import base64
import io

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from popcast.chat.captioning.asked_captions import PROMPT, captions
from popcast.chat.client import Question
from popcast.cli import main
from popcast.core import paths
from popcast.datasets.params import Dataset
from tests.chat.servers import ChatServer, Reply, completion

COLOURS = {"red": (250, 5, 5), "green": (5, 250, 5)}


@pytest.fixture
def raw(tmp_path):
    """Two pictures of one colour, a broken one, and posts: with each, with a missing one, with a video, with none."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, colour in COLOURS.items():
        picture = Image.fromarray(np.full((900, 1200, 3), colour, np.uint8))
        written = picture.getexif()
        written[0x010E] = "secret words of the camera"
        picture.save(folder / f"{name}.jpg", exif=written)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


POSTS = pl.DataFrame(
    {
        "post_id": ["a", "b", "c", "d", "e", "f"],
        "media": [["red.jpg"], ["green.jpg", "red.jpg"], ["broken.jpg"], ["gone.png"], ["clip.mp4"], []],
    }
)


def sees(call):
    """Names the colour of the picture that it is sent."""
    words, picture = call.body["messages"][0]["content"]
    assert words == {"type": "text", "text": PROMPT}
    kind, _, data = picture["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    content = base64.b64decode(data)
    assert b"secret" not in content
    with Image.open(io.BytesIO(content)) as image:
        assert max(image.size) <= 512
        mean = np.asarray(image).mean(axis=(0, 1))
    return completion(f"A {'red' if mean[0] > mean[1] else 'green'} wall.", {"completion_tokens": 5})


def test_each_post_gets_the_caption_of_its_own_picture_and_only_pictures_are_sent(ask, raw):
    with ChatServer(sees) as server:
        found = captions(POSTS, raw, ask(server.url).ask, 0)
        assert len(server.calls) == 2
        for call in server.calls:
            assert set(call.body["messages"][0]) == {"role", "content"}
            assert not [name for name in ("red.jpg", "green.jpg") if name in str(call.body)]
    said = {one.post_id: None if one.answer is None else one.answer.text for one in found}
    assert said == {"a": "A red wall.", "b": "A green wall.", "c": None, "d": None}


def test_what_was_answered_is_not_asked_again(ask, raw):
    with ChatServer(sees) as server:
        first = captions(POSTS, raw, ask(server.url).ask, 0)
        assert captions(POSTS, raw, ask(server.url).ask, 0) == first
        assert len(server.calls) == 2


def test_pictures_are_told_apart_where_prompt_and_seed_are_the_same(ask):
    with ChatServer(lambda call: completion(str(call.number))) as server:
        client = ask(server.url, concurrency=1)
        same = [Question("What?", 20, 1, picture) for picture in (None, "data:,a", "data:,b", "data:,a")]
        texts = [answer.text for answer in client.ask(same)]
        assert len(set(texts)) == 3
        assert texts[1] == texts[3]
        assert isinstance(server.calls[0].body["messages"][0]["content"], str), "words alone go as before"


def test_the_command_writes_a_list_and_keeps_the_checks_of_an_earlier_one(tmp_path, raw, monkeypatch):
    monkeypatch.chdir(tmp_path)
    section = Dataset(raw="raw", kind="smpd")
    monkeypatch.setattr("popcast.planning.project_params.entry", lambda *names: section)
    paths.posts("mine").parent.mkdir(parents=True)
    POSTS.write_parquet(paths.posts("mine"))
    with ChatServer(sees) as server:
        asked = ["caption", "mine", "check.csv", "--url", server.url, "--model", "tiny"]
        first = CliRunner().invoke(main, asked)
        assert first.exit_code == 0, first.output
        assert "4 captions to go through, 2 of them with doubts" in first.output
        table = pl.read_csv(tmp_path / "check.csv", infer_schema=False)
        assert table["caption"].to_list()[:2] == ["A red wall.", "A green wall."]
        table.with_columns(checked=pl.Series(["yes", "", "", ""])).write_csv(tmp_path / "check.csv")
        assert CliRunner().invoke(main, asked).exit_code == 0
        assert len(server.calls) == 2, "answers are kept"
    assert pl.read_csv(tmp_path / "check.csv", infer_schema=False)["checked"].to_list()[0] == "yes"


def test_a_server_that_is_gone_is_one_line(tmp_path, raw, monkeypatch):
    monkeypatch.chdir(tmp_path)
    section = Dataset(raw="raw", kind="smpd")
    monkeypatch.setattr("popcast.planning.project_params.entry", lambda *names: section)
    paths.posts("mine").parent.mkdir(parents=True)
    POSTS.write_parquet(paths.posts("mine"))
    with ChatServer(lambda call: Reply(b"no", status=404)) as server:
        result = CliRunner().invoke(main, ["caption", "mine", "c.csv", "--url", server.url, "--model", "tiny"])
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1
    assert "it answers 404" in result.output
    assert not (tmp_path / "c.csv").exists()
