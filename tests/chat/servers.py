"""Real chat servers on the loopback interface, on free ports: one that behaves as told, one that kills itself, and
``transformers serve`` with a tiny model.

``python -m tests.chat.servers 25``: answers 25 questions, then dies by SIGKILL in the middle of the others.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ACTIONS = ("do_nothing()", "like()", 'post("seen it")', 'retweet("look")', 'reply("nice one")')


@dataclass(frozen=True)
class Call:
    """A question as the server got it; ``number`` from 1 in order of arrival."""

    number: int
    body: dict
    headers: dict[str, str]

    @property
    def prompt(self) -> str:
        return self.body["messages"][-1]["content"]


@dataclass(frozen=True)
class Reply:
    """What goes back. close: hang up after ``body``; length: Content-Length if it lies."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    close: bool = False
    length: int | None = None


def answer(call: Call) -> str:
    """In the grammar, and of prompt and seed alone."""
    digest = hashlib.sha256(f"{call.prompt}\x1f{call.body.get('seed')}".encode()).digest()
    return f"Thought: {digest.hex()[:12]}\nAction: {ACTIONS[digest[0] % 5]}\nScore: {digest[1] % 11}"


def completion(text: str | None, usage: dict | None = None) -> Reply:
    """A chat completion as servers send it."""
    message = {"role": "assistant", "content": text}
    data = {"id": "1", "object": "chat.completion", "created": 1, "model": "tiny"}
    data["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
    if usage is not None:
        data["usage"] = usage
    return Reply(json.dumps(data).encode())


def good(call: Call) -> Reply:
    text = answer(call)
    return completion(text, {"prompt_tokens": len(call.prompt.split()), "completion_tokens": len(text.split())})


class ChatServer:
    """``with ChatServer(behaviour) as server``: ``server.url``, ``server.calls`` in order of arrival."""

    def __init__(self, behaviour: Callable[[Call], Reply] = good) -> None:
        self.calls: list[Call] = []
        self.under_way = self.most_under_way = 0
        self.paths: set[str] = set()
        lock = threading.Lock()
        chat = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    call = Call(len(chat.calls) + 1, body, {name.lower(): v for name, v in self.headers.items()})
                    chat.calls.append(call)
                    chat.paths.add(self.path)
                    chat.under_way += 1
                    chat.most_under_way = max(chat.most_under_way, chat.under_way)
                try:
                    reply = behaviour(call)
                finally:
                    with lock:
                        chat.under_way -= 1
                self.send(reply)

            def send(self, reply: Reply) -> None:
                try:
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
                    self.end_headers()
                    self.wfile.write(reply.body)
                    self.wfile.flush()
                except OSError:  # the client gave up
                    self.close_connection = True
                self.close_connection |= reply.close

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self) -> ChatServer:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class Process:
    """A server in a process of its own, which can be killed; ``url`` and ``log``."""

    def __init__(self, command: list[str], log: Path, found: str, seconds: float) -> None:
        self.log = log
        environment = {"PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{ROOT / 'src'}"
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file, cwd=ROOT, env=environment)
        for _ in range(int(seconds / 0.05)):
            if match := re.search(found, log.read_text(errors="replace")):
                self.url = f"{match[1]}/v1"
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"no server after {seconds} s: {log.read_text(errors='replace')[-2000:]}")

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def mortal(answers: int, folder: Path) -> Process:
    """A server that sends ``answers`` answers and is killed while it owes others."""
    command = [sys.executable, "-m", "tests.chat.servers", str(answers)]
    return Process(command, folder / "mortal.log", r"listening on (\S+)", 30)


def transformers_serve(model: Path, folder: Path) -> Process:
    """``transformers serve`` with the model in a local folder; its tokenizer gets a chat template that adds nothing.

    Its name on the server is the folder's path.
    """
    (model / "chat_template.jinja").write_text("{% for message in messages %}{{ message['content'] }}{% endfor %}")
    settings = model / "generation_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"do_sample": True}))
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", "0", "--device", "cpu", "--dtype", "float32"]
    return Process(command, folder / "serve.log", r"running on (http://127\.0\.0\.1:[1-9]\d*)", 120)


def _die_after(answers: int) -> None:
    sent, forever = threading.Semaphore(0), threading.Event()

    def behaviour(call: Call) -> Reply:
        if call.number > answers:
            forever.wait()
        return good(call)

    server = ChatServer(behaviour)
    send = server.server.RequestHandlerClass.send
    server.server.RequestHandlerClass.send = lambda handler, reply: (send(handler, reply), sent.release())
    with server:
        print(f"listening on {server.url.removesuffix('/v1')}", flush=True)
        for _ in range(answers):
            sent.acquire()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _die_after(int(sys.argv[1]))
