"""The base model of responses where no pretrained one is named: a tiny Qwen2 that first learns the training texts.

PAC-LoRA on a frozen random base says nothing, so the stand-in learns to write before anything is tuned: news of the
training part, what users wrote before, and training responses behind their news. It never sees an instruction. It is a
stand-in and called so everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, model_validator

from popcast.core import tables
from popcast.core.safety.whole_files import whole_folder
from popcast.core.section import Section
from popcast.lm.backbone import Pretrained, write_base
from popcast.models.nets.training import Training, seeded, train

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPLIT = r"[^\r\n\p{L}\p{N}]?\p{Han}{1,4}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+"
"""Words: up to four Chinese signs, letters, up to three digits, other signs."""


class StandIn(Section):
    """Sizes of the stand-in and how it learns. One document per text, cut to ``length`` tokens."""

    vocabulary: int = Field(4096, ge=320)
    hidden: int = Field(128, ge=8)
    layers: int = Field(3, ge=1)
    heads: int = Field(4, ge=1)
    intermediate: int = Field(352, ge=8)
    max_positions: int = Field(2048, ge=64)
    initializer_range: float = Field(0.06, gt=0)
    length: int = Field(96, ge=8, description="tokens of a document at most")
    documents: int | None = Field(None, ge=1, description="learned per epoch at most, drawn by seed; null: all")
    epochs: int = Field(2, ge=1)
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(2e-3, gt=0)

    @model_validator(mode="after")
    def possible(self) -> StandIn:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden: {self.hidden} is not a multiple of 2 x {self.heads} heads")
        return self


class ResponseBase(Section):
    """``response.base``: exactly one of the two."""

    made: StandIn | None = None
    pretrained: Pretrained | None = None

    @model_validator(mode="after")
    def one(self) -> ResponseBase:
        if (self.made is None) == (self.pretrained is None):
            raise ValueError("base: expected exactly one of 'made' and 'pretrained'")
        return self


class Documents:
    """Token rows, padded on the right. Batches: ids and mask [rows, tokens]."""

    def __init__(self, rows: Sequence[list[int]], pad: int) -> None:
        self.rows, self.pad = rows, pad
        self.lengths = np.array([len(row) for row in rows])

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        import torch

        chosen = [self.rows[row] for row in rows]
        width = max(map(len, chosen))
        ids = torch.tensor([row + [self.pad] * (width - len(row)) for row in chosen])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in chosen])
        return {"input_ids": ids, "attention_mask": mask}


def loss(network: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean over tokens of the negative log-probability."""
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    return network(**batch, labels=labels, use_cache=False).loss


def make_tokenizer(texts: Sequence[str], made: StandIn) -> PreTrainedTokenizerFast:
    """Byte-level BPE learned from ``texts``, with a chat template; the end of a turn is its end-of-text token."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=made.vocabulary,
        special_tokens=[START, END, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        additional_special_tokens=[START],
        chat_template=CHAT,
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=made.max_positions,
        clean_up_tokenization_spaces=False,
    )


def new_model(made: StandIn, tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen2ForCausalLM:
    """A Qwen2 with random weights from ``seed``, embeddings tied."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=made.hidden,
        intermediate_size=made.intermediate,
        num_hidden_layers=made.layers,
        num_attention_heads=made.heads,
        num_key_value_heads=made.heads,
        max_position_embeddings=made.max_positions,
        initializer_range=made.initializer_range,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype=torch.float32,
        attn_implementation="sdpa",
    )
    with seeded(seed):
        return Qwen2ForCausalLM(config)


def make(
    folder: Path, documents: Sequence[str], prompts: Sequence[str], made: StandIn, seed: int, work: Path | None
) -> dict[str, object]:
    """Make a base folder; returns what ``base.json`` says about it.

    documents: what the model learns. prompts: instructions whose words become tokens and which the model never sees.
    work: keeps the state of a killed run.
    """
    tokenizer = make_tokenizer([*documents, *prompts], made)
    rows = [row[: made.length] for row in tokenizer([text + END for text in documents], verbose=False)["input_ids"]]
    network = new_model(made, tokenizer, seed)
    chosen = np.arange(len(rows))
    if made.documents is not None and made.documents < len(rows):
        chosen = np.sort(np.random.default_rng([seed, len(rows)]).permutation(len(rows))[: made.documents])
    settings = Training(
        learning_rate=made.learning_rate, optimizer="adamw", weight_decay=0.01, schedule="cosine", warmup=0.1,
        batch_size=made.batch_size, max_epochs=made.epochs, patience=made.epochs, clip=1.0,
    )  # fmt: skip
    history = train(
        network, Documents(rows, tokenizer.pad_token_id), chosen, loss, settings, seed,
        folder=None if work is None else work / "stand-in", label="stand-in base",
    )  # fmt: skip
    facts = {"kind": "made", "stand_in": True, "documents": len(chosen), "loss": round(history[-1]["loss"], 4)}
    with whole_folder(folder) as part:
        network.save_pretrained(part)
        tokenizer.save_pretrained(part)
        tables.write_json(history, part / "history.json")
        write_base(part, **facts)
    return facts
