"""The client of chat servers, against real servers on the loopback interface that come and go."""

from __future__ import annotations

import asyncio
import random
import signal
import threading
import time
from collections import Counter
from email.utils import formatdate

import pytest

from popcast.chat import client
from popcast.core.errors import BadInput
from tests.chat import servers
from tests.chat.asking import one_line, questions
from tests.chat.servers import Call, ChatServer, Reply, good


def test_order_and_concurrency_change_nothing(ask, tmp_path):
    asked = questions(24)

    def slow(call: Call) -> Reply:
        time.sleep(call.number % 7 / 1000)
        return good(call)

    with ChatServer(slow) as server:
        alone = dict(zip(asked, ask(server.url, concurrency=1, cache=False).ask(asked), strict=True))
        mixed = random.Random(1).sample(asked, len(asked))
        for wide in (7, 64):
            got = ask(server.url, concurrency=wide, cache=False).ask(mixed)
            assert got == [alone[one] for one in mixed]
        pieces = ask(server.url, folder=tmp_path / "other")
        assert [pieces.ask([one])[0] for one in mixed] == [alone[one] for one in mixed]
    assert len({response.text for response in alone.values()}) == len(asked)


def test_no_more_requests_under_way_than_allowed(ask):
    enough = threading.Barrier(3)

    def together(call: Call) -> Reply:
        enough.wait(10)  # nobody is answered before three are there
        return good(call)

    with ChatServer(together) as server:
        ask(server.url, concurrency=3).ask(questions(24))
        assert server.most_under_way == 3


def test_the_same_question_twice_is_sent_once(ask):
    one = questions(1)[0]
    with ChatServer() as server:
        first, second = ask(server.url, cache=False).ask([one, one])
        assert first == second
        assert len(server.calls) == 1


def test_answers_are_kept_and_found_by_all_that_shapes_them(ask):
    asked = questions(16)
    with ChatServer() as server, ChatServer() as other:
        first = ask(server.url).ask(asked)
        again = ask(other.url)
        assert again.ask(asked) == first
        assert again.counts == {"requests": 16, "kept": 16}
        assert other.calls == []
        for changed in ({"model": "b"}, {"temperature": 0.5}, {"top_p": 0.5}, {"send_seed": False}):
            before = len(other.calls)
            ask(other.url, **changed).ask(asked[:1])
            assert len(other.calls) == before + 1, changed
        ask(other.url, cache=False).ask(asked)
        assert len(other.calls) == 4 + 16


# the server is gone


def test_a_killed_server_stops_with_one_line_and_the_next_run_goes_on(ask, tmp_path):
    asked = questions(64)
    with ChatServer() as server:
        undisturbed = ask(server.url, folder=tmp_path / "undisturbed").ask(asked)
    with servers.mortal(25, tmp_path) as mortal:
        with pytest.raises(BadInput) as error:
            ask(mortal.url, concurrency=8, retries=2).ask(asked)
        assert mortal.process.wait(30) == -signal.SIGKILL
    line = one_line(error)
    assert line.startswith(f"model server {mortal.url}: no connection (")
    assert line.endswith("(3 tries); answers are kept; run again to go on")
    with ChatServer() as server:
        second = ask(server.url, concurrency=8)
        assert second.ask(asked) == undisturbed
        assert second.counts == {"requests": 64, "kept": 25, "sent": 39}
        assert len(server.calls) == 39


def test_answers_under_way_are_kept_when_another_question_is_refused(ask):
    refused = threading.Event()

    def behaviour(call: Call) -> Reply:
        if call.number == 4:
            refused.set()
            return Reply(b'{"error": {"message": "prompt too long"}}', 400)
        refused.wait(10)
        time.sleep(0.2)
        return good(call)

    asked = questions(24)
    with ChatServer(behaviour) as server:
        with pytest.raises(BadInput, match="it answers 400 \\(prompt too long\\); answers are kept"):
            ask(server.url, concurrency=4).ask(asked)
        assert len(server.calls) == 4  # none was begun after it
        again = ask(server.url, concurrency=4)
        again.ask(asked)
        assert again.counts["kept"] == 3


