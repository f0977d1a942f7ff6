"""Kept answers: what spoils them, several writers, kills."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from popcast.chat.answer_cache import FILE, AnswerCache, answer_key
from popcast.chat.response import Response
from popcast.core.errors import BadInput
from tests.chat import servers
from tests.chat.asking import one_line, questions
from tests.chat.servers import Call, ChatServer, Reply, completion


def test_a_file_that_is_no_cache_says_to_delete_it(tmp_path):
    folder = tmp_path / "answers"
    folder.mkdir()
    (folder / FILE).write_bytes(b"garbage " * 200)
    with pytest.raises(BadInput) as error:
        AnswerCache(folder)
    assert "not a database" in one_line(error)
    assert f"delete the folder {folder}" in one_line(error)


def test_a_table_of_something_else_says_to_delete_it(tmp_path):
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("CREATE TABLE answers (id INTEGER)")
    other.close()
    with pytest.raises(BadInput, match=r"spoiled .*no such column.* delete the folder"):
        AnswerCache(tmp_path)


def test_a_changed_answer_is_not_taken_for_the_one_put_in(tmp_path):
    cache = AnswerCache(tmp_path)
    cache.put("a", Response("Score: 7", 1, 2))
    assert cache.get("a") == Response("Score: 7", 1, 2)
    cache.close()
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes().replace(b"Score: 7", b"Score: 8"))
    cache = AnswerCache(tmp_path)
    with pytest.raises(BadInput, match=r"not the one that was put in.*delete the folder"):
        cache.get("a")
    cache.close()


def test_the_first_answer_stands(tmp_path):
    one, other = AnswerCache(tmp_path), AnswerCache(tmp_path)
    assert other.put("a", Response("first")) == Response("first")
    assert one.put("a", Response("second")) == Response("first")
    one.close()
    other.close()


def test_a_full_disk_is_one_line_and_loses_nothing(ask):
    def long(call: Call) -> Reply:
        return completion(servers.answer(call) * 40)

    asked = questions(24)
    with ChatServer(long) as server:
        full = ask(server.url, concurrency=1)
        first = full.ask(asked[:4])
        pages = full._cache._connection.execute("PRAGMA page_count").fetchone()[0]
        full._cache._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(BadInput, match="disk full") as error:
            full.ask(asked)
        one_line(error)
        put = len(server.calls) - 1  # the last one found no place
        again = ask(server.url)
        assert again.ask(asked)[:4] == first
        assert again.counts["kept"] == put >= 4


WRITER = """
import sys
from pathlib import Path
from popcast.chat.answer_cache import AnswerCache
from popcast.chat.response import Response
cache, worker = AnswerCache(Path(sys.argv[1])), sys.argv[2]
for i in range(1_000_000):
    cache.put(f"{worker}-{i}", Response(f"answer {worker} {i}", i, None))
    print(i, flush=True)
"""


def test_several_processes_write_and_a_kill_loses_no_answer(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, str(worker)], stdout=subprocess.PIPE, env=environment, text=True
        )
        for worker in range(3)
    ]
    for writer in writers:
        for line in writer.stdout:
            if int(line) == 50:
                break
    put = []
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        told = writer.stdout.read().splitlines(keepends=True)
        writer.stdout.close()
        put.append(max((int(line) for line in told if line.endswith("\n")), default=50))
        assert writer.wait(30) == -signal.SIGKILL
    cache = AnswerCache(tmp_path)
    for worker, last in enumerate(put):
        for i in range(last + 1):
            assert cache.get(f"{worker}-{i}") == Response(f"answer {worker} {i}", i, None)
    cache.close()


def test_keys_of_answers_are_apart():
    settings = {"temperature": 1.0, "max_tokens": 5}
    keys = {
        answer_key("m", settings, "p", 1),
        answer_key("n", settings, "p", 1),
        answer_key("m", settings | {"max_tokens": 6}, "p", 1),
        answer_key("m", settings, "q", 1),
        answer_key("m", settings, "p", 2),
    }
    assert len(keys) == 5
    assert answer_key("m", dict(reversed(settings.items())), "p", 1) in keys
