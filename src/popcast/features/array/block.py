"""Feature block ``array``: vectors that the makers of a dataset extracted, row i of a file = the post with id i + 1.

Source: sheet microlens.md, ``extracted_modality_features``: ``..._image_features_CLIPRN50.npy`` [19738, 1024],
``..._video_features_VideoMAE.npy`` [19738, 768], ``..._title_en_text_features_BgeM3.npy`` [19738, 1024], float32. The
``.json`` beside each of them holds the same vectors by id and is not read. A post has a row by its id alone, so the
ids must be 1 .. n with n the rows of the file.

Columns: ``array.<name>_embedding``, as they are in the file. Nothing is learned but the widths. A post that the dataset
did not have at ``fit`` and whose id is not that of a row of the file has null there.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field, field_validator

from popcast.core.errors import BadInput, bad_input
from popcast.core.section import Below, Name, Section
from popcast.core.tables import write_json
from popcast.features.common.block_files import read_block
from popcast.features.common.contract import Context
from popcast.features.common.embeddings import embedding_column
from popcast.features.common.media import raw_folder

CHUNK = 4096
"""Rows looked at once: the files are mapped, never read as a whole."""


class Params(Section):
    files: dict[Name, Below] = Field({}, description="name of the column -> .npy file below raw")

    @field_validator("files")
    @classmethod
    def names_and_places(cls, files: dict[Name, Below]) -> dict[str, str]:
        for name, file in files.items():
            if not name.isidentifier() or name != name.lower():
                raise ValueError(f"{name!r}: expected a name of lower case letters, digits and _")
            if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
                raise ValueError(f"{file!r}: expected a path below the raw folder")
        return files


class Block:
    """Vectors from files by id. ``widths``: of each column."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params, self.context, self.name = params, context, context.named("array")
        self.widths: dict[str, int] = {}

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Check ids and files of the whole dataset; keep the widths."""
        if not self.params.files:
            raise BadInput("params.yaml: features.array.files: empty: expected name -> .npy file below the raw folder")
        rows = self._rows(posts)
        if posts.height == 0 or not np.array_equal(np.sort(rows), np.arange(posts.height)):
            problem = f"array: the ids of the {posts.height} posts are not 1 to {posts.height}"
            raise BadInput(f"{self.context.dataset}: {problem}: row i of a feature file is the post with id i + 1")
        for name, file in self.params.files.items():
            path, vectors = self._open(file)
            if len(vectors) != posts.height:
                raise bad_input("wrong number of rows", file=path, value=len(vectors), expected=f"{posts.height} posts")
            for start in range(0, len(vectors), CHUNK):
                self._finite(vectors[start : start + CHUNK], np.arange(start, len(vectors)), path)
            self.widths[name] = vectors.shape[1]
        return self

    def _rows(self, posts: pl.DataFrame) -> np.ndarray:
        """Row of each post in the files, int64 [n]: its id minus 1."""
        number = posts["post_id"].cast(pl.Int64, strict=False)
        wrong = number.is_null() | (number < 1)
        if wrong.any():
            value = posts["post_id"].filter(wrong)[0]
            raise bad_input(
                "array: not the number of a row",
                field="post_id",
                value=value,
                expected="ids that are whole numbers from 1",
            )
        return number.to_numpy() - 1

    def _open(self, file: str) -> tuple[Path, np.ndarray]:
        """Its path, and the mapped array [rows, width]; BadInput for what is no array of vectors."""
        path = raw_folder(self.context) / file
        if not path.is_file():
            raise bad_input("no such file", file=path, expected="a .npy file, see features.array.files")
        try:
            vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise bad_input(f"not a readable .npy file: {str(error).splitlines()[0]}", file=path) from None
        if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or not vectors.shape[1]:
            shape = getattr(vectors, "shape", None)
            raise bad_input("not an array of vectors", file=path, value=shape, expected="shape (rows, width)")
        if vectors.dtype.kind != "f":
            raise bad_input(
                "not an array of floats", file=path, value=str(vectors.dtype), expected="float16 to float64"
            )
        return path, vectors

    @staticmethod
    def _finite(vectors: np.ndarray, rows: np.ndarray, path: Path) -> None:
        wrong = ~np.isfinite(vectors).all(axis=1)
        if wrong.any():
            row = int(rows[wrong.argmax()])
            raise bad_input("not finite", file=path, row=row + 1, expected="a number in every column")

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and the ``array.`` columns, in the order of ``posts``."""
        rows = (posts["post_id"].cast(pl.Int64, strict=False) - 1).fill_null(-1).to_numpy()
        columns = [posts["post_id"]]
        for name, file in self.params.files.items():
            present, found = rows >= 0, np.empty((0, self.widths[name]), np.float32)
            if present.any():
                path, vectors = self._open(file)
                if vectors.shape[1] != self.widths[name]:
                    raise bad_input("wrong width", file=path, value=vectors.shape[1], expected=str(self.widths[name]))
                present &= rows < len(vectors)
                found = np.asarray(vectors[rows[present]], dtype=np.float32)
                self._finite(found, rows[present], path)
            columns.append(embedding_column(f"{self.name}.{name}_embedding", found, present))
        return pl.DataFrame(columns)

    def save(self, folder: Path) -> None:
        write_json({"params": self.params.model_dump(mode="json"), "widths": self.widths}, folder / "block.json")

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        block, content = read_block(cls, folder / "block.json", context)
        block.widths = content["widths"]
        return block
