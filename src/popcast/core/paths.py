"""Every path of the project as a function of (dataset, block, model): the only file with path strings.

All paths are relative to the project root, which is where DVC runs a stage.
"""

from __future__ import annotations

from pathlib import Path

PARAMS = Path("params.yaml")
SUMMARY = Path("metrics/summary.json")
HEADLINE = Path("metrics/headline.json")
LEADERBOARD = Path("metrics/leaderboard.md")
REPORT = Path("reports")
SCRATCH = Path(".scratch")
PLANS = Path("data/plan")
PRETRAINED = Path("models/pretrained")
"""Model folders that `popcast pretrained` makes; no stage does."""


def plan(stage: str, key: str) -> Path:
    """What one stage instance is told: see ``core/plan_file.py``."""
    return PLANS / stage / f"{key}.json"


def raw(dataset: str) -> Path:
    """Folder that the ``sample`` stage fills; real data live wherever ``datasets.<dataset>.raw`` says."""
    return Path("data/raw") / dataset


def hidden_labels(dataset: str) -> Path:
    """Labels of the generated unlabelled posts, for tests of popcast itself. No other stage reads them."""
    return Path("data/hidden") / f"{dataset}.csv"


def posts(dataset: str) -> Path:
    return Path("data/posts") / f"{dataset}.parquet"


def quality(dataset: str) -> Path:
    """Rows rejected and fields repaired while reading, counted by reason."""
    return Path("metrics/quality") / f"{dataset}.json"


def splits(dataset: str) -> Path:
    return Path("data/splits") / f"{dataset}.parquet"


def features(dataset: str, block: str | None = None) -> Path:
    """Table of one feature block, or the folder of all blocks of a dataset."""
    folder = Path("data/features") / dataset
    return folder if block is None else folder / f"{block}.parquet"


def feature_model(dataset: str, block: str) -> Path:
    """What a feature block learned on the training posts (vocabularies, SVD, banks)."""
    return Path("models/features") / dataset / block


def members(dataset: str, suite: str | None = None) -> Path:
    """Folder of the single models' prediction tables, or of those of a suite (the blend lies beside, decision 002)."""
    folder = Path("data/predictions") / dataset / "members"
    return folder if suite is None else folder / suite


def predictions(dataset: str, model: str, suite: str | None = None) -> Path:
    if model == "blend":
        return Path("data/predictions") / dataset / "blend.parquet"
    return members(dataset, suite) / f"{model}.parquet"


def models(dataset: str, suite: str | None = None) -> Path:
    """Folder of a dataset's saved predictors, or of those of a suite."""
    folder = Path("models") / dataset
    return folder if suite is None else folder / suite


def model(dataset: str, name: str, suite: str | None = None) -> Path:
    """Saved predictor: ``evaluation/`` learned the training part, ``final/`` every labelled post."""
    return models(dataset, suite) / name


def bundle(dataset: str) -> Path:
    """Everything that forecasts of new posts need. Not below ``models(dataset)``, on which the stage depends."""
    return Path("models/bundles") / dataset


def example_posts(dataset: str) -> Path:
    """Single posts of the test part with their reasons, in the bundle; older bundles have none."""
    return bundle(dataset) / "examples.json"


def metrics(dataset: str, name: str | None = None) -> Path:
    folder = Path("metrics/runs") / dataset
    return folder if name is None else folder / f"{name}.json"


def plots(dataset: str) -> Path:
    return Path("plots") / dataset


def adversarial(dataset: str) -> Path:
    """Per post how much it looks like one to predict, and the weights of training posts."""
    return Path("data/adversarial") / f"{dataset}.parquet"


def adversarial_metrics(dataset: str) -> Path:
    return Path("metrics/adversarial") / f"{dataset}.json"


def adversarial_plots(dataset: str) -> Path:
    return Path("plots/adversarial") / dataset


def base_model(llm: str) -> Path:
    """Base of a language model: weights and tokenizer made here, or a note that names a pretrained one."""
    return Path("models/base") / llm


def instructions(task: str) -> Path:
    """Folder of a few-shot task: ``draws.parquet`` and ``records.parquet``."""
    return Path("data/instructions") / task


def draws(task: str) -> Path:
    return instructions(task) / "draws.parquet"


def records(task: str) -> Path:
    return instructions(task) / "records.parquet"


