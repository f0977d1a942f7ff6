"""A server of a small bundle: its app in this process, and a real process where that matters."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

from popcast.serving.http.gate import Gate
from popcast.serving.http.http_app import make_app
from popcast.serving.http.request_limits import RequestLimits
from popcast.serving.http.served_bundle import ServedBundle
from popcast.serving.http.work_pool import WorkPool
from tests.conftest import ROOT

LIMITS = RequestLimits(per_second=0)


@pytest.fixture(scope="module")
def served(bundle_folder, tmp_path_factory) -> ServedBundle:
    """Of a copy, which may grow."""
    folder = tmp_path_factory.mktemp("served") / "bundle"
    shutil.copytree(bundle_folder, folder)
    return ServedBundle(folder, LIMITS)


@pytest.fixture(scope="module")
def client(served) -> Iterator[TestClient]:
    with client_of(app_of(served)) as found:
        yield found


def app_of(served: ServedBundle, **given: object) -> Gate:
    """The app of a bundle; given: token and hosts."""
    limits = served.limits
    return make_app(served, WorkPool(2, limits.waiting, limits.work_seconds), **given)


def client_of(app: Gate) -> TestClient:
    """A client of an app that runs in this process; what the app raises is an answer."""
    return TestClient(app, raise_server_exceptions=False)


@dataclass
class Running:
    """A server in a process of its own."""

    process: subprocess.Popen
    address: str
    said: str

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def client(self, **given: object) -> httpx2.Client:
        return httpx2.Client(base_url=self.address, timeout=60, **given)

    def end(self, how: int = signal.SIGTERM) -> int:
        """Tell it to end; its exit code."""
        self.process.send_signal(how)
        return self.process.wait(timeout=60)


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Start ``popcast serve`` with options; waits until it says its address."""
    running: list[subprocess.Popen] = []

    def started(folder: Path, *options: str, program: str = "from popcast.cli import main; main()", **variables: str):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src"), **variables}
        command = [sys.executable, "-c", program, "serve", str(folder), "--port", "0", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        running.append(process)
        said = ""
        for line in process.stdout:
            said += line
            if match := re.search(r"http://\S+", line):
                return Running(process, match[0], said)
        raise AssertionError(said + process.stderr.read())

    yield started
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
