"""Numbers and base-62 ids of posts: one to one, and what is neither is refused."""

from __future__ import annotations

import gzip
from datetime import datetime
from itertools import islice

import numpy as np
import pytest

from popcast.core.errors import BadInput
from popcast.datasets import weibo_ids


def test_the_pair_of_the_sheet():
    assert weibo_ids.to_bid("3501756485200075") == "z0JH2lOMb"
    assert weibo_ids.to_mid("z0JH2lOMb") == "3501756485200075"


def test_every_number_comes_back():
    rng = np.random.default_rng(5)
    for digits in range(10, 19):
        for number in rng.integers(10 ** (digits - 1), 10**digits, 200).tolist():
            bid = weibo_ids.to_bid(str(number))
            assert weibo_ids.to_mid(bid) == weibo_ids.either(bid) == weibo_ids.either(str(number)) == str(number)
    for mid in ("10000000000000", "35000000000000", "3500000000000001", "99999999999999"):  # groups of zeros
        assert weibo_ids.to_mid(weibo_ids.to_bid(mid)) == mid


@pytest.mark.parametrize(
    "bid", ["", "z0JH2lOM-", "z0JH 2lOMb", "ZZZZZZZZZ", "zZZZZZZZZ", "abc", "z" * 40, "ｚ0JH2lOMb"]
)
def test_what_is_no_base_62_id(bid):
    with pytest.raises(BadInput, match="not a base-62 id"):
        weibo_ids.to_mid(bid)


@pytest.mark.parametrize("mid", ["", "0501756485200075", "-3501756485200075", "3.5e15", "12", "٣501756485200075"])
def test_what_is_no_number(mid):
    with pytest.raises(BadInput, match="not the number of a post"):
        weibo_ids.to_bid(mid)


def test_a_number_tells_its_second():
    assert weibo_ids.second_of(weibo_ids.mid_of(1_700_000_000, 123)) == 1_700_000_000
    assert weibo_ids.second_of("4011234567") is None


def test_seconds_of_real_responses(shared_data):
    """The rule of ``second_of`` against the times that the site showed."""
    with gzip.open(shared_data("ced-weibo") / "responses_train.csv.gz", "rt", encoding="utf-8") as file:
        differences = []
        for line in islice(file, 1, 20_000):
            parts = line.split(",")
            if len(parts) >= 5 and len(parts[1]) == 9 and parts[3].startswith("20"):
                shown = datetime.fromisoformat(f"{parts[3]}+08:00").timestamp()
                differences.append(abs(weibo_ids.second_of(weibo_ids.to_mid(parts[1])) - shown))
    assert len(differences) > 10_000
    assert max(differences) < 60
