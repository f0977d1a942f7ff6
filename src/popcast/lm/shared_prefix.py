"""Reading and writing with a language model whose prompts have long beginnings in common.

Requests to a simulated audience begin with the same rules, and those of one post and epoch with the same post and
field. The rules are read once; their keys and values stand in memory once and every row attends to them by one matrix
product (instead of a copy per row, which would have to be moved through memory for every token); the same for what a
post's requests have in common beyond that, with the rows of that post. Room for the answers is set aside at the
beginning, so nothing is copied while they are written, and rows that are finished are dropped.

:class:`Plain` does the same for models whose attention cannot be replaced like this: whole prompts, the model's own
cache. Imported only where a model is loaded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from transformers import AttentionInterface
from transformers.cache_utils import Cache, CacheLayerMixin

from popcast.lm.reading import Reader

ATTENTION = "popcast_shared_prefix"
ROUNDING = 4
"""Of :func:`shareable`: SmolLM2 (30 layers) in bfloat16 has 1.4 to 1.8, and its readings are .08 apart."""
READ_AT_A_TIME = {"cpu": 1 << 21, "cuda": 1 << 26}
"""Attention weights of one layer while prompts are read, by device: more rows are read in parts."""

Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Prompted:
    """Tokens of a prompt behind the rules: ``shared`` with others of its post and epoch, and its ``own``."""

    shared: tuple[int, ...]
    own: tuple[int, ...]


class Space:
    """Numbers that buffers lie in, taken again by every batch: fresh ones cost more than what is written to them.

    What an earlier batch left is finite and weighs nothing, so only new space is set to zero.
    """

    def __init__(self) -> None:
        self.numbers: torch.Tensor | None = None

    def buffer(self, like: torch.Tensor, *shape: int) -> torch.Tensor:
        """A tensor of this shape, of the kind of ``like``."""
        size = math.prod(shape)
        if self.numbers is None or len(self.numbers) < size:
            self.numbers = None  # goes before the larger one comes
            self.numbers = like.new_zeros(size)
        return self.numbers[:size].view(shape)


class Room(CacheLayerMixin):
    """Keys and values of one layer in buffers [rows, heads, columns, size], filled column by column.

    ``part``: rows that the next tokens belong to, and ``filled``: columns before them. spaces: of keys, of values.
    """

    def __init__(self, rows: int, columns: int, spaces: tuple[Space, Space] | None = None) -> None:
        super().__init__()
        self.rows, self.columns, self.spaces = rows, columns, spaces or (Space(), Space())
        self.part, self.filled = slice(None), 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        heads, size = key_states.shape[1], key_states.shape[3]
        self.keys = self.spaces[0].buffer(key_states, self.rows, heads, self.columns, size)
        self.values = self.spaces[1].buffer(value_states, self.rows, heads, self.columns, value_states.shape[3])
        self.is_initialized = True

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs) -> Pair:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.filled + key_states.shape[2]
        keys, values = self.keys[self.part, :, :end], self.values[self.part, :, :end]
        keys[:, :, self.filled :] = key_states
        values[:, :, self.filled :] = value_states
        self.filled = end
        return keys, values

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows only, in rising order; what is filled moves up within the buffers."""
        for buffer in (self.keys, self.values):
            for place, row in enumerate(rows):
                if place != row:
                    buffer[place, :, : self.filled] = buffer[row, :, : self.filled]
        self.keys, self.values = self.keys[: len(rows)], self.values[: len(rows)]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.filled + query_length, 0

    def get_seq_length(self) -> int:
        return self.filled

    def get_max_length(self) -> int:
        return self.columns


