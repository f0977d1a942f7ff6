"""Causal language models in folders: a base (made here, or a note of a pretrained one) and what was tuned on it.

A base folder holds ``base.json``; a made base also its weights and tokenizer. A tuned folder holds ``tuned.json`` and
an adapter (LoRA, prefix, PAC-LoRA) or whole weights (freeze, full). A plain folder of a merged or downloaded model
works too. Remote code is never run; the dtype is always explicit.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from popcast.core import tables
from popcast.core.errors import BadInput, bad_input
from popcast.core.pretrained import opening
from popcast.core.pretrained.model_notes import BASE, TUNED, base_note, tuned_note
from popcast.core.pretrained.packages.package_origin import said_of_weights
from popcast.core.processor import multiplies_bfloat16
from popcast.core.section import Model, Revision, Section

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

ADAPTERS = ("lora", "prefix", "pac")


class Made(Section):
    """A small Llama made from the training posts (multismpllm.md 11). Documents are histories of scored posts."""

    vocabulary: int = Field(2048, ge=384)
    hidden: int = Field(128, ge=8)
    layers: int = Field(4, ge=1)
    heads: int = Field(4, ge=1)
    intermediate: int = Field(352, ge=8)
    initializer_range: float = Field(0.08, gt=0, description="about 1 / sqrt(hidden)")
    max_positions: int = Field(1024, ge=64)
    before_fold: int | None = Field(3, ge=1, description="learns training posts of earlier folds; null: of all folds")
    warmup_steps: int = Field(160, ge=0, description="steps on documents of bare score sentences")
    warmup_batch: int = Field(32, ge=1)
    warmup_posts: int = Field(5, ge=2, description="score sentences of a warm-up document")
    warmup_spread: tuple[float, float] = Field((0.3, 2.5), description="sd of scores around a document's level")
    warmup_learning_rate: float = Field(1.5e-3, gt=0)
    steps: int = Field(400, ge=1, description="steps on histories")
    batch_size: int = Field(16, ge=1)
    epochs: int = Field(8, ge=1, description="passes that the steps are cut into: a killed run goes on with the next")
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.1, ge=0)
    clip: float | None = Field(1.0, gt=0)
    posts_per_document: tuple[int, int] = Field((2, 6), description="fewest and most posts of a document")
    author_power: float = Field(2.0, ge=0, description="an author with n posts is drawn in proportion to n^power")
    mosaic: float = Field(0.0, ge=0, le=1, description="share of documents put together from posts of many authors")
    natural: float = Field(
        0.5, ge=0, le=1, description="share of those levels that vary like the levels of authors, and of the warm-up's"
    )
    rehearsal: float = Field(
        0.4,
        ge=0,
        le=1,
        description="share of documents with scores around a random level, as in the warm-up",
    )
    level_shift: float = Field(0.5, ge=0, description="sd of a random shift of all scores of an author's document")
    drop_text: float = Field(0.05, ge=0, lt=1, description="chance of each field, and of each word, to be left out")
    score_weight: float = Field(1.0, gt=0, description="loss weight of the first token of a score")
    cents_weight: float = Field(0.3, ge=0, description="of its other tokens and of the document's end: close to chance")
    text_weight: float = Field(0.05, ge=0, description="of all other tokens")
    held_out: float = Field(0.1, ge=0, lt=0.5, description="share of authors that only measure the loss at the end")

    @model_validator(mode="after")
    def possible(self) -> Made:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden: {self.hidden} is not a multiple of 2 x {self.heads} heads")
        for name in ("posts_per_document", "warmup_spread"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}: expected 0 < smallest <= largest")
        return self


class Pretrained(Section):
    """A causal language model of somebody else."""

    model: Model = Field(description="hub id or local folder")
    revision: Revision | None = Field(None, description="commit or tag of the hub's repository")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 on a GPU, float32 on the CPU"
    )
    load_in_4bit: bool = Field(False, description="needs bitsandbytes and a GPU")


class Params(Section):
    """Where the base model comes from: exactly one of the two."""

    made: Made | None = None
    pretrained: Pretrained | None = None

    @model_validator(mode="after")
    def one(self) -> Params:
        if (self.made is None) == (self.pretrained is None):
            raise ValueError("base: expected exactly one of 'made' and 'pretrained'")
        return self


def write_base(folder: Path, **facts: object) -> None:
    """Write ``base.json``. Facts that are not given are those of a made base in plain float32."""
    usual = {"model": None, "revision": None, "dtype": "float32", "load_in_4bit": False, "learned_before": None}
    tables.write_json(usual | facts, folder / BASE)


def write_pointer(
    folder: Path, pretrained: Pretrained, scores: tuple[float, float] | None, files: str | None = None
) -> None:
    """Make a base folder that names a pretrained model, after its configuration and tokenizer could be loaded.

    scores: range of the answers that it is asked for, None where it writes texts. files: hash of a local folder, so
    that other weights are another note, and what is tuned on it is tuned again. The note has what tables say of the
    weights of a model out of a package.
    """
    from transformers import AutoConfig

    opening.part(AutoConfig, pretrained.model, revision=pretrained.revision)
    _tokenizer(pretrained.model, pretrained.revision)
    opening.check_model(pretrained.model)
    folder.mkdir(parents=True, exist_ok=True)
    facts = {} if files is None else {"files": files}
    facts |= {} if scores is None else {"scores": list(scores)}
    said = said_of_weights(Path(pretrained.model))
    facts |= {} if said is None else {"weights": said}
    write_base(folder, kind="pretrained", stand_in=False, **pretrained.model_dump(), **facts)


def write_tuned(folder: Path, base: Path, method: str, **facts: object) -> None:
    """Write ``tuned.json``. base: the base folder as given. method: of ``TunedNote``. facts: any JSON."""
    tables.write_json({"base": Path(base).as_posix(), "method": method, **facts}, folder / TUNED)


def base_of(folder: Path) -> Path:
    """The base folder below a tuned folder; a base folder is its own. Raises BadInput where it is gone."""
    tuned = tuned_note(folder)
    if tuned is None:
        return Path(folder)
    base = Path(tuned["base"])
    if not base.is_dir():
        raise bad_input("its base model is gone", file=Path(folder) / TUNED, field="base", value=tuned["base"])
    return base


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Tokenizer of a base, tuned or plain folder: padding on the left, with a padding token."""
    _check_folder(folder)
    if not (Path(folder) / "tokenizer.json").exists():
        folder = base_of(folder)
        _check_folder(folder)
    pointer = base_note(folder) or {}
    if pointer.get("model") is not None:
        return _tokenizer(pointer["model"], pointer.get("revision"))
    return _tokenizer(str(folder), None)


