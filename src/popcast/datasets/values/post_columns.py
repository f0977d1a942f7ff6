"""Ids, authors, times, texts, tags and media of a user's table: the columns of posts that are no numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from popcast.core.errors import bad_input, shown
from popcast.datasets import column_types, times
from popcast.datasets.loading import OUTSIDE, Quality
from popcast.datasets.params import Table
from popcast.datasets.values import id_cells
from popcast.datasets.values.cells.list_cells import NESTED, is_list, is_nested, items_of, parted, separator_of
from popcast.datasets.values.column_uses import INPUTS, uses
from popcast.datasets.values.labelled_rows import PostRows, texts_of_objects
from popcast.datasets.values.missing_words import GONE, NAMES, NOBODY, WORDS, blank_words
from popcast.datasets.values.rejected_rows import RejectedRows

GARBLED = r"Ã[¤¶¼ŸŒ„–œ©¨ªàâ§±³º\u00ad¡]|â€[™œ\u009d“”˜¦]|ðŸ|Ð[°-¿]Ñ|å[¤¥œ]|ã\u0081"
"""What letters, quotes and emoji become that were read in a wrong encoding once."""

ENDED = re.compile(r"\.\w{2,5}$")

LIST = "texts as a JSON or Python list, or separated (table.tag_separator); of objects a text, name or tag"
MOST = 0.5
"""Share of rows without a readable time at which the column is none of times."""


@dataclass
class PostColumns:
    """Reads the columns of ``rows``. said: what was found by looking."""

    rows: PostRows
    layout: Table
    zone: str
    lost: RejectedRows
    quality: Quality
    said: list[str]

    @property
    def own(self) -> set[str]:
        """The user's words for not known."""
        return {word.lower() for word in self.layout.missing}

    def _column(self, name: str, read: Callable = column_types.text) -> pl.Series:
        """Cells by ``read``, as text; rows with an object or nested lists in them are left out."""
        values = read(self.rows.columns[name], self.rows.file()).alias(name)
        if values.dtype == pl.String:
            odd = values.filter(values.str.contains(NESTED)).drop_nulls().unique()
            nested = [one for one in odd if is_nested(one)]
            if nested:
                expected = "a text or number, or one of its fields as a column of its own"
                self.lost.add(values.is_in(nested), "an object or nested list", name, values, expected)
        return values

    def ids(self) -> pl.Series:
        """``post_id``: the column as it stands, or a hash of the row."""
        name = self.layout.columns.id
        if name is None:
            inputs = dict.fromkeys(one for _, one in uses(self.layout.columns, INPUTS))
            if not inputs:
                raise bad_input("neither an id nor an input is mapped", file=self.rows.file(), field="table.columns")
            self.said.append("ids are a hash of the row, as no column is mapped to id")
            return id_cells.row_ids(self.rows.columns.select(*inputs), {})
        values = self._column(name, column_types.ids).alias(name)
        ids, spoilt, said = id_cells.read_ids(values)
        self.said += said
        self._not_rounded(ids, name)
        self.lost.add(spoilt, id_cells.SPOILT, name, values, id_cells.EXPECTED)
        self.lost.add(ids.is_null(), "missing value", name, values, "an id")
        return ids.alias("post_id")

    def _not_rounded(self, ids: pl.Series, name: str) -> None:
        first = id_cells.rounded(ids)
        if first is not None:
            file, row = self.rows.place(first)
            shown = {"field": name, "value": ids[first], "expected": id_cells.EXPECTED}
            raise bad_input(id_cells.ROUNDED, file=file, row=row, **shown)

    def authors(self) -> pl.Series:
        name = self.layout.columns.author
        values = self._column(name)
        authors, said = id_cells.without_point_zero(blank_words(values, NOBODY | self.own))
        self.said += said
        self._not_rounded(authors, name)
        self.lost.add(id_cells.spoilt_names(authors), id_cells.SPOILT, name, values, id_cells.EXPECTED)
        words = authors.is_null() & (values.str.strip_chars() != "")
        self.quality.repair("author_unknown_by_a_word", int(words.sum()))
        return authors.alias("user_id")

    def times(self) -> pl.Series:
        name = self.layout.columns.time
        values = self._column(name, column_types.time).alias(name)
        if values.dtype == pl.String and self.layout.missing:
            values = blank_words(values, self.own)
        try:
            found = times.shown_times(values, self.layout.time_format, self.zone, self.layout.day_first)
        except times.DayOrMonth as error:
            index = (values.cast(pl.String).str.strip_chars() == error.cell).fill_null(False).arg_max()
            file, row = self.rows.place(index)
            shown = {"field": name, "value": error.cell, "expected": error.expected}
            raise bad_input(str(error), file=file, row=row, **shown) from None
        self.said += found.said
        if times.needs_zone(values, self.layout.time_format, self.layout.day_first):
            self.said.append(f"{name}: times that name no zone are taken to be of {self.zone} (zone)")
        expected = times.EXPECTED if self.layout.time_format == "auto" else self.layout.time_format
        lacking = found.moments.is_null()
        if len(lacking) and lacking.sum() > MOST * len(lacking):
            index = (found.wrong.is_not_null() if found.wrong.null_count() < len(lacking) else lacking).arg_max()
            file, row = self.rows.place(index)
            shown = {"field": name, "value": values.cast(pl.String)[index], "expected": expected}
            problem = found.wrong[index] or "missing time"
            raise bad_input(f"{problem} (as {lacking.sum()} of {len(lacking)} rows)", file=file, row=row, **shown)
        for why in found.wrong.drop_nulls().unique(maintain_order=True):
            self.lost.add(found.wrong == why, why, name, values, expected)
        self.lost.add(lacking, "missing time", name, None, expected)
        return found.moments.alias("posted_at")

    def title(self) -> pl.Series:
        parts, gone = [], 0
        for name in self.layout.columns.text:
            values = self._column(name)
            parts.append(blank_words(values, GONE | self.own).alias(name))
            kept = values.str.strip_chars() != ""
            gone += int((kept & parts[-1].is_null()).sum())
            own = pl.select(pl.when(parts[-1].is_not_null()).then(values)).to_series().alias(name)
            parts[-1] = own  # as it stands, with its blanks
        self.quality.repair("title_deleted_or_removed", gone)
        joined = pl.select(pl.concat_str(parts, separator="\n\n", ignore_nulls=True)).to_series()
        garbled = joined.str.contains(GARBLED).fill_null(False)
        if garbled.any():
            what = f"{garbled.sum()} texts look like UTF-8 that was read as another encoding and saved so"
            self.said.append(f"{', '.join(self.layout.columns.text)}: {what}: {shown(joined.filter(garbled)[0], 40)}")
        return pl.select(pl.when(joined.str.strip_chars() != "").then(joined)).to_series().alias("title")

    def category(self, use: str) -> pl.Series:
        values = self._column(getattr(self.layout.columns, use))
        known = blank_words(values, NAMES | self.own)
        known, said = id_cells.without_point_zero(
            pl.select(pl.when(known.is_not_null()).then(values)).to_series().alias(values.name)
        )
        self.said += said
        return known.alias(use)

    def lists(self, use: str) -> pl.Series:
        """``tags`` or ``media``: lists of text, null where there is no item."""
        name = getattr(self.layout.columns, use)
        values = self.rows.columns[name]
        if isinstance(values.dtype, pl.List) and isinstance(values.dtype.inner, pl.Struct):
            items, wrong = texts_of_objects(values)
            self.lost.add(wrong, "objects without a text field", name, None, LIST)
        else:
            items = column_types.items(values, self.rows.file())
        if items.dtype == pl.String:
            items = self._from_text(items, use)
        items = items.list.eval(pl.element().str.strip_chars()).list.filter(pl.element() != "")
        items = pl.select(pl.when(items.list.len() > 0).then(items)).to_series().alias(use)
        if use == "media":
            network = items.list.eval(pl.element().str.contains(r"^(?i)(https?|ftp|s3|data):")).list.any()
            self.lost.add(network, "an address in the network", name, values, "a path below the raw folder")
            outside = items.list.eval(pl.element().str.contains(OUTSIDE)).list.any()
            self.lost.add(outside, "media path leaves the raw folder", name, values, "a path below it")
        return items

    def _from_text(self, values: pl.Series, use: str) -> pl.Series:
        text = blank_words(values, WORDS | self.own)
        separator = self.layout.tag_separator if use == "tags" else None
        listed = {one: items_of(one) for one in text.drop_nulls().unique() if is_list(one)}
        if separator is not None:  # what only looks like a list is separated text
            listed = {one: items for one, items in listed.items() if items is not None or is_nested(one)}
        plain = [one for one in text.drop_nulls().unique(maintain_order=True) if one not in listed]
        if use == "tags":
            found = separator if separator is not None else separator_of(plain)
            if found is not None and separator is None:
                what = {"#": "the # of each", "##": "the # around each"}.get(found, repr(found))
                self.said.append(f"{values.name}: tags are parted by {what}")
            listed |= {one: parted(one, found) for one in plain}
        else:
            listed |= self._paths(values.name, plain)
        wrong = [one for one, items in listed.items() if items is None]
        self.lost.add(text.is_in(wrong), "not a list", values.name, values, LIST)
        cells = [None if one is None else listed[one] for one in text.to_list()]
        return pl.Series(values.name, cells, dtype=pl.List(pl.String))

    def _paths(self, name: str, plain: list[str]) -> dict[str, list[str]]:
        """Cells of media as one path each, or several where each part of a cell ends like the name of a file."""
        for sign in ("|", ";", ","):
            parts = {one: [part.strip() for part in one.split(sign)] for one in plain}
            if any(len(of) > 1 for of in parts.values()) and all(
                ENDED.search(one) for of in parts.values() for one in of
            ):
                self.said.append(f"{name}: files are parted by {sign!r}")
                return parts
        return {one: [one] for one in plain}