class Common:
    """Keys and values of what the rows of a post have in common: once per post, [posts, heads, columns, size].

    layers: pairs of them. seen: bool [posts, columns], False: padding. of: post of each row [rows].
    """

    def __init__(self, layers: list[Pair], seen: torch.Tensor, of: torch.Tensor) -> None:
        self.layers, self.seen = layers, seen
        self.part: slice | None = None
        """While these rows are read: each gets its own copy. None: writing, a post's rows attend together."""
        self.regroup(of)

    def regroup(self, of: torch.Tensor) -> None:
        """Rows have changed; posts without any are dropped, and each of the others has places for the same number."""
        posts, of, counts = of.unique(return_inverse=True, return_counts=True)
        if len(posts) < len(self.seen):
            self.layers = [(keys[posts], values[posts]) for keys, values in self.layers]
            self.seen = self.seen[posts]
        self.of, self.places = of, int(counts.max())
        order = of.argsort(stable=True)
        rank = torch.arange(len(of), device=of.device) - (counts.cumsum(0) - counts)[of[order]]
        self.back = torch.empty_like(of)
        self.back[order] = of[order] * self.places + rank
        self.rows = of.new_zeros(len(posts) * self.places)
        self.rows[self.back] = torch.arange(len(of), device=of.device)
        self.mask = _added(self.seen, self.layers[0][0].dtype)[:, None, None]

    def copied(self, layer: int) -> Pair:
        """Keys and values of the rows that are read."""
        keys, values = self.layers[layer]
        of = self.of[self.part]
        return keys[of], values[of]

    def scores(self, queries: torch.Tensor, layer: int) -> torch.Tensor:
        """Of queries [rows, key heads, queries, size]: [rows, key heads, queries, columns]."""
        keys, _ = self.layers[layer]
        return self._apart(self._together(queries) @ keys.transpose(2, 3) + self.mask)

    def summed(self, weights: torch.Tensor, layer: int) -> torch.Tensor:
        """Values summed by weights [rows, key heads, queries, columns]."""
        return self._apart(self._together(weights) @ self.layers[layer][1])

    def _together(self, rows: torch.Tensor) -> torch.Tensor:
        """[rows, heads, n, size] as [posts, heads, places x n, size]; places that no row has repeat the first row."""
        by_post = rows[self.rows].unflatten(0, (-1, self.places))
        return by_post.transpose(1, 2).flatten(2, 3)

    def _apart(self, posts: torch.Tensor) -> torch.Tensor:
        by_place = posts.unflatten(2, (self.places, -1)).transpose(1, 2)
        return by_place.flatten(0, 1)[self.back]


def attend(module, query, key, value, attention_mask, scaling=None, prefix=None, common=None, writing=False, **kwargs):
    """Attention of query [rows, heads, tokens, size] to a prefix that all rows see, to ``common``, and to their own.

    prefix: per layer, keys and values [key heads, columns, size]; None: there is none. writing: False while prompts are
    read. Returns [rows, tokens, heads, size] and None, as transformers' attention functions do.
    """
    rows, heads, tokens, size = query.shape
    scaling = size**-0.5 if scaling is None else scaling
    rules = [] if prefix is None else [prefix[module.layer_idx]]
    if not writing:
        return _attend_copied(query, key, value, attention_mask, scaling, rules, common, module.layer_idx), None
    shared = key.shape[1]
    queries = (query * scaling).reshape(rows, shared, -1, size)
    width = 0 if common is None else common.seen.shape[1]
    columns = [key.shape[2], width, sum(keys.shape[1] for keys, _ in rules)]
    scores = queries.new_empty(*queries.shape[:3], sum(columns))
    own, among, before = scores.split(columns, -1)
    torch.add(queries @ key.transpose(2, 3), attention_mask, out=own)
    if common is not None:
        among.copy_(common.scores(queries, module.layer_idx))
    for keys, _ in rules:
        together = queries.transpose(0, 1).reshape(shared, -1, size) @ keys.transpose(1, 2)
        before.copy_(together.view(shared, rows, -1, keys.shape[1]).transpose(0, 1))
    weights = torch.softmax(scores, -1, dtype=torch.promote_types(query.dtype, torch.float32)).to(query.dtype)
    own, among, before = weights.split(columns, -1)
    out = own @ value
    if common is not None:
        out += common.summed(among, module.layer_idx)
    for _, values in rules:
        together = before.transpose(0, 1).reshape(shared, -1, values.shape[1]) @ values
        out += together.view(shared, rows, -1, size).transpose(0, 1)
    return out.reshape(rows, heads, tokens, size).transpose(1, 2).contiguous(), None


def _attend_copied(query, key, value, mask, scaling, prefix: list[Pair], common, layer: int) -> torch.Tensor:
    """While prompts are read: few rows with many tokens each, every row with its own copy of what it shares."""
    pairs = [(keys.expand(len(query), -1, -1, -1), values.expand(len(query), -1, -1, -1)) for keys, values in prefix]
    mask = torch.nn.functional.pad(mask, (sum(keys.shape[2] for keys, _ in pairs), 0))
    if common is not None:
        pairs.append(common.copied(layer))
    keys, values = (torch.cat(parts, 2) for parts in zip(*pairs, (key, value), strict=True))
    if query.device.type == "cpu":
        out = _attended(query, keys, values, mask, scaling)
    else:
        out = torch.nn.functional.scaled_dot_product_attention(
            query, keys, values, attn_mask=mask, scale=scaling, enable_gqa=query.shape[1] != keys.shape[1]
        )
    return out.transpose(1, 2).contiguous()


