"""Model folders that mean harm or are broken: nothing in them runs, no pickle is opened, and each fault is one line."""

from __future__ import annotations

import builtins
import io
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from popcast.core.errors import BadInput
from popcast.core.pretrained import saved_files, weight_files
from popcast.features.common.encoders import SentenceEncoder, VisionEncoder
from popcast.features.common.image_text import ImageTextEncoder
from popcast.lm import backbone
from tests.features import tiny_models
from tests.lm.tiny_llm import SCORES, tiny_base

ROUNDS = 60
"""Seeded mutations of the JSON files of a language model."""


class Runs:
    """A pickle of it makes a folder when it is opened."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))


def lora(base: Path, folder: Path) -> Path:
    from peft import LoraConfig, get_peft_model

    model, _ = backbone.load(base, device="cpu")
    settings = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    get_peft_model(model, settings).save_pretrained(folder)
    backbone.write_tuned(folder, base, "lora")
    return folder


def pac(base: Path, folder: Path) -> Path:
    from popcast.lm.pac.pac_lora import PROJECTIONS, PacLoraConfig
    from popcast.lm.pac.routed_model import fresh

    model, _ = backbone.load(base, device="cpu")
    settings = PacLoraConfig(r=2, target_modules=list(PROJECTIONS), task_type="CAUSAL_LM", num_write=2, gate_hidden=4)
    fresh(model, settings).save_pretrained(folder)
    backbone.write_tuned(folder, base, "pac")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """A made base, adapters on it, and encoders."""
    root = tmp_path_factory.mktemp("models")
    base = tiny_base(root / "base")
    made = {"base": base, "lora": lora(base, root / "lora"), "pac": pac(base, root / "pac")}
    return made | {name: getattr(tiny_models, name)(root / name) for name in ("bert", "clip", "vilt")}


@pytest.fixture
def copy(models, tmp_path) -> Callable[[str], Path]:
    """Function (name) -> a copy of the model's folder, to be spoiled."""

    def make(name: str) -> Path:
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        return Path(shutil.copytree(models[name], tmp_path / name))

    return make


def text_network(folder: Path) -> None:
    from popcast.models.text_regressor import text_network

    text_network.load_tokenizer(str(folder))
    text_network.load_backbone(str(folder), text_network.load_config(str(folder), 0.0))


LOADS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a language model": ("base", lambda folder: backbone.load(folder, device="cpu")),
    "an adapter": ("lora", lambda folder: backbone.load(folder, device="cpu")),
    "an adapter that learns": ("lora", lambda folder: backbone.load(folder, device="cpu", trainable=True)),
    "a routed adapter": ("pac", lambda folder: backbone.load(folder, device="cpu")),
    "a routed adapter that learns": ("pac", lambda folder: backbone.load(folder, device="cpu", trainable=True)),
    "a note of a model": (
        "base",
        lambda folder: backbone.write_pointer(folder / "note", backbone.Pretrained(model=str(folder)), SCORES),
    ),
    "a text encoder": ("bert", lambda folder: SentenceEncoder(str(folder)).encode(["the cat"])),
    "a text network": ("bert", text_network),
    "a picture encoder": ("clip", lambda folder: VisionEncoder(str(folder)).width),
    "an image-text encoder": ("vilt", lambda folder: ImageTextEncoder(str(folder)).width),
}
"""Every way in which the pipeline opens a model folder."""

ADAPTERS = ("lora", "pac")


def line_of(load: Callable[[], object]) -> str | None:
    """What a load is refused with; None: it went well."""
    try:
        load()
    except BadInput as error:
        return str(error)
    return None


def refused(load: Callable[[Path], object], folder: Path) -> str:
    with pytest.raises(BadInput) as error:
        load(folder)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 700
    return str(error.value)


@pytest.mark.parametrize("name", LOADS)
def test_they_load_as_they_are(copy, name):
    of, load = LOADS[name]
    load(copy(of))


@pytest.mark.parametrize("name", LOADS)
def test_a_pickle_is_refused_before_it_is_opened(copy, tmp_path, monkeypatch, name):
    of, load = LOADS[name]
    folder, marker = copy(of), tmp_path / "it-ran"
    adapter = of in ADAPTERS
    (folder / ("adapter_model.safetensors" if adapter else "model.safetensors")).unlink()
    file = folder / ("adapter_model.bin" if adapter else "pytorch_model.bin")
    file.write_bytes(pickle.dumps(Runs(marker)))
    opened: list[str] = []
    for module in (builtins, io):
        whole = module.open

        def recorded(file, *arguments, whole=whole, **options):
            opened.append(str(file))
            return whole(file, *arguments, **options)

        monkeypatch.setattr(module, "open", recorded)
    line = refused(load, folder)
    assert "safetensors" in line
    assert str(folder) in line
    assert str(file) not in opened
    assert not marker.exists()


