"""Labellers of sentiment: the same one reads real and generated text, and its id and version go into every report.

Labels of real texts are pseudo-labels too, but for those that a file gives (backend ``given``).
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.response.response_tables import SENTIMENTS
from popcast.response.sentiment import emoticons, lexicon
from popcast.response.sentiment.params import Labelling


class Labeller(ABC):
    """``id``: of the backend; ``version``: of its word lists, weights or table."""

    id: str
    version: str

    @abstractmethod
    def label(self, texts: Sequence[str | None], ids: Sequence[str] | None = None) -> list[str | None]:
        """A class of ``SENTIMENTS`` for each text; None: withheld text, or nothing that the backend reads.

        ids: of the real responses, for labels that a file gives; generated texts have none.
        """


class Words(Labeller):
    """``lexicon``: answers for every text."""

    id, version = "lexicon", lexicon.VERSION

    def label(self, texts: Sequence[str | None], ids: Sequence[str] | None = None) -> list[str | None]:
        return [None if text is None else SENTIMENTS[lexicon.polarity_of(text) + 1] for text in texts]


class Emoticons(Labeller):
    """``emoticon``: None where a text shows none that is classed."""

    id, version = "emoticon", emoticons.VERSION

    def label(self, texts: Sequence[str | None], ids: Sequence[str] | None = None) -> list[str | None]:
        found = [None if text is None else emoticons.polarity_of(text) for text in texts]
        return [None if value is None else SENTIMENTS[value + 1] for value in found]


class EmoticonsThenWords(Labeller):
    """``emoticon_then_lexicon``: what emoticons show; words where there are none."""

    id, version = "emoticon_then_lexicon", f"{emoticons.VERSION}.{lexicon.VERSION}"

    def label(self, texts: Sequence[str | None], ids: Sequence[str] | None = None) -> list[str | None]:
        shown, said = Emoticons().label(texts), Words().label(texts)
        return [first or second for first, second in zip(shown, said, strict=True)]


class Classifier(Labeller):
    """``hf``: a sequence classifier in a local folder; its class names are mapped to ours."""

    id = "hf"

    def __init__(self, section: Labelling) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        from popcast.core.pretrained import opening

        self._torch, self._section = torch, section
        self._tokenizer = opening.part(AutoTokenizer, section.model)
        self._model = opening.model(AutoModelForSequenceClassification, section.model, dtype=torch.float32).eval()
        names = self._model.config.id2label
        known = [names[place] for place in range(len(names))]
        if set(known) != set(section.classes):
            raise bad_input("classes do not match the model's", value=sorted(section.classes), expected=f"{known}")
        self._classes = [section.classes[name] for name in known]
        self.version = _weights_hash(Path(section.model))

    def label(self, texts: Sequence[str | None], ids: Sequence[str] | None = None) -> list[str | None]:
        places = [place for place, text in enumerate(texts) if text is not None]
        labels: list[str | None] = [None] * len(texts)
        for start in range(0, len(places), self._section.batch):
            some = places[start : start + self._section.batch]
            encoded = self._tokenizer(
                [texts[place] for place in some], padding=True, truncation=True, max_length=self._section.tokens,
                return_tensors="pt",
            )  # fmt: skip
            with self._torch.inference_mode():
                best = self._model(**encoded).logits.argmax(-1).tolist()
            for place, found in zip(some, best, strict=True):
                labels[place] = self._classes[found]
        return labels


class Given(Labeller):
    """``given``: labels of real responses from a CSV file (``response_id``, ``sentiment``); another reads the rest."""

    def __init__(self, section: Labelling) -> None:
        file = Path(section.table)
        self._labels = _given(file)
        self._others = labeller(Labelling(backend=section.others))
        self.id = f"given+{self._others.id}"
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        self.version = f"{digest}+{self._others.version}"

    def label(self, texts: Sequence[str | None], ids: Sequence[str] | None = None) -> list[str | None]:
        found = self._others.label(texts)
        if ids is None:
            return found
        return [self._labels.get(one, label) for one, label in zip(ids, found, strict=True)]


def labeller(settings: Labelling) -> Labeller:
    """The labeller that a section names. Raises BadInput for a model or table that is none."""
    made = {
        "lexicon": Words, "emoticon": Emoticons, "emoticon_then_lexicon": EmoticonsThenWords,
    }.get(settings.backend)  # fmt: skip
    if made is not None:
        return made()
    return Classifier(settings) if settings.backend == "hf" else Given(settings)


def _given(file: Path) -> dict[str, str]:
    """response_id -> class. Raises BadInput with file and row."""
    if not file.is_file():
        raise bad_input("no such file", file=file, expected="CSV with columns response_id and sentiment")
    try:
        table = pl.read_csv(file, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise bad_input(f"not a CSV file: {error}", file=file) from None
    if missing := {"response_id", "sentiment"} - set(table.columns):
        raise bad_input(f"column {min(missing)} is missing", file=file, expected="response_id, sentiment")
    labels: dict[str, str] = {}
    for row, (one, label) in enumerate(table.select("response_id", "sentiment").iter_rows(), 2):
        if label not in SENTIMENTS:
            expected = ", ".join(SENTIMENTS)
            raise bad_input("no class", file=file, row=row, field="sentiment", value=label, expected=expected)
        if one is None or one in labels:
            raise bad_input("missing or twice", file=file, row=row, field="response_id", value=one)
        labels[one] = label
    return labels


def _weights_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
