"""Who the simulated users are and who follows whom: generated, or read from the user's own table (popsim.md 2.3).

A table (csv, or a JSON list of objects) has one persona per row: ``name``; ``role_description``, or else ``age``,
``gender``, ``occupation``, ``traits`` and ``interests`` that a sentence is built from; ``relation``, the names of its
friends. The columns of the published ``profiles_100.csv`` are understood too. Relations go both ways: each friend names
the other. Nothing in a cell is ever executed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import orjson

from popcast.core.errors import bad_input
from popcast.core.stable import stable_random
from popcast.core.tables import write_json
from popcast.datasets import raw_files
from popcast.simulation.audience import persona_table
from popcast.simulation.audience.persona_lists import AGES, GENDERS, Words, read_words, sentence
from popcast.simulation.audience.persona_table import Person, Row
from popcast.simulation.params import PopulationSource

FORMAT = 1
"""Version of the JSON that :func:`save` writes."""

MOST = np.iinfo(np.int16).max
"""Personas that a population has at most: tables of reactions name them by an Int16."""

TRAIT_COUNTS = ((3, 0.34), (4, 0.64), (5, 1.0))
"""How many traits a generated persona has, and the share that has at most so many, as measured."""


@dataclass(frozen=True)
class Population:
    """Personas, and for each the rows of its neighbours, ascending. Relations are symmetric."""

    people: tuple[Person, ...]
    neighbours: tuple[tuple[int, ...], ...]

    @cached_property
    def hash(self) -> str:
        """SHA-256 of personas and neighbours as canonical JSON, hex."""
        content = {"people": [asdict(person) for person in self.people], "neighbours": self.neighbours}
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def make(source: PopulationSource, seed: int) -> tuple[Population, dict[str, str | int]]:
    """The population of a section ``populations.<key>``, and its origin for :func:`save`."""
    file = Path(source.file)
    origin: dict[str, str | int] = {"kind": source.kind, "file": source.file}
    if source.kind == "table":
        return read_table(file), {**origin, "file_hash": _file_hash(file)}
    made = generate(file, source.agents, source.edges, seed)
    return made, {**origin, "file_hash": _file_hash(file), "edges": source.edges, "seed": seed}


def _file_hash(file: Path) -> str:
    return hashlib.sha256(raw_files.file_bytes(file)).hexdigest()


def generate(words_file: Path, agents: int, edges: int, seed: int) -> Population:
    """``agents`` personas from word lists on a Barabasi-Albert graph where each new one brings ``edges`` edges.

    A persona depends on the seed, its row and, for its name, the rows before: the first 100 of 1,000 are the same
    persons as 100. Raises BadInput on bad word lists, or too few names.
    """
    import networkx as nx

    if not 1 <= edges < agents <= MOST:
        raise bad_input(f"{agents} agents with {edges} edges each", expected=f"1 <= edges < agents <= {MOST}")
    words = read_words(words_file)
    people: list[Person] = []
    taken: set[str] = set()
    for row in range(agents):
        person = _person(words, row, seed, taken, words_file)
        taken.add(person.name)
        people.append(person)
    graph = nx.barabasi_albert_graph(agents, edges, seed)
    return Population(tuple(people), tuple(tuple(sorted(graph[row])) for row in range(agents)))


def _person(words: Words, row: int, seed: int, taken: set[str], words_file: Path) -> Person:
    facts = ("gender", "age", "age again", "name", "occupation", "count", "pattern")
    draw = dict(zip(facts, stable_random([f"{row}.{fact}" for fact in facts], seed, "persona"), strict=True))
    gender = GENDERS[int(draw["gender"] * len(GENDERS))]
    # the smaller of two draws: mean 39, median 37, ever fewer towards 82
    age = AGES[0] + int(min(draw["age"], draw["age again"]) * (AGES[1] - AGES[0] + 1))
    occupations = [name for name, (youngest, oldest) in words.occupations.items() if youngest <= age <= oldest]
    count = next(number for number, share in TRAIT_COUNTS if draw["count"] < share)
    traits = _several(words.traits, count, f"{row}.trait", seed)
    interests = _several(words.interests, count, f"{row}.interest", seed)
    name = _free_name(words.first_names[gender], words.last_names, draw["name"], taken)
    if name is None:
        expected = f"first names x last names enough for row {row} and those before"
        raise bad_input(f"no {gender} name is left", file=words_file, field="first_names", expected=expected)
    occupation = occupations[int(draw["occupation"] * len(occupations))]
    pattern = words.patterns[int(draw["pattern"] * len(words.patterns))]
    role = sentence(pattern, name, age, gender, occupation, traits, interests)
    return Person(name, age, gender, occupation, traits, interests, role)


def _several(words: Sequence[str], count: int, key: str, seed: int) -> tuple[str, ...]:
    """``count`` different words: those with the smallest draws, so that a new word changes few personas."""
    draws = stable_random([f"{key}.{word}" for word in words], seed, "persona")
    return tuple(words[place] for place in np.argsort(draws, kind="stable")[:count])


def _free_name(first: Sequence[str], last: Sequence[str], draw: float, taken: set[str]) -> str | None:
    """The drawn name, or the next in the list of all that nobody has; None if there is none."""
    number = len(first) * len(last)
    start = int(draw * number)
    for place in range(start, start + number):
        name = f"{first[place % number // len(last)]} {last[place % len(last)]}"
        if name not in taken:
            return name
    return None


def read_table(file: Path) -> Population:
    """The user's own personas from ``.csv`` or ``.json`` (also as :func:`save` writes it). Raises BadInput."""
    if file.suffix == ".csv":
        return _population(persona_table.from_csv(file), file)
    if file.suffix == ".json":
        content = raw_files.json_value(file, persona_table.MOST_BYTES)
        if isinstance(content, dict) and "format" in content:
            return _from_save(content, file)
        return _population(persona_table.from_json(content, file), file)
    raise bad_input("unknown kind of file", file=file, expected=".csv or .json")