def test_a_part_of_a_sentence_encoder_may_be_no_pickle_either(copy, tmp_path):
    folder, marker = copy("bert"), tmp_path / "it-ran"
    kind = "sentence_transformers.sentence_transformer.modules"
    parts = [("", f"{kind}.Transformer"), ("1_Pooling", f"{kind}.Pooling"), ("2_Dense", f"{kind}.Dense")]
    modules = [{"idx": i, "name": str(i), "path": path, "type": of} for i, (path, of) in enumerate(parts)]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(pickle.dumps(Runs(marker)))
    line = refused(LOADS["a text encoder"][1], folder)
    assert "2_Dense/pytorch_model.bin" in line
    assert not marker.exists()
    for path, of in (("", "my_code.Encoder"), ("../other", f"{kind}.Pooling"), (3, f"{kind}.Pooling"), ("", None)):
        (folder / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": path, "type": of}]))
        assert "modules.json" in refused(LOADS["a text encoder"][1], folder)


CODE = "import pathlib\npathlib.Path({marker!r}).write_text('ran')\n"


@pytest.mark.parametrize("name", [name for name in LOADS if LOADS[name][0] not in ADAPTERS])
def test_code_in_a_folder_never_runs_whatever_stdin_says(copy, tmp_path, monkeypatch, name):
    """A ``y`` on stdin was enough once."""
    of, load = LOADS[name]
    folder, marker = copy(of), tmp_path / "it-ran"
    for file in ("configuration_mine.py", "modeling_mine.py", "tokenization_mine.py", "processing_mine.py"):
        (folder / file).write_text(CODE.format(marker=str(marker)))
    kinds = {"AutoConfig": "configuration_mine.Mine", "AutoModel": "modeling_mine.Mine"}
    kinds |= {"AutoModelForCausalLM": "modeling_mine.Mine", "AutoModelForMaskedLM": "modeling_mine.Mine"}
    kinds |= {"AutoTokenizer": ["tokenization_mine.Mine", None], "AutoImageProcessor": "processing_mine.Mine"}
    for file in ("config.json", "tokenizer_config.json", "preprocessor_config.json"):
        if (folder / file).exists():
            content = json.loads((folder / file).read_text()) | {"auto_map": kinds}
            if file == "config.json":
                content["model_type"] = "mine"
            (folder / file).write_text(json.dumps(content))
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 99))
    refused(load, folder)
    assert not marker.exists()


SPOILED = {
    "empty": b"",
    "cut": b'{"model_type": "lla',
    "a list": b"[]",
    "null": b"null",
    "a text": b'"llama"',
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "a deep object": b'{"a":' * 100_000,
    "a long number": b'{"model_type": ' + b"9" * 10_000 + b"}",
}
JSON_FILES = {
    "base": ("config.json", "base.json", "tokenizer.json", "tokenizer_config.json"),
    "lora": ("tuned.json", "adapter_config.json"),
    "pac": ("tuned.json", "adapter_config.json"),
}


@pytest.mark.parametrize(("of", "file"), [(of, file) for of, files in JSON_FILES.items() for file in files])
def test_broken_json_is_one_line(copy, of, file):
    folder = copy(of)
    for content in SPOILED.values():
        (folder / file).write_bytes(content)
        line = refused(LOADS["a language model"][1], folder)
        assert str(folder) in line
        if file not in ("tokenizer.json", "tokenizer_config.json"):  # those are read by a library, folder by folder
            assert file in line


