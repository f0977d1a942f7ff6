"""The grammar of a persona's answer, both ways: a reaction written out, and an answer read (popsim.md 3.5).

    Thought: <free text, one paragraph>
    Action: do_nothing() | like() | post("<text>") | retweet("<text>") | reply("<text>")
    Score: <integer 0..10>

Reading is lenient about quotes, case and chatter around the lines, and strict about what was done and how much it
interests: an answer that leaves one of the two open is not guessed at, it comes back as a reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from popcast.chat.response import Response
from popcast.simulation.records import ACTIONS, Reaction

REASONS = (
    "empty",
    "no_action",
    "no_score",
    "bad_action",
    "several_actions",
    "no_text",
    "bad_score",
    "score_range",
)
"""Why an answer did not parse: nothing written; no ``Action:`` line; no ``Score:`` line after the last action; not an
action of the grammar; more than one; ``post`` or ``reply`` without a text; not an integer; outside 0 to 10."""

NAMES = "do_nothing|like|post|retweet|reply"
BOLD = r"[ \t*_]*"
LABEL = re.compile(rf"^[ \t>#*_-]*(thought|action|score){BOLD}[:：]{BOLD}", re.IGNORECASE | re.MULTILINE)
CALL = re.compile(rf"`?({NAMES})\b", re.IGNORECASE)
SCORE = re.compile(r"\s*(\d+)(?:\s*/\s*10)?\b(?!\.{2}|[.,]\d|\s*[-–/]\s*\d|\s*%)")

QUOTES = "\"'“”„‟‘’«»"
OPEN, CLOSE = rf"\(\s*[{QUOTES}]", rf"[{QUOTES}]\s*\)"
ANOTHER = re.compile(rf"\W{{0,9}}(?:(?:and|or|then)\W{{0,9}})?(?:{NAMES})\s*\(", re.IGNORECASE)
AFTER_TEXT = re.compile(rf"{CLOSE}{ANOTHER.pattern}", re.IGNORECASE)
EMPTY = re.compile(r"\s*\([^\n)]*\)")
TAIL = r"[ \t.;,*_`]*$"
PLAIN = re.compile(rf'\s*\(\s*"(?P<quoted>[^"\n]*)"\s*\){TAIL}', re.MULTILINE)
"""A text between the only two straight quotes of its line, as a model held to the grammar writes it: all that stands
between them is text, names of actions too."""
IN_PARENTHESES = tuple(
    re.compile(rf"\s*{pattern}", re.MULTILINE | re.DOTALL)
    for pattern in (
        rf"{OPEN}(?P<quoted>[^\n]*?){CLOSE}{TAIL}",  # one line, nothing behind it
        rf"{OPEN}(?P<quoted>[^\n]*?){CLOSE}",  # prose behind it
        rf"{OPEN}(?P<quoted>.*?){CLOSE}{TAIL}",  # several lines
        rf"\((?P<bare>[^\n]*?)\){TAIL}",  # a quote is missing, or both
        r"\((?P<bare>[^\n]*)\)",
        rf"\((?P<bare>.*?)\){TAIL}",
    )
)
"""Ways to read what stands in the parentheses, best first. A text may hold quotes and parentheses itself."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What an answer says. action: as in ``records.ACTIONS``; text: one line, None where there is none."""

    action: str
    text: str | None
    score: int
    thought: str | None