def _attended(query, keys, values, mask, scaling) -> torch.Tensor:
    """What ``scaled_dot_product_attention`` computes, as two matrix products: on a processor quicker in bfloat16.

    Heads that share keys are rows of one product.
    """
    rows, heads, tokens, size = query.shape
    shared = keys.shape[1]
    scores = (query * scaling).reshape(rows, shared, -1, size) @ keys.transpose(2, 3)
    scores.view(rows, shared, heads // shared, tokens, -1).add_(mask[:, :, None])
    return (torch.softmax(scores, -1) @ values).reshape(rows, heads, tokens, -1)


AttentionInterface.register(ATTENTION, attend)


class Shared:
    """A model that reads rows behind a common prefix. ``rules``: tokens that all prompts begin with.

    One batch at a time: :meth:`read`, then :meth:`step` as often as tokens are written, :meth:`keep` in between.
    """

    def __init__(self, reader: Reader, rules: list[int]) -> None:
        self.reader, self.rules, self.dtype = reader, rules, _dtype(reader)
        config = reader.network.config.get_text_config(decoder=True)
        self.layers, self.heads = config.num_hidden_layers, config.num_attention_heads
        self.spaces = [(Space(), Space()) for _ in range(self.layers)]
        reader.network.set_attn_implementation(ATTENTION)
        self.prefix, self.common, self.writing, self.columns = None, None, False, len(rules)
        if not rules:
            return
        first = Cache(layers=[Room(1, len(rules)) for _ in range(self.layers)])
        ids = torch.tensor([rules], device=reader.device)
        seen = torch.ones_like(ids, dtype=torch.bool)
        self._call(ids, _causal(seen, 0, self.dtype), seen.long().cumsum(1) - 1, first)
        self.prefix = [(layer.keys[0].contiguous(), layer.values[0].contiguous()) for layer in first.layers]

    def read(self, rows: list[Prompted], room: int) -> torch.Tensor:
        """Read the prompts; logits [rows, vocabulary] of the next token. room: tokens that will be written.

        Quickest with rows in order of their own lengths.
        """
        self.writing = False
        begins = list(dict.fromkeys(row.shared for row in rows))
        shared, shared_seen = self._padded([list(begin) for begin in begins])
        own, own_seen = self._padded([list(row.own) for row in rows])
        of = torch.tensor([begins.index(row.shared) for row in rows], device=own.device)
        width, longest = shared.shape[1], own.shape[1]
        self.common = self._read_common(shared, shared_seen, of) if width else None
        seen = torch.cat([shared_seen[of], own_seen], 1)
        places = self._places(seen)[:, width:]
        layers = [Room(len(rows), longest + room, spaces) for spaces in self.spaces]
        logits = []
        at_a_time = max(1, READ_AT_A_TIME[own.device.type] // (self.heads * longest * (self.columns + width + longest)))
        for start in range(0, len(rows), at_a_time):
            part = slice(start, start + at_a_time)
            before = longest - max(len(row.own) for row in rows[part])  # no need to read what is padding in all rows
            for layer in layers:
                layer.part, layer.filled = part, before
            if self.common is not None:
                self.common.part = part
            mask = _causal(seen[part], width + before, self.dtype)
            logits.append(self._call(own[part, before:], mask, places[part, before:], Cache(layers=layers)))
        for layer in layers:
            layer.part = slice(None)
        if self.common is not None:
            self.common.part = None
        self.writing = True
        self.cache, self.position = Cache(layers=layers), places[:, -1] + 1
        written = own_seen.new_ones(len(rows), room)
        self.mask = _added(torch.cat([own_seen, written], 1), self.dtype)[:, None, None]
        return torch.cat(logits)

    def _read_common(self, ids: torch.Tensor, seen: torch.Tensor, of: torch.Tensor) -> Common:
        """Read what the requests of each post share [posts, columns]. of: the post of each row."""
        rooms = [Room(*ids.shape) for _ in range(self.layers)]
        self.common = None
        self._call(ids, _causal(seen, 0, self.dtype), self._places(seen), Cache(layers=rooms))
        return Common([(room.keys, room.values) for room in rooms], seen, of)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Write one token per row [rows]; logits of the next one."""
        end = self.cache.layers[0].filled + 1
        logits = self._call(tokens[:, None], self.mask[..., :end], self.position[:, None], self.cache)
        self.position = self.position + 1
        return logits

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows only [rows kept], in rising order."""
        for layer in self.cache.layers:
            layer.keep(rows.tolist())
        self.mask, self.position = self.mask[rows], self.position[rows]
        if self.common is not None:
            self.common.regroup(self.common.of[rows])

    def _padded(self, rows: list[list[int]]) -> Pair:
        """Ids and mask [rows, longest], padded on the left."""
        width = max(map(len, rows))
        ids = torch.tensor([[self.reader.pad] * (width - len(row)) + row for row in rows], dtype=torch.long)
        seen = torch.arange(width) >= width - torch.tensor([[len(row)] for row in rows])
        return ids.reshape(len(rows), width).to(self.reader.device), seen.to(self.reader.device)

    def _places(self, seen: torch.Tensor) -> torch.Tensor:
        """Positions of the columns behind the rules."""
        return len(self.rules) + (seen.long().cumsum(1) - 1).clamp(min=0)

    def _call(self, ids, mask, positions, cache: Cache) -> torch.Tensor:
        given = {"prefix": self.prefix, "common": self.common, "writing": self.writing}
        network, known = self.reader.network, self.reader.known
        if "logits_to_keep" in known:
            given["logits_to_keep"] = 1
        out = network(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, **given
        )
        return out.logits[:, -1]


class Plain:
    """The same by whole prompts and the model's own cache: nothing is shared but the batch."""

    def __init__(self, reader: Reader, rules: list[int]) -> None:
        self.reader, self.rules = reader, rules

    def read(self, rows: list[Prompted], room: int) -> torch.Tensor:
        self.batch = self.reader.read_tokens([[*self.rules, *row.shared, *row.own] for row in rows])
        return self.batch.logits

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.batch.step(tokens)

    def keep(self, rows: torch.Tensor) -> None:
        self.batch.keep(rows)


def shareable(reader: Reader, tokens: list[int]) -> bool:
    """Whether the model computes the same through :class:`Shared`; its attention is then replaced, else as it was.

    tokens: any five or more that it knows. A coarse dtype rounds in every layer: there the same is what is no further
    apart than ``ROUNDING`` times the model's own readings of a prompt, alone and in a batch.
    """
    if not reader.takes_masks:
        return False
    given = reader.network.config._attn_implementation
    rules, begin, end = tokens[:2], tuple(tokens[2:4]), tuple(tokens[4:])
    rows = [Prompted(begin, end), Prompted(begin, end * 2), Prompted((), begin)]

    def probe(way: Shared | Plain) -> torch.Tensor:
        first = way.read(rows, 2)
        way.keep(torch.tensor([1, 2], device=first.device))
        return torch.cat([first, way.step(torch.tensor(tokens[:2], device=first.device))]).double()

    plain = Plain(reader, rules)
    expected = probe(plain)
    bound = 1e-3
    if torch.finfo(_dtype(reader)).bits <= 16:
        alone = torch.cat([plain.read([row], 0) for row in rows]).double()
        bound = max(0.1, ROUNDING * _apart(alone, expected[: len(rows)]))
    try:
        apart = _apart(probe(Shared(reader, rules)), expected)
    except Exception:  # a family of models that calls its attention in another way
        apart = math.inf
    same = apart < bound
    if not same:
        reader.network.set_attn_implementation(given)
    return same


def _apart(logits: torch.Tensor, others: torch.Tensor) -> float:
    """The largest difference, in standard deviations of the logits."""
    return float((logits - others).abs().max() / others.std())


def _dtype(reader: Reader) -> torch.dtype:
    return reader.network.get_input_embeddings().weight.dtype


def _added(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where a column is seen, else so low that it weighs nothing; finite, for rows that see nothing at all."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min / 2)


def _causal(seen: torch.Tensor, start: int, dtype: torch.dtype) -> torch.Tensor:
    """Additive mask [rows, 1, tokens, columns] of the tokens from column ``start`` on. seen: [rows, columns]."""
    columns = torch.arange(seen.shape[1], device=seen.device)
    before = columns[None, :] <= columns[start:, None]
    return _added(seen[:, None, None, :] & before[None, None], dtype)
