"""Tiny random model folders in the layouts of real checkpoints: text encoders, and encoders of pictures with texts."""

from __future__ import annotations

import json
from pathlib import Path

WORDS = ["the", "cat", "sat", "on", "mat", "blue", "sky", "sea", "sun", "a"]
TEXTS = ["the cat sat on the mat", "blue sky and the sea", "sun", "the " * 200]
"""The last one is longer than any of the models can read."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
SIGHT = SMALL | {"image_size": 32, "patch_size": 8}


def save(folder: Path, model, *parts) -> Path:
    """Write a model with random weights, and what belongs to it (tokenizer, image processor)."""
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, 0.0, 0.3)
    model.save_pretrained(folder)
    for part in parts:
        part.save_pretrained(folder)
    return folder


def word_pieces():
    from transformers import BertTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return BertTokenizer(vocab={word: i for i, word in enumerate([*special, *WORDS])})


def byte_pairs():
    """The tokenizer of GPT-2: no padding token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made, end = Tokenizer(models.BPE()), "<|endoftext|>"
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"special_tokens": [end], "initial_alphabet": alphabet, "show_progress": False}
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=300, **options))
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token=end, bos_token=end, unk_token=end)


def clip_tokenizer():
    from transformers import CLIPTokenizer

    signs = [sign for letter in LETTERS for sign in (letter, f"{letter}</w>")]
    signs += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={sign: i for i, sign in enumerate(signs)}, merges=[])


def gpt2(folder: Path) -> Path:
    from transformers import GPT2Config, GPT2Model

    tokenizer = byte_pairs()
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=16, n_layer=2, n_head=2, **ends)
    return as_gpt2(save(folder, GPT2Model(config), tokenizer))


def gpt_neo(folder: Path) -> Path:
    from transformers import GPTNeoConfig, GPTNeoModel

    tokenizer = byte_pairs()
    kinds = {"attention_types": [[["global", "local"], 1]], "window_size": 8, "bos_token_id": 0, "eos_token_id": 0}
    sizes = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "max_position_embeddings": 64}
    return as_gpt2(save(folder, GPTNeoModel(GPTNeoConfig(vocab_size=len(tokenizer), **sizes, **kinds)), tokenizer))


def as_gpt2(folder: Path) -> Path:
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tokenizer_class": "GPT2Tokenizer"}))
    return folder


def bert(folder: Path) -> Path:
    from transformers import BertConfig, BertModel

    tokenizer = word_pieces()
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **SMALL)
    return save(folder, BertModel(config), tokenizer)


def xlm_r(folder: Path) -> Path:
    from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer

    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((f"▁{word}", -2.0) for word in WORDS)]
    tokenizer = XLMRobertaTokenizer(vocab=[*pieces, ("▁", -3.0), ("<mask>", 0.0)])
    places = {"max_position_embeddings": 66, "pad_token_id": 1, "type_vocab_size": 1}
    return save(folder, XLMRobertaModel(XLMRobertaConfig(vocab_size=len(tokenizer), **places, **SMALL)), tokenizer)


def bertweet(folder: Path) -> Path:
    """A RoBERTa whose tokenizer is its own: vocab.txt and bpe.codes, no tokenizer.json."""
    from transformers import BertweetTokenizer, RobertaConfig, RobertaModel

    source = folder.with_name(f"{folder.name}-vocabulary")
    source.mkdir(parents=True)
    words = [*WORDS, *(f"{letter}@@" for letter in LETTERS), *LETTERS]
    (source / "vocab.txt").write_text("\n".join(f"{word} 1" for word in words))
    (source / "bpe.codes").write_text("t h 1\nth e</w> 1\n")
    tokenizer = BertweetTokenizer(str(source / "vocab.txt"), str(source / "bpe.codes"))
    places = {"max_position_embeddings": 34, "pad_token_id": 1, "type_vocab_size": 1}
    return save(folder, RobertaModel(RobertaConfig(vocab_size=len(tokenizer) + 2, **places, **SMALL)), tokenizer)


def clip(folder: Path) -> Path:
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    tokenizer = clip_tokenizer()
    start, end = (tokenizer.convert_tokens_to_ids(sign) for sign in ("<|startoftext|>", "<|endoftext|>"))
    ends = {"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    reading = SMALL | {"vocab_size": len(tokenizer), "max_position_embeddings": 77} | ends
    config = CLIPConfig(text_config=reading, vision_config=SIGHT, projection_dim=12)
    seen = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return save(folder, CLIPModel(config), tokenizer, seen)


def vilt(folder: Path, head: bool = True) -> Path:
    from transformers import ViltConfig, ViltForImageAndTextRetrieval, ViltImageProcessorPil, ViltModel

    tokenizer = word_pieces()
    config = ViltConfig(vocab_size=len(tokenizer), max_position_embeddings=40, **SIGHT)
    kind = ViltForImageAndTextRetrieval if head else ViltModel
    return save(folder, kind(config), tokenizer, ViltImageProcessorPil(size={"shortest_edge": 32}, size_divisor=8))


def blip(folder: Path, head: bool = True) -> Path:
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipForImageTextRetrieval, BlipImageProcessorPil

    tokenizer = word_pieces()
    reading = SMALL | {"vocab_size": len(tokenizer), "max_position_embeddings": 48, "encoder_hidden_size": 16}
    config = BlipConfig(text_config=reading, vision_config=SIGHT, image_text_hidden_size=12)
    kind = BlipForImageTextRetrieval if head else BlipForConditionalGeneration
    return save(folder, kind(config), tokenizer, BlipImageProcessorPil(size={"height": 32, "width": 32}))


def blip_2(folder: Path) -> Path:
    from transformers import Blip2Config, Blip2ForImageTextRetrieval, BlipImageProcessorPil

    tokenizer = word_pieces()
    reading = SMALL | {"vocab_size": len(tokenizer), "max_position_embeddings": 48, "encoder_hidden_size": 16}
    options = {"num_query_tokens": 4, "image_text_hidden_size": 12}
    asking = reading | {"use_qformer_text_input": True}
    config = Blip2Config(vision_config=SIGHT, qformer_config=asking, text_config={"model_type": "opt"}, **options)
    model = Blip2ForImageTextRetrieval(config)
    return save(folder, model, tokenizer, BlipImageProcessorPil(size={"height": 32, "width": 32}))
