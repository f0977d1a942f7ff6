"""Tables of a simulation: records of finished simulations become parts of ``reactions`` and ``states``, and are read.

Parts are cut from simulations in the order of (run, trigger): one after the other they are sorted by their keys.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from popcast.chat.response import Response
from popcast.core import paths, tables
from popcast.core.errors import BadInput, bad_input
from popcast.core.libraries.table_schemas import Schema
from popcast.core.safety.whole_files import write_whole
from popcast.simulation.records import ACTIONS, Reaction

if TYPE_CHECKING:
    from popcast.simulation.model import State

SCHEMAS = {"reactions": tables.REACTIONS, "states": tables.STATES}
KEYS = {"reactions": tables.REACTIONS_KEY, "states": tables.STATES_KEY}


def reaction_row(epoch: int, slot: int, reaction: Reaction) -> tuple:
    """Columns of ``tables.REACTIONS`` without run and trigger."""
    return (
        epoch, slot, reaction.row, "ok" if reaction.ok else "failed", reaction.attempts, reaction.action,
        reaction.text, reaction.score, reaction.thought, reaction.reason, reaction.prompt_tokens,
        reaction.output_tokens, reaction.raw,
    )  # fmt: skip


def state_row(state: State, response: Response | None) -> tuple:
    """Columns of ``tables.STATES`` without run and trigger. response: what the text field was made from."""
    tokens = (None, None) if response is None else (response.prompt_tokens, response.output_tokens)
    return (
        state.epoch, state.field_text, state.field_status, state.mean_attitude, state.attitudes, state.n_ok,
        state.mean_raw_score, state.share_interested, *(state.counts[action] for action in ACTIONS), *tokens,
    )  # fmt: skip


def table_of(kind: str, records: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """The table ``reactions`` or ``states`` of finished simulations, unsorted."""
    schema = {name: column.dtype for name, column in SCHEMAS[kind].columns.items()}
    rows = [(record["run"], record["trigger"], *row) for record in records for row in record[kind]]
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    pairs = zip(schema.items(), columns, strict=True)
    return pl.DataFrame([pl.Series(name, values, dtype=dtype) for (name, dtype), values in pairs])


def parquet(table: pl.DataFrame, schema: Schema, key: str | Sequence[str], name: str | Path = "simulation") -> bytes:
    """A table after its contract as the bytes of a parquet file: checked, rounded, sorted by ``key``."""
    content = io.BytesIO()
    checked = tables.rounded(tables.check(table, schema, name)).sort(key)
    checked.write_parquet(content, compression="zstd", statistics=False)
    return content.getvalue()


def write(table: pl.DataFrame, path: Path, schema: Schema, key: str) -> None:
    """Like ``tables.write``, and a full disk is one line that names the file."""
    write_whole(parquet(table, schema, key, path), path)


def part_name(number: int) -> str:
    return f"{number:04d}.parquet"


def read_reactions(dataset: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Answers of personas of every run, sorted by run, trigger, epoch and slot. columns: None means all."""
    return _read_parts("reactions", dataset, columns)


def read_states(dataset: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """State after each epoch of every run, sorted by run, trigger and epoch. columns: None means all."""
    return _read_parts("states", dataset, columns)


def read_triggers(dataset: str) -> pl.DataFrame:
    """What the audience saw of each simulated post, sorted by post_id."""
    return tables.read(paths.simulation(dataset, "triggers"), tables.TRIGGERS)


def read_manifest(dataset: str) -> dict[str, str]:
    """What the simulation was made with, see :func:`popcast.simulation.running.manifest.manifest`."""
    return dict(tables.read(paths.simulation(dataset, "manifest"), tables.MANIFEST).iter_rows())


def _read_parts(kind: str, dataset: str, columns: Sequence[str] | None) -> pl.DataFrame:
    """Every part in order. Each must hold its contract, no part may be missing, and keys rise from row to row."""
    folder = paths.simulation(dataset, kind)
    files = sorted(folder.glob("*.parquet"), key=lambda path: (len(path.name), path.name))
    if not files:
        raise BadInput(f"{folder}: no such table: run `dvc repro` first")
    parts, last = [], ()
    for number, path in enumerate(files):
        if path.name != part_name(number):
            raise bad_input("part is missing", file=folder / part_name(number), expected=f"{len(files)} parts in a row")
        part = tables.read(path, SCHEMAS[kind])
        keys = part.select(KEYS[kind])
        if not keys.equals(keys.unique().sort(KEYS[kind])) or (last and keys.height and keys.row(0) <= last):
            raise bad_input("rows are not in order or appear twice", file=path, field=", ".join(KEYS[kind]))
        last = keys.row(-1) if keys.height else last
        parts.append(part if columns is None else part.select(columns))
    return pl.concat(parts)
