"""Answers from models: batches change nothing, and the token tree is teacher forcing."""

import numpy as np
import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

from popcast.core.errors import BadInput
from popcast.fewshot.made_base import new_model
from popcast.fewshot.tokenizer import all_scores
from popcast.lm import backbone, decoding, score_tree
from popcast.lm.backbone import Made
from popcast.lm.decoding import Params, ScoreTree
from popcast.lm.reading import Reader
from tests.lm.tiny_llm import TEXTS, tiny_base

SCORES = (8.5, 11.0)
ONE_BY_ONE = Params(batch_size=1)


def prompts_of(count: int, start: str = "The input lists posts of one user. ") -> list[str]:
    """Prompts of very different lengths that begin alike."""
    rng = np.random.default_rng(3)
    title = "post: title red sky; category beach. score {:.2f}\n"
    history = [[title.format(score) for score in rng.uniform(1, 16, rng.integers(0, 6))] for _ in range(count)]
    return [f"{start}{''.join(posts)}new post {i}: title dog\n" for i, posts in enumerate(history)]


PROMPTS = prompts_of(40)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return backbone.load(tiny_base(tmp_path_factory.mktemp("llm") / "base"), device="cpu")


def tokenizer_with(split: str, scores: tuple[float, float] = SCORES) -> PreTrainedTokenizerFast:
    """Byte-level BPE that keeps apart what ``split`` matches and joins all else, scores too."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    core = Tokenizer(models.BPE())
    cut = pre_tokenizers.Split(Regex(split), behavior="isolated")
    core.pre_tokenizer = pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(False, use_regex=False)])
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<end>"], initial_alphabet=sorted(alphabet))
    core.train_from_iterator(["\n" + score for score in all_scores(*scores)] * 5 + TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", pad_token="<end>", padding_side="left")


def random_model(tokenizer, **made):
    sizes = {"vocabulary": 400, "hidden": 32, "layers": 2, "heads": 2, "intermediate": 64, "initializer_range": 0.3}
    return new_model(Made(**(sizes | made)), tokenizer, seed=5).eval()


def teacher_forced(model, tokenizer, prompt: str, tree: ScoreTree) -> np.ndarray:
    """Log-probability of every answer after the prompt, each written out, without padding: float64 [answers]."""
    ids = tokenizer(prompt)["input_ids"]
    answers = tokenizer([f"{score:.2f}" for score in tree.scores], add_special_tokens=False)["input_ids"]
    found = np.empty(len(answers))
    for length in {len(answer) for answer in answers}:
        rows = [row for row, answer in enumerate(answers) if len(answer) == length]
        written = torch.tensor([ids + answers[row] for row in rows])
        with torch.no_grad():
            steps = model(input_ids=written).logits[:, -length - 1 : -1].double().log_softmax(-1)
        found[rows] = steps.gather(2, written[:, -length:, None]).sum((1, 2)).numpy()
    return found


def check_distribution(model, tokenizer, prompts: list[str], which: list[int], params: Params | None = None) -> None:
    """``expected`` for all prompts together, against teacher forcing of some of them."""
    tree = ScoreTree(tokenizer, *SCORES)
    found = decoding.expected(model, tokenizer, prompts, tree, params or Params())
    for i in which:
        probability = np.exp(teacher_forced(model, tokenizer, prompts[i], tree))
        mass = probability.sum()
        reached = np.cumsum(probability / mass)
        assert found.mean[i] == pytest.approx(probability @ tree.scores / mass, abs=1e-5)
        assert found.mass[i] == pytest.approx(mass, rel=1e-5)
        for name, share in (("median", 0.5), ("lower", 0.1), ("upper", 0.9)):
            assert getattr(found, name)[i] == tree.scores[np.flatnonzero(reached >= share)[0]]


def test_greedy_is_the_same_one_by_one_in_batches_and_by_generate(tiny):
    model, tokenizer = tiny
    alone = decoding.greedy(model, tokenizer, PROMPTS, ONE_BY_ONE)
    assert len(set(alone)) > 5
    assert decoding.greedy(model, tokenizer, PROMPTS, Params()) == alone
    assert decoding.greedy(model, tokenizer, PROMPTS, Params(batch_size=7, buckets=False)) == alone
    assert decoding.greedy(model, tokenizer, PROMPTS[3:4], Params()) == alone[3:4]
    assert decoding.greedy(model, tokenizer, [], Params()) == []
    for prompt, answer in zip(PROMPTS[:5], alone[:5], strict=True):
        inputs = tokenizer(prompt, return_tensors="pt")
        out = model.generate(**inputs, do_sample=False, max_new_tokens=8, pad_token_id=tokenizer.pad_token_id)
        assert tokenizer.decode(out[0, inputs["input_ids"].shape[1] :]) == answer


def test_settings_that_a_model_brings_along_do_nothing(tiny):
    model, tokenizer = tiny
    before, saved = decoding.greedy(model, tokenizer, PROMPTS[:4], Params()), model.generation_config.to_dict()
    first = tokenizer(before[0], add_special_tokens=False)["input_ids"][0]
    model.generation_config.update(
        do_sample=True, temperature=3.0, repetition_penalty=5.0, suppress_tokens=[first], min_new_tokens=8
    )
    assert decoding.greedy(model, tokenizer, PROMPTS[:4], Params()) == before
    model.generation_config.update(**saved)


def test_an_answer_ends_at_any_of_the_models_ends(tiny):
    model, tokenizer = tiny
    prompt = PROMPTS[0]
    inputs = tokenizer(prompt, return_tensors="pt")
    out = model.generate(**inputs, do_sample=False, max_new_tokens=8, pad_token_id=tokenizer.pad_token_id)
    written = out[0, inputs["input_ids"].shape[1] :].tolist()
    end = written[-1]
    saved = model.generation_config.eos_token_id
    model.generation_config.eos_token_id = [saved, end]
    try:
        answer = decoding.greedy(model, tokenizer, [prompt], Params())[0]
    finally:
        model.generation_config.eos_token_id = saved
    assert answer == tokenizer.decode(written[: written.index(end)])


def test_a_draw_depends_on_its_seed_and_key_alone(tiny):
    model, tokenizer = tiny
    keys = [f"record-{i}" for i in range(len(PROMPTS))]
    drawn = decoding.sample(model, tokenizer, PROMPTS, keys, 3, Params(batch_size=24), 42)
    assert [len(answers) for answers in drawn] == [3] * len(PROMPTS)
    assert len({answer for answers in drawn for answer in answers}) > 60
    some, alone = [31, 4, 17], Params(batch_size=1, buckets=False)
    fewer = decoding.sample(model, tokenizer, [PROMPTS[i] for i in some], [keys[i] for i in some], 2, alone, 42)
    assert fewer == [drawn[i][:2] for i in some]
    assert decoding.sample(model, tokenizer, PROMPTS[:3], keys[:3], 3, Params(), 43) != drawn[:3]
    assert decoding.sample(model, tokenizer, PROMPTS[:3], keys[3:6], 3, Params(), 42) != drawn[:3]


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_sampled_tokens_have_the_frequencies_of_the_softmax(tiny, temperature):
    model, tokenizer = tiny
    count = 3000
    params = Params(max_new_tokens=1, temperature=temperature)
    drawn = decoding.sample(model, tokenizer, PROMPTS[:1], ["a"], count, params, 1)[0]
    with torch.no_grad():
        logits = model(**tokenizer(PROMPTS[:1], return_tensors="pt")).logits[0, -1].double()
    probability = (logits / temperature).softmax(-1)
    assert probability.max() < 0.9
    shown: dict[str, float] = {}  # single bytes of a character look alike
    for token, share in enumerate(probability.tolist()):
        shown[tokenizer.decode([token])] = shown.get(tokenizer.decode([token]), 0.0) + share
    for text in sorted(shown, key=shown.get)[-12:]:
        spread = np.sqrt(shown[text] * (1 - shown[text]) / count)
        assert abs(drawn.count(text) / count - shown[text]) < 4.5 * spread


def test_the_tree_of_the_made_tokenizer_has_a_place_per_number_and_point(tiny):
    tree = ScoreTree(tiny[1], 1.0, 16.99)
    assert len(tree.scores) == 1600
    assert (len(tree.token), len(tree.edges), tree.paths.shape) == (33, 16 + 16 + 1600, (1600, 3))


TOKENIZERS = {
    "one token per digit": r"\p{N}|\n",
    "tokens over the point": r"\n| ",
    "pairs of digits and point": r"\d{1,2}\.|\n",
}


@pytest.mark.parametrize("split", TOKENIZERS.values(), ids=list(TOKENIZERS))
def test_expected_is_teacher_forcing_for_any_tokenizer(split):
    tokenizer = tokenizer_with(split)
    check_distribution(random_model(tokenizer), tokenizer, PROMPTS[:6], [0, 3, 5])


def test_spread_hundredths_have_what_their_tenth_has():
    tokenizer = tokenizer_with(TOKENIZERS["one token per digit"])
    model = random_model(tokenizer)
    whole, spread = ScoreTree(tokenizer, *SCORES), ScoreTree(tokenizer, *SCORES, spread=True)
    reader = Reader(model, tokenizer, PROMPTS[:3], size=3, buckets=True, room=spread.room)
    with torch.no_grad():
        exact, found = (np.exp(score_tree.behind(reader.read(np.arange(3)), tree)) for tree in (whole, spread))
    ids = tokenizer(PROMPTS[1])["input_ids"] + tokenizer("9.7", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        steps = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
    tenth = np.exp(sum(float(steps[place - 1, ids[place]]) for place in (-3, -2, -1)))
    rows = np.flatnonzero((whole.scores > 9.695) & (whole.scores < 9.795))
    assert len(rows) == 10
    np.testing.assert_allclose(found[1, rows], tenth / 10, rtol=1e-5)
    assert exact[1, rows].sum() < tenth
    np.testing.assert_allclose(found[:, -1], exact[:, -1], rtol=1e-5)  # behind 11.0 one answer stands, not ten


def test_a_tree_of_single_digits_is_a_sixth_without_hundredths():
    tokenizer = tokenizer_with(TOKENIZERS["one token per digit"], (0.0, 32.0))
    whole, spread = ScoreTree(tokenizer, 0.0, 32.0), ScoreTree(tokenizer, 0.0, 32.0, spread=True)
    assert (len(whole.token), len(spread.token)) == (388, 68)
    assert (whole.room, spread.room) == (5, 5)
    np.testing.assert_array_equal(whole.scores, spread.scores)


def test_nothing_is_spread_where_hundredths_are_no_token_of_their_own(tiny):
    whole, spread = ScoreTree(tiny[1], 1.0, 16.99), Params(hundredths="spread").tree(tiny[1], 1.0, 16.99)
    np.testing.assert_array_equal(whole.paths, spread.paths)
    assert not spread.shared.any()
    assert Params().hundredths == "read", "spread is not exact for a model that does not know of two decimals"


def test_tokenizers_of_the_tests_write_scores_in_their_own_ways():
    written = {
        name: tokenizer_with(split)("10.25", add_special_tokens=False).tokens() for name, split in TOKENIZERS.items()
    }
    assert written["one token per digit"] == ["1", "0", ".", "2", "5"]
    assert any("." in token and len(token) > 1 for token in written["tokens over the point"])
    assert written["pairs of digits and point"][0] == "10."


def test_expected_is_teacher_forcing_with_the_made_tokenizer(tiny):
    check_distribution(*tiny, PROMPTS, [0, 20, 39])
    alone = Reader(*tiny, PROMPTS, size=8, buckets=True, room=3)
    assert alone.shared > 5  # the prompts do begin alike, so this was read once


def test_expected_is_teacher_forcing_where_prompts_begin_differently(tiny):
    prompts = [f"{start} {prompt}" for start, prompt in zip("abcdef", PROMPTS[:6], strict=True)]
    assert Reader(*tiny, prompts, size=8, buckets=True, room=3).shared == 1  # the beginning-of-text token
    check_distribution(*tiny, prompts, [1, 4], Params(batch_size=4, buckets=False))


def test_expected_takes_eager_attention(tmp_path):
    model, tokenizer = backbone.load(tiny_base(tmp_path / "base"), device="cpu")
    model.set_attn_implementation("eager")
    check_distribution(model, tokenizer, PROMPTS[:5], [0, 4])


def test_batches_do_not_change_expected_scores(tiny):
    tree = ScoreTree(tiny[1], 1.0, 16.99)
    alone = decoding.expected(*tiny, PROMPTS, tree, ONE_BY_ONE)
    for params in (Params(), Params(batch_size=6, buckets=False)):
        np.testing.assert_allclose(decoding.expected(*tiny, PROMPTS, tree, params).mean, alone.mean, atol=1e-5)
    assert (alone.lower <= alone.median).all()
    assert (alone.median <= alone.upper).all()
    assert decoding.expected(*tiny, [], tree, Params()).mean.shape == (0,)


@pytest.mark.parametrize("hundredths", ["read", "spread"])
def test_one_reading_gives_both_decodings(tiny, hundredths):
    params = Params(batch_size=6, hundredths=hundredths)
    tree = params.tree(tiny[1], 1.0, 16.99)
    answers, found = decoding.greedy_and_expected(*tiny, PROMPTS, tree, params)
    assert answers == decoding.greedy(*tiny, PROMPTS, params)
    alone = decoding.expected(*tiny, PROMPTS, tree, params)
    np.testing.assert_allclose(found.mean, alone.mean, atol=1e-6)
    np.testing.assert_array_equal(found.median, alone.median)


def test_both_decodings_of_a_model_that_takes_no_masks(tiny):
    model, tokenizer = windowed(tiny[1], 8), tiny[1]
    params = Params(batch_size=4)
    tree = params.tree(tokenizer, *SCORES)
    answers, found = decoding.greedy_and_expected(model, tokenizer, PROMPTS[:5], tree, params)
    assert answers == decoding.greedy(model, tokenizer, PROMPTS[:5], params)
    np.testing.assert_array_equal(found.mean, decoding.expected(model, tokenizer, PROMPTS[:5], tree, params).mean)


def windowed(tokenizer, window: int):
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, initializer_range=0.3, sliding_window=window, bos_token_id=None, eos_token_id=0,
        pad_token_id=0, attn_implementation="sdpa",
    )  # fmt: skip
    return MistralForCausalLM(config).eval()


@pytest.mark.parametrize(("window", "takes_masks"), [(9, False), (4096, True)])
def test_windows_shorter_than_the_prompt_are_walked(window, takes_masks):
    tokenizer = tokenizer_with(TOKENIZERS["one token per digit"])
    model = windowed(tokenizer, window)
    assert Reader(model, tokenizer, PROMPTS, size=4, buckets=True, room=5).takes_masks == takes_masks
    check_distribution(model, tokenizer, PROMPTS[:4], [0, 3], Params(batch_size=3))
    assert decoding.greedy(model, tokenizer, PROMPTS, Params()) == decoding.greedy(
        model, tokenizer, PROMPTS, ONE_BY_ONE
    )


@pytest.mark.parametrize("method", ["prefix", "lora"])
def test_models_with_adapters_decode_like_any_other(tmp_path, method):
    plain, tokenizer = backbone.load(tiny_base(tmp_path / "base"), device="cpu")
    before = decoding.greedy(plain, tokenizer, PROMPTS, Params())
    torch.manual_seed(1)
    if method == "prefix":
        config = PrefixTuningConfig(num_virtual_tokens=5, task_type="CAUSAL_LM")
    else:
        config = LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False, lora_alpha=64)
    model = get_peft_model(plain, config).eval()
    check_distribution(model, tokenizer, PROMPTS[:5], [0, 4])
    alone = decoding.greedy(model, tokenizer, PROMPTS, ONE_BY_ONE)
    assert alone != before
    assert decoding.greedy(model, tokenizer, PROMPTS, Params()) == alone
    keys = [str(i) for i in range(6)]
    drawn = decoding.sample(model, tokenizer, PROMPTS[:6], keys, 2, Params(), 3)
    assert drawn == decoding.sample(model, tokenizer, PROMPTS[:6], keys, 2, Params(batch_size=1), 3)


def test_prefix_stands_before_the_prompt_as_in_training(tmp_path):
    """Greedy's first token is the largest logit of the model as the trainer calls it."""
    plain, tokenizer = backbone.load(tiny_base(tmp_path / "base"), device="cpu")
    torch.manual_seed(1)
    model = get_peft_model(plain, PrefixTuningConfig(num_virtual_tokens=5, task_type="CAUSAL_LM")).eval()
    answers = decoding.greedy(model, tokenizer, PROMPTS, Params(max_new_tokens=1))
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        with torch.no_grad():
            logits = model(**tokenizer(prompt, return_tensors="pt")).logits[0, -1]
        assert answer == tokenizer.decode([int(logits.argmax())])


