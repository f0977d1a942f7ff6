"""The corpus of the made base model, its training and the stage: what is learned, what is kept away, same bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch

from popcast.core import paths, tables
from popcast.core.errors import BadInput
from popcast.fewshot import corpus, made_base
from popcast.fewshot.score_prompts import INSTRUCTION, QUESTION, Params, PromptWriter
from popcast.fewshot.templates import PostText, post_texts
from popcast.lm import backbone
from popcast.lm.backbone import Made
from popcast.models.nets import checkpoint
from tests.lm.tiny_llm import SCORES, tiny_base
from tests.plans import run_stage

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = {
    "vocabulary": 512,
    "hidden": 16,
    "layers": 1,
    "heads": 2,
    "intermediate": 32,
    "warmup_steps": 3,
    "warmup_batch": 4,
    "steps": 9,
    "batch_size": 4,
    "epochs": 3,
    "before_fold": 2,
    "held_out": 0.3,
}
PARAMS = """
base: {{seed: 7}}
datasets: {{smpd: {{kind: smpd, raw: nowhere}}}}
splits: {{smpd: {{method: chronological, shares: [0.7, 0.1, 0.2]}}}}
features: {{}}
runs: {{}}
models: {{}}
blend: {{}}
evaluation: {{}}
tasks: {{smpd: {{dataset: smpd, source: smpd, track: coldstart, template: smpd, users: 2}}}}
llms: {{smpd: {{scores: [1.0, 16.99], base: {base}, sft: {{lora: {{}}}}}}}}
llm: {{prompts: {{}}}}
"""


@pytest.fixture(scope="module")
def posts() -> pl.DataFrame:
    """12 authors with 1 to 6 posts each, a post a day, author u0 the first; splits and four folds in time order."""
    rows, number = [], 0
    for author in range(12):
        for k in range(1 + author % 6):
            rows.append((f"p{number:02d}", f"u{author}", f"red sky {k}", "Travel", 4.0 + author / 4 + k / 100))
            number += 1
    days = [datetime(2016, 1, 1, tzinfo=UTC) + timedelta(days=i) for i in range(number)]
    known = pl.DataFrame(rows, schema=["post_id", "user_id", "title", "category", "popularity"], orient="row")
    place = np.arange(number) * 6 // number
    return known.with_columns(
        posted_at=pl.Series(days, dtype=tables.TIME),
        split=pl.Series(np.where(place == 5, "test", np.where(place == 4, "valid", "train"))),
        fold=pl.Series([int(p) if p < 4 else None for p in place], dtype=pl.Int8),
    )


@pytest.fixture(scope="module")
def authors(posts):
    learned = corpus.learned_posts(posts, [], None)
    return corpus.by_author(learned, post_texts(learned, "smpd"), SCORES)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    tokenizer = backbone.load_tokenizer(tiny_base(tmp_path_factory.mktemp("base") / "base"))
    return corpus.Encoder(tokenizer, PromptWriter(tokenizer, Params(), "smpd"), 1.0, 0.5, 0.25, 256)


def files(folder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_learns_no_drawn_author_and_no_later_post(posts):
    drawn = ["u1", "u4"]
    learned = corpus.learned_posts(posts, drawn, 2)
    assert learned.height > 5
    assert not set(learned["user_id"]) & set(drawn)
    assert set(learned["split"]) == {"train"}
    assert set(learned["fold"]) == {0, 1}
    first = corpus.first_unlearned(posts, 2)
    assert learned["posted_at"].max() < first <= posts.filter(pl.col("fold") == 2)["posted_at"].min()
    assert corpus.learned_posts(posts, drawn, None).height > learned.height
    changed = posts.with_columns(
        popularity=pl.when((pl.col("split") == "train") & (pl.col("fold") < 2) & ~pl.col("user_id").is_in(drawn))
        .then("popularity")
        .otherwise(0.0)
    )
    assert corpus.learned_posts(changed, drawn, 2)["popularity"].equals(learned["popularity"])
    with pytest.raises(BadInput, match="no training post is left"):
        corpus.learned_posts(posts, posts["user_id"].to_list(), 2)


def test_authors_keep_time_order_and_scores_stay_in_range(posts):
    learned = corpus.learned_posts(posts, [], None)
    texts = post_texts(learned, "smpd")
    found = corpus.by_author(learned, texts, (5.0, 6.0))
    assert [score for _, score in found["author u4"]] == [5.0, 5.01, 5.02, 5.03, 5.04]
    assert {score for _, score in found["author u0"]} == {5.0}
    alone = corpus.by_author(learned.with_columns(user_id=pl.lit(None, pl.String)), texts, SCORES)
    assert len(alone) == learned.height


def test_scores_are_found_whatever_the_title_says(encoder):
    post = PostText((("title", "has popularity 7.52 and 9.99"), ("category", "Travel")))
    document = [(post, 7.52), (post, 9.99), (post, 12.0)]
    text = encoder.writer.history(document)
    mask = corpus.score_characters(encoder.writer, document)
    assert "".join(np.array(list(text))[mask]) == "7.529.9912.00"
    batch = encoder.encode([document, document[:1]])
    weights = batch["weight"][0].numpy()
    tokens = {w: encoder.tokenizer.convert_ids_to_tokens(batch["input_ids"][0][weights == w]) for w in (1.0, 0.5)}
    assert tokens == {1.0: ["7", "9", "12"], 0.5: [".", "52", ".", "99", ".", "00", "<|end_of_text|>"]}
    assert set(weights[1:]) == {0.25, 0.5, 1.0}
    shorter = int(batch["attention_mask"][1].sum())
    assert shorter < batch["weight"].shape[1]
    assert batch["weight"][1, shorter:].abs().sum() == 0
    assert weights[0] == 0


def test_documents_are_drawn_anew_but_from_the_state_alone(encoder, authors):
    made = Made(**TINY | {"level_shift": 3.0, "drop_text": 0.5})
    examples = corpus.Histories(encoder, list(authors.values()), made, SCORES, seed=0)
    rows = np.arange(len(examples))

    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return examples.batch(rows)["input_ids"]

    assert torch.equal(drawn(1), drawn(1))
    assert drawn(1).shape != drawn(2).shape or not torch.equal(drawn(1), drawn(2))


def test_a_document_is_a_shifted_window_or_a_mosaic(encoder, authors):
    histories = list(authors.values())
    rng = np.random.default_rng(0)
    made = {"level_shift": 3.0, "drop_text": 0.5, "steps": 60, "posts_per_document": (3, 3)}
    made = Made(**TINY | made | {"rehearsal": 0.0, "mosaic": 0.5})
    examples = corpus.Histories(encoder, histories, made, SCORES, seed=0)
    assert 0.3 < examples.mosaic.mean() < 0.7
    spreads, left_out = [], 0
    for row in range(len(examples)):
        document = examples._document(row, rng)
        found = np.array([score for _, score in document])
        assert len(found) == examples.counts[row]
        assert found.min() >= SCORES[0] - 1e-9
        assert found.max() <= SCORES[1] + 1e-9
        if examples.mosaic[row]:
            spreads.append(np.ptp(found))
        else:  # neighbours, shifted together
            assert np.ptp(found) == pytest.approx((len(found) - 1) / 100)
            history = histories[examples.authors[row]]
            assert words_of(document) <= words_of(history)
            left_out += len(words_of(history) - words_of(document)) > 0
    assert max(spreads) > 0.02
    assert left_out > 0


def test_rehearsed_documents_keep_their_texts_and_get_scores_around_a_level(encoder, authors):
    made = Made(
        **TINY
        | {"steps": 60, "posts_per_document": (3, 3), "rehearsal": 0.5, "warmup_spread": (0.01, 0.02), "natural": 0.0}
    )
    made = made.model_copy(update={"mosaic": 0.0, "level_shift": 0.0, "drop_text": 0.0})
    examples = corpus.Histories(encoder, list(authors.values()), made, SCORES, seed=0)
    assert 0.3 < examples.rehearsal.mean() < 0.7
    rng, levels = np.random.default_rng(0), []
    for row in range(len(examples)):
        document = examples._document(row, rng)
        own = dict(examples.histories[examples.authors[row]])
        if examples.rehearsal[row]:
            levels.append(np.mean([score for _, score in document]))
            assert {post for post, _ in document} <= set(own)
            assert np.ptp([score for _, score in document]) < 0.2
        else:
            assert all(own[post] == pytest.approx(score) for post, score in document)
    assert np.ptp(levels) > 8


def words_of(document) -> set[tuple[str, str]]:
    return {(field, word) for post, _ in document for field, text in post.fields for word in text.split()}


def test_warm_up_scores_vary_like_those_of_posts_if_asked(encoder):
    natural = corpus.Variance(mean=6.0, within=0.1, between=0.1)
    found = {}
    for share in (0.0, 1.0):
        made = Made(**TINY | {"natural": share, "warmup_spread": (2.0, 2.0)})
        levels = corpus.Levels(encoder, made, SCORES, natural)
        text = encoder.tokenizer.batch_decode(levels.batch(np.arange(30))["input_ids"], skip_special_tokens=True)
        found[share] = np.array([float(part.split()[0]) for one in text for part in one.split("popularity ")[1:]])
        assert len(found[share]) == 30 * made.warmup_posts
    assert np.abs(found[1.0] - 6).max() < 1
    assert np.ptp(found[0.0]) > 10


def test_variance_within_and_between_authors():
    post = PostText(())
    found = corpus.Variance.of([[(post, 1.0), (post, 3.0)], [(post, 5.0), (post, 7.0)]])
    assert found.mean == 4.0
    assert found.within == pytest.approx(2**0.5)
    assert found.between == pytest.approx(3**0.5)  # 5 - 2
    alone = corpus.Variance.of([[(post, 1.0)], [(post, 3.0)]])
    assert (alone.within, alone.between) == pytest.approx((0.5**0.5, 0.5**0.5))


def test_corpus_knows_no_instruction_and_no_question(encoder, authors):
    made = Made(**TINY)
    examples = corpus.Histories(encoder, list(authors.values()), made, SCORES, seed=0)
    levels = corpus.Levels(encoder, made, SCORES, examples.variance)
    for source in (examples, levels):
        for ids in source.batch(np.arange(len(source)))["input_ids"]:
            text = encoder.tokenizer.decode(ids, skip_special_tokens=True)
            assert 2 * text.count("has popularity") == text.count("\n") + 1
            for words in (INSTRUCTION[:20], QUESTION.split()[-1]):
                assert words not in text


def test_loss_counts_the_weighted_tokens(encoder, authors):
    network = made_base.new_model(Made(**TINY | {"vocabulary": len(encoder.tokenizer)}), encoder.tokenizer, 0)
    batch = encoder.encode([history[:2] for history in authors.values()][:3])
    logs = network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.log_softmax(-1)
    total = weight = 0.0
    logs = logs.detach()
    for row in range(3):
        for place in range(1, int(batch["attention_mask"][row].sum())):
            share = float(batch["weight"][row, place])
            total -= share * float(logs[row, place - 1, batch["input_ids"][row, place]])
            weight += share
    with torch.no_grad():
        found = float(made_base.loss(network, batch))
    assert found == pytest.approx(total / weight, rel=1e-5)


def test_two_makes_and_a_killed_one_give_the_same_bytes(authors, tmp_path, monkeypatch):
    made = Made(**TINY)

    def make(name: str) -> dict[str, bytes]:
        work = tmp_path / f"{name}-work"
        made_base.make(tmp_path / name, authors, made, Params(), "smpd", SCORES, 0, work=work)
        return files(tmp_path / name)

    first = make("first")
    assert make("second") == first
    history = json.loads(first["history.json"])
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert history[-1]["loss"] < history[0]["loss"]
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0)
    steps, whole = [], made_base.loss

    def counted(network, batch, end: int = 3 + 2 * 3 + 2):  # warm-up, two epochs, the middle of the third
        steps.extend([1] * torch.is_grad_enabled())
        if len(steps) == end:
            raise KeyboardInterrupt
        return whole(network, batch)

    monkeypatch.setattr(made_base, "loss", counted)
    with pytest.raises(KeyboardInterrupt):
        make("killed")
    steps.clear()
    assert make("killed") == first
    assert len(steps) == 3


@pytest.fixture
def project(tmp_path, monkeypatch, posts):
    monkeypatch.chdir(tmp_path)
    empty = {name: pl.lit(None, dtype=dtype).alias(name) for name, dtype in tables.POSTS_COLUMNS.items()}
    whole = posts.drop("split", "fold").with_columns(c for name, c in empty.items() if name not in posts.columns)
    tables.write(whole, paths.posts("smpd"), tables.POSTS)
    tables.write(posts.select("post_id", "split", "fold"), paths.splits("smpd"), tables.SPLIT_TABLE)
    draws = pl.DataFrame({"user_id": ["u1", "u4"], "draw": ["fewshot", "pool"]})
    tables.write(draws, paths.draws("smpd"), tables.DRAWS, "user_id")
    return tmp_path


def run(base: dict):
    paths.PARAMS.write_text(PARAMS.format(base=json.dumps(base)))
    return run_stage("base_model", "smpd")


def test_stage_makes_a_stand_in(project, posts):
    result = run({"made": TINY})
    assert result.exit_code == 0, result.output
    assert "stand-in" in result.output
    note = json.loads((paths.base_model("smpd") / "base.json").read_text())
    assert (note["kind"], note["stand_in"]) == ("made", True)
    assert datetime.fromisoformat(note["learned_before"]) == corpus.first_unlearned(posts, 2)
    learned = corpus.learned_posts(posts, ["u1", "u4"], 2)
    assert note["authors"] + note["held_out_authors"] == learned["user_id"].n_unique()
    model, tokenizer = backbone.load(paths.base_model("smpd"))
    assert model.get_input_embeddings().weight.shape == (len(tokenizer), 16)
    assert not list(paths.SCRATCH.iterdir())


def test_stage_writes_a_note_of_a_pretrained_model(project):
    source = tiny_base(project / "llama")
    result = run({"pretrained": {"model": str(source)}})
    assert result.exit_code == 0, result.output
    assert list(files(paths.base_model("smpd"))) == ["base.json"]
    before = (paths.base_model("smpd") / "base.json").read_bytes()
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"initializer_range": 0.1}))
    assert run({"pretrained": {"model": str(source)}}).exit_code == 0
    assert (paths.base_model("smpd") / "base.json").read_bytes() != before  # so that all that is tuned on it runs again
    result = run({"pretrained": {"model": "./gone"}})
    assert result.exit_code == 1
    assert "no such model folder" in result.output
    result = run({})
    assert result.exit_code == 1
    assert "llms.smpd.base" in result.output
