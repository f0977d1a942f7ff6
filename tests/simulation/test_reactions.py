"""The grammar: answers of all kinds, and reactions written out and read again."""

from __future__ import annotations

import random

import pytest

from popcast.chat.response import Response
from popcast.simulation.policies.reactions import REASONS, Parsed, compose, parse, reaction_of
from popcast.simulation.records import ACTIONS

READ = {
    # All actions as the grammar has them.
    'Thought: T\nAction: post("Hi")\nScore: 8': ("post", "Hi", 8, "T"),
    'Thought: T\nAction: retweet("Hi")\nScore: 10': ("retweet", "Hi", 10, "T"),
    'Thought: T\nAction: reply("Hi")\nScore: 1': ("reply", "Hi", 1, "T"),
    "Thought: T\nAction: like()\nScore: 7": ("like", None, 7, "T"),
    "Thought: T\nAction: do_nothing()\nScore: 0": ("nothing", None, 0, "T"),
    "Action: retweet()\nScore: 5": ("retweet", None, 5, None),
    'Action: retweet("")\nScore: 5': ("retweet", None, 5, None),
    # Quotes.
    "Action: post(“Hi there”)\nScore: 8": ("post", "Hi there", 8, None),
    "Action: post('It's on')\nScore: 8": ("post", "It's on", 8, None),
    "Action: post(Hi there)\nScore: 8": ("post", "Hi there", 8, None),
    'Action: post("Hi there)\nScore: 8': ("post", "Hi there", 8, None),
    'Action: post(Hi there")\nScore: 8': ("post", "Hi there", 8, None),
    'Action: post(She said "hi")\nScore: 8': ("post", 'She said "hi"', 8, None),
    'Action: post("She said "hi"")\nScore: 8': ("post", 'She said "hi"', 8, None),
    'Action: post("She said \\"hi\\"")\nScore: 8': ("post", 'She said "hi"', 8, None),
    'Action: post("a (b) c :)")\nScore: 8': ("post", "a (b) c :)", 8, None),
    "Action: post(so nice :))\nScore: 8": ("post", "so nice :)", 8, None),
    'Action: post( "Hi" )\nScore: 8': ("post", "Hi", 8, None),
    # The format of the question, repeated within a text: there is one action, since there are two straight quotes.
    "Action: post(\"text') | retweet('text') | reply('text\")\nScore: 8": (
        "post",
        "text') | retweet('text') | reply('text",
        8,
        None,
    ),
    'Action: reply("No”) and like()")\nScore: 8': ("reply", "No”) and like()", 8, None),
    # Case, blanks, marks, prose.
    'THOUGHT: Mine\nACTION: Post("MiXed Case")\nSCORE: 8': ("post", "MiXed Case", 8, "Mine"),
    "  action :  Like ( )\n\n  score :  8  ": ("like", None, 8, None),
    "Action: like\nScore: 3": ("like", None, 3, None),
    "Action: do_nothing.\nScore: 0": ("nothing", None, 0, None),
    '**Thought:** Fine.\n**Action:** `reply("Where?")`\n**Score:** **6**': ("reply", "Where?", 6, "Fine."),
    "- Action: like()\r\n- Score: 6\r\n": ("like", None, 6, None),
    'Sure! Here it is.\n\nThought: T\nAction: post("Hi").\nScore: 8\nI hope this helps.': ("post", "Hi", 8, "T"),
    'Action: post("Hi") because I like it (a lot)\nScore: 8, as I said': ("post", "Hi", 8, None),
    "Thought: one\ntwo\n\nthree\nAction: like()\nScore: 4": ("like", None, 4, "one two three"),
    'Action: post("one\ntwo")\nScore: 4': ("post", "one two", 4, None),
    "Action: post(one\ntwo)\nScore: 4": ("post", "one two", 4, None),
    # Scores.
    "Action: like()\nScore: 8/10": ("like", None, 8, None),
    "Action: like()\nScore: 10 / 10": ("like", None, 10, None),
    "Action: like()\nScore: 8.": ("like", None, 8, None),
    "Action: like()\nScore: 8 (quite good)": ("like", None, 8, None),
    "Action: like()\nScore: 08": ("like", None, 8, None),
    # Several pairs: the last complete one.
    'Action: like()\nScore: 2\nAction: post("Hi")\nScore: 9': ("post", "Hi", 9, None),
    'Action: like()\nScore: 2\nThought: more\nAction: post("cut of': ("like", None, 2, None),
    'Thought: a\nAction: like()\nScore: 2\nThought: b\nAction: post("Hi")\nScore: 9': ("post", "Hi", 9, "b"),
    "Action: like()\nScore: 2\nScore: 9": ("like", None, 9, None),
    # Words of the grammar inside texts.
    'Thought: The Action: like() is too little, Score: 1\nAction: post("Action: like() Score: 3")\nScore: 9': (
        "post",
        "Action: like() Score: 3",
        9,
        "The Action: like() is too little, Score: 1",
    ),
    'Thought: I would like(d) to reply\nAction: post("do_nothing() or like()?")\nScore: 9': (
        "post",
        "do_nothing() or like()?",
        9,
        "I would like(d) to reply",
    ),
    'Action: post("First\nScore: 3\nlast")\nScore: 9': ("post", "First Score: 3 last", 9, None),
    'Action: reply("{0} {name} %s {{}} \\n <b>")\nScore: 9': ("reply", "{0} {name} %s {{}} \\n <b>", 9, None),
    'Action: reply("日本 – é 🙂")\nScore: 9': ("reply", "日本 – é 🙂", 9, None),
}

