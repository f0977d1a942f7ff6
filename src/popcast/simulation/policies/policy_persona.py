"""Policy ``persona``: rules that answer for the personas where no language model is. A stand-in, and named as one.

How much a post interests a persona is a sum: how near the post is to it, compared with what is usual for this persona
and for this post; its traits and age; what friends did; the mood of the field; and noise from the seed of the request.
The action follows from the score and the traits, the words from templates. No label takes part: a request has none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from popcast.chat.response import Response
from popcast.simulation import params
from popcast.simulation.audience.affinity import similarities
from popcast.simulation.audience.population import Person
from popcast.simulation.policies.persona_phrases import PHRASES, PHRASES_HASH, bits, field_text, filled, mood
from popcast.simulation.policies.persona_prompts import safe, trigger_line
from popcast.simulation.policies.reactions import compose
from popcast.simulation.records import ACTIONS, Memory, Request

START = 2.6
"""Interest of a neutral persona in a post that is as near to it as most are."""
NEARNESS = 2.0
"""Points per standard deviation of nearness."""
POST_SHARE = 0.5
"""How much of what makes a post near to everybody is taken off: the rest is its appeal to the audience as a whole."""
TRAIT, MOST_TRAITS = 0.4, 1.2
YOUNG, OLD, AGE = 30, 60, 0.2
FRIEND_WORDS, FRIEND_LIKE, MOST_FRIENDS = 0.4, 0.25, 1.2
FIELD = 1.5
"""Points between a field of nobody interested and one of everybody."""
NOISE = 1.2
SHOWN = 0.3
"""Share of the way to the mean attitude that a persona goes when it is shown."""

IDLE, SILENT = 0.7, 0.3
"""Chance of doing nothing without interest, and of passing on without words."""
PULL = {"like": (4.0, 0.0), "post": (0.0, 0.15), "retweet": (0.1, 0.3), "reply": (0.2, 0.25)}
"""Weight of each action: a constant, and what each point of the score adds."""
LEANING = 0.6
"""What each trait that favours an action adds to its weight, as a share."""
INTEREST_LIMIT = 40

_SQRT_3 = 3**0.5


@dataclass(frozen=True, slots=True)
class Habits:
    """What a persona brings to every post. readiness: points; pull: of each action but nothing, as in ``PULL``.

    usual: its mean cosine with everyday posts.
    """

    usual: float
    readiness: float
    pull: tuple[tuple[float, float], ...]
    interests: tuple[str, ...]


class Policy:
    """Answers of all personas by rules; a request's answer is a function of the request. About 10 us each."""

    in_company = False

    def __init__(self, section: params.PersonaPolicy, people: Sequence[Person], rules: params.Rules) -> None:
        self.section, self.rules = section, rules
        usual, self.mean, self.spread = usual_similarities(tuple(person.role for person in people), section.encoder)
        self.habits = [habits(person, near) for person, near in zip(people, usual, strict=True)]

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """One answer per request, in the grammar or, for the field, in words."""
        return [Response(self.react(one) if one.kind == "action" else self.summarise(one)) for one in requests]

    def facts(self) -> dict[str, str | bool | int | float | None]:
        facts = {"kind": "persona", "model": "rules over embeddings and traits", "revision": None, "stand_in": True}
        return {**facts, "encoder": self.section.encoder, "templates": RULES_HASH}

    def close(self) -> None:
        """Nothing is held."""

    def react(self, request: Request) -> str:
        """Answer of one persona, in the grammar."""
        habit, seed = self.habits[request.row], request.seed
        score = int(min(max(self.interest(request), 0.0), 10.0) + 0.5)
        chance = bits(seed, 2)
        action = self._action(score, habit.pull, chance)
        if action == "nothing":
            score = 0
        feeling, choice = mood(score, self.rules.interested), bits(seed, 3)
        interest = habit.interests[(choice >> 52) % len(habit.interests)]
        line = request.trigger.line
        thought = filled(PHRASES["thoughts"][feeling], line, interest, choice)
        text = None
        if action in PHRASES["texts"] and not (action == "retweet" and (chance & 0xFFFF) / 0x10000 < SILENT):
            text = filled(PHRASES["texts"][action][feeling], line, interest, choice >> 4)
        return compose(action, text, score, thought)

    def interest(self, request: Request) -> float:
        """Points before they are cut to 0..10 and rounded."""
        habit = self.habits[request.row]
        near = request.similarity - habit.usual - POST_SHARE * (request.post_similarity - self.mean)
        points = START + NEARNESS * near / self.spread + habit.readiness + friends(request.memories)
        if request.field.share_interested is not None:
            points += FIELD * (request.field.share_interested - 0.5)
        points += NOISE * noise(bits(request.seed, 1))
        if self.rules.expose and request.shown_attitude is not None:
            points += SHOWN * (request.shown_attitude - points)
        return points

    def _action(self, score: int, pull: tuple[tuple[float, float], ...], chance: int) -> str:
        """An action by the weights of the persona; without interest, most often none."""
        if score == 0 or (score < self.rules.interested and (chance >> 44) / 0x100000 < IDLE):
            return "nothing"
        ends = list(accumulate(constant + slope * score for constant, slope in pull))
        place = (chance >> 16 & 0xFFFFFFF) / 0x10000000 * ends[-1]
        return next(action for action, end in zip(ACTIONS[1:], ends, strict=True) if place < end)

    def summarise(self, request: Request) -> str:
        """The text field after the answers of ``request.reactions``; "" where there are none."""
        if not request.reactions:
            return ""
        before = request.field.share_interested
        return field_text(request.trigger.line, request.reactions, before, self.rules.interested, request.seed)