WRONG = {
    ("base", "config.json", "model_type"): [3, None, "", "no-such-model", ["llama"]],
    ("base", "config.json", "num_hidden_layers"): [-1, 10**9, "two", None],
    ("base", "config.json", "hidden_size"): [0, "wide", 10**7, None, 33],
    ("base", "config.json", "num_attention_heads"): [0, "two", -2],
    ("base", "config.json", "vocab_size"): ["many", -1, 7],
    ("base", "base.json", "dtype"): ["float128", 3, "load"],
    ("base", "base.json", "model"): [3, ["a"], {}],
    ("base", "base.json", "load_in_4bit"): ["yes", 2],
    ("base", "base.json", "scores"): ["high", [1], ["a", "b"]],
    ("lora", "tuned.json", "base"): [3, None, "", "no/such/folder/here"],
    ("lora", "tuned.json", "method"): ["magic", 3, None, "pac"],
    ("pac", "tuned.json", "method"): ["magic", "lora", "prefix"],
    ("pac", "adapter_config.json", "peft_type"): ["MAGIC", 3, None, "PREFIX_TUNING"],
    ("pac", "adapter_config.json", "r"): ["two", 10**12, -1, 0, 3, 2.0, True],
    ("pac", "adapter_config.json", "num_analyze"): ["two", 10**12, -1, 0, 2, None, [3]],
    ("pac", "adapter_config.json", "num_write"): [10**12, 0, 3, None, {}],
    ("pac", "adapter_config.json", "gate_hidden"): [10**12, 0, 5, None, "wide"],
    ("pac", "adapter_config.json", "routing"): ["uniform", "uniform_write", "none", 3, None, ["both"]],
    ("pac", "adapter_config.json", "lora_alpha"): ["high", None, -1, 10**12],
    ("pac", "adapter_config.json", "lora_dropout"): ["high", None, -1, 1, 2],
    ("pac", "adapter_config.json", "init_lora_weights"): [False, "pissa", "eva", 3],
    ("pac", "adapter_config.json", "use_dora"): [True, 3],
    ("pac", "adapter_config.json", "alora_invocation_tokens"): [[1], "all"],
    ("pac", "adapter_config.json", "rank_pattern"): [{"q_proj": 10**12}, "all"],
    ("pac", "adapter_config.json", "modules_to_save"): [["lm_head"]],
    ("pac", "adapter_config.json", "target_modules"): [3, ["no-such-layer"], ["q_proj"]],
    ("pac", "adapter_config.json", "megatron_config"): [{"a": 1}],
    ("lora", "adapter_config.json", "peft_type"): ["MAGIC", 3, None, "IA3"],
    ("lora", "adapter_config.json", "r"): ["two", 10**12, -1, 0],
    ("lora", "adapter_config.json", "target_modules"): [3, ["no-such-layer"]],
    ("lora", "adapter_config.json", "megatron_config"): [{"a": 1}],
    ("lora", "adapter_config.json", "auto_mapping"): [{"parent_library": "antigravity", "base_model_class": "x"}],
}


@pytest.mark.parametrize("where", WRONG, ids=lambda where: "-".join(where))
def test_wrong_types_and_numbers_are_one_line(copy, where):
    of, file, key = where
    folder = copy(of)
    content = json.loads((folder / file).read_text())
    for value in WRONG[where]:
        (folder / file).write_text(json.dumps(content | {key: value}))
        assert str(folder) in refused(LOADS["a language model"][1], folder) or key == "base"


def test_seeded_mutations_load_or_are_one_line(copy):
    """Any value of any JSON file replaced by any other: a line or a model, never anything else."""
    rng = np.random.default_rng(13)
    values = [None, True, -1, 0, 3.5, 10**6, "", "text", [], [1], {}, {"a": 1}, [[]], "\x1b[2J"]
    counts = {"refused": 0, "loaded": 0}
    for _ in range(ROUNDS):
        of = ("base", "lora", "pac")[rng.integers(3)]
        folder = copy(of)
        files = sorted(folder.glob("*.json"))
        file = files[rng.integers(len(files))]
        content = json.loads(file.read_text())
        place = content
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = keys[rng.integers(len(keys))]
            if not (isinstance(place[key], dict | list) and place[key]) or rng.random() < 0.3:
                break
            place = place[key]
        place[key] = values[rng.integers(len(values))]
        file.write_text(json.dumps(content))
        line = line_of(lambda folder=folder: backbone.load(folder, device="cpu"))
        assert line is None or line.isprintable(), (file.name, key)
        counts["loaded" if line is None else "refused"] += 1
    print(f"{ROUNDS} mutated model folders: {counts}")
    assert min(counts.values()) > 5


CUT = {
    "empty": lambda whole: b"",
    "seven bytes": lambda whole: whole[:7],
    "the header's length alone": lambda whole: whole[:8],
    "half the header": lambda whole: whole[:50],
    "the last byte gone": lambda whole: whole[:-1],
    "one byte more": lambda whole: whole + b"x",
    "an endless header": lambda whole: struct.pack("<Q", 2**63) + whole[8:],
    "no header": lambda whole: struct.pack("<Q", 0) + whole[8:],
    "another kind": lambda whole: b"PK\x03\x04" + whole[4:],
    "offsets that lie": lambda whole: whole.replace(b'"data_offsets":[0,', b'"data_offsets":[9,', 1),
    "a type that is none": lambda whole: whole.replace(b'"F32"', b'"X32"', 1),
}