def sft(llm: str, system: str | None = None, shots: int | None = None) -> Path:
    """Tuned models of one language model, of one system, or one of them."""
    return _checkpoint(Path("models/sft") / llm, system, shots)


def aligned(llm: str, system: str | None = None, shots: int | None = None) -> Path:
    return _checkpoint(Path("models/aligned") / llm, system, shots)


def _checkpoint(folder: Path, system: str | None, shots: int | None) -> Path:
    folder = folder if system is None else folder / system
    return folder if shots is None else folder / f"shots_{shots}"


def preferences(llm: str) -> Path:
    return Path("data/preferences") / f"{llm}.parquet"


def preference_counts(llm: str) -> Path:
    """How many pairs of answers there are and how many were left out, by reason."""
    return Path("metrics/preferences") / f"{llm}.json"


def training_curves(stage: str, llm: str) -> Path:
    """Folder of the curves of sft or align: one csv per system and number of shots."""
    return Path("plots/llm") / stage / llm


def answers(task: str, who: str) -> Path:
    """Predictions of a few-shot task. who: ``llm`` (language models) or ``features`` (everything else)."""
    return Path("data/answers") / task / f"{who}.parquet"


def track_metrics(task: str) -> Path:
    return Path("metrics/tracks") / f"{task}.json"


def track_plots(task: str) -> Path:
    return Path("plots/tracks") / task


def population(name: str) -> Path:
    """Personas and who follows whom, as JSON."""
    return Path("data/populations") / f"{name}.json"


def population_metrics(name: str) -> Path:
    """Statistics of a population and its graph."""
    return Path("metrics/populations") / f"{name}.json"


def simulation(key: str, part: str | None = None) -> Path:
    """Folder of a simulation. part: tables ``triggers`` and ``manifest``; folders ``reactions`` and ``states``."""
    folder = Path("data/simulation") / key
    if part is None:
        return folder
    return folder / (part if part in ("reactions", "states") else f"{part}.parquet")


def simulation_metrics(key: str) -> Path:
    """Failure rate, token counts and share of posts that shared a simulation."""
    return Path("metrics/simulation") / f"{key}.json"


def simulation_plots(key: str) -> Path:
    """Pictures of a simulation, and the posts that the page steps through."""
    return Path("plots/simulation") / key


def episodes(key: str) -> Path:
    """The posts of a simulation that the page steps through."""
    return simulation_plots(key) / EPISODES


def ablation_metrics(key: str) -> Path:
    return Path("metrics/ablation") / f"{key}.json"


def ablation_plots(key: str) -> Path:
    return Path("plots/ablation") / key


def responses(key: str, table: str | None = None) -> Path:
    """Folder of a set of responses. table: topics, responses, users, history, cases, portraits or counts."""
    folder = Path("data/responses") / key
    return folder if table is None else folder / f"{table}.parquet"


def response_cases(key: str) -> Path:
    """What was read, kept and rejected of a set of responses, and why cases were left out."""
    return Path("metrics/responses/cases") / f"{key}.json"


def response_model(key: str, system: str | None = None) -> Path:
    """Models that write responses: ``base`` and one folder per tuned system."""
    folder = Path("models/responses") / key
    return folder if system is None else folder / system


def response_curves(key: str) -> Path:
    return Path("plots/responses/train") / key


def generated(key: str) -> Path:
    """Responses that every system wrote."""
    return Path("data/generated") / f"{key}.parquet"


def response_predictions(key: str) -> Path:
    """Predicted texts and sentiments of withheld responses."""
    return Path("data/predictions") / key / "responses.parquet"


def response_metrics(key: str) -> Path:
    return Path("metrics/responses/scores") / f"{key}.json"


def response_plots(key: str) -> Path:
    return Path("plots/responses/scores") / key


def shares(dataset: str, name: str) -> Path:
    """Predicted shares of reactions."""
    return Path("data/predictions") / dataset / f"{name}.parquet"


def share_model(key: str) -> Path:
    return Path("models/shares") / key


def share_metrics(key: str) -> Path:
    return Path("metrics/shares") / f"{key}.json"


def share_plots(key: str) -> Path:
    return Path("plots/shares") / key


EPISODES = "episodes.json"

ANSWER_CACHE = SCRATCH / "answers"
"""Answers of model servers by hash of prompt and settings; stays when a stage is done."""
