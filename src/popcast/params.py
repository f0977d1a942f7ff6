"""params.yaml as pydantic models, one per section: an unknown or ill-typed key is an error that names it.

``read("base", "splits.smpd")`` validates the whole file and returns the named sections; what a stage reads is what
dvc.yaml declares for it (tests/test_dvc_contract.py compares the two). Sections of feature blocks and predictors are
validated by the module that owns them (``popcast.features.<block>.Params``, ``popcast.models.<model>.Params``).
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML, YAMLError

from popcast import paths
from popcast.errors import BadInput, bad_input
from popcast.llm.sections import FeatureRow, Llm, SystemName, Task, check_tasks
from popcast.section import NAME, Section
from popcast.simulation.sections import MEAN_FIELD, SIMULATION, PopulationSource, Simulation, check_simulations

Metric = Literal["mae", "rmse", "nmse", "mape"]
Loss = Literal["rmse", "mae", "huber", "mape"]


class Base(Section):
    seed: int = Field(ge=0, description="every random number derives from it")


class TableColumns(Section):
    """Which column of a user's table is what. ``text`` columns are joined with a blank line into ``title``."""

    id: str
    author: str | None = None
    time: str | None = None
    text: list[str] = Field([])
    tags: str | None = None
    category: str | None = None
    subcategory: str | None = None
    concept: str | None = None
    media: str | None = None
    numbers: list[str] = Field([], description="numeric columns known at posting time -> post_*")
    author_numbers: list[str] = Field([], description="numeric columns of the author known at posting time -> user_*")
    posthoc: list[str] = Field([], description="numeric columns measured later -> posthoc_*")
    label: str


class Table(Section):
    """Layout of a user's own table of posts (``kind: table``)."""

    labelled: str = Field(description="file below raw with a label in every row")
    unlabelled: str | None = Field(None, description="file below raw without labels: posts to predict")
    columns: TableColumns
    transform: Literal["log2(x)", "log2(x+1)", "none"] = "log2(x+1)"
    time_format: str = Field("auto", description="auto | epoch | epoch_ms | a strptime pattern")
    tag_separator: str | None = Field(None, description="null: a list in JSON or Python form, or by white space")


class Dataset(Section):
    kind: Literal["smpd", "tpic2017", "microlens", "nus", "smp_video", "table"]
    raw: str = Field(description="folder with the raw files; outside the project for real data")
    zone: str = Field("UTC", description="IANA zone for day parts and for timestamps that carry no zone")
    snapshot: datetime | None = Field(None, description="when the outcomes were counted, if all at one moment (UTC)")
    metric: Metric = "mae"
    max_reject_share: float = Field(0.01, ge=0, le=1)
    profile: str | None = Field(None, description="csv of crawled author profiles below raw: posthoc_ columns")
    captions: str | None = Field(None, description="csv below raw, post_id and caption of its image: post_caption")
    transform: Literal["log2(x)", "log2(x+1)", "none"] | None = Field(None, description="microlens, nus: of the counts")
    table: Table | None = None

    @field_validator("zone")
    @classmethod
    def known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except Exception:
            raise ValueError(f"unknown time zone {zone!r}, expected an IANA name such as Asia/Shanghai") from None
        return zone

    @model_validator(mode="after")
    def table_layout(self) -> Dataset:
        if (self.kind == "table") != (self.table is not None):
            raise ValueError("kind 'table' needs a 'table' section, and no other kind has one")
        return self


class Split(Section):
    """How labelled posts become train, valid and test. See popcast.splits."""

    method: Literal["chronological", "published", "rolling_origin", "newest_per_author"]
    valid_from: date | None = Field(None, description="chronological: first day of valid, in the dataset's zone")
    test_from: date | None = None
    shares: tuple[float, float, float] | None = Field(
        None, description="train/valid/test: of the posts (chronological without dates) or authors (newest_per_author)"
    )
    seeds: tuple[int, int] = (9, 18)
    parts: int = Field(14, ge=3)
    train_parts: int = Field(9, ge=2)
    origin: int = Field(0, ge=0, description="rolling_origin: which of the parts - train_parts origins")
    folds: int = Field(4, ge=2, le=20, description="folds over the training posts; in time order where time exists")
    burst_hours: float = Field(1.0, ge=0, description="posts of one user closer than this stay in one fold")
    final_fit: Literal["labelled", "train"] = Field(
        "labelled", description="what the model that predicts unlabelled posts learns from"
    )

    @model_validator(mode="after")
    def complete(self) -> Split:
        if self.method == "chronological" and (self.valid_from is None) == (self.shares is None):
            raise ValueError("chronological needs either valid_from and test_from, or shares")
        if (self.valid_from is None) != (self.test_from is None):
            raise ValueError("valid_from and test_from come together")
        if self.shares is not None and (abs(sum(self.shares) - 1) > 1e-9 or min(self.shares) <= 0):
            raise ValueError("shares must be positive and sum to 1")
        if self.method == "rolling_origin" and self.origin >= self.parts - self.train_parts:
            raise ValueError("origin must be below parts - train_parts")
        return self


