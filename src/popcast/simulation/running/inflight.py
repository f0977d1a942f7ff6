"""Simulations under way: many at a time, every open question of all of them asked together.

One simulation is a small state machine (:class:`InFlight`): ask the epoch's personas, ask the failing ones again, ask
for the words of the field, step. Each tick gathers the open questions of all simulations under way, asks the policy
once and hands the answers back; finished ones leave and new ones enter. A simulation depends on its line, its run and
the seed alone, so neither the order nor the number under way changes a byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from popcast.chat.response import Response
from popcast.simulation.params import Rules
from popcast.simulation.policies.persona_prompts import clean_field
from popcast.simulation.policies.policy import Policy
from popcast.simulation.policies.reactions import reaction_of
from popcast.simulation.records import Reaction, Request, Trigger
from popcast.simulation.running import answer_counts, reaction_tables

if TYPE_CHECKING:
    import numpy as np

    from popcast.simulation.model import AudienceModel

Task = tuple[int, Trigger, "np.ndarray"]
"""Run, trigger, and similarities [personas] of a simulation that waits."""


def play(
    waiting: Iterator[Task], models: Sequence[AudienceModel], rules: Rules, seed: int, policy: Policy
) -> Iterator[dict[str, Any]]:
    """Records of the waiting simulations, each as soon as it is finished; as many at a time as there are models."""
    free = list(models)
    under_way: list[InFlight] = []
    while True:
        while free and (task := next(waiting, None)) is not None:
            under_way.append(InFlight(free.pop(), rules, seed, *task))
        if not under_way:
            return
        asked = [request for simulation in under_way for request in simulation.open]
        answers = iter(_answers(policy, asked))
        for simulation in under_way:
            simulation.take([next(answers) for _ in simulation.open])
        for simulation in under_way:
            if simulation.finished:
                yield simulation.record()
                free.append(simulation.model)
        under_way = [simulation for simulation in under_way if not simulation.finished]


def _answers(policy: Policy, asked: Sequence[Request]) -> list[Response]:
    responses = policy.respond(asked)
    if len(responses) != len(asked):
        raise RuntimeError(f"{type(policy).__name__} answered {len(responses)} of {len(asked)} requests")
    return [response if response.text.isascii() else _encodable(response) for response in responses]


def _encodable(response: Response) -> Response:
    """The response without lone surrogates, which a server's JSON may hold and no file can."""
    text = response.text.encode("utf-8", "replace").decode()
    return Response(text, response.prompt_tokens, response.output_tokens)


class InFlight:
    """One simulation under way. ``open``: the questions to ask next; empty when it is ``finished``."""

    def __init__(
        self, model: AudienceModel, rules: Rules, seed: int, run: int, trigger: Trigger, similarities: np.ndarray
    ) -> None:
        self.model, self.rules, self.run, self.trigger = model, rules, run, trigger
        model.start(trigger, seed, run, similarities)
        self.open: list[Request] = model.plan()
        self._reactions: dict[int, Reaction] = {}
        self._rows: dict[str, list[tuple]] = {"reactions": [], "states": []}
        self._asked = answer_counts.Asked()

    @property
    def finished(self) -> bool:
        return not self.open

    def take(self, responses: Sequence[Response]) -> None:
        """Answers to the open questions, in their order; makes the next ones."""
        self._asked.count(responses)
        if self.open[0].kind == "field":
            self._step(clean_field(responses[0].text, self.rules), responses[0])
            return
        again = []
        for request, response in zip(self.open, responses, strict=True):
            reaction = reaction_of(request.row, request.attempt, response)
            if reaction.ok or request.attempt >= self.rules.attempts:
                self._reactions[request.row] = reaction
            else:
                again.append(self.model.retry(request))
        self._asked.retries += len(again)
        self.open = again
        if not again:
            question = self.model.field_request(self._in_order())
            if question is None:
                self._step(None, None)
            else:
                self.open = [question]

    def _in_order(self) -> list[Reaction]:
        return [self._reactions[row] for row in sorted(self._reactions)]

    def _step(self, text: str | None, response: Response | None) -> None:
        reactions = self._in_order()
        state = self.model.step(reactions, text)
        epoch = state.epoch
        self._rows["reactions"] += [
            reaction_tables.reaction_row(epoch, slot, one) for slot, one in enumerate(reactions)
        ]
        self._rows["states"].append(reaction_tables.state_row(state, response))
        self._reactions = {}
        self.open = [] if self.model.finished else self.model.plan()

    def record(self) -> dict[str, Any]:
        """What the journal keeps of a finished simulation."""
        return {"run": self.run, "trigger": self.trigger.key, **self._rows, "asked": vars(self._asked)}
