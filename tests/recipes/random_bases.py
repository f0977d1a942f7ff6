"""Tiny language models with random weights in the shape of hub models: class, digits, special tokens, chat template.

They stand in for the hub ids that recipes name. Llama 3: BOS, digits in groups of three; Qwen2: no BOS, single digits,
tied embeddings.
"""

from __future__ import annotations

from pathlib import Path

from popcast.fewshot import tokenizer as made
from tests.lm.tiny_llm import SCORES, TEXTS

LLAMA3_CHAT = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
QWEN2_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.15,
}
QWEN2_DIGITS = made.LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")


def llama3(folder: Path) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = made.make_tokenizer(TEXTS * 20, 640, SCORES, 2048)
    more = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer.add_special_tokens({"eos_token": "<|eot_id|>", "additional_special_tokens": more})
    tokenizer.chat_template = LLAMA3_CHAT
    ends = tokenizer.convert_tokens_to_ids([made.END, "<|eot_id|>"])
    return _written(LlamaForCausalLM, LlamaConfig, tokenizer, folder, tie_word_embeddings=False, ends=ends)


def qwen2(folder: Path) -> Path:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    core = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(QWEN2_DIGITS), behavior="isolated")
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    alphabet, special = sorted(pre_tokenizers.ByteLevel.alphabet()), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    core.train_from_iterator(
        TEXTS * 20,
        trainers.BpeTrainer(vocab_size=512, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
    tokenizer.chat_template = QWEN2_CHAT
    ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    return _written(Qwen2ForCausalLM, Qwen2Config, tokenizer, folder, tie_word_embeddings=True, ends=ends)


def _written(model_class, config_class, tokenizer, folder: Path, *, tie_word_embeddings: bool, ends: list[int]) -> Path:
    """The folder as the hub has it: bfloat16, several end tokens."""
    import torch

    torch.manual_seed(0)
    config = config_class(
        **SIZES, vocab_size=len(tokenizer), tie_word_embeddings=tie_word_embeddings, eos_token_id=ends,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
    )  # fmt: skip
    model = model_class(config).to(torch.bfloat16)
    model.generation_config.eos_token_id = ends
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


FAMILIES = {"llama": llama3, "qwen": qwen2}


def base_like(model: str, folder: Path) -> Path:
    """A folder in the shape of the hub model ``model``. KeyError for a family that nobody has written down here."""
    family = next(name for name in FAMILIES if name in model.lower())
    return FAMILIES[family](folder)
