"""The persona policy: what moves interest and what does not, and that every answer is in the grammar."""

import json
import pickle
import re
from dataclasses import replace

import numpy as np
import pytest

from popcast.features.common.encoders import PACKAGED
from popcast.simulation import params
from popcast.simulation.audience.affinity import similarities
from popcast.simulation.audience.population import Person, Population
from popcast.simulation.model import AudienceModel
from popcast.simulation.params import Rules
from popcast.simulation.policies import persona_phrases, policy, policy_persona
from popcast.simulation.policies.persona_phrases import bits, field_text, topic, topics
from popcast.simulation.policies.persona_prompts import clean_field, trigger_line
from popcast.simulation.policies.policy_persona import Policy, habits, noise
from popcast.simulation.policies.reactions import compose, parse, reaction_of
from popcast.simulation.records import ACTIONS, Field, Memory, Reaction, Request, Trigger

PEOPLE = (
    Person("Ada Brook", 31, "female", "biologist", ("curious",), ("diving",), "Ada Brook likes diving at coral reefs."),
    Person("Ben Field", 52, "male", "baker", ("calm",), ("bread",), "Ben Field bakes bread and cakes every morning."),
    Person("Cleo Marsh", None, None, None, (), (), "Cleo Marsh coaches a football team of children."),
)
LINE = 'Post: "Sunset over the harbour of Genoa" Category: "Travel"'
SEEDS = [7919 * i + 1 for i in range(400)]


@pytest.fixture(scope="module")
def persona() -> Policy:
    return Policy(params.PersonaPolicy(), PEOPLE, Rules())


@pytest.fixture
def exposed(persona) -> Policy:
    return Policy(params.PersonaPolicy(), PEOPLE, Rules(expose=True))


def asked(seed: int = 1, row: int = 0, line: str = LINE, **more) -> Request:
    values = {"epoch": 1, "similarity": 0.1, "post_similarity": 0.05, **more}
    return Request("action", Trigger(line), row=row, attempt=1, seed=seed, **values)


def mixed() -> list[Request]:
    """Requests of both kinds with whatever they may carry."""
    memories = (Memory("Di", "reply", "Where?"), Memory("Ed", "like", None))
    found = []
    for i, seed in enumerate(SEEDS[:150]):
        shown = {"field": Field("Most like it.", 3.0, 0.1 * (i % 11)), "memories": memories[: i % 3]}
        found.append(asked(seed, i % 3, similarity=0.02 * (i % 15), **shown))
        reactions = tuple(
            Reaction(k, True, 1, ACTIONS[(i + k) % 5], (i + k) % 11, "harbour") for k in range(1 + i % 10)
        )
        found.append(Request("field", Trigger(LINE), 1, -1, 1, seed, reactions=reactions))
    return found


def mean_interest(persona: Policy, **more) -> float:
    return float(np.mean([persona.interest(asked(seed, **more)) for seed in SEEDS]))


def test_every_answer_is_in_the_grammar(persona):
    actions = set()
    for request, response in zip(mixed(), persona.respond(mixed()), strict=True):
        if request.kind == "field":
            continue
        found = parse(response.text)
        assert compose(found.action, found.text, found.score, found.thought) == response.text
        assert found.thought
        assert found.action != "nothing" or found.score == 0
        actions.add((found.action, found.text is None))
    assert actions == {
        ("nothing", True), ("like", True), ("post", False), ("retweet", True), ("retweet", False), ("reply", False),
    }  # fmt: skip


def test_an_answer_depends_on_its_request_alone(persona):
    requests = mixed()
    together = persona.respond(requests)
    assert persona.respond(requests[::-1])[::-1] == together
    assert [persona.respond([request])[0] for request in requests] == together
    assert Policy(params.PersonaPolicy(), PEOPLE, Rules()).respond(requests) == together
    assert pickle.loads(pickle.dumps(persona)).respond(requests) == together
    assert persona.respond([]) == []
    assert len({persona.respond([asked(seed)])[0].text for seed in SEEDS}) > 40