def habits(person: Person, usual: float) -> Habits:
    """Traits and age as numbers; unknown traits and missing facts are neutral."""
    lists = {name: set(words) for name, words in PHRASES["traits"].items()}
    traits = [trait.strip().casefold() for trait in person.traits]
    balance = TRAIT * sum((trait in lists["keen"]) - (trait in lists["reserved"]) for trait in traits)
    readiness = min(max(balance, -MOST_TRAITS), MOST_TRAITS)
    if person.age is not None:
        readiness += AGE * ((person.age < YOUNG) - (person.age > OLD))
    pull = []
    for action in ACTIONS[1:]:
        lean = 1 + LEANING * sum(trait in lists[action] for trait in traits)
        pull.append((PULL[action][0] * lean, PULL[action][1] * lean))
    interests = tuple(name for interest in person.interests if (name := safe(interest, INTEREST_LIMIT)))
    return Habits(usual, readiness, tuple(pull), interests or (PHRASES["plain_interest"],))


def friends(memories: Sequence[Memory]) -> float:
    """Points for what friends did: words of theirs weigh more than a like."""
    return min(sum(FRIEND_LIKE if one.action == "like" else FRIEND_WORDS for one in memories), MOST_FRIENDS)


def noise(word: int) -> float:
    """About normal, mean 0 and variance 1: the sum of four uniform numbers of 16 bits each."""
    total = (word & 0xFFFF) + (word >> 16 & 0xFFFF) + (word >> 32 & 0xFFFF) + (word >> 48)
    return _SQRT_3 * (total / 0xFFFF - 2.0)


@lru_cache(maxsize=4)
def usual_similarities(roles: tuple[str, ...], encoder: str) -> tuple[tuple[float, ...], float, float]:
    """Cosines with the everyday posts of the phrases: mean of each persona, mean of all, spread around both.

    Sentences of the same make are all somewhat alike; only what exceeds that tells of interest.
    """
    lines = [trigger_line({"title": title, "category": topic}) or "" for title, topic in PHRASES["everyday"]]
    found = similarities(lines, roles, encoder)
    usual, mean = found.mean(axis=0), found.mean()
    rest = found - usual - POST_SHARE * (found.mean(axis=1, keepdims=True) - mean)
    spread = max(float(rest.std()), 1e-3)
    return tuple(usual.round(6).tolist()), round(float(mean), 6), round(spread, 6)


_CONSTANTS = (START, NEARNESS, POST_SHARE, TRAIT, MOST_TRAITS, YOUNG, OLD, AGE, FRIEND_WORDS, FRIEND_LIKE, MOST_FRIENDS)
_CONSTANTS += (FIELD, NOISE, SHOWN, IDLE, SILENT, PULL, LEANING, PHRASES_HASH)
RULES_HASH = hashlib.sha256(repr(_CONSTANTS).encode()).hexdigest()[:16]
"""Of phrases and weights: what prompt templates are to a language model."""
