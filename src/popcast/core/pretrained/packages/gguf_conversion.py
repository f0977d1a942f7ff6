"""A language model in GGUF -> an ordinary folder of transformers with float32 weights and the tokenizer.

Loading GGUF dequantises every tensor, which takes up to a minute, and a model so loaded refuses to be saved; its
weights are put into a model of the same configuration, which is saved once.
"""

from __future__ import annotations

from pathlib import Path

from popcast.core.pretrained import opening
from popcast.core.pretrained.packages.package_origin import needed


def convert_gguf(file: Path, folder: Path) -> None:
    """Write the model of ``file`` to ``folder``."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    needed("gguf", "gguf")
    tokenizer = opening.from_gguf(AutoTokenizer, file)
    read = opening.from_gguf(AutoModelForCausalLM, file, dtype=torch.float32)
    config = read.config
    del config.quantization_config
    config.dtype, config.name_or_path = torch.float32, ""
    model = type(read)(config)
    model.load_state_dict(read.state_dict())
    model.generation_config = read.generation_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