@pytest.mark.parametrize("name", [name for name in LOADS if name != "a note of a model"])
def test_cut_weights_are_one_line(copy, name):
    of, load = LOADS[name]
    folder = copy(of)
    file = folder / ("adapter_model.safetensors" if of in ADAPTERS else "model.safetensors")
    whole = file.read_bytes()
    for change in CUT.values():
        file.write_bytes(change(whole))
        assert str(folder) in refused(load, folder)
    file.unlink()
    assert str(folder) in refused(load, folder)


def test_weights_of_a_routed_adapter_with_other_spans_are_one_line(copy):
    """Tensors that are missing, too many or of another shape; a plain adapter would be opened with half its weights."""
    from safetensors.numpy import load_file, save_file

    folder = copy("pac")
    file = folder / "adapter_model.safetensors"
    whole = load_file(file)
    key = sorted(name for name in whole if "lora_gate_A_out" in name)[0]
    for changed in (
        {name: value for name, value in whole.items() if name != key},
        {name: value for name, value in whole.items() if ".layers.0." not in name},
        {name: value for name, value in whole.items() if "q_proj" not in name},
        {name: value for name, value in whole.items() if "lora_gate" not in name},
        whole | {"base_model.model.lm_head.weight": whole[key]}, whole | {key.replace("_out", "_more"): whole[key]},
        whole | {key: whole[key].T.copy()}, whole | {key: whole[key][None]}, whole | {key: whole[key][:2]},
        {name: value[:, :5] if "lora_A." in name else value for name, value in whole.items()}, {},
    ):  # fmt: skip
        save_file({name: np.ascontiguousarray(value) for name, value in changed.items()}, file)
        assert str(folder) in refused(LOADS["a routed adapter"][1], folder)
    (copy("lora") / "tuned.json").write_bytes((folder / "tuned.json").read_bytes())
    assert "num_analyze" in refused(LOADS["a routed adapter"][1], folder.parent / "lora")


def test_an_index_that_lies_is_one_line(copy):
    folder = copy("base")
    for content in (
        b"", b"[]", b"{}", b'{"weight_map": 3}', b'{"weight_map": {}}', b'{"weight_map": {"a": 3}}',
        b'{"weight_map": {"a": "../base/model.safetensors"}}', b'{"weight_map": {"a": "pytorch_model.bin"}}',
        b'{"weight_map": {"a": "gone.safetensors"}}',
    ):  # fmt: skip
        (folder / weight_files.INDEX).write_bytes(content)
        assert str(folder) in refused(LOADS["a language model"][1], folder)


def test_what_is_no_file_is_not_read(copy):
    """A pipe would be waited for without end."""
    folder = copy("base")
    (folder / "tokenizer.json").unlink()
    os.mkfifo(folder / "tokenizer.json")
    assert "neither a file nor a folder" in refused(LOADS["a language model"][1], folder)


def test_arrays_and_tensors_that_are_broken_or_hold_objects(tmp_path):
    marker = tmp_path / "it-ran"
    np.savez(tmp_path / "objects.npz", a=np.array([Runs(marker)], object))
    np.save(tmp_path / "objects.npy", np.array([Runs(marker)], object))
    np.savez(tmp_path / "good.npz", a=np.arange(5))
    np.save(tmp_path / "good.npy", np.arange(5))
    whole = {name: (tmp_path / name).read_bytes() for name in ("good.npz", "good.npy")}
    rng = np.random.default_rng(5)
    for file, read in (("npz", saved_files.read_arrays), ("npy", saved_files.read_array)):
        assert "objects" in refused(read, tmp_path / f"objects.{file}")
        good = whole[f"good.{file}"]
        for i in range(40):
            content = bytearray(good[: len(good) - int(rng.integers(len(good)))])
            for place in rng.integers(0, len(content), 2):
                content[place] = rng.integers(256)
            (tmp_path / "bad").write_bytes(bytes(content))
            line = line_of(lambda read=read: read(tmp_path / "bad"))
            assert line is None or line.isprintable(), i
        (tmp_path / "bad").write_bytes(pickle.dumps(Runs(marker)))
        refused(read, tmp_path / "bad")
        refused(read, tmp_path / "gone")
        refused(read, tmp_path)
    for content in (b"", b"x" * 99, struct.pack("<Q", 2**62)):
        (tmp_path / "bad").write_bytes(content)
        refused(saved_files.read_tensors, tmp_path / "bad")
        refused(saved_files.read_torch_tensors, tmp_path / "bad")
    assert not marker.exists()