def load(
    folder: Path,
    *,
    device: str = "auto",
    dtype: str | None = None,
    trainable: bool = False,
    four_bit: bool = True,
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Model in evaluation mode on its device, and tokenizer.

    folder: a base folder, a tuned folder or a plain model folder. device: auto, cpu, cuda or cuda:<n>. dtype: as in
    :class:`Pretrained`; None: what a merged folder or ``base.json`` says. trainable: the adapter ``default`` of a LoRA,
    PAC-LoRA or prefix folder goes on learning (whole weights always can). four_bit: false: whole weights even where
    ``base.json`` says ``load_in_4bit``. Raises BadInput in one line: no such folder, not a model, an interrupted
    download, unknown hub id or no network, the base of a tuned folder is gone.
    """
    folder = Path(folder)
    _check_folder(folder)
    tuned = tuned_note(folder)
    adapter = tuned is not None and tuned["method"] in ADAPTERS
    base = base_of(folder)
    _check_folder(base)
    pointer = base_note(base) or {}
    tokenizer = load_tokenizer(folder)
    whole = (pointer.get("model") or str(base)) if tuned is None or adapter else str(folder)
    revision = pointer.get("revision") if whole == pointer.get("model") else None
    four_bit = four_bit and bool(pointer.get("load_in_4bit")) and (tuned is None or adapter)
    dtype = dtype or (tuned or {}).get("dtype") or pointer.get("dtype", "auto")
    model = _model(whole, revision, dtype, device, four_bit)
    if adapter:
        if tuned["method"] == "pac":
            from popcast.lm.pac.routed_model import opened

            model = opened(model, folder, trainable=trainable)
        else:
            model = opening.adapted(model, folder, trainable)
        if not trainable:
            model.requires_grad_(False)  # peft leaves prefixes learning
    return model.eval(), tokenizer


def _model(name: str, revision: str | None, dtype: str, device: str, four_bit: bool) -> PreTrainedModel:
    """Whole weights. Attention is torch's own (sdpa), which takes 4-D masks."""
    from transformers import AutoModelForCausalLM

    from popcast.models.nets.training import chosen_device

    place = chosen_device(device)
    options: dict = {"revision": revision, "attn_implementation": "sdpa"}
    options["dtype"] = chosen_dtype(dtype, place)
    if four_bit:
        options |= {"quantization_config": _four_bit(options["dtype"], place), "device_map": {"": place}}
    model = opening.whole_model(AutoModelForCausalLM, name, **options)
    return model if four_bit else model.to(place)


def stored_dtype(base: Path) -> str:
    """``float32``, ``bfloat16`` or ``float16``: what the weight files of a base folder hold, by their configuration."""
    from transformers import AutoConfig

    pointer = base_note(base) or {}
    name = pointer.get("model") or str(base)
    config = opening.part(AutoConfig, name, revision=pointer.get("revision"))
    return str(getattr(config, "dtype", None) or "float32").removeprefix("torch.")


def chosen_dtype(name: str, device: torch.device) -> torch.dtype:
    """torch's dtype; ``auto``: bfloat16 on a GPU, float32 on the CPU; ``fast``: see :func:`fast_in_half`."""
    import torch

    if name == "auto":
        name = "float32" if device.type == "cpu" else "bfloat16"
    elif name == "fast":
        name = "bfloat16" if fast_in_half(device.type) else "float32"
    return getattr(torch, name)


def fast_in_half(device: str) -> bool:
    """Whether a device (``cpu``, ``cuda``, ``cuda:0``) has instructions for bfloat16: it is the faster dtype there."""
    import torch

    return multiplies_bfloat16() if device == "cpu" else torch.cuda.is_bf16_supported(including_emulation=False)


def _four_bit(dtype: torch.dtype, device: torch.device):
    import importlib.util

    from transformers import BitsAndBytesConfig

    if device.type != "cuda":
        raise BadInput("params.yaml: base.pretrained.load_in_4bit: needs a GPU, and this machine has no usable one")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise BadInput("params.yaml: base.pretrained.load_in_4bit: needs the package bitsandbytes: pip install it")
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


def _tokenizer(name: str, revision: str | None) -> PreTrainedTokenizerFast:
    from transformers import AutoTokenizer

    tokenizer = opening.part(AutoTokenizer, name, revision=revision)
    if tokenizer.eos_token is None:
        raise BadInput(f"{name}: the tokenizer has no end-of-text token, so that answers could not end")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # padding is masked, so any token does
    tokenizer.padding_side = "left"
    return tokenizer


def _check_folder(folder: Path) -> None:
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such model folder")
    if not any((folder / name).exists() for name in (BASE, TUNED, "config.json")):
        raise BadInput(f"{folder}: not a model folder: expected {BASE}, {TUNED} or config.json in it")
