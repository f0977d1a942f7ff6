"""Shards on a Ray cluster: ``POPCAST_ENGINE=ray``.

Connects to the cluster that RAY_ADDRESS names or that runs on this machine, else starts one here for the run. The
nodes need the packages of requirements.txt and ray, not popcast itself: its code travels with the job. What a task
reads besides its shard (model files, keys in the environment) must exist on the nodes, under the same path.

RAY_AUTH_MODE=token with RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH) lets only holders of the token in, see Ray's manual.
POPCAST_RAY_CPUS and POPCAST_RAY_GPUS say what one shard reserves on its node (default 1 and 0).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import popcast
from popcast.core.errors import BadInput
from popcast.core.in_order import AHEAD, in_order
from popcast.core.libraries.extras import line_of_missing

SHIPPED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_WAIT_POLICY",
           "TOKENIZERS_PARALLELISM", "POPCAST_THREADS")  # fmt: skip
"""Settings of this process that tasks run under too: the number of threads changes floating point sums."""


def results(function: Callable[[Any], Any], shards: Sequence[Any]) -> Iterator[Any]:
    """``function(shard)`` of every shard in order, a bounded number of them submitted at a time."""
    ray = _ray()
    started_here = not ray.is_initialized()
    if started_here:
        _connect(ray)
    try:
        cpus, gpus = _reserved("POPCAST_RAY_CPUS", 1.0), _reserved("POPCAST_RAY_GPUS", 0.0)
        # max_calls: a worker keeps what it has loaded for the next shard, also on a GPU
        remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_calls=0)(_call)
        shared = ray.put(function)
        folder = os.getcwd()
        submitted = (remote.remote(shared, shard, folder) for shard in shards)
        yield from in_order(submitted, AHEAD * _at_a_time(ray, cpus, gpus), lambda task: _result(ray, task))
    finally:
        if started_here:
            ray.shutdown()


def _call(function: Callable[[Any], Any], shard: Any, folder: str) -> Any:
    """One shard on a node: in the project's folder where the node has it, so that relative paths lead somewhere."""
    if os.path.isdir(folder):
        os.chdir(folder)
    return function(shard)


def _ray():
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise BadInput(f"POPCAST_ENGINE=ray: {line_of_missing(error)}") from None
    return ray


def _connect(ray) -> None:
    settings = {name: os.environ[name] for name in SHIPPED if name in os.environ} | {"POPCAST_ENGINE": "serial"}
    runtime = {"py_modules": [str(Path(popcast.__file__).parent)], "env_vars": settings}
    quiet = {"log_to_driver": False, "logging_level": "error", "runtime_env": runtime}
    address = os.environ.get("RAY_ADDRESS")
    try:
        ray.init(address=address, **({} if address else {"include_dashboard": False}), **quiet)
    except Exception as error:  # Ray raises RuntimeError, ConnectionError, ValueError and its own kinds
        reason = " ".join(str(error).split())[:200]
        where = address or "the cluster on this machine"
        raise BadInput(f"POPCAST_ENGINE=ray: no connection to {where} (is RAY_AUTH_TOKEN right?): {reason}") from None


def _reserved(name: str, default: float) -> float:
    value = os.environ.get(name, "")
    try:
        amount = float(value) if value else default
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise BadInput(f"{name}: got {value!r}, expected a number such as 1 or 0.5")
    return amount


def _at_a_time(ray, cpus: float, gpus: float) -> int:
    """Shards that the nodes can run side by side; a reservation that fits on none is an error, not an endless wait."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    asked = [(kind, amount) for kind, amount in (("CPU", cpus), ("GPU", gpus)) if amount]
    slots = sum(min((int(node.get(kind, 0.0) / amount) for kind, amount in asked), default=1) for node in nodes)
    if not slots:
        have = ", ".join(f"{node.get('CPU', 0):g} and {node.get('GPU', 0):g}" for node in nodes)
        raise BadInput(f"POPCAST_ENGINE=ray: a shard asks for {cpus:g} CPUs and {gpus:g} GPUs, the nodes have {have}")
    return slots


def _result(ray, task) -> Any:
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, BadInput):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInput(f"POPCAST_ENGINE=ray: a shard was lost: {reason}: start again (finished pieces stay)") from None
