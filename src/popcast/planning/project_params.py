"""params.yaml as a whole: one pydantic model per section, and what the sections say about one another.

An unknown or ill-typed key, a reference to something that is not declared and a name taken twice are refused by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from popcast.blend.params import Blend
from popcast.core import paths, yaml_reading
from popcast.core.errors import BadInput, shown
from popcast.core.params import Base, parse
from popcast.core.section import Key, Name, Section
from popcast.datasets.params import Dataset
from popcast.features.params import BlockRun
from popcast.fewshot.params import FeatureRow, Llm, Task, check_tasks
from popcast.models.params import ModelRun, Suite, runs_of
from popcast.response.params import PARTS, ResponseSet, ShareRun
from popcast.scoring.params import Adversarial, Evaluation
from popcast.simulation.params import MEAN_FIELD, SIMULATION, PopulationSource, Simulation, check_simulations
from popcast.splits.params import Split

WIDER = "test_bank: train+valid"
TAKEN = (
    "features", "base", "sft", "aligned", "adversarial", "llm", "tracks", "simulation", "ablation", "responses",
    "shares", "bundles", "pretrained",
)  # fmt: skip
"""Folders beside those of datasets, below ``models`` and ``plots``."""


class Params(Section):
    base: Base
    sample: dict[Key, dict[str, Any]] = Field({})
    datasets: dict[Key, Dataset]
    splits: dict[Key, Split]
    blocks: dict[Key, BlockRun] = Field({})
    media: dict[Key, BlockRun] = Field({})
    derived: dict[Key, BlockRun] = Field({})
    features: dict[Key, Any]
    runs: dict[Key, ModelRun]
    suites: dict[Key, Suite] = Field({})
    models: dict[Key, dict[str, Any]]
    blend: Blend
    evaluation: Evaluation
    adversarial: dict[Key, Adversarial] = Field({})
    tasks: dict[Key, Task] = Field({})
    llms: dict[Key, Llm] = Field({})
    llm: dict[Literal["prompts", "sft", "decoding", "preferences", "align"], dict[str, Any]] = Field(
        {}, description="prompts, sft, decoding, preferences, align: see popcast.lm and popcast.fewshot"
    )
    feature_rows: dict[Name, FeatureRow] = Field({})
    llm_runs: dict[Key, ModelRun] = Field({})
    populations: dict[Key, PopulationSource] = Field({})
    simulation: dict[Literal["rules", "policy", "runner"], dict[str, Any]] = Field({})
    simulations: dict[Key, Simulation] = Field({})
    responses: dict[Key, ResponseSet] = Field({})
    response: dict[Literal[PARTS], dict[str, Any]] = Field({}, description="what all sets of responses share")
    reaction_shares: dict[Key, ShareRun] = Field({})
    share_model: dict[Key, Any] = Field({}, description="see popcast.response.shares.params")

    @model_validator(mode="after")
    def consistent(self) -> Params:
        if not self.datasets and not self.responses:
            raise ValueError("datasets: expected at least one, or one of responses")
        for key, value in self.features.items():
            if not isinstance(value, bool if key == "allow_posthoc" else dict):
                expected = "true or false" if key == "allow_posthoc" else "keys and values"
                raise ValueError(f"features.{key}: expected {expected}, got {shown(value)}")
        for name in self.datasets:
            if name in TAKEN:
                raise ValueError(f"datasets.{name}: the name is taken by a folder of popcast")
            if name not in self.splits:
                raise ValueError(f"splits.{name}: missing, every dataset needs one")
        for group in ("blocks", "media", "derived"):
            for key, run in getattr(self, group).items():
                if key != f"{run.dataset}-{run.block}" or run.dataset not in self.datasets:
                    raise ValueError(f"{group}.{key}: key must be <dataset>-<block> of a declared dataset")
                if run.block not in self.features:
                    raise ValueError(f"features.{run.block}: missing, {group}.{key} needs it")
                if group == "media" and run.raw != self.datasets[run.dataset].raw:
                    raise ValueError(f"media.{key}.raw: expected the same folder as datasets.{run.dataset}.raw")
        for key, run in self.runs.items():
            if key != f"{run.dataset}-{run.name}" or run.dataset not in self.datasets or run.name == "blend":
                raise ValueError(f"runs.{key}: key must be <dataset>-<name> of a declared dataset, name not 'blend'")
            if run.suite is not None:
                raise ValueError(f"runs.{key}.suite: unknown key: a member of a suite stands in suites")
            if run.base is not None:
                raise ValueError(f"runs.{key}.base: unknown key: a run on a language model stands in llm_runs")
            self._check_run(f"runs.{key}", run)
        check_tasks(self.tasks, self.llms, set(self.datasets), self.feature_rows)
        blocks = {name: set(self.blocks_of(name)) for name in self.datasets}
        check_simulations(self.simulations, self.populations, set(self.datasets), self.simulation, blocks)
        self._check_responses()
        for key, run in self.llm_runs.items():
            if key != f"{run.dataset}-{run.name}" or run.dataset not in self.datasets:
                raise ValueError(f"llm_runs.{key}: key must be <dataset>-<name> of a declared dataset")
            if run.base not in self.llms:
                raise ValueError(f"llm_runs.{key}.base: no llms.{run.base}")
            self._check_run(f"llm_runs.{key}", run)
        for key, suite in self.suites.items():
            if key != f"{suite.dataset}-{suite.suite}" or suite.dataset not in self.datasets:
                raise ValueError(f"suites.{key}: key must be <dataset>-<suite> of a declared dataset")
            for run in suite.members():
                self._check_run(f"suites.{key}.runs.{run.name}", run)
        self._check_names()
        for key, section in self.adversarial.items():
            if key not in self.datasets:
                raise ValueError(f"adversarial.{key}: key must be a declared dataset")
            self._check_blocks(f"adversarial.{key}", f"adversarial.{key}", key, section)
            if "profile" in section.blocks:
                raise ValueError(f"adversarial.{key}.blocks: 'profile' was measured after posting")
            for block in section.blocks:
                if self.shows_test_more(key, block):
                    raise ValueError(f"adversarial.{key}.blocks: test posts search more in {block!r}: {WIDER}")
        return self

    def _check_responses(self) -> None:
        for key in self.responses:
            if key in self.datasets or key in TAKEN:
                raise ValueError(f"responses.{key}: the name is taken by a dataset or a folder of popcast")
        for key, run in self.reaction_shares.items():
            known = self.datasets if run.of == "posts" else self.responses
            if run.dataset not in known:
                section = "datasets" if run.of == "posts" else "responses"
                raise ValueError(f"reaction_shares.{key}.dataset: no {section}.{run.dataset}")
            if run.simulation() is not None and run.dataset not in self.simulations:
                raise ValueError(f"reaction_shares.{key}.audience: no simulations.{run.dataset}")
            for field, made in run.places().items():
                if getattr(run, field) != made:
                    raise ValueError(f"reaction_shares.{key}.{field}: expected {made}")
            for block in run.blocks:
                if run.of == "topics" or block not in self.blocks_of(run.dataset):
                    raise ValueError(f"reaction_shares.{key}.blocks: no stage makes block {block!r} of {run.dataset}")

    def _check_run(self, where: str, run: ModelRun) -> None:
        self._check_blocks(where, where if run.suite is None else where.split(".runs.")[0], run.dataset, run)
        if run.model not in self.models:
            raise ValueError(f"models.{run.model}: missing, {where} needs it")
        for block in run.blocks:
            if run.test_fit != "train+valid" and self.shows_test_more(run.dataset, block):
                raise ValueError(
                    f"{where}.test_fit: got {run.test_fit!r}, but in block {block!r} test posts see labels of valid "
                    f"posts ({WIDER}): expected 'train+valid', or test_bank: train"
                )

    def shows_test_more(self, dataset: str, block: str) -> bool:
        """Whether a block lets test posts see labels that no post sees that a model of the training part learns."""
        made = [
            run for group in (self.blocks, self.media, self.derived) for run in group.values()
            if (run.dataset, run.block) == (dataset, block)
        ]  # fmt: skip
        return any(({**(self.features[block] or {}), **run.set}).get("test_bank") == "train+valid" for run in made)

    def _check_blocks(self, where: str, field: str, dataset: str, run: ModelRun | Adversarial) -> None:
        """Its blocks are made, and DVC watches them. ``field``: where ``features`` stands."""
        if run.features.split("/")[0] != dataset:
            raise ValueError(f"{field}.features: expected {dataset} or {dataset}/<block>.parquet")
        made = self.blocks_of(dataset)
        for block in run.blocks:
            if block not in made:
                raise ValueError(f"{where}.blocks: no stage makes block {block!r} of {dataset}")
            if run.features not in (dataset, f"{dataset}/{block}.parquet"):
                raise ValueError(f"{field}.features: DVC would not see block {block!r}, expected {dataset}")

    def _check_names(self) -> None:
        """Rows have one name per dataset, and a suite's folder of models is nobody else's."""
        if both := set(self.runs) & set(self.llm_runs):
            raise ValueError(f"llm_runs.{min(both)}: the name is taken by runs.{min(both)}")
        for dataset in self.datasets:
            taken = {"blend"}
            for suite in (suite.suite for suite in self.suites.values() if suite.dataset == dataset):
                if suite in taken:
                    raise ValueError(f"suites.{dataset}-{suite}: the name {suite!r} is taken")
                taken.add(suite)
            for run in self.runs_of(dataset):
                if run.name in taken:
                    where = f"runs.{dataset}-{run.name}"
                    if run.suite is not None:
                        where = f"suites.{dataset}-{run.suite}.runs.{run.name}"
                    raise ValueError(f"{where}: the name {run.name!r} is taken by another run or suite of {dataset}")
                taken.add(run.name)

    def blocks_of(self, dataset: str) -> list[str]:
        """Names of the feature blocks that the pipeline makes for a dataset, sorted."""
        groups = (self.blocks, self.media, self.derived)
        made = [run.block for group in groups for run in group.values() if run.dataset == dataset]
        return sorted(made + ([SIMULATION, MEAN_FIELD] if dataset in self.simulations else []))

    def runs_of(self, dataset: str) -> list[ModelRun]:
        """Every run of a dataset, see :func:`popcast.models.params.runs_of`."""
        return runs_of(self.runs | self.llm_runs, self.suites, dataset)


def load(path: Path = paths.PARAMS) -> Params:
    """Read and validate params.yaml."""
    if not path.exists():
        raise BadInput(f"{path}: not found: run from the root of a popcast project")
    return parse(Params, yaml_reading.mapping(yaml_reading.read_yaml(path) or {}, path), "")


def entry(section: str, key: str) -> Any:
    """``<section>.<key>`` of params.yaml; raises BadInput, one line, where there is none."""
    entries = getattr(load(), section)
    if key not in entries:
        raise BadInput(f"{paths.PARAMS}: {section}.{key}: missing, expected one of {', '.join(entries) or 'none'}")
    return entries[key]
