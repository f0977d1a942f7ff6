"""Labellers of sentiment: emoticons, words, a local classifier, given labels."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from popcast.core.errors import BadInput
from popcast.response.response_tables import SENTIMENTS
from popcast.response.sentiment import emoticons, lexicon
from popcast.response.sentiment.agreement import agreement, words_against_emoticons
from popcast.response.sentiment.labelling import labeller
from popcast.response.sentiment.params import Labelling
from tests.conftest import ROOT

FIXTURE = Path(__file__).with_name("labelled_texts.csv")
CED = ROOT / ".." / "shared" / "data" / "ced-weibo"


def label(text: str, backend: str = "emoticon_then_lexicon") -> str | None:
    return labeller(Labelling(backend=backend)).label([text])[0]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[泪]", "negative"), ("[淚]", "negative"), ("[怒][怒]", "negative"), ("[蠟燭]", "negative"),
        ("[哈哈]", "positive"), ("[鼓掌]", "positive"), ("[愛你]", "positive"), ("[din泪]", "negative"),
        ("[围观]", "neutral"), ("[話筒]", "neutral"), ("[思考]", "neutral"), ("[吃惊]", "neutral"),
        ("[怒][哈哈]", "neutral"), ("[怒][怒][哈哈]", "negative"), ("[围观][哈哈]", "positive"),
        ("[注1]", None), ("没有表情", None), ("[", None), ("[]", None), ("[怒", None), ("", None),
        ("[[怒]]", "negative"),
    ],
)  # fmt: skip
def test_emoticons_decide_by_the_sign_of_their_sum(text, wanted):
    assert label(text, "emoticon") == wanted


def test_no_emoticon_has_two_classes_and_every_reason_is_of_one_that_is_classed():
    read = emoticons._READ
    listed = [name for names in read["classes"].values() for name in names]
    assert len(listed) == len(set(listed))
    for name, reason in read["why"].items():
        assert reason.split(":")[0].split(" ")[0] == SENTIMENTS[emoticons.polarity(name) + 1]
    plain = str.maketrans(read["traditional"])
    assert all(name.translate(plain) == name for name in listed)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("太好了", "好"), ("喜欢", "不喜欢"), ("非常喜欢", "有点喜欢"), ("不讨厌", "讨厌"), ("我喜欢", "我没有喜欢"),
        ("讨厌", "非常讨厌"), ("good", "not good"), ("very good", "good"), ("不可怕", "可怕"),
    ],
)  # fmt: skip
def test_negation_and_degree(better, worse):
    assert lexicon.score(better) > lexicon.score(worse)


@pytest.mark.parametrize(
    "text", ["", "   ", "美国", "usb classic", "音乐", "12345", "，。！", "恐怕", "，不，喜", "转发微博"]
)
def test_words_without_a_side_hide_others(text):
    if text == "，不，喜":  # a negation does not reach over the end of its clause
        assert lexicon.score(text) == lexicon.score("喜") > 0
    else:
        assert label(text, "lexicon") == "neutral"


def test_a_word_is_in_one_group_only():
    read = lexicon._READ
    groups = [*lexicon._GROUPS, "negations"]
    words = [word for group in groups for word in read[group]]
    assert len(words) == len(set(words)), sorted({word for word in words if words.count(word) > 1})
    assert all(word == word.lower() and word for word in words)


def test_words_answer_where_emoticons_do_not():
    assert label("太好了[怒]") == "negative"
    assert label("太好了[注1]") == "positive"
    assert label("今天开会") == "neutral"
    assert labeller(Labelling()).label([None, ""]) == [None, "neutral"]


def test_labels_are_those_of_each_text_alone():
    texts = [row["text"] for row in csv.DictReader(FIXTURE.open(encoding="utf-8"))]
    for backend in ("lexicon", "emoticon", "emoticon_then_lexicon"):
        one = labeller(Labelling(backend=backend))
        assert one.id == backend
        assert one.version
        assert one.label(texts) == [one.label([text])[0] for text in texts] == one.label(texts[::-1])[::-1]


def test_accuracy_on_invented_texts(record_property):
    """The texts of the fixture are invented, by somebody who knows the lexicon: this guards it, it proves little."""
    table = pl.read_csv(FIXTURE)
    figures = agreement(table["sentiment"].to_list(), labeller(Labelling()).label(table["text"].to_list()))
    for name, value in figures.items():
        record_property(name, value)
    print(figures)
    assert figures["n"] == 46
    assert figures["accuracy"] >= 0.85
    assert figures["macro_f1"] >= 0.85


def test_agreement_by_hand():
    found = agreement(["negative", "neutral", "positive", "positive"], ["negative", "neutral", "positive", "neutral"])
    assert found["accuracy"] == 0.75
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert found["kappa"] == pytest.approx((0.75 - (1 + 2 + 2) / 16) / (1 - 5 / 16))
    assert agreement(["positive"], ["positive"]) == {
        "n": 1, "accuracy": 1.0, "macro_f1": pytest.approx(1 / 3), "weighted_f1": 1.0, "kappa": None,
    }  # fmt: skip
    assert agreement([], [])["accuracy"] is None


def test_emoticons_are_removed_before_words_are_compared_with_them():
    found = words_against_emoticons(["太好了[哈哈]", "[怒]", "太好了", "开会[怒]", "开会[注1]"])
    assert (found["n"], found["accuracy"]) == (2, 0.5)
    assert (found["shown_negative"], found["said_neutral"], found["said_positive"]) == (1, 1, 1)


def test_given_labels_are_for_real_responses_only(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("response_id,sentiment\na,negative\n", encoding="utf-8")
    one = labeller(Labelling(backend="given", table=str(file)))
    assert one.label(["太好了", "太好了"], ids=["a", "b"]) == ["negative", "positive"]
    assert one.label(["太好了"]) == ["positive"]
    assert one.id == "given+emoticon_then_lexicon"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("response_id,sentiment\na,happy\n", "row 2"), ("id,sentiment\na,negative\n", "response_id"),
        ("response_id,sentiment\na,negative\na,negative\n", "row 3"), ("", "CSV"),
        ("response_id,sentiment\n,negative\n", "row 2"),
    ],
)  # fmt: skip
def test_tables_of_labels_that_are_none(tmp_path, content, told):
    file = tmp_path / "labels.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=told):
        labeller(Labelling(backend="given", table=str(file)))


@pytest.mark.parametrize("settings", [{"backend": "hf"}, {"backend": "given"}, {"backend": "hf", "model": "a/b"}])
def test_sections_that_lack_something(settings):
    with pytest.raises(ValidationError):
        Labelling(**settings)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A random BERT with three classes over a vocabulary of characters: a stand-in."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("classifier")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"太好了可怕今天开会"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        id2label={0: "neg", 1: "mid", 2: "pos"}, label2id={"neg": 0, "mid": 1, "pos": 2}, initializer_range=1.0,
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return str(folder)


def test_a_local_classifier_labels_each_text_alone(classifier):
    classes = {"neg": "negative", "mid": "neutral", "pos": "positive"}
    one = labeller(Labelling(backend="hf", model=classifier, classes=classes, batch=2, tokens=16))
    texts = ["太好了", None, "可怕", "今天开会" * 30, "", "今天"]
    found = one.label(texts)
    assert found[1] is None
    assert {label for label in found if label} <= set(SENTIMENTS)
    assert found == [one.label([text])[0] for text in texts]
    assert len(one.version) == 12
    turned = labeller(
        Labelling(backend="hf", model=classifier, classes={"neg": "positive", "mid": "neutral", "pos": "negative"})
    )
    back = {"negative": "positive", "neutral": "neutral", "positive": "negative", None: None}
    assert [back[label] for label in turned.label(texts[:3])] == found[:3]


def test_classes_of_a_classifier_that_do_not_match_are_one_line(classifier):
    with pytest.raises(BadInput, match="classes do not match"):
        labeller(Labelling(backend="hf", model=classifier, classes={"neg": "negative"}))
    with pytest.raises(BadInput, match="no such model folder"):
        labeller(Labelling(backend="hf", model="./nowhere", classes={"neg": "negative"}))


def test_most_emoticons_of_real_responses_are_classed():
    file = CED / "emoticons_train.csv.gz"
    if not file.exists():
        pytest.skip("no ced-weibo beside the repository")
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        texts = [row["emoticons"] for row in csv.DictReader(lines)]
    share, _ = emoticons.coverage(texts)
    assert share >= 0.95


def test_words_agree_with_emoticons_better_than_chance_on_real_responses():
    file = CED / "responses_train.csv.gz"
    if not file.exists():
        pytest.skip("no ced-weibo beside the repository")
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        texts = [row["text"] for row in csv.DictReader(lines)]
    found = words_against_emoticons(texts)
    print(found)
    assert found["kappa"] > 0.05