def parse(answer: str) -> Parsed | str:
    """Read an answer; returns its last complete pair of ``Action:`` and ``Score:``, or one of :data:`REASONS`.

    Labels count at the start of a line only. The text keeps its case; white space in it becomes single blanks.

    >>> parse('Thought: nice\\naction: Reply(“Where was that?”)\\nscore: 7/10')
    Parsed(action='reply', text='Where was that?', score=7, thought='nice')
    >>> parse('Action: like()\\nScore: 11')
    'score_range'
    """
    if not answer.strip():
        return "empty"
    labels = list(LABEL.finditer(answer))
    names = [label[1].lower() for label in labels]
    if "action" not in names:
        return "no_action"
    score_at = len(names) - 1 - names[::-1].index("score") if "score" in names else -1
    if "action" not in names[: max(score_at, 0)]:
        return "no_score"
    action_at = score_at - 1 - names[:score_at][::-1].index("action")
    action = _action(answer[labels[action_at].end() : labels[score_at].start()])
    if isinstance(action, str):
        return action
    score = SCORE.match(answer, labels[score_at].end())
    if score is None:
        return "bad_score"
    if len(score[1]) > 2 or int(score[1]) > 10:
        return "score_range"
    thought = None
    if "thought" in names[:action_at]:
        thought_at = action_at - 1 - names[:action_at][::-1].index("thought")
        thought = _one_line(answer[labels[thought_at].end() : labels[action_at].start()]) or None
    return Parsed(*action, score=int(score[1]), thought=thought)


def _action(said: str) -> tuple[str, str | None] | str:
    """Name and text of the action at the beginning of ``said``, or a reason."""
    call = CALL.match(said)
    if call is None:
        return "bad_action"
    name, behind = call[1].lower(), said[call.end() :]
    silent = name in ("do_nothing", "like")
    patterns = (EMPTY,) if silent else (PLAIN, *IN_PARENTHESES)
    inside = next(filter(None, (pattern.match(behind) for pattern in patterns)), None)
    rest = behind[inside.end() :] if inside else behind
    if inside is None and rest.split("\n", 1)[0].strip(" \t.;,*_`"):
        return "bad_action"  # a bare name is fine, a text without parentheses is not
    plain = inside is not None and inside.re is PLAIN
    if ANOTHER.match(rest) or (inside and not silent and not plain and AFTER_TEXT.search(inside[0])):
        return "several_actions"
    if silent:
        return ("nothing" if name == "do_nothing" else name), None
    text = _text(inside) if inside else ""
    if text.lower() == "<text>" or (not text and name != "retweet"):
        return "no_text"
    return name, text or None


def _text(inside: re.Match[str]) -> str:
    """The text of an action, on one line."""
    quoted = inside.groupdict().get("quoted")
    return _one_line(_without_quotes(inside["bare"].strip()) if quoted is None else quoted)


def _without_quotes(text: str) -> str:
    """The text without a quote that was opened and not closed, or closed and not opened."""
    if text[:1] and text[0] in QUOTES:
        return text[1:]
    if text[-1:] and text[-1] in QUOTES and text.count(text[-1]) == 1:
        return text[:-1]
    return text


def _one_line(text: str) -> str:
    """Single blanks for white space, and quotes without the backslashes that some models put before them."""
    text = " ".join(text.split())
    return re.sub(r'\\+"', '"', text) if "\\" in text else text


def compose(action: str, text: str | None, score: int, thought: str | None) -> str:
    """Write a reaction out in the grammar; ``parse`` reads the same again. No ``Thought:`` line without a thought.

    Raises ValueError where the grammar has no such reaction.
    """
    words = _one_line(text or "")
    if action not in ACTIONS or not 0 <= score <= 10 or (not words and action in ("post", "reply")):
        raise ValueError(f"not a reaction: {action}, text {text!r}, score {score}")
    name = "do_nothing" if action == "nothing" else action
    call = f'{name}("{words}")' if words and action not in ("nothing", "like") else f"{name}()"
    lines = [f"Action: {call}", f"Score: {score}"]
    return "\n".join([f"Thought: {_one_line(thought)}", *lines] if thought and thought.strip() else lines)


def reaction_of(row: int, attempts: int, response: Response) -> Reaction:
    """The reaction of the persona in ``row`` whose answer number ``attempts`` (from 1) is ``response``."""
    parsed = parse(response.text)
    known = {"raw": response.text, "prompt_tokens": response.prompt_tokens, "output_tokens": response.output_tokens}
    if isinstance(parsed, str):
        return Reaction(row, ok=False, attempts=attempts, reason=parsed, **known)
    return Reaction(
        row,
        ok=True,
        attempts=attempts,
        action=parsed.action,
        score=parsed.score,
        text=parsed.text,
        thought=parsed.thought,
        **known,
    )