REFUSED = {
    "": "empty",
    " \n\t ": "empty",
    "I would like this post and give it a score of 8.": "no_action",
    "Score: 8": "no_action",
    "Thought: Action: like()": "no_action",
    "Action: like()": "no_score",
    "Thought: T\nAction: like() Score: 7": "no_score",
    "Score: 7\nAction: like()": "no_score",
    "Action:\nScore: 7": "bad_action",
    "Action: share()\nScore: 7": "bad_action",
    "Action: I will like() it\nScore: 7": "bad_action",
    "Action: likes()\nScore: 7": "bad_action",
    'Action: post("never closed\nScore: 7': "bad_action",
    "Action: post: hello\nScore: 7": "bad_action",
    'Action: like() and reply("Hi")\nScore: 7': "several_actions",
    'Action: do_nothing() | like() | post("<text>")\nScore: 7': "several_actions",
    'Action: post("Hi"), retweet("Hi")\nScore: 7': "several_actions",
    'Action: post("")\nScore: 7': "no_text",
    "Action: post()\nScore: 7": "no_text",
    "Action: reply\nScore: 7": "no_text",
    "Action: reply(“ ”)\nScore: 7": "no_text",
    'Action: post("<text>")\nScore: 7': "no_text",
    "Action: like()\nScore:": "bad_score",
    "Action: like()\nScore: high": "bad_score",
    "Action: like()\nScore: 8.5": "bad_score",
    "Action: like()\nScore: 8,5": "bad_score",
    "Action: like()\nScore: 7-9": "bad_score",
    "Action: like()\nScore: 4/5": "bad_score",
    "Action: like()\nScore: 80/100": "bad_score",
    "Action: like()\nScore: 0..10": "bad_score",
    "Action: like()\nScore: 10%": "bad_score",
    "Action: like()\nScore: <integer 0..10>": "bad_score",
    "Action: like()\nScore: 8th": "bad_score",
    "Action: like()\nScore: 11": "score_range",
    "Action: like()\nScore: 85": "score_range",
    "Action: like()\nScore: 100": "score_range",
    "Action: like()\nScore: 123456789012345678901234567890": "score_range",
    'Action: like()\nScore: 2\nAction: post("Hi")\nScore: 85': "score_range",
}


PIECES = [
    *"'’“”)(|.,`*_:/\\-é🙂",
    " ",
    "like()",
    "post('x')",
    "do_nothing",
    "and ",
    "Score: 3",
    "Action: reply",
    "10",
    "> <",
]


