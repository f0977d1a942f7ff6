"""Tiny encoders with random weights, made from a config and saved like a checkpoint, for tests of text_regressor."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from tests.models.wide import WORDS

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}


@cache
def tiny_backbone(kind: str = "bert") -> str:
    """Folder of a tiny BERT (pads with 0) or RoBERTa (pads with 1) that knows the words of ``wide``."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM

    start, pad, end, unknown = (
        ("[CLS]", "[PAD]", "[SEP]", "[UNK]") if kind == "bert" else ("<s>", "<pad>", "</s>", "<unk>")
    )
    mask = "[MASK]" if kind == "bert" else "<mask>"
    special = [pad, start, end, unknown, mask] if kind == "bert" else [start, pad, end, unknown, mask]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS, "Animal", "Travel", "Food", "|"])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, vocabulary[start]), (end, vocabulary[end])]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, cls_token=start, pad_token=pad, sep_token=end, unk_token=unknown, mask_token=mask
    )
    config, model = (BertConfig, BertForMaskedLM) if kind == "bert" else (RobertaConfig, RobertaForMaskedLM)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = model(config(vocab_size=len(vocabulary), pad_token_id=vocabulary[pad], **SIZES))
    folder = Path(tempfile.mkdtemp(prefix=f"tiny-{kind}-"))
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