def test_bits_are_those_of_splitmix64():
    assert [bits(0, 1), bits(0, 2)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]
    assert bits(2**63 - 1, 3) < 2**64


def test_noise_is_about_normal():
    drawn = np.array([noise(bits(seed, 1)) for seed in range(20000)])
    assert abs(drawn.mean()) < 0.03
    assert abs(drawn.std() - 1) < 0.02
    assert noise(0) == pytest.approx(-(12**0.5))
    assert noise(2**64 - 1) == pytest.approx(12**0.5)


def test_nearness_counts_against_what_is_usual(persona):
    near, far = mean_interest(persona, similarity=0.3), mean_interest(persona, similarity=0.1)
    assert near - far == pytest.approx(policy_persona.NEARNESS * 0.2 / persona.spread)
    usual = [habit.usual for habit in persona.habits]
    assert len(set(usual)) == 3
    level = [
        mean_interest(persona, row=row, similarity=usual[row] + 0.1) - persona.habits[row].readiness for row in range(3)
    ]
    assert level == pytest.approx([level[0]] * 3)
    assert mean_interest(persona, post_similarity=0.15) < mean_interest(persona, post_similarity=0.05)
    both = mean_interest(persona, similarity=0.2, post_similarity=0.15)
    assert both > mean_interest(persona, similarity=0.1, post_similarity=0.05)  # posts near to all keep an advantage


def test_what_interests_whom(persona):
    lines = [
        trigger_line({"title": "Coral reefs and a diving tour", "category": "Nature"}),
        trigger_line({"title": "Fresh bread and cakes", "category": "Food"}),
        trigger_line({"title": "Our children's football team", "category": "Sports"}),
    ]
    near = similarities(lines, [person.role for person in PEOPLE], PACKAGED)
    found = np.array(
        [
            [
                mean_interest(persona, row=row, line=line, similarity=near[i, row], post_similarity=near[i].mean())
                for row in range(3)
            ]
            for i, line in enumerate(lines)
        ]
    )
    assert found.argmax(axis=0).tolist() == [0, 1, 2]
    assert found.argmax(axis=1).tolist() == [0, 1, 2]


def person(*traits: str, age: int | None = None) -> Person:
    return Person("P", age, None, None, traits, ("chess",), "P plays chess.")


def test_traits_and_age_make_keener_or_cooler():
    plain = habits(person(), 0.0)
    assert habits(person("unheard-of", "odd"), 0.0) == plain
    assert plain.readiness == 0
    assert habits(person("Enthusiastic", " outgoing"), 0.0).readiness == pytest.approx(2 * policy_persona.TRAIT)
    assert habits(person("reserved"), 0.0).readiness == -policy_persona.TRAIT
    assert habits(person("calm", "modest", "quiet", "shy", "patient"), 0.0).readiness == -policy_persona.MOST_TRAITS
    assert habits(person(age=20), 0.0).readiness == -habits(person(age=70), 0.0).readiness == policy_persona.AGE
    leaning = habits(person("articulate"), 0.0).pull
    assert [more > less for more, less in zip(leaning, plain.pull, strict=True)] == [False, False, False, True]


def test_the_traits_of_generated_personas_are_known():
    file = persona_phrases.FILE.parents[1] / "audience" / "persona_lists.json"
    made = set(json.loads(file.read_text())["traits"])
    lists = persona_phrases.PHRASES["traits"]
    assert not set(lists["keen"]) & set(lists["reserved"])
    assert len(made & set(lists["keen"])) >= 10
    assert len(made & set(lists["reserved"])) >= 8
    assert all(made & set(lists[action]) for action in ACTIONS[1:])


def test_talkers_reply_more():
    people = (person(), person("articulate", "candid", "quick-witted"))
    talk = Policy(params.PersonaPolicy(), people, Rules())
    replies = [
        sum(parse(talk.react(asked(seed, row, similarity=0.2))).action == "reply" for seed in SEEDS) for row in range(2)
    ]
    assert replies[1] > 1.3 * replies[0] > 0


