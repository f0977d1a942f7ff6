"""Plans for tests: of a stage instance of the params.yaml in the current folder, or with settings given by hand."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import click
import orjson
from click.testing import CliRunner, Result

from popcast.core import paths
from popcast.core.plan_file import Plan
from popcast.core.stage import one_line_errors
from popcast.datasets.params import Metric
from popcast.models.contract.fitting import predictor_maker
from popcast.models.contract.predictors import Predictor
from popcast.models.contract.resolving import resolved
from popcast.models.params import ModelRun
from popcast.planning import local_models, plan, project_params


def write_plan(stage: str, key: str, settings: dict[str, Any]) -> Plan:
    """A plan file below the current folder that names settings and local models alone, and the plan read from it."""
    path = paths.plan(stage, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"stage": stage, "key": key, "settings": settings}
    content["folders"] = {name: local_models.fingerprint(name) for name in local_models.named(plan.texts(settings))}
    path.write_bytes(orjson.dumps(content))
    return Plan(stage, key)


def plan_of(stage: str, key: str = "all") -> Plan:
    """The plan of one stage instance as params.yaml in the current folder has it."""
    made = plan.instance(project_params.load(), stage, key)
    return write_plan(stage, key, made.settings)


def run_stage(stage: str, key: str = "all", catch_exceptions: bool = True) -> Result:
    """Plan and run one stage in the current folder, in this process; a wrong params.yaml ends it as a wrong table does.

    catch_exceptions: see click's runner.
    """

    @click.command()
    @one_line_errors
    def command() -> None:
        plan_of(stage, key)
        importlib.import_module(f"stages.{stage}").main.main([key], standalone_mode=False)

    return CliRunner().invoke(command, [], catch_exceptions=catch_exceptions)


def maker_of(run: ModelRun, section: dict[str, Any], metric: Metric, seed: int) -> Callable[[], Predictor]:
    """What makes the predictor of a run of params.yaml. section: ``models.<model>``."""
    return predictor_maker(resolved(run, section, metric, False), seed)
