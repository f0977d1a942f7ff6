"""One post of your own before the audience, without the pipeline: to look at personas, rules and a policy's answers.

A trial is what the stage ``simulate`` makes of a post with the same line, answer by answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.fewshot.templates import clean
from popcast.simulation.audience.affinity import similarities
from popcast.simulation.audience.population import Population
from popcast.simulation.params import Simulated, Work
from popcast.simulation.policies.persona_prompts import trigger_line
from popcast.simulation.policies.policy import make
from popcast.simulation.records import Trigger
from popcast.simulation.running import reaction_tables
from popcast.simulation.running.inflight import play
from popcast.simulation.running.manifest import manifest
from popcast.simulation.showing import episodes


@dataclass(frozen=True)
class Trial:
    """Tables REACTIONS, STATES and TRIGGERS of one simulation, run 0, and its manifest."""

    reactions: pl.DataFrame
    states: pl.DataFrame
    triggers: pl.DataFrame
    manifest: dict[str, str]
    population: Population

    def episode(self, dataset: str) -> dict:
        """What the stepping page shows, see :mod:`popcast.simulation.showing.episodes`."""
        content = episodes.of(dataset, self.states, self.reactions, self.triggers, self.population, self.manifest)
        content["episodes"][0]["why"] = "tried by hand"
        return {**content, "generated": False}

    def lines(self) -> Iterator[str]:
        """The simulation in words, round by round."""
        stand_in = ", a stand-in for a language model" if self.manifest["stand_in"] == "true" else ""
        yield f"{self.triggers['line'][0]}\nanswered by {self.manifest['policy_model']}{stand_in}"
        for state in self.states.iter_rows(named=True):
            yield f"\nround {state['epoch'] + 1}"
            for answer in self.reactions.filter(epoch=state["epoch"]).iter_rows(named=True):
                yield f"  {self.population.people[answer['row']].name}: {_told(answer)}"
            kept = " (kept: no new words came)" if state["field_status"] == "kept" else ""
            yield f"  field: {state['field_text']}{kept}"
            yield f"  mean attitude {state['mean_attitude']:.2f} of 10"


def _told(answer: dict) -> str:
    if answer["status"] != "ok":
        return f"no answer that could be read ({answer['reason']}, asked {answer['attempts']} times)"
    text = f' "{clean(answer["text"])}"' if answer["text"] else ""
    return f"{answer['action']}{text}, score {answer['score']}"


def simulate(post: dict[str, str | None], population: Population, name: str, settings: Simulated, seed: int) -> Trial:
    """Show ``post`` (title, category, subcategory, concept) to the population called ``name``; run 0.

    Raises BadInput for a post without words, fewer personas than are asked, and what the policy cannot answer.
    """
    from popcast.simulation.model import AudienceModel

    line = trigger_line(post)
    if line is None:
        raise BadInput("the post has no words: nobody can react to it")
    trigger, rules = Trigger(line), settings.rules
    model = AudienceModel(population, rules)
    try:
        cosines = similarities([line], [person.role for person in population.people], settings.policy.encoder)
        policy = make(settings.policy, population.people, rules)
        try:
            record = next(play(iter([(0, trigger, cosines[0])]), [model], rules, seed, policy))
            facts = policy.facts()
        finally:
            policy.close()
    finally:
        model.close()
    made = {
        kind: tables.check(reaction_tables.table_of(kind, [record]), reaction_tables.SCHEMAS[kind], kind)
        for kind in reaction_tables.KEYS
    }
    triggers = pl.DataFrame(
        {"post_id": ["of your own"], "trigger": [trigger.key], "line": [line], "runs": [1]},
        schema_overrides={"runs": pl.Int16},
    )
    about = dict(manifest(name, population, settings, Work(), seed, facts).iter_rows())
    return Trial(made["reactions"], made["states"], triggers, about, population)
