"""Encoders that read a picture and a text together: one joint vector per pair, and how well the two fit.

Sources: sheet smp2025.md section 7 (ViLT: pooler; BLIP-2: first query token; BLIP with an image-text matching head:
cosine of picture and text) and section 2 (image-title and image-tags similarity). A model is a hub id or a local
folder with its tokenizer and image processor. Weights are float32 and frozen; code in a model is never run.

========  ==============================================  ========================================================
family    joint vector                                    similarity
========  ==============================================  ========================================================
ViLT      pooled output                                   logit of the retrieval head; a model without one has none
BLIP      text token that has looked at the picture       cosine of the projected vectors
BLIP-2    first query token, with picture and text        largest cosine of a query token and the text
CLIP      picture and text at unit length, side by side   cosine (SigLIP and the like too)
========  ==============================================  ========================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from popcast.core.errors import BadInput
from popcast.core.pretrained import opening

if TYPE_CHECKING:
    import torch

HEADS = {
    "vilt": "ViltForImageAndTextRetrieval",
    "blip": "BlipForImageTextRetrieval",
    "blip-2": "Blip2ForImageTextRetrieval",
}
"""Architecture by family that measures how well a picture and a text fit."""
NEEDED = ("blip", "blip-2")
"""Families whose other architectures (captions, answers) have no joint vector."""


def reads_both(config) -> bool:
    """Whether a model of this configuration looks at a picture only together with a text."""
    architectures = config.architectures or []
    return config.model_type == "vilt" or HEADS.get(config.model_type) in architectures


class ImageTextEncoder:
    """Pictures and texts -> joint vectors float32 [n, width] and similarities float32 [n], rounded to 6 places.

    name: hub id or folder. max_tokens: longer texts are cut. batch: pairs per batch; vectors of a pair repeat bit for
    bit when the same pairs come in the same order, and agree to 1e-5 in other company.
    """

    def __init__(self, name: str, max_tokens: int = 40, batch: int = 32) -> None:
        import torch
        import transformers

        self.name, self.batch = name, batch
        try:
            config = opening.part(transformers.AutoConfig, name)
            self.family = config.model_type
            head = HEADS.get(self.family)
            self.measures = self.family not in HEADS or head in (config.architectures or [])
            if self.family in NEEDED and not self.measures:
                raise BadInput(f"{name}: its architecture is {config.architectures}, expected {head}")
            kind = getattr(transformers, head) if head and self.measures else transformers.AutoModel
            # the PIL backend: the other one needs torchvision
            self.processor = opening.part(transformers.AutoImageProcessor, name, backend="pil")
            self.tokenizer = opening.part(transformers.AutoTokenizer, name)
            self.model = opening.whole_model(kind, name, dtype=torch.float32).eval()
        except BadInput as error:
            raise BadInput(f"image-text encoder {name!r}: cannot be loaded ({error})") from None
        if self.family not in HEADS and not hasattr(self.model, "get_text_features"):
            raise BadInput(f"image-text encoder {name!r}: is a {self.family}: it does not read texts")
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token or self.tokenizer.unk_token
        self.tokenizer.padding_side = "right"
        self.max_tokens = min(max_tokens, self._positions(config) or max_tokens)
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")

    def encode(self, pictures: Sequence[np.ndarray], texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """pictures: uint8 [height, width, 3], any sizes; texts: one each. NaN: the model measures no similarity."""
        vectors, fits = [], []
        for start in range(0, len(texts), self.batch):
            some = slice(start, start + self.batch)
            joint, fit = self._forward(list(pictures[some]), list(texts[some]))
            vectors.append(joint)
            fits.append(fit)
        if not vectors:
            return np.empty((0, self.width), np.float32), np.empty(0, np.float32)
        return np.concatenate(vectors).round(6) + np.float32(0), np.concatenate(fits).round(6) + np.float32(0)

    @cached_property
    def width(self) -> int:
        """Columns of the joint vector."""
        return self._forward([np.zeros((64, 64, 3), np.uint8)], [""])[0].shape[1]

    def _positions(self, config) -> int | None:
        if self.family == "blip-2":
            return getattr(config.qformer_config, "max_position_embeddings", None)
        return getattr(config.get_text_config(), "max_position_embeddings", None)

    def _forward(self, pictures: list[np.ndarray], texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        import torch

        seen = self.processor(images=pictures, return_tensors="pt", input_data_format="channels_last")
        # SigLIP has learned texts that fill all positions
        padding = "max_length" if self.family.startswith("siglip") else True
        limits = {"padding": padding, "truncation": True, "max_length": self.max_tokens}
        read = self.tokenizer(texts, return_tensors="pt", **limits)
        wanted = ("pixel_values", "pixel_mask", "input_ids", "attention_mask", "token_type_ids")
        inputs = {name: value.to(self.model.device) for name, value in {**seen, **read}.items() if name in wanted}
        way = {"vilt": self._vilt, "blip": self._blip, "blip-2": self._blip_2}.get(self.family, self._two_towers)
        with torch.inference_mode():
            joint, fit = way(inputs)
        if fit is None:
            fit = torch.full((len(texts),), torch.nan)
        return joint.float().cpu().numpy(), fit.float().cpu().numpy()

    def _vilt(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor | None]:
        if not self.measures:
            return self.model(**inputs).pooler_output, None
        joint = self.model.vilt(**inputs).pooler_output
        return joint, self.model.rank_output(joint).squeeze(-1)

    def _blip(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        model, ids, mask = self.model, inputs["input_ids"], inputs["attention_mask"]
        picture = model.vision_model(pixel_values=inputs["pixel_values"]).last_hidden_state
        alone = model.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
        looked = model.text_encoder(
            input_ids=ids,
            attention_mask=mask,
            encoder_hidden_states=picture,
            encoder_attention_mask=mask.new_ones(picture.shape[:2]),
        ).last_hidden_state[:, 0]
        return looked, _cosine(model.vision_proj(picture[:, 0]), model.text_proj(alone))

    def _blip_2(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        model, ids, mask = self.model, inputs["input_ids"], inputs["attention_mask"]
        picture = model.vision_model(pixel_values=inputs["pixel_values"]).last_hidden_state
        looking = {"encoder_hidden_states": picture, "encoder_attention_mask": mask.new_ones(picture.shape[:2])}
        queries = model.query_tokens.expand(len(ids), -1, -1)
        asked = model.qformer(query_embeds=queries, **looking).last_hidden_state
        alone = model.qformer(query_embeds=model.embeddings(input_ids=ids), query_length=0, attention_mask=mask)
        both = model.qformer(
            query_embeds=model.embeddings(input_ids=ids, query_embeds=queries),
            query_length=queries.shape[1],
            attention_mask=torch.cat([mask.new_ones(queries.shape[:2]), mask], dim=1),
            **looking,
        ).last_hidden_state
        text = model.text_projection(alone.last_hidden_state[:, :1])
        return both[:, 0], _cosine(model.vision_projection(asked), text).amax(dim=1)

    def _two_towers(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        mask = {"attention_mask": inputs["attention_mask"]} if "attention_mask" in inputs else {}
        picture = self.model.get_image_features(pixel_values=inputs["pixel_values"])
        text = self.model.get_text_features(input_ids=inputs["input_ids"], **mask)
        picture, text = (getattr(found, "pooler_output", found) for found in (picture, text))
        picture, text = (torch.nn.functional.normalize(vectors, dim=-1) for vectors in (picture, text))
        return torch.cat([picture, text], dim=1), (picture * text).sum(dim=-1)


def _cosine(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Cosines of the last axis: [n, w] and [n, w] -> [n]; [n, q, w] and [n, 1, w] -> [n, q]."""
    import torch

    return torch.nn.functional.cosine_similarity(one, other, dim=-1)