def test_a_prompt_that_does_not_fit_is_refused(tiny):
    model, tokenizer = tiny
    with pytest.raises(BadInput) as error:
        decoding.greedy(model, tokenizer, ["short\n", "red sky " * 1100], Params())
    assert str(error.value).startswith("prompt 2: ")
    assert "llm.prompts.max_tokens" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_tokenizer_that_joins_the_line_break_with_the_answer_is_refused():
    with pytest.raises(BadInput, match=r"llms\.scores"):
        ScoreTree(tokenizer_with("%"), *SCORES)


@pytest.mark.parametrize("method", [None, "lora", "prefix"])
def test_half_the_precision_says_nearly_the_same_and_leaves_the_model_as_it_was(tmp_path, method):
    model, tokenizer = backbone.load(tiny_base(tmp_path / "base"), device="cpu")
    if method == "lora":
        model = get_peft_model(model, LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM")).eval()
    if method == "prefix":
        model = get_peft_model(model, PrefixTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM")).eval()
    tree = ScoreTree(tokenizer, *SCORES)
    whole = decoding.expected(model, tokenizer, PROMPTS, tree, Params())
    half = decoding.expected(model, tokenizer, PROMPTS, tree, Params(dtype="bfloat16"))
    written, same = decoding.greedy_and_expected(model, tokenizer, PROMPTS, tree, Params(dtype="bfloat16"))
    assert not np.array_equal(half.mean, whole.mean)
    np.testing.assert_allclose(half.mean, whole.mean, atol=0.02)
    np.testing.assert_allclose(same.mean, half.mean, atol=1e-6)
    assert written == decoding.greedy(model, tokenizer, PROMPTS, Params(dtype="bfloat16"))
    np.testing.assert_array_equal(decoding.expected(model, tokenizer, PROMPTS, tree, Params()).mean, whole.mean)


@pytest.mark.parametrize("has", [True, False])
def test_fast_is_half_the_precision_where_the_processor_has_it(tiny, monkeypatch, has):
    monkeypatch.setattr(backbone, "multiplies_bfloat16", lambda: has)
    tree = ScoreTree(tiny[1], *SCORES)
    found = {dtype: decoding.expected(*tiny, PROMPTS, tree, Params(dtype=dtype)).mean for dtype in ("fast", "bfloat16")}
    same = found["bfloat16"] if has else decoding.expected(*tiny, PROMPTS, tree, Params()).mean
    np.testing.assert_array_equal(found["fast"], same)
    assert has == np.array_equal(found["fast"], found["bfloat16"])


def test_logits_of_half_the_precision_have_the_heads_precision(tiny):
    reader = Reader(*tiny, PROMPTS[:2], size=2, buckets=True, room=4, half=True)
    logits = reader.read(reader.batches[0]).logits
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())
