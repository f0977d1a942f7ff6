"""A simulated audience on Mesa: who is asked, what spreads to whom, and how the mean field moves (popsim.md 3.2).

One model serves many posts, one after the other::

    model = AudienceModel(population, rules)
    model.start(trigger, seed=0, run=0, similarities=similarities)
    while not model.finished:
        requests = model.plan()  # a policy answers them
        state = model.step(reactions, field_text)

Asking happens outside, so that questions of many posts can be answered together. What a post gets depends on its line,
the seed and the run alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from mesa import Agent, Model

from popcast.core.errors import bad_input
from popcast.simulation.agents import Persona
from popcast.simulation.audience.population import Population
from popcast.simulation.collected import Collected
from popcast.simulation.numeric_field import confidence_bound
from popcast.simulation.params import Rules
from popcast.simulation.records import ACTIONS, Field, Memory, Reaction, Request, Trigger


@dataclass(frozen=True, slots=True)
class State:
    """After an epoch. attitudes: of all personas in order of rows; the rest is of this epoch's parsed answers.

    field_status ``kept``: no new words came, those before stay. mean_raw_score, share_interested: None without answers.
    """

    epoch: int
    field_text: str
    field_status: str
    attitudes: tuple[float, ...]
    mean_attitude: float
    n_ok: int
    mean_raw_score: float | None
    share_interested: float | None
    counts: dict[str, int]


class AudienceModel(Model):
    """Personas on a graph, and the post that they are shown.

    collect: keep what happens to the post under way in ``collected``, to look at. Of Mesa only what 3.3 and 4 share is
    used: the agents and their order, and generators of random numbers.
    """

    def __init__(self, population: Population, rules: Rules, collect: bool = False) -> None:
        super().__init__(rng=0)
        # Mesa puts its own step before the class's: it counts, takes no reactions (Mesa 4) and returns no state
        vars(self).pop("step", None)
        self.steps = 0
        n = len(population.people)
        if rules.sample > n:
            raise bad_input(
                "more personas asked per epoch than the population has",
                file="params.yaml",
                field="simulation.rules.sample",
                value=rules.sample,
                expected=f"at most {n}",
            )
        self.rules = rules
        self.bound = confidence_bound(rules)
        self.in_place = rules.update == "reference"
        names = [person.name for person in population.people]
        Persona.create_agents(self, n, row=list(range(n)), name=names, memory=rules.memory)
        self.personas: tuple[Persona, ...] = tuple(self.agents)
        for persona, rows in zip(self.personas, population.neighbours, strict=True):
            persona.neighbours = tuple(self.personas[row] for row in rows)
        self.collect = collect
        self.collected: Collected | None = None
        self.running = False

    def start(self, trigger: Trigger, seed: int, run: int, similarities: np.ndarray) -> None:
        """Show another post: nothing of the one before stays.

        similarities: cosines [N] of the post and each persona, finite.
        """
        if similarities.shape != (len(self.personas),) or not np.isfinite(similarities).all():
            raise ValueError(f"similarities must be {len(self.personas)} finite numbers")
        self.trigger, self.key, self.seed, self.run = trigger, trigger.key, seed, run
        self.rng = np.random.default_rng(np.random.SeedSequence([seed, run, int(self.key, 16)]))
        self.random.seed(request_seed(seed, run, self.key, -1, -1, 0))
        self.similarities = np.asarray(similarities, dtype=np.float64)
        self.post_similarity = round(float(self.similarities.mean()), 6)
        self.steps, self.running = 0, True
        self.field = Field()
        self.state: State | None = None
        self.asked: tuple[int, ...] = ()
        for persona in self.personas:
            persona.forget()
        self.collected = Collected() if self.collect else None

    @property
    def finished(self) -> bool:
        """No epoch of the post is left."""
        return not self.running

    def plan(self) -> list[Request]:
        """Draw whom to ask in this epoch, and return the questions, ascending in rows."""
        if self.finished or self.asked:
            raise RuntimeError("plan() comes once before each step(), after start()")
        self.asked = self._draw()
        shown = self.field.mean_attitude if self.rules.expose and self.steps else None
        return [
            Request(
                kind="action",
                trigger=self.trigger,
                epoch=self.steps,
                row=row,
                attempt=1,
                seed=request_seed(self.seed, self.run, self.key, self.steps, row, 1),
                field=self.field,
                similarity=float(self.similarities[row]),
                post_similarity=self.post_similarity,
                memories=tuple(self.personas[row].memory),
                shown_attitude=shown,
            )
            for row in self.asked
        ]

    def _draw(self) -> tuple[int, ...]:
        """Rows of a sample without replacement, with probabilities softmax(similarity / temperature).

        The largest of logarithms of probabilities plus Gumbel noise: the same distribution as drawing one by one
        (Efraimidis and Spirakis 2006), and no probability vanishes however small the temperature.
        """
        with np.errstate(over="ignore"):
            logits = (self.similarities - self.similarities.max()) / self.rules.temperature
        keys = logits + self.rng.gumbel(size=len(logits))
        best = np.lexsort((-self.similarities, -keys))[: self.rules.sample]
        return tuple(sorted(best.tolist()))

    def retry(self, request: Request) -> Request:
        """The same question once more, with another seed."""
        attempt = request.attempt + 1
        seed = request_seed(self.seed, self.run, self.key, request.epoch, request.row, attempt)
        return replace(request, attempt=attempt, seed=seed)

    def field_request(self, reactions: Sequence[Reaction]) -> Request | None:
        """The question that sums the epoch's answers up in words; None where none parsed."""
        parsed = tuple(reaction for reaction in sorted(reactions, key=_row) if reaction.ok)
        if not parsed:
            return None
        seed = request_seed(self.seed, self.run, self.key, self.steps, -1, 1)
        return Request("field", self.trigger, self.steps, -1, 1, seed, field=self.field, reactions=parsed)

    def step(self, reactions: Sequence[Reaction], field_text: str | None) -> State:
        """Apply one epoch: memories to the neighbours of who acted, scores mirrored, one sweep, the mean.

        reactions: one for each persona asked. A failed one changes nothing. field_text: the new words of the field;
        None keeps those before. Returns the state, also in ``state``.
        """
        reactions = sorted(reactions, key=_row)  # whoever answers first must not matter
        if not self.asked or tuple(reaction.row for reaction in reactions) != self.asked:
            raise ValueError(f"step() takes one reaction of each persona asked: rows {self.asked}")
        self.steps += 1
        parsed = [reaction for reaction in reactions if reaction.ok]
        self.agents.set("is_core", False)
        for reaction in parsed:
            actor = self.personas[reaction.row]
            actor.is_core, actor.attitude = True, float(reaction.score)
            if reaction.action != "nothing":
                memory = Memory(actor.name, reaction.action, reaction.text)
                for friend in actor.neighbours:
                    friend.receive(memory)
        self.agents.do("step")
        if not self.in_place:
            self.agents.do("advance")
        self.state = self._state(parsed, field_text)
        self.field = Field(self.state.field_text, self.state.mean_attitude, self.state.share_interested)
        self.asked = ()
        self.running = self.steps < self.rules.epochs
        if self.collected is not None:
            self.collected.add(self)
        return self.state

    def _state(self, parsed: Sequence[Reaction], field_text: str | None) -> State:
        attitudes = tuple(persona.attitude for persona in self.personas)
        n, actions = len(parsed), [reaction.action for reaction in parsed]
        interested = sum(reaction.score >= self.rules.interested for reaction in parsed)
        return State(
            epoch=self.steps - 1,
            field_text=self.field.text if field_text is None else field_text,
            field_status="kept" if field_text is None else "ok",
            attitudes=attitudes,
            mean_attitude=float(np.mean(attitudes)),
            n_ok=n,
            mean_raw_score=sum(reaction.score for reaction in parsed) / n if n else None,
            share_interested=interested / n if n else None,
            counts={action: actions.count(action) for action in ACTIONS},
        )

    def close(self) -> None:
        """Let go of the personas. Mesa 3.3 keeps every model that had agents in ``Agent._ids`` (its issue 3179)."""
        self.remove_all_agents()
        getattr(Agent, "_ids", {}).pop(self, None)  # Mesa 4 has none


def _row(reaction: Reaction) -> int:
    return reaction.row


def request_seed(seed: int, run: int, trigger_key: str, epoch: int, row: int, attempt: int) -> int:
    """Seed of one answer, 0 to 2^63 - 1, from SHA-256 of what names it."""
    name = f"{seed}\x1f{run}\x1f{trigger_key}\x1f{epoch}\x1f{row}\x1f{attempt}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
