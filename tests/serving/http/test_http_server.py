"""`popcast serve` as a process: its address, its end, slow and endless clients, tokens, and a kill while observing."""

from __future__ import annotations

import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from popcast.cli import main
from popcast.serving import observed_journal
from tests.serving.http.conftest import Running

DRAFTS = {"drafts": [{"text": "storm", "author": "page 3"}]}
HURRIED = """
import dataclasses
from popcast.serving.http import request_limits as limits
made = limits.RequestLimits.__init__
hasty = {"head_seconds": 1.0, "body_seconds": 1.0, "read_seconds": 1.0, "per_client": 5, "body": 100_000}
def hurried(self, **given):
    made(self, **given | hasty | {"per_second": 0})
limits.RequestLimits.__init__ = hurried
from popcast.cli import main
main()
"""
"""A server with little patience."""


@pytest.fixture
def folder(bundle_folder, tmp_path) -> Path:
    shutil.copytree(bundle_folder, tmp_path / "bundle")
    return tmp_path / "bundle"


def answered(running: Running, content: bytes) -> bytes:
    """What comes back, to the end of the connection, of bytes that are sent as they are."""
    with running.connect() as made:
        made.sendall(content)
        return rest_of(made)


def rest_of(made: socket.socket) -> bytes:
    found = b""
    try:
        while part := made.recv(65536):
            found += part
    except ConnectionError:
        pass
    return found


def status_of(found: bytes) -> int:
    head, _, body = found.partition(b"\r\n\r\n")
    assert set(orjson.loads(body)) == {"error"}
    return int(head.split()[1])


def test_it_says_its_address_answers_and_ends_when_told_to(folder, start):
    running = start(folder)
    assert running.address.startswith("http://127.0.0.1:")
    assert running.said == f"posts: {running.address}\n"
    with running.client() as client:
        assert client.get("/health").json() == {"status": "ok", "dataset": "posts", "posts_observed": 0}
        assert client.post("/forecast", json=DRAFTS).status_code == 200
        slow = ThreadPoolExecutor(1).submit(client.post, "/explain", json={"drafts": DRAFTS["drafts"] * 20})
        time.sleep(0.1)
        running.process.send_signal(signal.SIGTERM)
        assert slow.result().status_code == 200, "a request under way is answered"
    assert running.process.wait(timeout=60) == 0
    assert running.process.stderr.read() == ""


