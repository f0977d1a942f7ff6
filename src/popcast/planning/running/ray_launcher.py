"""Commands of stages as tasks of a Ray cluster over the shared project folder. Needs requirements-ray.txt."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

from popcast.planning.running.commands import Command, Finished


class Ray:
    """Stages as tasks of a Ray cluster: of ``RAY_ADDRESS``, or a local one that ends with the runner.

    ``num_cpus`` and ``num_gpus`` are the claims of the stage, no more than the largest node has.
    """

    def __init__(self) -> None:
        try:
            import ray
        except ImportError:
            raise ValueError("--launch ray: ray is missing: pip install 'popcast[ray]'") from None
        self.ray = ray
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, logging_level="error")
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers need no popcast on their path
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        self.cpus = int(max(node.get("CPU", 0) for node in nodes))
        self.gpus = int(max(node.get("GPU", 0) for node in nodes))
        self._running: dict[str, object] = {}
        self._stopped: int | None = None

    def run(self, command: Command, say: Callable[[str], None]) -> Finished:
        if self._stopped is not None:
            return Finished(-self._stopped, 0.0)
        begin = time.monotonic()
        remote = self.ray.remote(max_retries=0)(_run_in_worker).options(
            name=command.name, num_cpus=min(command.cores, self.cpus), num_gpus=min(command.gpu, self.gpus)
        )
        reference = remote.remote(
            [[*command.shell, line] for line in command.lines], command.folder, command.environment
        )
        self._running[command.name] = reference
        try:
            code, text, cpu, peak = self.ray.get(reference)
        except (self.ray.exceptions.RayError, self.ray.exceptions.TaskCancelledError) as error:
            code, text, cpu, peak = 1, [str(error)], None, None
        self._running.pop(command.name, None)
        for line in text:
            say(line)
        return Finished(code, time.monotonic() - begin, cpu, peak)

    def stop(self, signum: int) -> None:
        self._stopped = signum
        for reference in list(self._running.values()):
            self.ray.cancel(reference, force=signum == signal.SIGKILL)


def _run_in_worker(lines: list[list[str]], folder: str, environment: dict[str, str]) -> tuple:
    """Run the lines of a stage in a worker of Ray; exit code, lines of output, CPU seconds, peak RSS in MB.

    Ray tells its workers which GPUs are theirs by the environment; that stays. A cancelled task ends its process group.
    """
    import os
    import resource
    import signal
    import subprocess

    own = {key: value for key, value in os.environ.items() if key.startswith(("RAY_", "CUDA_VISIBLE"))}
    text: list[str] = []
    code = 0
    for words in lines:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=environment | own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            text += process.communicate()[0].splitlines()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
        code = process.returncode
        if code:
            break
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return code, text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
