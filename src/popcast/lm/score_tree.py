"""All answers as a tree of tokens, and how probable a model finds each of them after a prompt.

An answer's probability is the product of its tokens' probabilities; the end-of-text token after it is left out, since
every answer would need one more place in the tree for it. A place needs logits only where an answer goes on, so scores
1.00..16.99 in Llama 3's split (``16``, ``.``, ``99``) need 33 places: the prompt's last token and 32 tokens. They stand
behind the prompt in one forward; a mask lets each see the prompt and its own ancestors.

A tokenizer of single digits makes a large tree: 0.00..32.00 have 388 places, more than a prompt has tokens. Five in six
of them ask for the hundredths alone, which move a score by .05 at most. :class:`ScoreTree` can leave those out and
spread the probability of ``14.7`` evenly over 14.70..14.79.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popcast.core.errors import bad_input
from popcast.lm.reading import Read, Reader

if TYPE_CHECKING:
    import torch

AT_ONCE = 2**22
"""Logits looked at at a time."""
LAST_DIGITS = 10
"""Answers that differ in the digit of the hundredths alone."""


class ScoreTree:
    """The answers low..high in steps of 0.01, as a tokenizer writes them behind a line break.

    ``scores`` float64 [answers]. Inner places are numbered by depth, place 0 is the prompt's end: ``token``,
    ``parent``, ``depth`` int [places]. An edge is a token behind a place: ``edges`` int [edges, 2]; ``paths`` int
    [answers, longest] are the edges of an answer, filled up with the number of edges. spread: places behind which the
    ten hundredths stand, a token each, are no places: what they had together is shared out evenly (``shared``
    [answers]). A tokenizer that writes hundredths together with tenths has no such place. Raises BadInput where the
    tokenizer does not write every answer in its own way.
    """

    def __init__(self, tokenizer, low: float, high: float, *, spread: bool = False) -> None:
        hundredths = range(round(low * 100), round(high * 100) + 1)
        self.scores = np.array(hundredths) / 100.0
        answers = [f"{score:.2f}" for score in self.scores]
        written = [tuple(row) for row in tokenizer(["\n" + a for a in answers], add_special_tokens=False)["input_ids"]]
        start = tuple(tokenizer("\n", add_special_tokens=False)["input_ids"])
        tails = [row[len(start) :] for row in written]
        inner = sorted({tail[:k] for tail in tails for k in range(len(tail))}, key=lambda path: (len(path), path))
        unusable = any(row[: len(start)] != start for row in written)
        if unusable or len(set(tails)) < len(tails) or set(tails) & set(inner):
            raise bad_input(
                "the tokenizer does not write every answer behind a line break in its own way",
                field="llms.scores",
                expected="tokens of which no answer's are the beginning of another's",
            )
        self.room = max(len(tail) for tail in tails)  # tokens of the longest answer
        self.shared = np.zeros(len(tails))
        if spread:
            last = last_digits(tails, self.scores)
            self.shared = np.array([-np.log(LAST_DIGITS) if tail[:-1] in last else 0.0 for tail in tails])
            tails = [tail[:-1] if tail[:-1] in last else tail for tail in tails]
            inner = [path for path in inner if path not in last]
        place = {path: number for number, path in enumerate(inner)}
        self.token = np.array([path[-1] if path else -1 for path in inner])
        self.parent = np.array([place[path[:-1]] if path else -1 for path in inner])
        self.depth = np.array([len(path) for path in inner])
        edge = {path: number for number, path in enumerate(sorted({*tails, *inner[1:]}))}
        self.edges = np.array([(place[path[:-1]], path[-1]) for path in edge])
        self.paths = np.full((len(tails), max(len(tail) for tail in tails)), len(edge))
        for number, tail in enumerate(tails):
            self.paths[number, : len(tail)] = [edge[tail[:k]] for k in range(1, len(tail) + 1)]
        ends = set(range(1, len(inner))) - set(self.parent.tolist())
        self.walks = [inner[number] for number in sorted(ends)] or [()]  # places behind which no place stands
        self.ancestors = np.eye(len(inner), dtype=bool)
        for number in range(1, len(inner)):
            self.ancestors[number] |= self.ancestors[self.parent[number]]
        self._place = place

    def log_probabilities(self, logits: torch.Tensor) -> np.ndarray:
        """Of every answer, float64 [rows, answers], from the logits of all places [rows, places, vocabulary]."""
        import torch

        place, token = (torch.from_numpy(column).to(logits.device) for column in self.edges.T.copy())
        found = []
        for part in logits.split(max(1, AT_ONCE // logits[0].numel())):
            part = part.to(torch.promote_types(part.dtype, torch.float32))
            top = part.amax(-1)
            total = (part - top[..., None]).exp_().sum(-1, dtype=torch.float64).log() + top
            edges = part[:, place, token].double() - total[:, place]
            edges = torch.cat([edges, edges.new_zeros(len(part), 1)], 1).cpu().numpy()
            found.append(edges[:, self.paths].sum(-1) + self.shared)
        return np.concatenate(found)

    def walk_places(self, walk: tuple[int, ...]) -> list[int]:
        """The places of a walk from the prompt's end on."""
        return [self._place[walk[:k]] for k in range(len(walk) + 1)]


