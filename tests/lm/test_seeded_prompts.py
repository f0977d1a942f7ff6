"""Prompts with seeds: how they are laid into batches."""

from popcast.lm.seeded_prompts import SeededPrompt, batches, common
from popcast.lm.shared_prefix import Prompted


def test_batches_keep_the_budget_and_posts_together():
    prompts = [SeededPrompt(Prompted((post,) * 10, (1,) * (3 + row)), 0, 20) for post in range(4) for row in range(5)]
    found = batches(prompts, 200)
    assert sorted(i for batch in found for i in batch) == list(range(20))
    for batch in found:
        widest = 10 + max(len(prompts[i].prompt.own) for i in batch) + 20
        assert len(batch) * widest <= 200
        assert len({prompts[i].prompt.shared for i in batch}) == 1
    assert [len(batch) for batch in batches(prompts, 1)] == [1] * 20
    assert len(batches(prompts, 10**6)) == 1


def test_what_prompts_begin_with_leaves_each_a_token_of_its_own():
    assert common([[1, 2, 3, 4], [1, 2, 5], [1, 2, 3]]) == 2
    assert common([[1, 2], [1, 2]]) == 1
    assert common([[1], [2]]) == 0
