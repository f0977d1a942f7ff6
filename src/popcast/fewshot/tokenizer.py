"""The tokenizer of the made base model: byte-level BPE, digits cut as in Llama 3: a score is three tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from popcast.core.errors import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BEGIN, END, PAD = "<|begin_of_text|>", "<|end_of_text|>", "<|pad|>"

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Llama 3's pre-tokenizer: letters with the blank before them, digits in groups of up to three."""

REPEAT = 500
"""How often each part of a score stands in the training text, so that it becomes a token whatever the corpus is."""


def make_tokenizer(
    texts: Iterable[str], vocabulary: int, scores: tuple[float, float], max_length: int = 1024
) -> PreTrainedTokenizerFast:
    """Learn byte-level BPE from texts and from all scores low..high in steps of 0.01.

    BOS comes from the post-processor, EOS is added by nobody (multismpllm.md 10). Raises BadInput where the vocabulary
    is too small for the parts of all scores.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[BEGIN, END, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(_texts(texts, scores), trainer)
    core.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", pair=f"{BEGIN} $A $B", special_tokens=[(BEGIN, core.token_to_id(BEGIN))]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )
    for score in all_scores(*scores):
        if len(tokenizer(score, add_special_tokens=False).input_ids) != 3:
            raise BadInput(
                f"params.yaml: base.made.vocabulary: {vocabulary} is too small: the score {score} is not three tokens"
            )
    return tokenizer


def all_scores(low: float, high: float) -> list[str]:
    """Every score low..high in steps of 0.01, as it is written.

    >>> all_scores(1.0, 1.02)
    ['1.00', '1.01', '1.02']
    """
    return [f"{hundredths / 100:.2f}" for hundredths in range(round(low * 100), round(high * 100) + 1)]


def _texts(texts: Iterable[str], scores: tuple[float, float]) -> Iterator[str]:
    yield from texts
    parts = sorted({part for score in all_scores(*scores) for part in score.split(".")})
    for _ in range(REPEAT):
        yield " ".join(parts)
