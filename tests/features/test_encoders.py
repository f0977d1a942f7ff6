"""Text encoders and image-text encoders of every family that the sheets name, as tiny random folders."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from popcast.core.errors import BadInput
from popcast.features.common.contract import Context
from popcast.features.common.encoders import SentenceEncoder, VisionEncoder
from popcast.features.common.image_text import ImageTextEncoder
from popcast.features.image import Block, Params
from tests.features import tiny_models
from tests.features.tiny_models import TEXTS

READ = {"gpt2": 64, "gpt_neo": 64, "bert": 64, "xlm_r": 64, "bertweet": 32, "clip": 77}
"""Text encoders, and the tokens that each has positions for."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Function (name, **options) -> the tiny model folder, made once."""
    made: dict = {}
    root = tmp_path_factory.mktemp("models")

    def build(name: str, **options: bool):
        key = f"{name}{options or ''}"
        if key not in made:
            made[key] = getattr(tiny_models, name)(root / str(len(made)))
            if options:
                made[key] = getattr(tiny_models, name)(root / f"{len(made)}-other", **options)
        return made[key]

    return build


@pytest.mark.parametrize("name", READ)
def test_text_encoders_of_every_family(folder, name):
    encoder = SentenceEncoder(str(folder(name)))
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (4, 12 if name == "clip" else 16)
    assert encoder.model.max_seq_length == READ[name]
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) == 4
    alone = np.concatenate([SentenceEncoder(str(folder(name))).encode([text]) for text in TEXTS[:3]])
    np.testing.assert_allclose(vectors[:3], alone, atol=1e-5)  # padding tells nothing


@pytest.mark.parametrize("name", ["gpt2", "gpt_neo", "bert", "xlm_r", "bertweet"])
def test_vectors_are_the_mean_over_real_tokens(folder, name):
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder(name))
    if name == "bertweet":
        assert type(tokenizer).__name__ == "BertweetTokenizer"
    model = AutoModel.from_pretrained(folder(name)).eval()
    found = SentenceEncoder(str(folder(name))).encode(TEXTS[:3])
    for text, vector in zip(TEXTS, found, strict=False):
        with torch.inference_mode():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        np.testing.assert_allclose(vector, hidden.mean(dim=0).numpy(), atol=1e-4)


@pytest.mark.parametrize("name", ["gpt_neo", "bert", "xlm_r"])
def test_pooling_and_prompt_are_as_asked(folder, name):
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder(name)), AutoModel.from_pretrained(folder(name)).eval()
    for prompt in (None, "the sky"):
        found = {
            pooling: SentenceEncoder(str(folder(name)), pooling=pooling, prompt=prompt).encode(TEXTS[:3])
            for pooling in ("cls", "mean", "cls_avg")
        }
        for row, text in enumerate(TEXTS[:3]):
            asked = text if prompt is None else f"{prompt} {text}"
            with torch.inference_mode():
                hidden = model(**tokenizer(asked, return_tensors="pt")).last_hidden_state[0]
            first, mean = hidden[0].numpy(), hidden.mean(dim=0).numpy()
            for pooling, expected in (("cls", first), ("mean", mean), ("cls_avg", (first + mean) / 2)):
                np.testing.assert_allclose(found[pooling][row], expected, atol=1e-4)


def test_a_projected_vector_has_no_other_pooling(folder):
    with pytest.raises(BadInput, match="set pooling to model"):
        SentenceEncoder(str(folder("clip")), pooling="mean").encode(TEXTS[:1])


