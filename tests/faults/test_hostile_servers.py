"""Servers that mean harm: whatever they send, the client says one line, holds little memory and ends in time.

Each hostile server is a real one on the loopback interface that speaks, or breaks, HTTP byte by byte.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial

import pytest

from popcast.chat import bounded_answers, chat_answers
from popcast.core.errors import BadInput
from tests.chat.asking import asker, one_line, questions
from tests.chat.servers import ChatServer, Reply, completion, good

MEMORY = 100_000_000
"""Bytes that four hostile answers at a time may cost together; four of 200 MB cost 1.9 GB before there was a limit."""
Send = Callable[[socket.socket, threading.Event], None]


def read_request(connection: socket.socket) -> None:
    """All of it: a socket that is closed with something unread is reset, and the answer lost."""
    stream = connection.makefile("rb")
    length = 0
    for line in iter(stream.readline, b"\r\n"):
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    stream.read(length)


@contextmanager
def hostile(send: Send) -> Iterator[str]:
    """The address of a server that reads the head of a request and then does as ``send`` wants with the socket."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    end = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                read_request(connection)
                send(connection, end)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the client hung up

    def accept() -> None:
        while not end.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        end.set()
        listening.close()


@pytest.fixture
def ask(tmp_path):
    with asker(tmp_path / "answers") as build:
        yield build


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Type: application/json", *lines, "", ""]).encode()


def sending(*pieces: bytes | Callable[[], bytes]) -> Send:
    def send(connection: socket.socket, end: threading.Event) -> None:
        for piece in pieces:
            connection.sendall(piece() if callable(piece) else piece)

    return send


def forever(first: bytes, piece: bytes, pause: float = 0) -> Send:
    def send(connection: socket.socket, end: threading.Event) -> None:
        connection.sendall(first)
        while not end.wait(pause) if pause else not end.is_set():
            connection.sendall(piece)

    return send


@cache
def bomb(kind: str) -> bytes:
    """100 MB of zeros, packed."""
    packer = zlib.compressobj(6, wbits={"gzip": 31, "deflate": 15, "raw": -15}[kind])
    zeros = bytes(1_000_000)
    return b"".join([*(packer.compress(zeros) for _ in range(100)), packer.flush()])