def last_digits(tails: list[tuple[int, ...]], scores: np.ndarray) -> set[tuple[int, ...]]:
    """Beginnings of answers behind which exactly the ten hundredths of one tenth stand, each a single token."""
    behind: dict[tuple[int, ...], list[int]] = {}
    for number, tail in enumerate(tails):
        for length in range(1, len(tail)):
            behind.setdefault(tail[:length], []).append(number)
    return {
        path
        for path, numbers in behind.items()
        if len(numbers) == LAST_DIGITS
        and all(len(tails[number]) == len(path) + 1 for number in numbers)
        and np.ptp(scores[numbers]) < 0.1
    }


def behind(batch: Read, tree: ScoreTree) -> np.ndarray:
    """Log-probabilities [rows, answers] behind prompts that were read; the model must take masks.

    The places of the tree are read in one forward behind the prompts' keys and values, each seeing its prompt and its
    own ancestors. ``batch`` is left as it was: answers can be written behind it.
    """
    import torch

    added, rows = len(tree.token) - 1, len(batch.logits)
    logits = batch.logits[:, None]
    if added:
        ids = torch.from_numpy(tree.token[1:]).to(batch.mask).expand(rows, -1)
        depth = torch.from_numpy(tree.depth[1:]).to(batch.position)
        own = torch.from_numpy(tree.ancestors[1:, 1:]).to(batch.mask.device)
        prompts = batch.mask.bool()[:, None].expand(-1, added, -1)
        allowed = torch.cat([prompts, own.expand(rows, -1, -1)], 2)
        dtype = batch.reader.network.dtype  # a mask of numbers to add is taken by every kind of attention
        mask = torch.zeros(allowed.shape, dtype=dtype, device=ids.device).masked_fill_(~allowed, torch.finfo(dtype).min)
        positions = batch.position[:, None] + depth - 1
        found, cache = batch.reader.call(
            ids, mask[:, None], positions, keep=added, cache=batch.cache, use_cache=True, regions=ids[:, :0]
        )
        cache.crop(-added)
        logits = torch.cat([logits, found], 1)
    return tree.log_probabilities(logits)


def walk_by_walk(reader: Reader, batch: np.ndarray, tree: ScoreTree, size: int) -> np.ndarray:
    """The same by teacher forcing: a prompt is read once per walk through the tree. For models that take no masks."""
    found = []
    for number in batch:
        logits = None
        for i in range(0, len(tree.walks), size):
            walks = tree.walks[i : i + size]
            ids, seen, positions = reader.padded([reader.tokens[number] + list(walk) for walk in walks])
            keep = max(len(walk) for walk in walks) + 1
            part, _ = reader.call(ids, seen, positions, keep=keep, cache=reader.cache(len(walks)))
            if logits is None:
                logits = part.new_zeros((1, len(tree.token), part.shape[-1]))
            for row, walk in zip(part, walks, strict=True):
                logits[0, tree.walk_places(walk)] = row[-len(walk) - 1 :]
        found.append(tree.log_probabilities(logits))
    return np.concatenate(found)
