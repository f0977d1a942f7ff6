"""Tiny language models with random weights in the shape of hub models: class, digits, special tokens, chat template.

They stand in for the hub ids that recipes name. Llama 3: BOS, digits in groups of three; Qwen2: no BOS, single digits,
tied embeddings; SmolLM2: a Llama with single digits and no BOS, its chat template begins with a system's turn.
"""

from __future__ import annotations

from pathlib import Path

from popcast.datasets.sample import invented_words
from popcast.fewshot import tokenizer as made
from tests.features.tiny_models import save
from tests.generated import WORDS
from tests.lm.tiny_llm import SCORES, TEXTS

LEARNED = [
    *TEXTS,
    "Posts of one author with their popularity. Answer for the last one: its popularity, one number only.\n"
    'Post 1: title "red sky", category "Travel&Active", subcategory "Sunset", concept "beach"\nPost 1 has popularity',
    'title length 29, tags 4, date 2016-03-04, Popularity of the posts: a number only, user assistant "original sound"',
    " ".join(WORDS),
    *(" ".join(map(str, of)) for of in vars(invented_words).values() if isinstance(of, list | tuple)),
]
"""What the tokenizers learn from: the words of prompts and generated posts, so that these are short."""

LLAMA3_CHAT = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
QWEN2_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SMOLLM2_CHAT = "<|im_start|>system\nYou are a helpful AI assistant.<|im_end|>\n" + QWEN2_CHAT
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

    tokenizer = made.make_tokenizer(LEARNED * 20, 900, SCORES, 2048)
    more = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer.add_special_tokens({"eos_token": "<|eot_id|>", "additional_special_tokens": more})
    tokenizer.chat_template = LLAMA3_CHAT
    ends = tokenizer.convert_tokens_to_ids([made.END, "<|eot_id|>"])
    return _written(LlamaForCausalLM, LlamaConfig, tokenizer, folder, tie_word_embeddings=False, ends=ends)


def qwen2(folder: Path) -> Path:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    return _with_single_digits(Qwen2ForCausalLM, Qwen2Config, QWEN2_CHAT, folder)


def smollm2(folder: Path) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    return _with_single_digits(LlamaForCausalLM, LlamaConfig, SMOLLM2_CHAT, folder)


def _with_single_digits(model_class, config_class, chat: str, folder: Path) -> Path:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(QWEN2_DIGITS), behavior="isolated")
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    alphabet, special = sorted(pre_tokenizers.ByteLevel.alphabet()), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    core.train_from_iterator(
        LEARNED * 20,
        trainers.BpeTrainer(vocab_size=900, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
    tokenizer.chat_template = chat
    ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    return _written(model_class, config_class, tokenizer, folder, tie_word_embeddings=True, ends=ends)


def _written(model_class, config_class, tokenizer, folder: Path, *, tie_word_embeddings: bool, ends: list[int]) -> Path:
    """The folder as the hub has it: bfloat16, several end tokens."""
    import torch

    torch.manual_seed(0)
    config = config_class(
        **SIZES, vocab_size=len(tokenizer), tie_word_embeddings=tie_word_embeddings, eos_token_id=ends,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
    )  # fmt: skip
    model = write_numbers(model_class(config), tokenizer).to(torch.bfloat16)
    model.generation_config.eos_token_id = ends
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_numbers(model, tokenizer):
    """Random weights that write a random number of two decimals, and end: preference pairs can come from them.

    The layers add nothing at first, so a next token depends on the last one alone: on one column of its embedding.
    """
    import torch
    from torch import nn

    def tokens(texts: list[str]) -> list[int]:
        found = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        return [ids[0] for ids in found if len(ids) == 1]

    whole = tokens([str(n) for n in range(20, 100)])  # two digits in one token, as in Llama 3, or in two
    first, dot = tokens(list("234" if not whole else "23456789")), tokens(["."])
    chain = [first, dot, whole] if whole else [first, dot, tokens(list("567")), tokens(list("89"))]
    with torch.no_grad():
        for layer in model.get_decoder().layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        embedding = model.get_input_embeddings().weight
        head = 0.05 * torch.randn(embedding.shape)
        embedding[:, : len(chain) + 1] = 0
        embedding[:, 0] = 5.0  # behind any other token: a number begins
        for place, (now, then) in enumerate(zip(chain, [*chain[1:], [tokenizer.eos_token_id]], strict=True), start=1):
            embedding[now, 0] = 0
            embedding[now, place] = 5.0
            head[:, place] = 0
            head[then, place] = 2.0
        head[:, 0] = 0
        head[first, 0] = 2.0
    model.config.tie_word_embeddings = False
    model.lm_head.weight = nn.Parameter(head)
    return model


def teach(folder: Path) -> None:
    """Give a model folder such weights, the tokenizer as it is: a base of few steps knows no numbers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False)
    write_numbers(model, tokenizer).save_pretrained(folder)


def e5(folder: Path) -> Path:
    """A sentence encoder with the layers of multilingual-e5-small."""
    from transformers import BertConfig, BertModel, BertTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate([*special, "query", ":", *sorted(set(WORDS))])})
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 12, "num_attention_heads": 2}
    model = BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=256, **sizes))
    return save(folder, model, tokenizer)


FAMILIES = {"llama": llama3, "qwen": qwen2, "smollm2": smollm2, "e5": e5}


def base_like(model: str, folder: Path) -> Path:
    """A folder in the shape of the hub model ``model``. KeyError for a family that nobody has written down here."""
    known = [name for name in FAMILIES if name in model.lower()]
    return FAMILIES[known[0] if known else model](folder)
