"""Shards in order, on every engine, and errors that come through."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from popcast.core.engine import AHEAD, chosen_engine, in_order, in_this_process, map_shards, stays_here
from popcast.core.errors import BadInput, bad_input

ROOT = Path(__file__).resolve().parents[1]


def power(base: int, exponent: int) -> int:
    if base == 13:
        raise bad_input("unlucky", value=base)
    return base**exponent


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("engine", ["serial", "process"])
def test_results_in_order_and_errors_come_through(engine, monkeypatch):
    monkeypatch.setenv("POPCAST_ENGINE", engine)
    square = partial(power, exponent=2)
    assert map_shards(square, [5, 3, 4], "squares") == [25, 9, 16]
    assert map_shards(square, []) == []
    seen = []
    assert map_shards(square, range(9), None, then=lambda *pair: seen.append(pair) or pair[0]) == list(range(9))
    assert seen == [(i, i * i) for i in range(9)]
    with pytest.raises(BadInput, match="unlucky: got 13"):
        map_shards(square, [5, 13, 4])


def test_unknown_engine(monkeypatch):
    monkeypatch.setenv("POPCAST_ENGINE", "abacus")
    with pytest.raises(BadInput, match="unknown engine: got 'abacus', expected one of process, serial, ray"):
        map_shards(len, [[1], [2]])


def test_who_works_here(monkeypatch):
    monkeypatch.setenv("POPCAST_THREADS", "2")
    monkeypatch.setenv("POPCAST_ENGINE", "process")
    assert (stays_here(2), stays_here(1), stays_here(2, one_process=True)) == (False, True, True)
    monkeypatch.setenv("POPCAST_ENGINE", "serial")
    assert stays_here(2)
    monkeypatch.setenv("POPCAST_ENGINE", "ray")
    assert (stays_here(1), stays_here(2, one_process=True)) == (False, False)


def test_results_do_not_pile_up():
    submitted, most = [], 0
    for result in in_order((submitted.append(i) or i for i in range(20)), 3, lambda task: task):
        most = max(most, len(submitted) - result)
    assert most == 3
    assert AHEAD >= 1


def test_a_killed_process_is_one_line(monkeypatch):
    monkeypatch.setenv("POPCAST_ENGINE", "process")
    with pytest.raises(BadInput, match="a worker process was killed"):
        map_shards(die, [1, 2])


def test_ray_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setenv("POPCAST_ENGINE", "ray")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadInput, match=r"ray is not installed: .*pip install 'popcast\[ray\]'"):
        map_shards(len, [[1]])


@contextmanager
def ray_cluster(folder: Path, cpus: tuple[int, ...]):
    """Nodes on loopback that let in only who has the token; yields the environment of a client."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ADDRESS": f"127.0.0.1:{port}",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    nodes = []
    try:
        for count in cpus:
            head = ["--head", f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false"]
            where = [f"--address=127.0.0.1:{port}"] if nodes else head
            command = [
                Path(sys.executable).with_name("ray"), "start", "--block", *where, "--node-ip-address=127.0.0.1",
                f"--num-cpus={count}", "--object-store-memory=100000000",
            ]  # fmt: skip
            node_environment = {k: v for k, v in environment.items() if k not in ("RAY_ADDRESS", "PYTHONPATH")}
            log = (folder / f"node-{len(nodes)}.log").open("w")
            node = subprocess.Popen(
                command, env=node_environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
            nodes.append((node, folder / f"node-{len(nodes)}.log"))
            wait_for("Ray runtime started", *nodes[-1])
        yield environment
    finally:
        for node, _ in reversed(nodes):
            node.terminate()
            node.wait(60)


def wait_for(words: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 120
    while words not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def where(number: int) -> tuple[int, str, str]:
    """A shard that says on which node it ran, and with which code."""
    import ray

    import popcast

    time.sleep(0.5)  # so that both nodes get some
    return number, ray.get_runtime_context().get_node_id(), popcast.__file__


CLIENT = """
import sys
from functools import partial
from pathlib import Path
from popcast.core.engine import map_shards
from popcast.core.errors import BadInput
from popcast.simulation.running.reaction_tables import KEYS
from tests.simulation.doubles import double_shard
from tests.simulation.test_runner import cut, job
from tests.core.test_engine import power, where

seen = map_shards(where, range(8), None)
assert [number for number, _, _ in seen] == list(range(8))
assert len({node for _, node, _ in seen}) == 2, seen
assert all("py_modules" in code for _, _, code in seen), seen
try:
    map_shards(partial(power, exponent=2), [5, 13, 4], None)
except BadInput as error:
    assert str(error) == "unlucky: got 13", str(error)
else:
    raise AssertionError("no error came through")

def keep(number, part):
    for kind, content in part.tables.items():
        Path(sys.argv[1], f"{kind}-{number}").write_bytes(content)
    return part.counts["simulations"]

assert map_shards(partial(double_shard, job=job(Path(sys.argv[1]))), cut(5, runs=2), None, then=keep) == [5, 5, 3]
print("all well")
"""


@pytest.mark.slow
def test_a_ray_cluster_of_two_nodes_with_a_token_gives_the_same_bytes(tmp_path_factory):
    from tests.simulation.doubles import double_shard
    from tests.simulation.test_runner import cut, job

    pytest.importorskip("ray", reason="ray is not installed (requirements-ray.txt)")
    made = tmp_path_factory.mktemp("made")
    serial = [double_shard(shard, job=job(tmp_path_factory.mktemp("serial"))) for shard in cut(5, runs=2)]
    # Ray's sockets lie below it, and their paths may have 107 characters at most
    with TemporaryDirectory(prefix="ray") as folder, ray_cluster(Path(folder), (1, 1)) as environment:

        def client(**changes: str) -> subprocess.CompletedProcess:
            command = [sys.executable, "-c", CLIENT, str(made)]
            return subprocess.run(
                command,
                env=environment | {"POPCAST_ENGINE": "ray"} | changes,
                capture_output=True,
                text=True,
                check=False,
            )

        done = client()
        assert (done.returncode, done.stdout) == (0, "all well\n"), done.stderr
        stranger = client(RAY_AUTH_TOKEN=secrets.token_hex(32), RAY_NUM_REDIS_GET_RETRIES="3")
        assert stranger.returncode == 1
        assert "POPCAST_ENGINE=ray: no connection to 127.0.0.1:" in stranger.stderr.splitlines()[-1]
        assert environment["RAY_AUTH_TOKEN"] not in done.stdout + done.stderr + stranger.stderr
        greedy = client(POPCAST_RAY_CPUS="2")
        assert "a shard asks for 2 CPUs and 0 GPUs, the nodes have 1 and 0, 1 and 0" in greedy.stderr
    for number, part in enumerate(serial):
        for kind, content in part.tables.items():
            assert (made / f"{kind}-{number}").read_bytes() == content


def test_in_this_process_starts_no_other(monkeypatch):
    monkeypatch.setenv("POPCAST_ENGINE", "process")
    with in_this_process():
        assert stays_here(8)
        assert set(map_shards(lambda _: os.getpid(), range(8))) == {os.getpid()}
    assert chosen_engine() == "process"
