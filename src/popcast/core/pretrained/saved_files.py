"""Files of saved models: JSON, npz, npy and safetensors. What is broken is one line with the file; nothing unpickles.

Each reader says what is wrong with its own file. What a file is *for* only its reader's caller knows: a part that is
missing, or is a text where a number should be, comes to light when a model is put together. :func:`putting_together`
turns that into one line too.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import orjson

from popcast.core.errors import BadInput, bad_input

LARGEST = 1 << 30
"""Bytes of a JSON file."""
Kind = TypeVar("Kind", dict, list)
BROKEN = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    SyntaxError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy raises for a broken file, by where it is broken."""


def read_bytes(file: Path, most: int = LARGEST) -> bytes:
    """Content of a file. BadInput: no file, not readable, or more than ``most`` bytes."""
    try:
        if not file.is_file():
            raise bad_input("missing" if not file.exists() else "not a file", file=file)
        if file.stat().st_size > most:
            raise bad_input("too large", file=file, value=file.stat().st_size, expected=f"at most {most} bytes")
        return file.read_bytes()
    except OSError as error:
        raise bad_input(error.strerror or "cannot be read", file=file) from None


def read_json(file: Path, kind: type[Kind] = dict) -> Kind:
    """Content of a JSON file whose outermost value is an object (or a list). BadInput: it is not."""
    try:
        value = orjson.loads(read_bytes(file))
    except orjson.JSONDecodeError as error:
        raise bad_input(f"not valid JSON: {error}", file=file) from None
    if not isinstance(value, kind):
        wanted = "an object" if kind is dict else "a list"
        raise bad_input("not what it should hold", file=file, value=value, expected=wanted)
    return value


def read_arrays(file: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file, by name. BadInput: broken, or a pickled object in it."""
    _there(file)
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except BROKEN as error:
        raise bad_input(f"not a whole npz file without objects ({reason(error)})", file=file) from None


def read_array(file: Path) -> np.ndarray:
    """The array of an npy file. BadInput: broken, or of pickled objects."""
    _there(file)
    try:
        found = np.load(file, allow_pickle=False)
    except BROKEN as error:
        raise bad_input(f"not a whole npy file without objects ({reason(error)})", file=file) from None
    if not isinstance(found, np.ndarray):
        raise bad_input("holds several arrays", file=file, expected="an npy file")
    return found


def read_tensors(file: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file as numpy arrays. BadInput: broken."""
    from safetensors.numpy import load_file

    return _tensors(file, load_file)


def read_torch_tensors(file: Path) -> dict[str, Any]:
    """The tensors of a safetensors file as torch has them. BadInput: broken."""
    from safetensors.torch import load_file

    return _tensors(file, load_file)


def _tensors(file: Path, load: Any) -> dict[str, Any]:
    _there(file)
    try:
        return load(file)
    except Exception as error:  # safetensors' own error derives from nothing else
        raise bad_input(f"not a whole safetensors file ({reason(error)})", file=file) from None


@contextmanager
def putting_together(file: Path) -> Iterator[None]:
    """Whatever goes wrong inside is one line about ``file``: a part is missing, or is not what it should be."""
    try:
        yield
    except BadInput:
        raise
    except MemoryError:
        raise bad_input("asks for more memory than there is", file=file) from None
    except Exception as error:  # of numpy, torch, pydantic, catboost: all of them mean a broken file here
        raise bad_input(f"cannot be put together ({reason(error)})", file=file) from None


def reason(error: BaseException) -> str:
    """The class of an error and its words, short and on one line."""
    said = " ".join(str(error).split())
    said = "".join(sign if sign.isprintable() else "?" for sign in said)
    return f"{type(error).__name__}: {said[:200]}" if said else type(error).__name__


def _there(file: Path) -> None:
    if not file.is_file():
        raise bad_input("missing" if not file.exists() else "not a file", file=file)
