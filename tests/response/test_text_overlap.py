"""Overlap of texts: against sacrebleu, rouge-score, and slow loops of the test's own."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

from popcast.response.judging import encoder_scores
from popcast.response.judging.text_overlap import (
    MEASURES,
    OVERLAP,
    copied,
    distinct,
    longest_common,
    normalised,
    overlap,
    prepared,
    tokens,
)


def pairs(n: int = 60, seed: int = 0) -> list[tuple[str, str]]:
    """Invented texts over few signs, so that they share much."""
    generator = np.random.default_rng(seed)
    signs = [*"大桥通车了好，。 ", "ok ", "2024", "[泪]", "[哈哈]", "#话题#", "http://t.cn/x ", "@某人 "]
    return [
        tuple("".join(generator.choice(signs, generator.integers(1, 25)).tolist()) for _ in range(2)) for _ in range(n)
    ]


def one(real: str, made: str, news: str = "") -> dict[str, float]:
    return {name: float(values[0]) for name, values in overlap([real], [made], [news]).items()}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#话题# 好", "好"), ("好 http://t.cn/abc好", "好 好"), ("回复@某人_1: 好", "回复 好"), ("ＡＢＣ１２", "abc12"),
        ("好\n\n 好\t", "好 好"), ("www.a.com/b 好", "好"), ("#", "#"), ("#一# 中 #二#", "中"),
        ("[泪]#a#[泪]", "[泪] [泪]"),
        ("", ""), ("https://t.cn/a?b=c#d。好", "。好"), ("一个#没有结束", "一个#没有结束"),
    ],
)  # fmt: skip
def test_normalised(text, wanted):
    assert normalised(text) == wanted
    assert normalised(wanted) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("大桥2024年ok", ["大", "桥", "2024", "年", "ok"]), ("[泪][泪]", ["[泪]", "[泪]"]), ("。，！", []),
        ("a-b", ["a", "b"]), ("[ 泪 ]", ["泪"]), ("𠮷好", ["𠮷", "好"]), ("café 10个", ["café", "10", "个"]), ("", []),
    ],
)  # fmt: skip
def test_tokens(text, wanted):
    assert tokens(text) == wanted


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_bleu_is_sacrebleus_of_our_tokens(order):
    metric = BLEU(tokenize="none", smooth_method="add-k", smooth_value=1, max_ngram_order=order)
    for real, made in pairs():
        words = [" ".join(tokens(normalised(text))) for text in (real, made)]
        if all(words):
            wanted = metric.sentence_score(words[1], [words[0]]).score / 100
            assert one(real, made)[f"bleu_{order}"] == pytest.approx(wanted, abs=1e-12)


def test_bleu_by_hand():
    found = one("大桥通车", "大桥")
    penalty = np.exp(1 - 4 / 2)
    assert found["bleu_1"] == pytest.approx(penalty)
    assert found["bleu_2"] == pytest.approx(penalty * np.sqrt(1 * (1 + 1) / (1 + 1)))
    assert one("大桥通车", "大通桥车")["bleu_2"] == pytest.approx(np.sqrt(1 * (0 + 1) / (3 + 1)))


def test_rouge_is_rouge_scores_on_our_tokens():
    class Ours:
        def tokenize(self, text):
            return tokens(normalised(text))

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=Ours())
    for real, made in pairs(80, seed=1):
        if not tokens(normalised(real)):
            continue
        wanted, found = scorer.score(real, made), one(real, made)
        for ours, theirs in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
            assert found[ours] == pytest.approx(wanted[theirs].fmeasure, abs=1e-12)


def test_longest_common_subsequence_by_the_table():
    def table(a, b):
        best = np.zeros((len(a) + 1, len(b) + 1), int)
        for i, x in enumerate(a, 1):
            for j, y in enumerate(b, 1):
                best[i, j] = best[i - 1, j - 1] + 1 if x == y else max(best[i - 1, j], best[i, j - 1])
        return best[-1, -1]

    generator = np.random.default_rng(0)
    for size in (1, 2, 5, 63, 64, 65, 130):
        for _ in range(5):
            a, b = ("".join(generator.choice(list("大桥通车"), size).tolist()) for _ in range(2))
            assert longest_common(prepared(a, False), prepared(b, False)) == table(a, b)


def test_chrf_is_sacrebleus_of_the_normalised_characters():
    metric = CHRF(char_order=6, beta=2)
    for real, made in pairs(seed=2):
        if tokens(normalised(real)) and tokens(normalised(made)):
            wanted = metric.sentence_score(normalised(made), [normalised(real)]).score / 100
            assert one(real, made)["chrf"] == pytest.approx(wanted)


def test_copied_by_all_pieces():
    generator = np.random.default_rng(0)
    for _ in range(40):
        news, text = ("".join(generator.choice(list("大桥通"), generator.integers(0, 15)).tolist()) for _ in range(2))
        pieces = {text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)}
        assert copied(news, text) == max((len(piece) for piece in pieces if piece in news), default=0)


def test_equal_texts_score_one_and_strange_ones_nothing():
    same, other = one("大桥通车了", "大桥通车了", "大桥通车了"), one("大桥通车了", "早安", "")
    assert all(same[name] == pytest.approx(1) for name in (*OVERLAP, "copy_rate", "length_ratio"))
    assert all(other[name] == 0 for name in (*OVERLAP, "copy_rate"))
    assert other["length_ratio"] == pytest.approx(2 / 5)


def test_echoing_the_hashtag_lifts_raw_scores_only():
    plain, echo = one("#大桥通车# 好看", "难看"), one("#大桥通车# 好看", "#大桥通车# 难看")
    assert all(plain[name] == echo[name] for name in OVERLAP)
    assert all(echo[f"raw_{name}"] > plain[f"raw_{name}"] for name in OVERLAP)


@pytest.mark.parametrize("made", ["", "   ", "。。。", "#话题#", "http://t.cn/a"])
def test_an_answer_without_words_is_empty_and_shares_nothing(made):
    found = one("大桥通车", made, "大桥")
    assert found["empty"] == 1
    assert all(found[name] == 0 for name in OVERLAP)
    assert found["length_ratio"] == 0
    assert np.isnan(found["copy_rate"])


@pytest.mark.parametrize("real", ["", "#话题#", "。"])
def test_without_a_real_text_overlap_is_undefined_not_zero(real):
    found = one(real, "大桥", "大桥")
    assert all(np.isnan(found[name]) for name in (*OVERLAP, "length_ratio"))
    assert (found["copy_rate"], found["empty"]) == (1, 0)


def test_measures_of_many_are_those_of_each():
    texts = pairs(20, seed=3)
    news = [made for _, made in texts]
    found = overlap([real for real, _ in texts], [made for _, made in texts], news)
    assert tuple(found) == MEASURES
    for place, (real, made) in enumerate(texts):
        for name, value in one(real, made, news[place]).items():
            np.testing.assert_equal(found[name][place], value)
    assert all(len(values) == 0 for values in overlap([], [], []).values())


def test_all_lies_in_bounds_for_odd_texts():
    odd = [
        "",
        "\u200b",
        "[",
        "[[泪]]",
        "##",
        "#" * 300,
        "@" * 50,
        "a" * 3000,
        "好" * 300,
        "🙂🙂",
        "\ud7ff",
        "http://",
        "①②",
    ]
    for real in odd:
        for made in odd:
            found = one(real, made, real)
            for name in (*OVERLAP, *(f"raw_{name}" for name in OVERLAP), "copy_rate", "empty"):
                assert np.isnan(found[name]) or -1e-9 <= found[name] <= 1 + 1e-9


def test_distinct():
    texts = ["大桥大桥", "大桥", ""]
    counts = Counter([("大", "桥"), ("桥", "大"), ("大", "桥"), ("大", "桥")])
    assert distinct(texts, 1) == 2 / 6
    assert distinct(texts, 2) == len(counts) / 4
    assert distinct(["", "。"], 1) is None


def test_without_an_encoder_its_scores_are_undefined_never_zero():
    for values in encoder_scores.similarity(["好"], ["好"], None).values():
        assert np.isnan(values).all()


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A random BERT with a vocabulary of characters: a stand-in."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("encoder")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"大桥通车了好看早安难"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    transformers.BertModel(config).save_pretrained(folder)
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return str(folder)


def test_encoder_scores(encoder):
    real, made = ["大桥通车", "大桥通车", "大桥", "好"], ["大桥通车", "早安难看", "", "#只有话题#"]
    found = encoder_scores.similarity(real, made, encoder)
    for values in found.values():
        assert values[0] == pytest.approx(1, abs=1e-5)
        assert values[1] < values[0]
        assert np.isnan(values[2:]).all()
    alone = encoder_scores.similarity(real[1:2], made[1:2], encoder)
    for name, values in alone.items():
        assert values[0] == pytest.approx(found[name][1], abs=1e-5)