MB = b"x" * 1_000_000
BEFORE = b'{"choices": [{"message": {"content": "'
HOSTILE = {
    "200 MB with a length": (sending(head("Content-Length: 200000000"), *[MB] * 200), "more than 4000000 bytes"),
    "200 MB in chunks": (
        sending(head("Transfer-Encoding: chunked"), *[b"f4240\r\n" + MB + b"\r\n"] * 200),
        "more than 4000000 bytes",
    ),
    "endless chunks": (forever(head("Transfer-Encoding: chunked"), b"ffff\r\n" + b"x" * 65535 + b"\r\n"), "more than"),
    "endless, no length": (forever(head(), MB), "more than 4000000 bytes"),
    "an endless answer": (forever(head() + BEFORE, MB), "more than 4000000 bytes"),
    "events without end": (
        forever(head("Content-Type: text/event-stream"), b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n' * 999),
        "more than 4000000 bytes",
    ),
    "gzip bomb": (sending(head("Content-Encoding: gzip"), partial(bomb, "gzip")), "more than 4000000 bytes once"),
    "gzip bombs in a row": (
        sending(head("Content-Encoding: gzip"), gzip.compress(bytes(3_000_000)) * 99),
        "more than 4000000 bytes once unpacked",
    ),
    "deflate bomb": (sending(head("Content-Encoding: deflate"), partial(bomb, "deflate")), "once unpacked"),
    "raw deflate bomb": (sending(head("Content-Encoding: deflate"), partial(bomb, "raw")), "once unpacked"),
    "packed twice": (
        sending(head("Content-Encoding: gzip, gzip"), lambda: gzip.compress(bomb("gzip"))),
        "which nobody asked for",
    ),
    "brotli": (sending(head("Content-Encoding: br"), b"\x5b" * 999), "packed as 'br', which nobody asked for"),
    "zstandard": (sending(head("Content-Encoding: zstd"), b"\x28\xb5\x2f\xfd"), "packed as 'zstd'"),
    "not packed as it says": (sending(head("Content-Encoding: gzip"), b"{}" * 50), "not packed as gzip"),
    "cut while packed": (sending(head("Content-Encoding: gzip"), gzip.compress(BEFORE * 9)[:40]), "that is cut off"),
    "a drip": (forever(head("Content-Length: 3000000"), b" ", pause=0.05), "no answer within"),
    "a dripping head": (forever(b"HTTP/1.1 200 OK\r\n", b"X-Slow: 1\r\n", pause=0.05), "no answer within"),
    "an endless head": (forever(b"HTTP/1.1 200 OK\r\n", b"X-Long: " + b"x" * 9999 + b"\r\n"), "no connection ("),
    "one endless header": (forever(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 99999), "no connection ("),
    "always going on": (forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "no answer within"),
    "no HTTP": (sending(b"SSH-2.0-OpenSSH_9.9\r\n"), "no connection ("),
    "nothing": (sending(), "no connection ("),
    "a negative length": (sending(head("Content-Length: -5"), b"{}"), "no connection ("),
    "a huge length": (sending(head("Content-Length: " + "9" * 5000), b"{}"), "no connection ("),
    "a broken chunk": (sending(head("Transfer-Encoding: chunked"), b"zz\r\n{}"), "no connection ("),
    "no JSON": (sending(head(), b"<html>hello</html>"), "this is no chat API: a page of HTML or XML"),
    "deep JSON": (sending(head(), b"[" * 100_000), "this is no chat API"),
    "a long number": (sending(head(), b'{"choices": ' + b"9" * 10_000 + b"}"), "this is no chat API"),
    "many lists": (sending(head(), b"[" + b"[]," * 300_000 + b"[]]"), "this is no chat API"),
    "no UTF-8": (sending(head(), b"\xff\xfe" * 99), "this is no chat API"),
    "more than was asked for": (sending(head(), BEFORE + MB + b'"}}]}'), "1000000 characters where 1"),
    "a refusal without end": (forever(head(status="400 Bad Request"), MB), "it answers 400 (xxx"),
    "a packed refusal": (
        sending(head("Content-Encoding: gzip", status="400 No"), partial(bomb, "gzip")),
        "it answers 400 (nothing)",
    ),
    "escapes in a refusal": (sending(head(status="400 No"), b"\x1b[2J\x07" * 99), "it answers 400 (?[2J?"),
    "sent to a file": (
        sending(head("Location: file:///etc/passwd", "Content-Length: 0", status="302 Found")),
        "redirects are not followed",
    ),
    "sent elsewhere": (
        sending(head("Location: http://127.0.0.1:1/v1", "Content-Length: 0", status="307 Temporary")),
        "redirects are not followed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_one_line_and_little_memory(ask, name):
    send, said = HOSTILE[name]
    with hostile(send) as url:
        client = ask(url, concurrency=4, retries=0, timeout=1.0 if "within" in said else 15.0)
        tracemalloc.start()
        try:
            with pytest.raises(BadInput) as error:
                client.ask(questions(4))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    line = one_line(error)
    assert said in line
    assert line.isprintable()
    assert len(line) < 500
    assert peak < MEMORY


def test_packing_that_nobody_asked_for_is_read_all_the_same(ask):
    """Some proxies pack whatever they are told; gzip and deflate are harmless as long as they are bounded."""
    asked = questions(4)
    with ChatServer() as server:
        expected = ask(server.url, cache=False).ask(asked)
        assert {call.headers["accept-encoding"] for call in server.calls} == {"identity"}
    for packing, pack in (("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)):

        def packed(call, packing=packing, pack=pack):
            return Reply(pack(good(call).body), headers={"Content-Encoding": packing})

        with ChatServer(packed) as server:
            assert ask(server.url, cache=False).ask(asked) == expected, packing


@pytest.mark.parametrize("packing", ["identity", "gzip"])
def test_big_answers_are_read_beside_the_loop(ask, monkeypatch, packing):
    """An answer of a megabyte is unpacked and read in the one thread for that, a small one at once."""
    places: dict[str, set[str]] = {"read": set(), "unpacked": set()}

    def recorded(name: str, function: Callable) -> Callable:
        def record(*arguments):
            places[name].add(threading.current_thread().name.split("_")[0])
            return function(*arguments)

        return record

    monkeypatch.setattr(chat_answers, "read", recorded("read", chat_answers.read))
    monkeypatch.setattr(bounded_answers, "unpacked", recorded("unpacked", bounded_answers.unpacked))

    def big(call) -> Reply:
        body = json.dumps({**json.loads(completion("Score: 3").body), "padding": "x" * 1_000_000}).encode()
        return Reply(gzip.compress(body) if packing == "gzip" else body, headers={"Content-Encoding": packing})

    with ChatServer(big) as server:
        answers = ask(server.url, cache=False, concurrency=4).ask(questions(4))
    assert {answer.text for answer in answers} == {"Score: 3"}
    assert places["read"] == {"chat-aside"}
    assert places["unpacked"] == ({"chat-aside"} if packing == "gzip" else set())
    with ChatServer() as server:
        ask(server.url, cache=False).ask(questions(1))
    assert places["read"] == {"chat-aside", "MainThread"}


def test_a_good_answer_beside_a_bomb_comes_through(ask):
    """The bomb stops the run; the answers that were under way are kept."""
    packed = bomb("gzip")
    both = threading.Barrier(4)

    def behaviour(call) -> Reply:
        both.wait(10)
        return Reply(packed, headers={"Content-Encoding": "gzip"}) if call.number == 2 else good(call)

    asked = questions(4)
    with ChatServer(behaviour) as server, pytest.raises(BadInput, match="once unpacked; answers are kept"):
        ask(server.url, concurrency=4).ask(asked)
    with ChatServer() as server:
        again = ask(server.url)
        again.ask(asked)
        assert again.counts["kept"] == 3


@pytest.mark.parametrize("kind", ["gzip", "deflate", "raw"])
def test_unpacking_never_holds_more_than_the_limit(kind):
    body = bomb(kind)
    tracemalloc.start()
    try:
        with pytest.raises(bounded_answers.Unreadable):
            bounded_answers.unpacked(body, "gzip" if kind == "gzip" else "deflate")
        assert tracemalloc.get_traced_memory()[1] < 4 * bounded_answers.MOST
    finally:
        tracemalloc.stop()


def test_no_loop_is_left_running(ask):
    with hostile(sending(head("Content-Encoding: gzip"), partial(bomb, "gzip"))) as url:
        client = ask(url, retries=0)
        with pytest.raises(BadInput):
            client.ask(questions(1))
        client.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("chat-aside")]
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