class BlockRun(Section):
    """One stage ``features@<dataset>-<block>`` or ``media@...`` or ``derive@...``."""

    dataset: str
    block: str
    of: str | None = Field(None, description="derive: the block whose embedding is used")
    raw: str | None = Field(None, description="media: folder with the media files, same as datasets.<dataset>.raw")
    set: dict[str, Any] = Field({}, description="overrides of the block's section for this dataset")


class RunSettings(Section):
    """What one run does: a predictor with its blocks. A member of a suite is written like this."""

    model: str = Field(description="file in src/popcast/models and section in models")
    blocks: list[str] = Field(description="feature blocks that the predictor gets")
    allow_posthoc: bool | None = Field(None, description="null: as features.allow_posthoc says")
    test_fit: Literal["train", "train+valid", "stop_on_valid"] = Field(
        "train",
        description="what the model that predicts test learns from; train+valid is named in every report. "
        "stop_on_valid: a network learns train, stops on valid and predicts both, as published; never in the blend",
    )
    cross_fit_from: int = Field(0, ge=0, description="first fold with out-of-fold predictions; later ones save time")
    pseudo_labels: Literal["none", "predicted"] = Field(
        "none", description="predicted: a model is fitted again with the posts that it predicts as training rows"
    )
    set: dict[str, Any] = Field({}, description="overrides of the model's section for this dataset")


class ModelRun(RunSettings):
    """One row of the leaderboard. Several runs may share one model file with other settings.

    In ``runs`` it is one stage ``train@<dataset>-<name>``; a suite makes its members into such runs.
    """

    dataset: str
    name: str = Field(pattern=NAME, description="name of the row in every table and report")
    features: str = Field(description="what DVC watches, below data/features: a dataset or one of its tables")
    suite: str | None = Field(None, description="filled in by the suite that the run is a member of")
    base: str | None = Field(None, description="llm_runs: key in llms whose base model it tunes")


class Suite(Section):
    """One stage ``suite@<dataset>-<suite>``: several runs, one after the other. ``runs``: name -> settings."""

    dataset: str
    suite: str = Field(pattern=NAME)
    features: str = Field(description="what DVC watches, below data/features: a dataset or one of its tables")
    runs: dict[Annotated[str, Field(pattern=NAME)], RunSettings] = Field(min_length=1)

    def members(self) -> list[ModelRun]:
        """Its runs in the order of params.yaml."""
        common = {"dataset": self.dataset, "features": self.features, "suite": self.suite}
        return [ModelRun(name=name, **common, **settings.model_dump()) for name, settings in self.runs.items()]


class Blend(Section):
    method: Literal["nnls", "mean", "rank"] = "nnls"
    fit_on: Literal["valid", "oof+valid"] = "oof+valid"
    sum_to_one: bool = True
    intercept: bool = False
    segments: bool = Field(False, description="own weights for posts with profile, known authors, new authors")
    drift_correction: bool = False
    interval: float = Field(0.9, gt=0, lt=1, description="nominal coverage of the split-conformal interval")
    leave_out: list[str] = Field([], description="models that are reported but do not enter the blend")


class Adversarial(Section):
    """One stage ``adversarial@<dataset>``. See popcast.adversarial."""

    features: str = Field(description="what DVC watches, below data/features: a dataset or one of its tables")
    blocks: list[str] = Field(min_length=1, description="feature blocks that the classifier gets")
    embeddings: list[str] = Field([], description="embedding columns that it gets too")
    against: Literal["test", "unlabelled"] = "test"
    drop: list[str] = Field([], description="columns (or patterns) left out for good, such as those of time")
    steps: int = Field(3, ge=0, description="how often the strongest columns are left out after that")
    step_size: int = Field(3, ge=1, description="columns left out per step")
    folds: int = Field(5, ge=2)
    rounds: int = Field(200, ge=1, description="trees")
    learning_rate: float = Field(0.05, gt=0, le=1)
    depth: int = Field(5, ge=1, le=12)
    clip: float = Field(0.01, gt=0, lt=0.5, description="weights: probabilities nearer to 0 or 1 count as this")