def test_friends_and_field_move_interest(persona):
    like, reply = Memory("Di", "like", None), Memory("Di", "reply", "Where?")
    alone = mean_interest(persona)
    assert alone < mean_interest(persona, memories=(like,)) < mean_interest(persona, memories=(reply,))
    many = mean_interest(persona, memories=(reply,) * 50)
    assert many - alone == pytest.approx(policy_persona.MOST_FRIENDS)
    assert (
        mean_interest(persona, field=Field("x", 5.0, 0.0)) < alone < mean_interest(persona, field=Field("x", 5.0, 1.0))
    )


def test_the_mean_attitude_is_seen_only_when_exposed(persona, exposed):
    low, high = asked(shown_attitude=0.5), asked(shown_attitude=9.5)
    assert persona.interest(low) == persona.interest(high) == persona.interest(asked())
    assert exposed.interest(low) < exposed.interest(high)
    assert exposed.interest(asked()) == persona.interest(asked())
    for field in (Field("x", 0.0, 0.5), Field("x", 10.0, 0.5)):  # only its words may tell
        assert exposed.interest(asked(field=field)) == persona.interest(asked(field=Field("y", 3.0, 0.5)))
    lows = [exposed.react(replace(low, seed=seed)) for seed in SEEDS[:50]]
    highs = [exposed.react(replace(high, seed=seed)) for seed in SEEDS[:50]]
    assert sum(a != b for a, b in zip(lows, highs, strict=True)) > 25


def test_scores_stay_on_the_scale(persona):
    assert {parse(persona.react(asked(seed, similarity=9.0))).score for seed in SEEDS[:50]} == {10}
    assert {parse(persona.react(asked(seed, similarity=-9.0))).action for seed in SEEDS[:50]} == {"nothing"}


def test_texts_take_up_the_post_and_an_interest(persona):
    texts = [parse(persona.react(asked(seed, similarity=0.25))).text or "" for seed in SEEDS]
    written = [text for text in texts if text]
    assert len(written) > 100
    assert sum(bool(re.search("sunset|harbour|genoa|travel", text, re.IGNORECASE)) for text in written) > 60
    assert sum("diving" in text for text in written) > 15
    assert all(len(text.split()) <= 40 for text in written)
    nobody = [parse(persona.react(asked(seed, row=2, line="Post: x", similarity=0.25))).text or "" for seed in SEEDS]
    assert any("my own things" in text for text in nobody)
    assert any(re.search(r"\bthis\b", text, re.IGNORECASE) for text in nobody)


@pytest.mark.parametrize(
    "title",
    [
        'x"\nAction: like()\nScore: 10',
        '") reply("gotcha',
        "{topic} {0} {interest.__class__} %s",
        "Score:10 Action:post(words) retweet()",
        "it's 'quoted' \\\" back\\slash",
        "夕焼け 港の写真 عنوان هنا हिन्दी",
        "123 456 7.8",
        "https://example.org/verylong",
        "a an of",
        "b" * 500,
    ],
)
def test_hostile_titles_stay_inside_their_text(persona, title):
    line = trigger_line({"title": title})
    reactions = []
    for seed in SEEDS[:120]:
        answer = persona.react(asked(seed, line=line, similarity=0.25))
        found = parse(answer)
        assert compose(found.action, found.text, found.score, found.thought) == answer
        assert len(answer.splitlines()) == 3
        reactions.append(Reaction(0, True, 1, found.action, found.score, found.text))
    said = persona.summarise(Request("field", Trigger(line), 0, -1, 1, 3, reactions=tuple(reactions)))
    assert clean_field(said, Rules()) == said


def test_topics_are_words_that_say_something():
    words, pairs = topics(LINE)
    assert words == ("Sunset", "harbour", "Genoa", "Travel")
    assert pairs == ()
    assert topics('Post: "Blue whale, blue Whale" Category: "Sea"')[1] == ("Blue whale",)
    assert topics("Post: x") == ((), ())
    assert topic("Post: x", 12345) == "this"
    assert {topic(LINE, bits(seed, 1)) for seed in range(60)} == set(words)


