"""Feature block ``text``: what a post says, as vectors.

Sources: sheets smp2025.md section 1 (TF-IDF and SVD), section 7 (sentence encoders), section 9 no. 13-15 (no "0" for a
missing text, fitted on training posts only, separators between the fields); mmra.md section 8 (word 1-2-grams and
character 3-5-grams, sublinear counts).

Columns: ``text.svd_embedding`` (TF-IDF, then truncated SVD, fitted on training posts), ``text.embedding`` (frozen
sentence encoder), ``text.layers_embedding`` (means of some of its hidden layers, if asked for), ``text.pca_embedding``
(principal components of ``text.embedding`` on the training posts). A post without any text has nulls. A block
``text_<word>``, with another encoder say, has columns ``text_<word>.embedding`` and so on. Files: JSON and safetensors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self, get_args

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from popcast.core.errors import BadInput
from popcast.core.pretrained.saved_files import read_json, read_tensors
from popcast.core.section import Line, Model, Section
from popcast.core.tables import write_json
from popcast.features.common.block_files import read_block
from popcast.features.common.contract import Context
from popcast.features.common.embeddings import embedding_column
from popcast.features.common.encoders import PACKAGED, Pooling, SentenceEncoder
from popcast.features.common.joined_text import AnyTextField, TextField, joined_text, with_fields
from popcast.features.common.tfidf import kept_tfidf, new_tfidf, terms_of


class Tfidf(Section):
    dim: int = Field(64, ge=1, description="width of text.svd_embedding")
    word: tuple[int, int] | None = Field((1, 2), description="word n-grams from and to; null: none")
    char: tuple[int, int] | None = Field((3, 5), description="character n-grams within words; null: none")
    min_df: int = Field(2, ge=1, description="posts that a term must occur in")
    max_features: int = Field(50000, ge=1, description="most frequent terms kept, of words and characters each")
    iterations: int = Field(5, ge=1, description="power iterations of the randomised SVD")

    @model_validator(mode="after")
    def something(self) -> Tfidf:
        if self.word is None and self.char is None:
            raise ValueError("word and char are both null: set tfidf to null instead")
        return self

    def kinds(self) -> list[dict[str, Any]]:
        """Settings of the vectorisers: of words, of characters."""
        ngrams = {"word": self.word, "char_wb": self.char}
        return [
            {"analyzer": analyzer, "ngram_range": both_ends, "dtype": np.float32}
            for analyzer, both_ends in ngrams.items()
            if both_ends is not None
        ]


class Params(Section):
    fields: list[AnyTextField] = Field(list(get_args(TextField)), min_length=1)
    tfidf: Tfidf | None = Tfidf()
    encoder: Model | None = Field(PACKAGED, description="sentence encoder: hub id or folder; null: none")
    layers: list[Annotated[int, Field(ge=0)]] = Field(
        [],
        description="hidden layers of the encoder -> text.layers_embedding, means over the tokens side by side",
    )
    pooling: Pooling = Field(
        "model", description="of the encoder's tokens; cls_avg: mean of first token and mean, AnglE's"
    )
    prompt: Line | None = Field(None, description="words before every text, a blank follows; null: the model's own")
    max_tokens: int = Field(128, ge=8)
    batch_tokens: int = Field(2048, ge=64, description="tokens per batch of the encoder, padding included")
    pca: int | None = Field(None, ge=1, description="width of text.pca_embedding; null: none")

    @model_validator(mode="after")
    def something(self) -> Params:
        if self.tfidf is None and self.encoder is None:
            raise ValueError("tfidf and encoder are both null: leave the block out instead")
        if self.pca is not None and self.encoder is None:
            raise ValueError("pca needs an encoder")
        if self.encoder is None and (self.layers or self.pooling != "model" or self.prompt is not None):
            raise ValueError(f"{'layers need' if self.layers else 'pooling and prompt need'} an encoder")
        return self


class Block:
    """TF-IDF with SVD and sentence embeddings of the posts' texts."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params, self.context = params, context
        self.name = context.named("text")
        self.vectorizers: list = []
        self.components: np.ndarray | None = None
        self.pca_mean = self.pca_axes = None
        self.encoder = None
        if params.encoder is not None:
            self.encoder = SentenceEncoder(
                params.encoder, params.max_tokens, params.batch_tokens, context.scratch, params.layers,
                params.pooling, params.prompt,
            )  # fmt: skip

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Learn vocabulary, SVD and principal components from the training posts that have a text."""
        posts = posts.sort("post_id")
        texts = self._texts(posts)
        training = texts.filter(posts["split"] == "train").drop_nulls().to_list()
        if not training:
            raise BadInput(f"{self.context.dataset}: no training post has a text: leave the block {self.name} out")
        if self.params.tfidf is not None:
            self._fit_tfidf(training)
        if self.params.pca is not None:
            self.encoder.encode(texts.drop_nulls().to_list())  # all at once: batches are a function of the set
            vectors = self.encoder.encode(training)[:, : self.encoder.width].astype(np.float64)
            self.pca_mean = vectors.mean(axis=0)
            self.pca_axes = _principal_axes(vectors - self.pca_mean, self.params.pca)
        return self

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and the embedding columns, in the order of ``posts``."""
        texts = self._texts(posts)
        present, known = texts.is_not_null().to_numpy(), texts.drop_nulls().to_list()
        columns = [posts["post_id"]]
        if self.params.tfidf is not None:
            columns.append(embedding_column(f"{self.name}.svd_embedding", self._svd(known), present))
        if self.encoder is not None:
            vectors, layers = np.hsplit(self.encoder.encode(known), [self.encoder.width])
            columns.append(embedding_column(f"{self.name}.embedding", vectors, present))
            if self.params.layers:
                columns.append(embedding_column(f"{self.name}.layers_embedding", layers, present))
            if self.params.pca is not None:
                reduced = np.einsum("nd,kd->nk", vectors - self.pca_mean, self.pca_axes)
                columns.append(embedding_column(f"{self.name}.pca_embedding", reduced, present))
        return pl.DataFrame(columns)

    def _texts(self, posts: pl.DataFrame) -> pl.Series:
        """Texts that are read, null where a post has none; a post of a table without captions has no caption."""
        return joined_text(with_fields(posts, self.params.fields), self.params.fields)

    def _fit_tfidf(self, training: list[str]) -> None:
        from sklearn.decomposition import TruncatedSVD

        settings = self.params.tfidf
        limits = {"min_df": settings.min_df, "max_features": settings.max_features}
        try:
            self.vectorizers = [new_tfidf(kind, **limits).fit(training) for kind in settings.kinds()]
        except ValueError as error:  # scikit-learn's answer to texts that leave no term
            raise BadInput(
                f"{self.context.dataset}: features.{self.name}.tfidf: {str(error).splitlines()[0]}"
            ) from None
        terms = self._terms(training)
        rank = min(settings.dim, min(terms.shape) - 1)
        self.components = np.zeros((settings.dim, terms.shape[1]), np.float32)
        if rank > 0:
            svd = TruncatedSVD(rank, n_iter=settings.iterations, random_state=self.context.seed)
            self.components[:rank] = svd.fit(terms).components_

    def _terms(self, texts: list[str]):
        """Sparse TF-IDF [n, terms], words then characters, each of unit length."""
        from scipy import sparse

        return sparse.hstack([vectorizer.transform(texts) for vectorizer in self.vectorizers], format="csr")

    def _svd(self, texts: list[str]) -> np.ndarray:
        if not texts:
            return np.empty((0, self.params.tfidf.dim), np.float32)
        return self._terms(texts) @ self.components.T

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        write_json({"params": self.params.model_dump(mode="json")}, folder / "block.json")
        arrays = {}
        if self.components is not None:
            arrays["components"] = self.components
        for i, vectorizer in enumerate(self.vectorizers):
            write_json({"terms": terms_of(vectorizer)}, folder / f"terms-{i}.json")
            arrays[f"idf-{i}"] = vectorizer.idf_
        if self.pca_axes is not None:
            arrays |= {"pca_mean": self.pca_mean, "pca_axes": self.pca_axes}
        if arrays:
            save_file(
                {name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / "text.safetensors"
            )

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        block, _ = read_block(cls, folder / "block.json", context)
        file = folder / "text.safetensors"
        arrays = read_tensors(file) if file.exists() else {}
        if block.params.tfidf is not None:
            block.components = arrays["components"]
            for i, kind in enumerate(block.params.tfidf.kinds()):
                terms = read_json(folder / f"terms-{i}.json")["terms"]
                block.vectorizers.append(kept_tfidf(kind, terms, arrays[f"idf-{i}"]))
        block.pca_mean, block.pca_axes = arrays.get("pca_mean"), arrays.get("pca_axes")
        return block


def _principal_axes(centred: np.ndarray, count: int) -> np.ndarray:
    """First ``count`` principal axes [count, width] of centred vectors, zero rows where fewer exist; signs fixed."""
    values, vectors = np.linalg.eigh(centred.T @ centred)
    order = np.argsort(-values, kind="stable")[: min(count, len(centred) - 1)]
    axes = vectors[:, order].T
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    return np.vstack([axes * signs[:, None], np.zeros((count - len(axes), centred.shape[1]))])
