"""All answers as a tree of tokens, and how probable a model finds each of them after a prompt.

An answer's probability is the product of its tokens' probabilities; the end-of-text token after it is left out, since
every answer would need one more place in the tree for it. A place needs logits only where an answer goes on, so scores
1.00..16.99 in Llama 3's split (``16``, ``.``, ``99``) need 33 places: the prompt's last token and 32 tokens. They stand
behind the prompt in one forward; a mask lets each see the prompt and its own ancestors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popcast.core.errors import bad_input
from popcast.lm.reading import Reader

if TYPE_CHECKING:
    import torch

AT_ONCE = 2**22
"""Logits looked at at a time."""


class ScoreTree:
    """The answers low..high in steps of 0.01, as a tokenizer writes them behind a line break.

    ``scores`` float64 [answers]. Inner places are numbered by depth, place 0 is the prompt's end: ``token``,
    ``parent``, ``depth`` int [places]. An edge is a token behind a place: ``edges`` int [edges, 2]; ``paths`` int
    [answers, longest] are the edges of an answer, filled up with the number of edges. Raises BadInput where the
    tokenizer does not write every answer in its own way.
    """

    def __init__(self, tokenizer, low: float, high: float) -> None:
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

    @property
    def room(self) -> int:
        """Tokens of the longest answer."""
        return self.paths.shape[1]

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
            found.append(edges[:, self.paths].sum(-1))
        return np.concatenate(found)

    def walk_places(self, walk: tuple[int, ...]) -> list[int]:
        """The places of a walk from the prompt's end on."""
        return [self._place[walk[:k]] for k in range(len(walk) + 1)]


def at_once(reader: Reader, batch: np.ndarray, tree: ScoreTree) -> np.ndarray:
    """Log-probabilities [rows, answers] by one forward of prompts and tree; the model must take masks."""
    import torch

    added = len(tree.token) - 1
    ids, seen, positions = reader.padded([reader.tokens[i] for i in batch], tail=added)
    width, past = ids.shape[1], reader.columns
    if added:
        ids[:, -added:] = torch.from_numpy(tree.token[1:]).to(ids)
        depth = torch.from_numpy(tree.depth[1:]).to(ids)
        positions[:, -added:] = positions[:, -added - 1 : -added] + depth
    allowed = torch.ones((width, past + width), dtype=torch.bool).tril(past)
    if added:
        allowed[-added:, -added:] = torch.from_numpy(tree.ancestors[1:, 1:])
    itself = torch.eye(width, past + width, dtype=torch.bool).roll(past, 1)  # of padding: no row may see nothing
    allowed = (allowed.to(ids.device) & seen.bool()[:, None]) | itself.to(ids.device)
    dtype = reader.network.dtype  # a mask of numbers to add is taken by every kind of attention
    mask = torch.zeros(allowed.shape, dtype=dtype, device=ids.device).masked_fill_(~allowed, torch.finfo(dtype).min)
    logits, _ = reader.call(ids, mask[:, None], positions, keep=added + 1, cache=reader.cache(len(batch)))
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
