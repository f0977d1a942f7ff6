"""Making the small base model from training posts: a stand-in for a pretrained one, and called so everywhere.

Two steps (multismpllm.md 11): a warm-up on bare score sentences, where numbers are learned, then histories of authors
that no draw names. It sees no instruction, no question and no answer line, so untuned it answers nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from popcast.core import tables
from popcast.core.safety.whole_files import whole_folder
from popcast.fewshot.corpus import Encoder, Histories, Levels, Scored, held_out
from popcast.fewshot.score_prompts import Params as PromptParams
from popcast.fewshot.score_prompts import PromptWriter
from popcast.fewshot.templates import PostText
from popcast.fewshot.tokenizer import make_tokenizer
from popcast.lm.backbone import Made, write_base
from popcast.models.nets.training import Training, seeded, train

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

EVALUATED = 32
"""Documents measured at a time."""


def new_model(made: Made, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A Llama with random weights from ``seed``, embeddings tied."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=made.hidden,
        intermediate_size=made.intermediate,
        num_hidden_layers=made.layers,
        num_attention_heads=made.heads,
        num_key_value_heads=made.heads,
        max_position_embeddings=made.max_positions,
        initializer_range=made.initializer_range,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype=torch.float32,
        attn_implementation="sdpa",
    )
    with seeded(seed):
        return LlamaForCausalLM(config)


def loss(network: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Weighted mean over tokens of the negative log-probability, weights as in ``batch``."""
    import torch.nn.functional as f

    logits = network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
    weight = batch["weight"][:, 1:].reshape(-1)
    error = f.cross_entropy(logits[:, :-1].float().flatten(0, 1), batch["input_ids"][:, 1:].flatten(), reduction="none")
    return (error * weight).sum() / weight.sum()


def held_out_loss(
    network: torch.nn.Module, encoder: Encoder, histories: list[list[Scored]], posts: int
) -> float | None:
    """Loss per score token on the newest posts of authors who are not learned, in time order; None without any.

    It is told, not stopped on: so few authors would choose an epoch by chance, mostly the first.
    """
    import torch

    if not histories:
        return None
    documents = [history[-posts:] for history in sorted(histories, key=len)]
    only_scores = replace(encoder, score_weight=1.0, text_weight=0.0)
    total = tokens = 0.0
    with torch.no_grad():
        for start in range(0, len(documents), EVALUATED):
            batch = only_scores.encode(documents[start : start + EVALUATED])
            count = float(batch["weight"][:, 1:].sum())
            total += count * float(loss(network, batch))
            tokens += count
    return round(total / tokens, 4)


def make(
    folder: Path,
    authors: dict[str, list[Scored]],
    made: Made,
    prompts: PromptParams,
    template: str,
    scores: tuple[float, float],
    seed: int,
    *,
    learned_before: str | None = None,
    work: Path | None = None,
) -> dict[str, object]:
    """Make a base folder from scored posts of each author and return what ``base.json`` says about it.

    authors: see :func:`popcast.fewshot.corpus.by_author`. learned_before: ISO time from which on no post was learned.
    work: keeps the state of a killed run, which then goes on with the next epoch to the same bytes.
    """
    learn, measured = held_out(authors, made.held_out, seed)
    without = PromptWriter(None, prompts, template)
    asking = [without.prompt([], PostText(()))] * 50  # its words become tokens; the model itself never sees them
    tokenizer = make_tokenizer(
        asking + [without.history([post]) for history in authors.values() for post in history],
        made.vocabulary,
        scores,
        made.max_positions,
    )
    encoder = Encoder(
        tokenizer,
        PromptWriter(tokenizer, prompts, template),
        made.score_weight,
        made.cents_weight,
        made.text_weight,
        made.max_positions,
    )
    network = new_model(made, tokenizer, seed)
    examples = Histories(encoder, learn, made, scores, seed)
    levels = Levels(replace(encoder, text_weight=0.0), made, scores, examples.variance)
    _warm_up(network, levels, made, seed, None if work is None else work / "warmup")
    settings = _training(made, made.learning_rate, made.batch_size, made.epochs, "cosine")
    history = train(
        network, examples, np.arange(len(examples)), loss, settings, seed + 1,
        folder=None if work is None else work / "histories", label="base model",
    )  # fmt: skip
    facts = {
        "kind": "made",
        "stand_in": True,
        "scores": list(scores),
        "learned_before": learned_before,
        "authors": len(learn),
        "posts": sum(map(len, learn)),
        "held_out_authors": len(measured),
        "held_out_loss": held_out_loss(network, encoder, measured, made.posts_per_document[1]),
    }
    with whole_folder(folder) as part:
        network.save_pretrained(part)
        tokenizer.save_pretrained(part)
        tables.write_json(history, part / "history.json")
        write_base(part, **facts)
    return facts


def _warm_up(network: torch.nn.Module, levels: Levels, made: Made, seed: int, folder: Path | None) -> None:
    """Numbers first: without it the scores of histories are learned far more slowly (multismpllm.md 11)."""
    if made.warmup_steps:
        settings = _training(made, made.warmup_learning_rate, made.warmup_batch, 1, "constant")
        rows = np.arange(len(levels))
        train(network, levels, rows, loss, settings, seed, folder=folder, label="base model, warm-up")


def _training(made: Made, rate: float, batch: int, epochs: int, schedule: str) -> Training:
    return Training(
        learning_rate=rate,
        optimizer="adamw",
        weight_decay=made.weight_decay,
        schedule=schedule,
        warmup=0.1,
        batch_size=batch,
        max_epochs=epochs,
        patience=epochs,
        clip=made.clip,
    )
