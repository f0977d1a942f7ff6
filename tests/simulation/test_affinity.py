"""Cosines of posts and personas: bit for bit the same alone and in company."""

import numpy as np
import pytest

from popcast.features.common.encoders import PACKAGED, SentenceEncoder
from popcast.simulation.audience import affinity
from popcast.simulation.audience.affinity import similarities

ROLES = [
    "Ada Brook is a 31-year-old marine biologist who is curious, has interests of diving, coral reefs.",
    "Ben Field is a 52-year-old baker who is calm, has interests of sourdough bread, cakes.",
    "Cleo Marsh is a 24-year-old football coach who is lively, has interests of football, running.",
]
LINES = [
    'Post: "Coral reefs under water" Category: "Animal"',
    'Post: "Fresh bread" Category: "Food"',
    'Post: "Our bread" Category: "Food"',  # as many tokens as the one before
    'Post: "Goal in the last minute of the football match, what a game this was!" Category: "Sports"',
    "x",
    'Post: "' + "very long words " * 200 + '"',
]


@pytest.fixture(scope="module")
def together() -> np.ndarray:
    return similarities(LINES, ROLES, PACKAGED)


def test_a_line_alone_is_bit_equal_to_the_line_in_company(together):
    for i, line in enumerate(LINES):
        assert np.array_equal(similarities([line], ROLES, PACKAGED)[0], together[i])


def test_vectors_alone_are_bit_equal_before_any_rounding():
    encoder = SentenceEncoder(PACKAGED)
    company = affinity.embeddings(encoder, [*LINES, *(f"other text {i} of some words" for i in range(40))])
    for i, line in enumerate(LINES):
        assert np.array_equal(affinity.embeddings(encoder, [line])[0], company[i])
    for words in range(1, 25):
        texts = [" ".join(["sea"] * words), *(" ".join([word] * words) for word in ("sky", "sun", "bread", "goal") * 9)]
        assert np.array_equal(affinity.embeddings(encoder, texts[:1])[0], affinity.embeddings(encoder, texts)[0])
    assert np.allclose((company**2).sum(axis=1), 1)


def test_order_and_repeats_do_not_matter(together):
    shuffled = [3, 0, 0, 5, 2, 1, 4, 3]
    assert np.array_equal(similarities([LINES[i] for i in shuffled], ROLES, PACKAGED), together[shuffled])


def test_it_is_the_cosine_of_the_encoder(together):
    encoder = SentenceEncoder(PACKAGED)
    posts, people = encoder.encode(LINES).astype(float), encoder.encode(ROLES).astype(float)
    assert together.dtype == np.float64
    assert np.allclose(together, posts @ people.T, atol=1e-4)


def test_posts_are_nearest_to_whom_they_concern(together):
    assert together[[0, 1, 3]].argmax(axis=1).tolist() == [0, 1, 2]


def test_finished_pieces_are_found_again(tmp_path, monkeypatch, together):
    monkeypatch.setattr(affinity, "CHUNK", 2)
    assert np.array_equal(similarities(LINES, ROLES, PACKAGED, tmp_path), together)
    assert len(list(tmp_path.glob("*.npy"))) == 3
    encoded = []
    real = affinity.embeddings
    monkeypatch.setattr(affinity, "embeddings", lambda model, texts: encoded.append(list(texts)) or real(model, texts))
    assert np.array_equal(similarities(LINES, ROLES, PACKAGED, tmp_path), together)
    assert encoded == [ROLES]
    other = similarities(LINES[:1], ROLES[:2], PACKAGED, tmp_path)
    assert np.array_equal(other, together[:1, :2])


def test_no_lines():
    assert similarities([], ROLES, PACKAGED).shape == (0, 3)
