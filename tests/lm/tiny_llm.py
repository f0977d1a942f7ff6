"""A tiny language model with random weights and a real tokenizer, made in a second, for tests of all that uses one."""

from __future__ import annotations

from pathlib import Path

from popcast.fewshot.made_base import new_model
from popcast.fewshot.tokenizer import make_tokenizer
from popcast.lm.backbone import Made, write_base

SCORES = (1.0, 16.99)
TEXTS = [
    "post 1: title red sky over the sea; category Travel&Active; subcategory Sunset; concept beach. score 7.52\n",
    "The input lists posts of one user with their popularity. Answer with a bare number for the new post.\n",
    "new post: title length 12; tags 4; date 2016-03-04; image shows a small dog on the grass. Its popularity?\n",
]


def tiny_base(folder: Path, **made: object) -> Path:
    """A base folder with random weights: hidden 32, 2 layers, vocabulary 512. ``made`` replaces these numbers."""
    sizes = {"vocabulary": 512, "hidden": 32, "layers": 2, "heads": 2, "intermediate": 64, "initializer_range": 0.15}
    params = Made(**(sizes | made))
    tokenizer = make_tokenizer(TEXTS * 20, params.vocabulary, SCORES, params.max_positions)
    folder.mkdir(parents=True, exist_ok=True)
    new_model(params, tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_base(folder, kind="made", stand_in=True, scores=list(SCORES))
    return folder