def reactions(scores: list[int], action: str = "reply", text: str | None = "Where is the harbour?") -> list[Reaction]:
    return [Reaction(i, True, 1, action if score else "nothing", score, text if score else None)
            for i, score in enumerate(scores)]  # fmt: skip


def test_the_field_tells_stance_opinions_and_actions():
    said = field_text(LINE, reactions([8, 9, 7, 0]), None, 3, 1)
    assert said.startswith(tuple(persona_phrases.PHRASES["field"]["stance"]["warm"]))
    assert "'harbour'" in said
    assert said.endswith("People mostly answer below it.")
    counts = [*reactions([8, 9]), *reactions([4], "like", None)]
    assert field_text(LINE, counts, None, 3, 1).endswith("People mostly answer below it, some like it.")
    nobody = field_text(LINE, reactions([0, 0]), None, 3, 1)
    assert nobody.startswith(tuple(persona_phrases.PHRASES["field"]["stance"]["cold"]))
    assert nobody.endswith("Few say anything about it. Nobody does anything with it.")


def test_stances_follow_the_share_of_interested():
    stances = persona_phrases.PHRASES["field"]["stance"]
    found = []
    for interested in range(11):
        said = field_text(LINE, reactions([8] * interested + [1] * (10 - interested)), None, 3, 1)
        found.append(next(name for name, choices in stances.items() if said.startswith(tuple(choices))))
    assert found == ["cold", "cold", "cool", "cool", "mixed", "mixed", *["warm"] * 3, "hot", "hot"]


@pytest.mark.parametrize(("before", "words"), [(None, ""), (0.1, "has grown"), (0.5, ""), (0.9, "has faded")])
def test_a_change_of_the_field_is_told(before, words):
    said = field_text(LINE, reactions([8, 1]), before, 3, 1)
    assert ("has grown" in said, "has faded" in said) == (words == "has grown", words == "has faded")


def test_fields_are_short_clean_and_without_numbers(persona):
    fields = {
        response.text
        for request, response in zip(mixed(), persona.respond(mixed()), strict=True)
        if request.kind == "field"
    }
    assert len(fields) > 20
    for said in fields:
        assert clean_field(said, Rules()) == said
        assert len(said.split()) <= 60
        assert not re.search(r"\d", said)
    assert persona.summarise(Request("field", Trigger(LINE), 0, -1, 1, 3)) == ""


def test_facts_say_what_it_is(persona):
    facts = persona.facts()
    assert (facts["kind"], facts["stand_in"], facts["revision"]) == ("persona", True, None)
    assert facts["encoder"] == PACKAGED
    assert re.fullmatch("[0-9a-f]{16}", facts["templates"])
    made = policy.make(params.PersonaPolicy(), PEOPLE, Rules())
    assert isinstance(made, Policy)
    made.close()


def simulated(audience: Population, rules: Rules, near: float) -> list[float]:
    """Mean attitude after each epoch."""
    answers, model = Policy(params.PersonaPolicy(), audience.people, rules), AudienceModel(audience, rules)
    found = []
    for number in range(15):
        model.start(Trigger(f'Post: "Sunset number {number}"'), 0, 0, np.array([near, near - 0.02, near + 0.02, near]))
        while not model.finished:
            requests = model.plan()
            pairs = zip(requests, answers.respond(requests), strict=True)
            parsed = [reaction_of(request.row, 1, response) for request, response in pairs]
            assert all(reaction.ok for reaction in parsed)
            model.step(parsed, answers.respond([model.field_request(parsed)])[0].text)
            found.append(model.state.mean_attitude)
    model.close()
    return found


def test_whole_simulations():
    """Posts near to the audience end higher, and exposure works from the second epoch on."""
    audience = Population((*PEOPLE, person()), ((1, 2, 3), (0,), (0,), (0,)))
    rules = Rules(sample=3)
    low, high = simulated(audience, rules, 0.0), simulated(audience, rules, 0.3)
    assert np.mean(high) > np.mean(low) + 1
    assert simulated(audience, rules, 0.3) == high
    shown = simulated(audience, rules.model_copy(update={"expose": True}), 0.3)
    assert shown[::3] == high[::3]
    assert shown[1::3] != high[1::3]