def save(population: Population, path: Path, origin: Mapping[str, str | int] | None = None) -> None:
    """Write JSON: format, hash, ``origin`` (what it was made from) and one object per persona, as a table has them."""
    names = [person.name for person in population.people]
    people = [
        {
            "name": person.name,
            "age": person.age,
            "gender": person.gender,
            "occupation": person.occupation,
            "traits": person.traits,
            "interests": person.interests,
            "role_description": person.role,
            "relation": [names[row] for row in rows],
        }
        for person, rows in zip(population.people, population.neighbours, strict=True)
    ]
    write_json({"format": FORMAT, "hash": population.hash, "origin": dict(origin or {}), "people": people}, path)


def load(path: Path) -> Population:
    """Read what :func:`save` wrote, checked again. Raises BadInput, also where personas were edited since."""
    return of_content(raw_files.json_value(path, persona_table.MOST_BYTES), path)


def of_content(content: object, path: Path) -> Population:
    """:func:`load` of JSON that was read; ``path`` is what errors name."""
    population = _from_save(content, path)
    if content.get("hash") != population.hash:
        expected = "the hash of its personas; read your own with `kind: table`"
        raise bad_input("edited", file=path, field="hash", value=content.get("hash"), expected=expected)
    return population


def _from_save(content: object, path: Path) -> Population:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else None
        raise bad_input("not a population", file=path, field="format", value=found, expected=str(FORMAT))
    return _population(persona_table.from_json(content.get("people"), path), path)


def _population(rows: Sequence[Row], file: Path) -> Population:
    if len(rows) > MOST:
        raise bad_input(f"{len(rows)} personas", file=file, expected=f"{MOST} at most")
    return Population(tuple(row.person for row in rows), persona_table.neighbours(rows, file))
