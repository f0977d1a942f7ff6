"""Titles and tags of generated SMPD posts: shared within a burst up to small edits, so near-duplicates abound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popcast.datasets.sample import invented_words
from popcast.datasets.sample.random_draws import stream

EDITED, NUMBERED = 0.50, 0.15
"""Shares of posts whose title has a mood word of its own, and a number at its end."""
EMPTY_TITLE, ODD_TITLE, NO_TAGS, ONE_TAG_LESS = 0.02, 0.01, 0.015, 0.135
"""Shares of the forms that readers stumble over."""


@dataclass(frozen=True)
class Texts:
    """Texts of the posts [n] and what they add to the score."""

    titles: list[str]
    tags: list[str]
    weight: np.ndarray
    """Sum of the weights of the post's mood words [n]."""
    count: np.ndarray
    """Number of tags [n]."""
    theme: np.ndarray
    """Theme of each burst [r]."""


def draw(
    run: np.ndarray, run_user: np.ndarray, run_concept: np.ndarray, level: np.ndarray, seed: int, dataset: str
) -> Texts:
    """Draw the texts of posts in the bursts ``run`` [n], whose users and concepts are given [r]."""
    rng = stream(seed, dataset, "texts")
    theme = rng.integers(0, invented_words.THEMES, len(run_user))
    habit = rng.standard_normal(len(level))
    noise = rng.standard_normal(len(run_user))
    size = np.exp(1.9 + 0.35 * level[run_user] + 0.6 * habit[run_user] + 0.35 * noise)
    pairs = rng.integers(0, len(invented_words.MOODS), (len(run_user), 2)).tolist()
    kept = rng.integers(0, 3, len(run_user)).tolist()
    moods = [pair[:count] for pair, count in zip(pairs, kept, strict=True)]
    titles, tags = burst_texts(rng, run_user, run_concept, theme, np.minimum(75, size).astype(int), moods)
    return edited(rng, run, titles, tags, moods, theme)


def burst_texts(
    rng: np.random.Generator,
    run_user: np.ndarray,
    run_concept: np.ndarray,
    theme: np.ndarray,
    size: np.ndarray,
    moods: list[list[int]],
) -> tuple[list[str], list[list[str]]]:
    """Title and tags of each burst [r]: its theme, its mood words, the user's own tag, then tags of any kind."""
    names = list(invented_words.MOODS)
    prime = len(invented_words.GENERIC)
    start, stride = rng.integers(0, prime, len(run_user)).tolist(), rng.integers(1, prime, len(run_user)).tolist()
    place = rng.integers(0, len(invented_words.PLACES), len(run_user)).tolist()
    machine = rng.integers(0, len(invented_words.MACHINE_TAGS), len(run_user)).tolist()
    pairs = [invented_words.themes(concept) for concept in range(len(invented_words.CONCEPTS))]
    titles, all_tags = [], []
    for row, (concept, user) in enumerate(zip(run_concept.tolist(), run_user.tolist(), strict=True)):
        first, second = pairs[concept][theme[row]]
        own = [names[which] for which in moods[row]]
        titles.append(" ".join([*own[:1], first, second, invented_words.PLACES[place[row]]]).strip())
        signature = f"by{invented_words.alias(user).replace('-', '').lower()}"
        _, subcategory, name, _ = invented_words.CONCEPTS[concept]
        tags = [
            name,
            first,
            second,
            *dict.fromkeys(own),
            first + second,
            invented_words.vocabulary(subcategory),
            signature,
        ]
        if row % 23 == 0:
            tags.insert(3, invented_words.MACHINE_TAGS[machine[row]])
        more = range(max(0, int(size[row]) - len(tags)))
        tags += [invented_words.GENERIC[(start[row] + number * stride[row]) % prime] for number in more]
        all_tags.append(tags[: max(1, int(size[row]))])
    return titles, all_tags


def edited(
    rng: np.random.Generator,
    run: np.ndarray,
    burst_titles: list[str],
    burst_tags: list[list[str]],
    moods: list[list[int]],
    theme: np.ndarray,
) -> Texts:
    """The posts' own texts: small edits of their burst's, and a few odd forms (each odd title at least once)."""
    names, weights = list(invented_words.MOODS), np.array(list(invented_words.MOODS.values()))
    posts = len(run)
    edit, odd, spoil = rng.random((3, posts)).tolist()
    mood = rng.integers(0, len(names), posts).tolist()
    strange = rng.integers(0, len(invented_words.ODD_TITLES), posts).tolist()
    weight, count = np.zeros(posts), np.zeros(posts, dtype=int)
    titles, tag_strings = [], []
    for row, burst in enumerate(run.tolist()):
        title, tags, own = burst_titles[burst], burst_tags[burst], set(moods[burst])
        if edit[row] < EDITED:
            own.add(mood[row])
            title = f"{names[mood[row]]} {title}"
        elif edit[row] < EDITED + NUMBERED:
            title = f"{title} {row % 9 + 2}"
        if row < len(invented_words.ODD_TITLES):
            title = invented_words.ODD_TITLES[row]
        elif odd[row] < EMPTY_TITLE + ODD_TITLE:
            title = "" if odd[row] < EMPTY_TITLE else invented_words.ODD_TITLES[strange[row]]
        if spoil[row] < NO_TAGS + ONE_TAG_LESS:
            tags = [] if spoil[row] < NO_TAGS else tags[:-1]
        weight[row] = sum(weights[which] for which in sorted(own))
        count[row] = len(tags)
        titles.append(title)
        tag_strings.append(" ".join(tags))
    return Texts(titles, tag_strings, weight, count, theme)