@pytest.mark.parametrize("action", ["post", "retweet", "reply"])
def test_whatever_the_grammar_lets_a_model_write_is_read(action):
    """A text of any characters but a straight quote, the first of them no blank and no angle bracket."""
    draw = random.Random(0)
    for _ in range(3000):
        text = draw.choice(["a", ")", "“", "'", "(", "like()"]) + "".join(draw.choices(PIECES, k=draw.randint(0, 9)))
        found = parse(f'Thought: as it is\nAction: {action}("{text}")\nScore: 7')
        assert found == Parsed(action, " ".join(text.split()), 7, "as it is"), text


@pytest.mark.parametrize("answer", READ)
def test_reads(answer):
    action, text, score, thought = READ[answer]
    assert parse(answer) == Parsed(action, text, score, thought)


@pytest.mark.parametrize("answer", REFUSED)
def test_refuses_with_a_reason(answer):
    assert parse(answer) == REFUSED[answer]


def test_corpus_covers_actions_and_reasons():
    assert {action for action, *_ in READ.values()} == set(ACTIONS)
    assert set(REFUSED.values()) == set(REASONS)


def test_a_negative_score_is_no_score():
    assert parse("Action: like()\nScore: minus 3") == "bad_score"
    assert isinstance(parse("Action: like()\nScore: -3"), str)


@pytest.mark.parametrize("piece", [" ", "\n", '"', "(", ")", '")', '" )', "*", "Action: post(", "Score: ", "é", "1"])
def test_long_nonsense_is_read_in_linear_time(piece):
    """A server may answer anything; reading it must end."""
    long = piece * (200_000 // len(piece))
    for answer in (long, f'Action: post("{long}', f"Action: like()\nScore: {long}", f"{long}Action: like()\nScore: 2x"):
        assert parse(answer) in REASONS


def test_written_out_and_read_again():
    pieces = [
        '"',
        "'",
        "“",
        "”",
        "(",
        ")",
        '")',
        "\\",
        "{",
        "}",
        " ",
        "\n",
        "Score: 3",
        "Action: like()",
        "é",
        "a",
        "B",
    ]
    dice = random.Random(4)
    for _ in range(3000):
        action = dice.choice(ACTIONS)
        text = "x" + "".join(dice.choices(pieces, k=dice.randrange(8)))
        thought = dice.choice([None, "".join(dice.choices(pieces, k=5)) + "t"])
        score = dice.randrange(11)
        given = None if action in ("nothing", "like") else text
        answer = compose(action, text, score, thought)
        read = parse(answer)
        assert isinstance(read, Parsed), answer
        assert (read.action, read.score) == (action, score), answer
        line = " ".join(text.split())  # backslashes before quotes go
        assert (read.text or "").replace("\\", "") == (line.replace("\\", "") if given else ""), answer
        assert compose(read.action, read.text, read.score, read.thought) == answer
        assert len(answer.splitlines()) == 2 + (thought is not None)


def test_what_the_grammar_does_not_have_is_not_written():
    for action, text, score in (("share", "x", 3), ("post", None, 3), ("reply", " ", 3), ("like", None, 11)):
        with pytest.raises(ValueError, match="not a reaction"):
            compose(action, text, score, None)
    assert compose("nothing", None, 0, None) == "Action: do_nothing()\nScore: 0"
    assert compose("retweet", None, 4, " \n") == "Action: retweet()\nScore: 4"


def test_reactions_keep_the_raw_answer_and_its_cost():
    raw = 'Thought: T\nAction: post("Hi")\nScore: 8'
    good = reaction_of(4, 2, Response(raw, 300, 40))
    assert (good.row, good.ok, good.attempts, good.action, good.text, good.score) == (4, True, 2, "post", "Hi", 8)
    assert (good.thought, good.raw, good.reason, good.prompt_tokens, good.output_tokens) == ("T", raw, None, 300, 40)
    bad = reaction_of(4, 3, Response("No.", 300, 2))
    assert (bad.row, bad.ok, bad.attempts, bad.reason, bad.raw) == (4, False, 3, "no_action", "No.")
    assert (bad.action, bad.text, bad.score, bad.thought) == (None, None, None, None)
    assert (bad.prompt_tokens, bad.output_tokens) == (300, 2)