def test_texts_of_clip_are_projected_to_unit_length(folder):
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder("clip")), AutoTokenizer.from_pretrained(folder("clip"))
    with torch.inference_mode():
        expected = model.eval().get_text_features(**tokenizer(TEXTS[0], return_tensors="pt")).pooler_output[0]
    found = SentenceEncoder(str(folder("clip"))).encode(TEXTS[:3])
    np.testing.assert_allclose(found[0], torch.nn.functional.normalize(expected, dim=-1).numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    with pytest.raises(BadInput, match="hands out no hidden layers"):
        SentenceEncoder(str(folder("clip")), layers=(1,)).encode(TEXTS[:1])


PICTURES = [np.full((40, 50, 3), level, np.uint8) for level in (10, 120, 250)]
WIDTHS = {"vilt": 16, "blip": 16, "blip_2": 16, "clip": 24}


@pytest.mark.parametrize("name", WIDTHS)
def test_joint_vector_and_similarity(folder, name):
    encoder = ImageTextEncoder(str(folder(name)), batch=2)
    vectors, fits = encoder.encode(PICTURES, TEXTS[:3])
    assert vectors.shape == (3, WIDTHS[name]) == (3, encoder.width)
    assert vectors.dtype == fits.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert np.isfinite(fits).all()
    if name != "vilt":
        assert (np.abs(fits) <= 1).all()
    other, other_fits = encoder.encode(PICTURES, [TEXTS[1], TEXTS[1], TEXTS[1]])
    assert (np.abs(other - vectors).max(axis=1) > 1e-4).tolist() == [True, False, True]  # the text counts
    assert (np.abs(other_fits - fits) > 1e-5).tolist() == [True, False, True]
    moved, moved_fits = encoder.encode([PICTURES[2]] * 3, TEXTS[:3])
    assert (np.abs(moved - vectors).max(axis=1) > 1e-4).tolist() == [True, True, False]  # and so does the picture
    assert (np.abs(moved_fits - fits) > 1e-5).tolist() == [True, True, False]
    alone = np.concatenate([encoder.encode([p], [t])[0] for p, t in zip(PICTURES, TEXTS, strict=False)])
    np.testing.assert_allclose(vectors, alone, atol=1e-4)
    assert encoder.encode(PICTURES[:1], TEXTS[3:])[0].shape == (1, WIDTHS[name])  # a long text is cut
    assert encoder.encode([], [])[0].shape == (0, WIDTHS[name])


@pytest.mark.parametrize("name", ["vilt", "blip", "blip_2"])
def test_numbers_are_those_of_the_whole_model(folder, name):
    """What transformers computes when it is asked the long way."""
    import transformers

    encoder = ImageTextEncoder(str(folder(name)))
    kind = getattr(transformers, encoder.model.config.architectures[0])
    model = kind.from_pretrained(folder(name)).eval()
    inputs = encoder.processor(images=PICTURES[:1], return_tensors="pt", input_data_format="channels_last")
    inputs = {**inputs, **encoder.tokenizer(TEXTS[:1], return_tensors="pt")}
    if name != "vilt":
        inputs = {key: inputs[key] for key in ("pixel_values", "input_ids", "attention_mask")}
    joint, fit = encoder.encode(PICTURES[:1], TEXTS[:1])
    with torch.inference_mode():
        if name == "vilt":
            expected, measured = model.vilt(**inputs).pooler_output, model(**inputs).logits[0, 0]
        elif name == "blip":
            expected = model(**inputs, use_itm_head=True).question_embeds[:, 0]
            measured = model(**inputs, use_itm_head=False).itm_score[0, 0]
        else:
            expected = model(**inputs, use_image_text_matching_head=True).text_model_output.last_hidden_state[:, 0]
            measured = model(**inputs, use_image_text_matching_head=False).logits_per_image[0, 0]
    np.testing.assert_allclose(joint, expected.numpy(), atol=1e-4)
    assert float(fit[0]) == pytest.approx(float(measured), abs=1e-5)


def test_a_model_without_a_measure_gives_joint_vectors_alone(folder):
    vectors, fits = ImageTextEncoder(str(folder("vilt", head=False))).encode(PICTURES, TEXTS[:3])
    assert vectors.shape == (3, 16)
    assert np.isnan(fits).all()


def test_models_without_both_sides_are_refused(folder):
    with pytest.raises(BadInput, match="expected BlipForImageTextRetrieval"):
        ImageTextEncoder(str(folder("blip", head=False)))
    with pytest.raises(BadInput, match=r"image-text encoder .* cannot be loaded"):
        ImageTextEncoder(str(folder("bert")))
    with pytest.raises(BadInput, match="no such model folder"):
        ImageTextEncoder("./gone")


@pytest.mark.parametrize("name", ["vilt", "blip", "blip_2"])
def test_a_picture_alone_is_read_with_an_empty_text(folder, name):
    encoder = VisionEncoder(str(folder(name)), batch=2)
    found = encoder.encode(iter(PICTURES))
    assert found.shape == (3, encoder.width)
    expected = ImageTextEncoder(str(folder(name))).encode(PICTURES, [""] * 3)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_image_block_reads_pictures_with_texts(folder, tmp_path):
    from PIL import Image

    for i, level in enumerate((10, 120, 250)):
        Image.fromarray(np.full((30, 40, 3), level, np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "broken.png").write_bytes(b"no")
    posts = pl.DataFrame(
        {
            "post_id": list("abcde"),
            "split": ["train"] * 3 + ["test"] * 2,
            "title": ["the cat", None, "blue sky", "the cat", "sun"],
            "tags": [["sun", "sea"], None, [], ["sun", "sea"], ["mat"]],
            "media": [["0.png"], ["1.png"], ["2.png"], ["0.png"], ["broken.png"]],
        }
    )
    joint = {
        "encoder": str(folder("blip_2")),
        "texts": {"title": ["title"], "tags": ["tags"], "post": ["title", "tags"]},
    }
    block = Block(Params(joint=joint, shard=2), Context("generated", seed=1, raw=tmp_path)).fit(posts)
    table = block.transform(posts)
    for name, known in (("title", "a cd"), ("tags", "a  d"), ("post", "a cd")):
        expected = [post in known for post in posts["post_id"]]
        assert table[f"image.{name}_joint_embedding"].is_not_null().to_list() == expected
        assert table[f"image.{name}_similarity"].is_not_null().to_list() == expected
    assert table["image.post_similarity"][0] == table["image.post_similarity"][3]
    picture = np.full((30, 40, 3), 10, np.uint8)
    vector, fit = ImageTextEncoder(str(folder("blip_2"))).encode([picture], ["the cat | sun sea"])
    np.testing.assert_allclose(table["image.post_joint_embedding"][0].to_numpy(), vector[0], atol=1e-5)
    assert table["image.post_similarity"][0] == pytest.approx(float(fit[0]), abs=1e-5)
    assert block.transform(posts.reverse()).reverse().equals(table)
    block.save(tmp_path / "kept")
    assert Block.load(tmp_path / "kept", block.context).transform(posts).equals(table)


def test_an_encoder_remembers_the_texts_that_were_asked_last(folder):
    encoder = SentenceEncoder(str(folder("bert")))
    encoder.most = 3
    texts = [f"text number {number}" for number in range(5)]
    said = np.concatenate([encoder.encode([text]) for text in texts])
    assert list(encoder._known) == texts[2:]
    encoder.encode(texts[2:3])
    assert list(encoder._known) == [*texts[3:], texts[2]]
    np.testing.assert_array_equal(encoder.encode([texts[2]]), said[2:3])
    assert encoder.encode(texts).shape == said.shape
    assert len(encoder._known) == 3
