"""Policy ``transformers``: every answer parses, and none depends on the others. Random weights: the worst writer."""

import numpy as np
import pytest
import torch

from popcast.core.errors import BadInput
from popcast.lm import backbone, token_draws
from popcast.lm.grammar import Grammar, action_grammar
from popcast.simulation.audience.persona_table import Person
from popcast.simulation.params import Rules
from popcast.simulation.params import TransformersPolicy as Section
from popcast.simulation.policies import policy
from popcast.simulation.policies.policy_transformers import Policy
from popcast.simulation.policies.reactions import Parsed, parse
from popcast.simulation.records import Field, Memory, Reaction, Request, Trigger
from tests.lm.tiny_llm import tiny_base

ACTION_TOKENS, FIELD_TOKENS = 72, 24
PEOPLE = tuple(
    Person(f"Ann {i}", 20 + i, "female", "nurse", (), (), f"Ann {i} is a nurse who likes {'walks, ' * (i % 4)}tea.")
    for i in range(9)
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("models") / "base", max_positions=2048)


def make(base, **changes) -> Policy:
    values = {"model": str(base), "device": "cpu", "action_tokens": ACTION_TOKENS, "field_tokens": FIELD_TOKENS}
    return Policy(Section(kind="transformers", **(values | changes)), PEOPLE, Rules())


def requests(posts: int = 3) -> list[Request]:
    """Five personas and a field per post, of epochs with and without field and memories."""
    found = []
    for post in range(posts):
        trigger = Trigger(f'Post: "{"red sky " * (post + 1)}" Category: "Travel"')
        field = Field("Most are keen.", 2.0, 0.5) if post % 2 else Field()
        for row in range(5):
            memories = (Memory("Bob", "reply", "what a sky " * row),) * (row % 3)
            seed = 1000 * post + row
            found.append(Request("action", trigger, post % 2, (row + post) % 9, 1, seed, field, 0.3, memories))
        reactions = tuple(Reaction(row, True, 1, "reply", row, "nice " * row or "x") for row in range(post))
        found.append(Request("field", trigger, post % 2, -1, 1, 1000 * post + 99, field, reactions=reactions))
    return found


@pytest.mark.parametrize("thought", [True, False])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_every_answer_parses_within_its_tokens(base, temperature, thought):
    asked = requests(8)
    answers = make(base, temperature=temperature, thought=thought).respond(asked)
    for request, answer in zip(asked, answers, strict=True):
        if request.kind == "field":
            assert answer.output_tokens == FIELD_TOKENS or temperature == 1
            assert 0 < answer.output_tokens <= FIELD_TOKENS
            assert answer.text.strip()
            assert len(answer.text.splitlines()) == 1
        else:
            parsed = parse(answer.text)
            assert isinstance(parsed, Parsed), answer.text
            assert (parsed.thought is not None) == thought
            assert parsed.score == 0 or parsed.action != "nothing"
            assert answer.output_tokens <= ACTION_TOKENS
    if temperature:
        assert len({answer.text for answer in answers}) > len(answers) // 2
        kinds = {parse(a.text).action for a, r in zip(answers, asked, strict=True) if r.kind == "action"}
        assert len(kinds) > 1


@pytest.mark.parametrize("thought", [True, False])
def test_the_hardest_ways_through_the_grammar_end_in_time(base, thought):
    """Single bytes, and bytes of characters that the budget cuts: never longer than the limit, and it parses."""
    _, tokenizer = backbone.load(base)
    width, tokens = len(tokenizer), 66
    grammar = Grammar(tokenizer, width, {tokenizer.eos_token_id}, tokens, thought)
    pieces = [grammar.tokens.decode_bytes([token]) for token in range(width)]
    single = np.array([len(piece) == 1 for piece in pieces])
    high = np.array([any(byte > 0x7F for byte in piece) for piece in pieces])
    rng = np.random.default_rng(0)
    longest = 0
    for number in range(300):
        matcher, written = grammar.matcher("action"), []
        while not matcher.is_stopped():
            allowed = grammar.allowed([matcher])[0]
            for wish in [(single,), (high,), (single, high), ()][number % 4]:
                allowed = allowed & wish if (allowed & wish).any() else allowed
            token = int(rng.choice(np.flatnonzero(allowed)))
            if token == tokenizer.eos_token_id:
                break
            assert matcher.consume_token(token)
            written.append(token)
        assert isinstance(parse(grammar.text(written)), Parsed), grammar.text(written)
        longest = max(longest, len(written) + 1)
    assert tokens - 15 < longest <= tokens


