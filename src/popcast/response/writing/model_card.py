"""The model card beside models that write responses: what they learned, what they cannot show and are not for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CARD = "README.md"
LIMITS = """## What it cannot show

- Who posts under hashtags, or often enough to have a history, is not the public: people who read and say nothing are
  missing, and so are those who wrote too little.
- Sentiments are pseudo-labels of word lists and emoticons, or of another model. They miss irony.
- One platform and one language, at the time of the data.

## What it is not for

Nobody is to be impersonated, targeted, profiled or persuaded with it. Texts that it writes are not what the person
said, and must not be shown as if they were. Users appear under pseudonyms; do not try to find out who they are.
"""


def card(
    key: str, generated: bool, base: Mapping[str, Any], systems: Mapping[str, Mapping[str, Any]], cases: int
) -> str:
    """The card as markdown. base: what ``base.json`` says; systems: name -> method and variant; cases: learned from."""
    if base.get("stand_in"):
        origin = (
            f"a small Qwen2 made here from {base.get('documents', 0):,} texts of the training part: a **stand-in** for "
            "a pretrained model. It shows that the pipeline works, not how well such systems write."
        )
    else:
        origin = f"{base.get('model')}, pretrained by others."
    data = "Generated users and texts: all invented." if generated else "Collected responses; user ids are pseudonyms."
    rows = [f"- `{name}`: {of['method']}, prompts {of['variant'].replace('_', ' ')}" for name, of in systems.items()]
    learned = f"Tuned on {cases:,} cases:\n\n" + "\n".join(rows)
    return "\n\n".join((f"# Models that write responses: {key}", data, f"Base: {origin}", learned, LIMITS))