class Evaluation(Section):
    bootstrap: int = Field(1000, ge=0, description="resamples of authors; 0 leaves intervals out")
    confidence: float = Field(0.95, gt=0, lt=1)
    baselines: list[str] = Field(["median", "author_mean", "history_ridge"])
    metric_mode: Literal["full", "batch256"] = Field(
        "full", description="batch256: mean over consecutive batches of 256 posts, as MMRA's code reports it"
    )


class Params(Section):
    base: Base
    sample: dict[str, dict[str, Any]] = Field({})
    datasets: dict[str, Dataset]
    splits: dict[str, Split]
    blocks: dict[str, BlockRun] = Field({})
    media: dict[str, BlockRun] = Field({})
    derived: dict[str, BlockRun] = Field({})
    features: dict[str, Any]
    runs: dict[str, ModelRun]
    suites: dict[str, Suite] = Field({})
    models: dict[str, dict[str, Any]]
    blend: Blend
    evaluation: Evaluation
    adversarial: dict[str, Adversarial] = Field({})
    tasks: dict[str, Task] = Field({})
    llms: dict[str, Llm] = Field({})
    llm: dict[str, dict[str, Any]] = Field(
        {}, description="prompts, sft, decoding, preferences, align: see popcast.llm"
    )
    feature_rows: dict[SystemName, FeatureRow] = Field({})
    llm_runs: dict[str, ModelRun] = Field({})
    populations: dict[Annotated[str, Field(pattern=NAME)], PopulationSource] = Field({})
    simulation: dict[Literal["rules", "policy", "runner"], dict[str, Any]] = Field({})
    simulations: dict[str, Simulation] = Field({})

    @model_validator(mode="after")
    def consistent(self) -> Params:
        if not self.datasets:
            raise ValueError("datasets: expected at least one")
        for name in self.datasets:
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
        check_simulations(self.simulations, self.populations, set(self.datasets), self.simulation)
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
        return self

    def _check_run(self, where: str, run: ModelRun) -> None:
        self._check_blocks(where, where if run.suite is None else where.split(".runs.")[0], run.dataset, run)
        if run.model not in self.models:
            raise ValueError(f"models.{run.model}: missing, {where} needs it")

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
        """Every run of a dataset, see :func:`runs_of`."""
        return runs_of(self.runs | self.llm_runs, self.suites, dataset)


def runs_of(runs: dict[str, ModelRun], suites: dict[str, Suite], dataset: str) -> list[ModelRun]:
    """Every run of a dataset: first those of ``runs``, then the members of ``suites``, in the order of params.yaml.

    runs: those of ``runs`` and of ``llm_runs`` (their keys differ: rows have one name per dataset).
    """
    single = [run for run in runs.values() if run.dataset == dataset]
    return single + [run for suite in suites.values() if suite.dataset == dataset for run in suite.members()]


def parse(section: type[Section], values: Any, where: str) -> Any:
    """Validate ``values`` as ``section``; the error is one line with the dotted key."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in (where, *first["loc"]) if part != "")
        if first["type"] == "extra_forbidden":
            raise BadInput(f"{paths.PARAMS}: {key}: unknown key") from None
        message = first["msg"].removeprefix("Value error, ")
        shown = "" if isinstance(first["input"], dict | Section) else f", got {first['input']!r}"
        raise BadInput(f"{paths.PARAMS}: {key + ': ' if key else ''}{message}{shown}") from None


def load(path: Path = paths.PARAMS) -> Params:
    """Read and validate params.yaml."""
    if not path.exists():
        raise BadInput(f"{path}: not found: run from the root of a popcast project")
    try:
        values = YAML(typ="safe").load(path)
    except YAMLError as error:
        raise bad_input(f"not valid YAML: {str(error).splitlines()[0]}", file=path) from None
    return parse(Params, values or {}, "")


def read(*keys: str) -> Any:
    """Return the sections named by dotted keys (one value, or a tuple), after validating the whole file.

    >>> base, split = read("base", "splits.smpd")  # doctest: +SKIP
    """
    params = load()
    found = tuple(_select(params, key) for key in keys)
    return found[0] if len(found) == 1 else found


def _select(params: Params, key: str) -> Any:
    value: Any = params
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else getattr(value, part, None)
        if value is None:
            raise BadInput(f"{paths.PARAMS}: {key}: missing")
    return value


def merged(section: type[Section], values: dict[str, Any], overrides: dict[str, Any], where: str) -> Any:
    """A block's or model's own section with the overrides (``set``) of one run laid over it."""
    return parse(section, {**values, **overrides}, where)