def test_an_address_that_is_taken_and_a_weak_token_are_one_line(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found = CliRunner().invoke(main, ["serve", str(folder), "--port", port])
    assert found.exit_code == 1
    assert found.stderr.startswith("error: field '--port': cannot listen at 127.0.0.1: ")
    assert found.stderr.count("\n") == 1
    for variables in ({}, {"POPCAST_TOKEN": "short"}, {"POPCAST_TOKEN": "with a space in it, though long"}):
        found = CliRunner(env=variables).invoke(main, ["serve", str(folder), "--token-variable", "POPCAST_TOKEN"])
        assert found.exit_code == 1
        assert found.stderr.startswith("error: --token-variable: the variable 'POPCAST_TOKEN' holds no such token")
        assert not [value for value in variables.values() if value in found.stderr]
    found = CliRunner().invoke(main, ["serve", str(folder), "--host", "no.such.host.invalid"])
    assert (found.exit_code, found.stderr.count("\n")) == (1, 1)


def test_beyond_loopback_a_token_is_made_and_other_hosts_may_call_it(folder, start):
    running = start(folder, "--host", "0.0.0.0")
    token = running.said.split()[1]
    assert len(token) >= 30
    with running.client(headers={"host": "forecasts.example"}) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/facts").status_code == 401
        assert client.get("/facts", headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert running.end() == 0


def test_the_token_of_a_variable_is_asked_for_and_never_said(folder, start):
    token = "a-token-that-nobody-guesses"
    running = start(folder, "--token-variable", "OURS", OURS=token)
    with running.client() as client:
        assert client.post("/forecast", json=DRAFTS).status_code == 401
        assert client.post("/forecast", json=DRAFTS, headers={"authorization": f"Bearer {token}"}).status_code == 200
        assert client.get("/health", headers={"host": "evil.example"}).status_code == 421
    assert running.end() == 0
    assert token not in running.said + running.process.stdout.read() + running.process.stderr.read()


def test_slow_and_endless_clients_are_let_go_while_others_are_answered(folder, start):
    running = start(folder, program=HURRIED)
    head = b"POST /forecast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    assert status_of(answered(running, b"POST /forecast HTTP/1.1\r\nHost: loc")) == 408
    assert status_of(answered(running, head + b"Content-Length: 500\r\n\r\n{")) == 408
    assert status_of(answered(running, head + b"Content-Length: 100001\r\n\r\n")) == 413
    assert status_of(answered(running, head + b"Content-Length: 999999999999999999999999\r\n\r\n")) in (400, 413)
    assert status_of(answered(running, head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")) == 400
    assert status_of(answered(running, head + b"Content-Length: -5\r\n\r\n")) == 400
    assert status_of(answered(running, b"\x16\x03\x01 no HTTP at all\r\n\r\n")) == 400
    assert status_of(answered(running, b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000)) in (400, 431)
    assert status_of(answered(running, b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n")) in (400, 421)
    assert status_of(answered(running, b"GET /health HTTP/1.0\r\n\r\n")) == 421

    with running.connect() as endless:
        endless.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(100_000):
                endless.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
        except ConnectionError:
            pass
        else:
            raise AssertionError("a body without end was read to the end")
    with running.connect() as dripping:
        began = threading.Event()
        dripping.sendall(b"GET /health HTTP/1.1\r\n")
        dripping.settimeout(0.2)
        for _ in range(50):
            try:
                dripping.sendall(b"X-A: b\r\n")
                if dripping.recv(1) is not None:
                    began.set()
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                began.set()
                break
        assert began.is_set(), "a head that drips in was waited for"
    with running.client() as client:
        assert client.post("/forecast", json=DRAFTS).status_code == 200
    assert running.end() == 0


def test_a_client_that_reads_nothing_is_let_go(folder, start):
    running = start(folder, program=HURRIED)
    asked = 3000
    with running.connect() as made:
        whole = len(answered(running, b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
        made.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * asked)
        time.sleep(4)
        found = rest_of(made)
    assert 0 < len(found) < asked * whole // 2
    with running.client() as client:
        assert client.get("/health").status_code == 200
    assert running.end() == 0


def test_work_that_never_ends_does_not_keep_the_server(folder, start):
    program = "import popcast.serving.http.http_server as s; s.GRACE = 1; import time\n"
    program += "from popcast.serving.http.served_bundle import ServedBundle\n"
    program += "ServedBundle.explanations = lambda self, body: time.sleep(1000)\n"
    running = start(folder, program=program + "from popcast.cli import main; main()")
    with running.client() as client:
        waiting = ThreadPoolExecutor(1).submit(client.post, "/explain", json=DRAFTS)
        time.sleep(0.5)
        assert running.end() == 0
        assert waiting.exception() is not None or waiting.result().status_code >= 500


def test_a_client_has_a_limited_number_of_connections(folder, start):
    running = start(folder, program=HURRIED)
    held = [running.connect() for _ in range(5)]
    try:
        assert status_of(answered(running, b"")) == 503
    finally:
        for made in held:
            made.close()
    time.sleep(0.3)
    with running.client() as client:
        assert client.get("/health").status_code == 200
    assert running.end() == 0


def test_health_is_answered_at_once_while_work_is_done(folder, start):
    running = start(folder, "--threads", "1")
    with running.client() as client, running.client() as other:
        slow = ThreadPoolExecutor(1).submit(client.post, "/explain", json={"drafts": DRAFTS["drafts"] * 20})
        answers = 0
        while not slow.done():
            assert other.get("/health").status_code == 200
            answers += 1
            time.sleep(0.05)
        assert slow.result().status_code == 200
    assert answers > 1
    assert running.end() == 0


def observe(client, start: int, count: int = 3) -> list[str]:
    """Ids of a batch that was confirmed."""
    ids = [f"later {start + i}" for i in range(count)]
    posts = [{"id": one, "text": "storm", "author": "page 3", "time": "2025-07-01T10:00", "outcome": 20} for one in ids]
    assert client.post("/observe", json={"posts": posts}).status_code == 200
    return ids


def known(client, ids: list[str]) -> bool:
    """Whether the server has all of these posts: telling it again tells nothing new."""
    found = client.post("/observe", json={"posts": [{"id": one} for one in ids]})
    assert found.status_code == 200, found.text
    return found.json()["posts"] == 0


KILLED = """
import os, signal
from popcast.serving.tracking import bundle_journal
count = 0
def torn(self, file, line):
    global count
    count += 1
    if count < 4:
        return whole(self, file, line)
    file.truncate(self._end)
    file.seek(self._end)
    file.write(line[: int(len(line) * {part})])
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
whole = bundle_journal.BundleJournal._write
bundle_journal.BundleJournal._write = torn
from popcast.cli import main
main()
"""
"""A server that is killed when the given part of the fourth batch is on the disk."""


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_killed_in_the_middle_of_observing_it_has_what_it_confirmed(part, folder, start):
    running = start(folder, program=KILLED.format(part=part))
    confirmed: list[str] = []
    with running.client() as client:
        for place in range(0, 9, 3):
            confirmed += observe(client, place)
        with pytest.raises(Exception, match=r"(?i)disconnect|reset|closed|EOF"):
            observe(client, 9)
    assert running.process.wait(timeout=60) == -signal.SIGKILL
    again = start(folder)
    with again.client() as client:
        assert client.get("/health").json()["posts_observed"] in (9, 12)
        assert known(client, confirmed)
        more = observe(client, 9)
        assert known(client, confirmed + more)
        assert client.get("/health").json()["posts_observed"] == 12
    assert again.end() == 0


def test_killed_at_any_moment_it_has_what_it_confirmed(folder, start):
    running = start(folder)
    confirmed: list[list[str]] = []

    def writer(number: int) -> None:
        with running.client() as client:
            for place in range(1000):
                try:
                    confirmed.append(observe(client, number * 10_000 + place * 3))
                except AssertionError:
                    raise
                except Exception:
                    return

    threads = [threading.Thread(target=writer, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while len(confirmed) < 10:
        time.sleep(0.02)
    running.process.kill()
    for thread in threads:
        thread.join()
    assert (folder / observed_journal.FILE).stat().st_size > 0
    again = start(folder)
    with again.client() as client:
        assert client.get("/health").json()["posts_observed"] >= 3 * len(confirmed)
        assert known(client, [one for batch in confirmed for one in batch])
    assert again.end() == 0
