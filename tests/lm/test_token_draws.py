"""Draws of tokens: their numbers, their shares, and what is refused."""

import math

import numpy as np
import pytest
import torch

from popcast.core.errors import BadInput
from popcast.lm import token_draws
from popcast.lm.token_draws import GumbelDraws, Sampling


def test_numbers_are_splitmix64_and_uniform():
    assert token_draws._mixed(token_draws.WEYL) == 0xE220A8397B1DCDAF  # first number of SplitMix64 of seed 0
    numbers = np.array([[token_draws.uniform(seed, step) for step in range(100)] for seed in range(200)])
    assert len(np.unique(numbers)) == numbers.size
    assert (numbers >= 0).all()
    assert (numbers < 1).all()
    assert np.histogram(numbers, 10, (0, 1))[0] == pytest.approx(2000, abs=200)
    assert np.abs(np.corrcoef(numbers) - np.eye(200)).max() < 0.5


def test_draws_follow_the_softmax_of_what_is_allowed():
    logits = torch.log(torch.tensor([[0.5, 0.2, 0.2, 0.1]])).expand(20000, 4)
    allowed = torch.tensor([[True, True, False, True]]).expand(20000, 4)
    draws = [token_draws.uniform(seed, 0) for seed in range(20000)]

    def shares(temperature: float, top_p: float) -> list[float]:
        chosen = Sampling(temperature, top_p).choose(logits, allowed, draws)
        return (torch.bincount(chosen, minlength=4) / 20000).tolist()

    assert shares(1.0, 1.0) == pytest.approx([5 / 8, 2 / 8, 0, 1 / 8], abs=0.015)
    assert shares(0.5, 1.0) == pytest.approx([25 / 30, 4 / 30, 0, 1 / 30], abs=0.015)
    assert shares(1.0, 0.8) == pytest.approx([5 / 7, 2 / 7, 0, 0], abs=0.015)
    assert shares(1.0, 0.3) == shares(0.0, 1.0) == [1, 0, 0, 0]


def test_the_ends_of_the_draw_are_tokens_that_are_allowed():
    logits = torch.tensor([[900.0, 0.3, 0.2, 0.1, 900.0]]).expand(3, 5)
    allowed = torch.tensor([[False, True, True, True, False]]).expand(3, 5)
    assert Sampling(1.0, 1.0).choose(logits, allowed, [0.0, 0.5, 1 - 2**-53]).tolist() == [1, 2, 3]
    assert Sampling(1.0, 1.0).choose(logits - 2000, allowed, [0.0, 0.5, 1 - 2**-53]).tolist() == [1, 2, 3]


def test_values_that_are_not_finite_stop():
    with pytest.raises(BadInput, match="not finite"):
        Sampling(0.0, 1.0).choose(torch.full((1, 3), math.nan), torch.ones(1, 3, dtype=torch.bool), [0.5])


def test_gumbel_draws_take_the_largest_sum_by_the_numbers_of_the_answers():
    noise = {(4, 2): [0.0, 0.9, 0.0], (7, 2): [5.0, 0.0, 0.0]}
    logits = torch.tensor([[1.0, 1.0, 2.0], [1.0, 1.0, 2.0]])
    for temperature, expected in ((1.0, [2, 0]), (2.0, [1, 0])):
        draws = GumbelDraws(temperature, lambda answer, step, size: np.array(noise[answer, step][:size]))
        assert draws.choose(logits, [4, 7], 2).tolist() == expected