def test_nobody_listens(ask):
    with ChatServer() as server:
        url = server.url
    with pytest.raises(BadInput) as error:
        ask(url, retries=1).ask(questions(5))
    assert f"model server {url}: no connection (ConnectError" in one_line(error)


@pytest.mark.parametrize("dribble", [False, True])
def test_a_server_that_never_finishes_is_given_up(ask, dribble):
    end = threading.Event()

    def behaviour(call: Call) -> Reply:
        end.wait(20)
        return good(call)

    with ChatServer(behaviour) as server:
        if dribble:  # a piece now and then keeps every limit per piece from running out

            def send(handler, reply):
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not end.wait(0.05):
                    try:
                        handler.wfile.write(b" ")
                    except OSError:
                        return

            handler = server.server.RequestHandlerClass
            handler.do_POST = lambda self: (
                self.rfile.read(int(self.headers["Content-Length"])),
                server.calls.append(self.path),
                send(self, None),
            )
        with pytest.raises(BadInput) as error:
            ask(server.url, timeout=0.3, retries=1).ask(questions(1))
        end.set()
        assert "no answer within 0.3 s (2 tries)" in one_line(error)
        assert len(server.calls) == 2


# tries again


def failing(replies: list[Reply]):
    """Each prompt gets ``replies`` one after the other, then a good answer."""
    seen: Counter[str] = Counter()

    def behaviour(call: Call) -> Reply:
        seen[call.prompt] += 1
        turn = seen[call.prompt]
        return replies[turn - 1] if turn <= len(replies) else good(call)

    return behaviour


@pytest.fixture
def pauses(monkeypatch):
    """Pauses that a client makes, recorded and not waited for."""
    made: list[float] = []

    async def record(event: asyncio.Event, seconds: float) -> bool:
        made.append(seconds)
        await asyncio.sleep(0)
        return event.is_set()

    monkeypatch.setattr(client, "_set_within", record)
    return made


def test_passing_failures_change_nothing(ask, tmp_path, pauses):
    broken = [
        Reply(b"busy", 500),
        Reply(b"{}", 429, {"Retry-After": "2"}),
        Reply(b'{"id', 200, {"Content-Type": "application/json"}, close=True, length=500),
    ]
    asked = questions(16)
    with ChatServer() as server:
        expected = ask(server.url, folder=tmp_path / "good").ask(asked)
    with ChatServer(failing(broken)) as server:
        tried = ask(server.url, retries=3)
        assert tried.ask(asked) == expected
        assert tried.counts == {"requests": 16, "kept": 0, "sent": 64, "again": 48}
        assert len(pauses) == 48


def test_pauses_grow_and_depend_on_the_request_alone(ask, pauses):
    one, other = questions(2)
    runs = []
    with ChatServer(lambda call: Reply(b"", 503)) as server:
        for asked in (one, one, other):
            with pytest.raises(BadInput, match=r"it answers 503 \(nothing\) \(9 tries\)"):
                ask(server.url, retries=8, first_pause=0.5).ask([asked])
            runs.append(list(pauses))
            pauses.clear()
    assert runs[0] == runs[1]
    assert not set(runs[0]) & set(runs[2])
    for run in runs:
        assert len(run) == 8
        for attempt, pause in enumerate(run):
            most = min(30.0, 0.5 * 2**attempt)
            assert most / 2 < pause <= most


def test_retry_after_is_waited_for_in_either_form(ask, pauses):
    for header, least, most in (
        ("7", 7.0, 7.02),
        (formatdate(time.time() + 60, usegmt=True), 50.0, 60.02),
        ("soon", 0, 0.02),
    ):
        with ChatServer(failing([Reply(b"", 429, {"Retry-After": header})])) as server:
            ask(server.url, cache=False).ask(questions(1))
        assert len(pauses) == 1
        assert least <= pauses.pop() <= most


def test_a_server_that_wants_an_hour_is_gone(ask, pauses):
    with ChatServer(lambda call: Reply(b"", 429, {"Retry-After": "3600"})) as server:
        with pytest.raises(BadInput, match="asks to wait 3600 s; answers are kept"):
            ask(server.url).ask(questions(1))
        assert len(server.calls) == 1
    assert pauses == []
