"""A residual network in ONNX (Yahoo's Open-NSFW, ResNet-50-thin) -> ``ResNetModel`` and an image processor.

The graph has the layout of Keras: convolution, bias, then batch normalisation as ``(x - mean) * scale + shift``. A
picture goes in as BGR less the mean colour; the first kernel is turned to RGB, and the processor takes the mean off.

Two things differ from the package: its pooling behind the first convolution starts half a step later (Caffe's
rounding), and it saves every picture as JPEG first. Each turns the 1,024 numbers before the last layer a little (on
three photographs the cosine with the package's is .985 to .994 by pooling alone, .968 to .984 by both). The last layer,
which says how lewd a picture is, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from popcast.core.errors import bad_input
from popcast.core.pretrained import opening
from popcast.core.pretrained.packages.package_origin import needed
from popcast.core.tables import write_json

MEAN = (123.0, 117.0, 104.0)
"""Mean colour of the training pictures, RGB."""
EPSILON = 1e-5
RESIZED, CROPPED = 256, 224
THROUGH = ("Transpose", "Cast", "Identity")
"""Nodes that change no number."""


@dataclass
class Convolution:
    """weight [out, in, height, width]; then ``(x + bias - mean) * scale + shift``. source: the tensor that it reads."""

    weight: np.ndarray
    source: str
    bias: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    shift: np.ndarray

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        """Weights of a ``ResNetConvLayer``: the bias is part of the running mean, the scale of a variance of one."""
        norm = {"weight": self.scale, "bias": self.shift, "running_mean": self.mean - self.bias}
        norm["running_var"] = np.full_like(self.scale, 1 - EPSILON)
        found = {f"{name}.convolution.weight": self.weight, f"{name}.normalization.num_batches_tracked": np.array(0)}
        return found | {f"{name}.normalization.{part}": array for part, array in norm.items()}


def convert_onnx_resnet(file: Path, folder: Path) -> None:
    """Write the network of ``file`` without its last layer to ``folder``."""
    import torch
    from transformers import ResNetConfig, ResNetModel

    stem, *rest = convolutions(file)
    stages = stages_of(rest, file)
    config = ResNetConfig(
        embedding_size=len(stem.weight), hidden_sizes=[len(stage[0][-1].weight) for stage in stages],
        depths=[len(stage) for stage in stages], layer_type="bottleneck", downsample_in_bottleneck=True,
    )  # fmt: skip
    stem.weight = stem.weight[:, ::-1]  # BGR to RGB
    tensors = stem.tensors("embedder.embedder")
    for s, stage in enumerate(stages):
        for b, block in enumerate(stage):
            name = f"encoder.stages.{s}.layers.{b}"
            for i, convolution in enumerate(block[-3:]):
                tensors |= convolution.tensors(f"{name}.layer.{i}")
            if len(block) == 4:
                tensors |= block[0].tensors(f"{name}.shortcut")
    model = ResNetModel(config)
    model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in tensors.items()})
    with opening.quiet():
        model.save_pretrained(folder)
    write_processor(folder)


def convolutions(file: Path) -> list[Convolution]:
    """Those of the graph in its order, each with the normalisation that follows."""
    onnx = needed("onnx", "onnx")
    try:
        graph = onnx.load(str(file)).graph
    except Exception as error:
        raise bad_input(f"not an ONNX graph: {type(error).__name__}", file=file) from None
    arrays = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:  # constants that two layers share
        if node.op_type == "Identity" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    before = {name: node for node in graph.node for name in node.output}
    after: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            after.setdefault(name, []).append(node)

    def constants(node: Any) -> list[np.ndarray]:
        """Those of the four steps behind a convolution: bias, mean, scale, shift."""
        found: list[np.ndarray] = []
        for step in ("Add", "Sub", "Mul", "Add"):
            node = after[node.output[0]][0]
            while node.op_type in THROUGH:
                node = after[node.output[0]][0]
            given = [arrays[name].reshape(-1) for name in node.input if name in arrays]
            if node.op_type != step or len(given) != 1:
                raise bad_input("not the graph of this network", file=file, value=node.name, expected=step)
            found += given
        return found

    def source(name: str) -> str:
        while name in before and before[name].op_type in THROUGH:
            name = before[name].input[0]
        return name

    made = [
        Convolution(arrays[node.input[1]], source(node.input[0]), *constants(node))
        for node in graph.node
        if node.op_type == "Conv"
    ]
    if len(made) < 2:
        raise bad_input("no residual network", file=file, value=f"{len(made)} convolutions")
    return made


def stages_of(found: list[Convolution], file: Path) -> list[list[list[Convolution]]]:
    """Stages of blocks of convolutions: the shortcut first where there is one, then 1 x 1, 3 x 3 and 1 x 1."""
    stages: list[list[list[Convolution]]] = []
    rest = list(found)
    while rest:
        first, second, *more = rest
        projects = bool(more) and more[0].source == first.source  # a shortcut, and a stage begins
        block = [more[0], first, second, *more[1:2]] if projects else [first, second, *more[:1]]
        if len(block) != 3 + projects or not (stages or projects):
            raise bad_input("not the graph of this network", file=file, expected="blocks of three convolutions")
        if projects:
            stages.append([])
        stages[-1].append(block)
        rest = rest[len(block) :]
    return stages


def write_processor(folder: Path) -> None:
    """The picture scaled to a square, its middle cut out, the mean colour taken off; no other scale."""
    write_json(
        {
            "image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "do_resize": True,
            "size": {"height": RESIZED, "width": RESIZED}, "resample": 2, "do_center_crop": True,
            "crop_size": {"height": CROPPED, "width": CROPPED}, "do_rescale": False, "do_normalize": True,
            "image_mean": list(MEAN), "image_std": [1.0, 1.0, 1.0],
        },
        folder / "preprocessor_config.json",
    )  # fmt: skip