@pytest.mark.parametrize("double", [False, True])
def test_order_batches_and_company_change_nothing(base, double):
    asked = requests()
    together, apart = make(base, batch_tokens=10**6), make(base, batch_tokens=64)
    if double:
        together.model.double()
        apart.model.double()
    expected = together.respond(asked)
    assert apart.respond(asked) == expected
    order = np.random.default_rng(0).permutation(len(asked))
    assert together.respond([asked[i] for i in order]) == [expected[i] for i in order]
    for i in (0, 5, 7, 11):
        assert together.respond([asked[i]]) == [expected[i]]
    assert together.respond([]) == []


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.7, "top_p": 0.8}, {"temperature": 0}])
def test_answers_are_those_of_whole_prompts_read_alone(base, settings):
    """Against a loop without cache, batch, padding or prefix."""
    one = make(base, batch_tokens=10**6, **settings)
    assert one.shares
    model, _ = backbone.load(base, device="cpu")
    asked = requests(2)
    for request, answer in list(zip(asked, one.respond(asked), strict=True))[2::3]:
        prompt = one.encode(one.prompt(request).text)
        assert answer.prompt_tokens == len(prompt)
        matcher = one.grammar.matcher(request.kind)
        written = one.grammar.forced(request.kind)
        assert matcher.consume_tokens(written)
        begun, limit = len(written), FIELD_TOKENS if request.kind == "field" else ACTION_TOKENS
        while not matcher.is_stopped() and len(written) < limit:
            with torch.no_grad():
                logits = model(torch.tensor([prompt + written])).logits[:, -1]
            allowed = torch.from_numpy(one.grammar.allowed([matcher]))
            draws = [token_draws.uniform(request.seed, len(written) - begun)]
            token = int(one.sampling.choose(logits, allowed, draws))
            if token in one.ends:
                break
            assert matcher.consume_token(token)
            written.append(token)
        assert answer.text == one.grammar.text(written)
        assert answer.output_tokens == len(written)


def test_models_whose_attention_stays_their_own_answer_the_same(base):
    asked = requests()
    plain = make(base)
    plain.reader.network.set_attn_implementation("sdpa")
    plain.shares = False
    assert plain.respond(asked) == make(base).respond(asked)


def test_another_seed_another_answer(base):
    one = make(base)
    first = requests(1)[0]
    seeds = [Request("action", first.trigger, 0, 0, 1, seed) for seed in (1, 2, 1, 2**63 - 1)]
    a, b, again, large = [answer.text for answer in one.respond(seeds)]
    assert a == again
    assert len({a, b, large}) == 3


def test_facts_say_what_answered(base, tmp_path):
    one = policy.make(Section(kind="transformers", model=str(base), device="cpu"), PEOPLE, Rules())
    facts = one.facts()
    assert facts["kind"] == "transformers"
    assert facts["stand_in"] is True
    assert facts["dtype"] == "float32"
    assert facts["grammar"] == one.grammar.hash != make(base, thought=False).facts()["grammar"]
    model, tokenizer = backbone.load(base)
    model.save_pretrained(tmp_path / "plain")
    tokenizer.save_pretrained(tmp_path / "plain")
    plain = make(tmp_path / "plain", dtype="bfloat16")
    assert plain.facts()["stand_in"] is False
    assert plain.facts()["dtype"] == "bfloat16"
    assert isinstance(parse(plain.respond(requests(1)[:1])[0].text), Parsed)


def test_chat_template_is_a_users_turn_and_bos_stands_once(base):
    one = make(base)
    bare = one.encode("Hello")
    one.tokenizer.chat_template = "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}>"
    tokens = one.encode("Hello")
    assert tokens.count(one.tokenizer.bos_token_id) == bare.count(one.tokenizer.bos_token_id) == 1
    assert one.tokenizer.decode(tokens, skip_special_tokens=True) == "[user] Hello\n>"
    asked = requests(1)
    assert all(isinstance(parse(answer.text), Parsed) for answer in one.respond(asked[:5]))
    one.tokenizer.chat_template = "{{ raise_exception('no roles here') }}"
    with pytest.raises(BadInput, match="chat template fails: no roles here"):
        one.encode("Hello")


def test_prompts_are_never_cut(tmp_path):
    small = tiny_base(tmp_path / "small", max_positions=1000)
    one = make(small)
    asked = requests(1)
    longest = max(len(one.encode(one.prompt(request).text)) for request in asked[:5])
    assert longest + ACTION_TOKENS > 1000 - 200  # near the limit, so that both sides are tested
    one.positions = longest + ACTION_TOKENS
    one.respond(asked[:5])
    one.positions -= 1
    with pytest.raises(BadInput, match=rf"prompt of {longest} tokens and an answer of {ACTION_TOKENS}") as error:
        one.respond(asked[:5])
    assert "\n" not in str(error.value)


def test_a_limit_that_no_answer_fits_is_refused(base):
    with pytest.raises(BadInput, match=r"action_tokens.*got 20, expected at least (\d+)") as error:
        make(base, action_tokens=20)
    least = int(str(error.value).rsplit(" ", 1)[1])
    with pytest.raises(BadInput):
        action_grammar(least - 1, True)
    answers = make(base, action_tokens=least).respond(requests(2))
    assert max(answer.output_tokens for answer in answers if answer.text.startswith("Thought")) <= least
    assert all(isinstance(parse(a.text), Parsed) for a in answers if a.text.startswith("Thought"))


def test_a_tokenizer_without_the_letters_is_refused(base):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel({"a": 0, "post": 1, "<end>": 2, "?": 3}, unk_token="?"))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    words = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>")
    with pytest.raises(BadInput, match="tokenizer cannot write the grammar of reactions") as error:
        Grammar(words, 4, {2}, 72, True)
    assert "\n" not in str(error.value)


def test_a_missing_model_is_one_line(tmp_path):
    with pytest.raises(BadInput, match="no such model folder"):
        make(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="not a model folder"):
        make(tmp_path / "empty")
