"""The overlay that ``popcast init`` writes: sections of params.yaml as short text, with a comment above each."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

COMMENTS = {
    "datasets": "Where the posts lie and what their columns are. A column that is not named here is not read.",
    "splits": "What is learned from, chosen on and reported on.",
    "blocks": "What is known of a post at posting time, as columns.",
    "media": "Columns made of media files.",
    "derived": "Columns made of other columns.",
    "suites": "Rows that every report shows beside the models.",
    "runs": "Models. cross_fit_from: no out-of-fold predictions; the validation part suffices for the blend.",
    "models": "What runs share.",
    "blend": "From single models to one prediction.",
}
ORDER = tuple(COMMENTS)


def overlay_text(sections: Mapping[str, Mapping[str, Any]], head: list[str]) -> str:
    """YAML of ``sections`` without the empty ones; ``head``: comment lines at the top.

    The two upper levels are in block style, what lies deeper stands in one line where it is short.
    """
    lines = [f"# {line}".rstrip() for line in head]
    text = "\n".join(lines) + "\n"
    for name in [*ORDER, *(key for key in sections if key not in ORDER)]:
        if sections.get(name):
            comment = f"# {COMMENTS[name]}\n" if name in COMMENTS else ""
            text += comment + _dump({name: sections[name]})
    return text


def _dump(value: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.width = 116
    yaml.allow_unicode = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_styled(value, 0), stream)
    return stream.getvalue()


def _styled(value: Any, depth: int) -> Any:
    """``value`` with a style for each level: short mappings below the second level in braces."""
    if isinstance(value, Mapping):
        styled = CommentedMap((key, _styled(inner, depth + 1)) for key, inner in value.items())
        if depth >= 2 and len(str(dict(value))) <= 100:
            styled.fa.set_flow_style()
        else:
            styled.fa.set_block_style()
        return styled
    if isinstance(value, list | tuple):
        items = CommentedSeq(_styled(inner, depth + 1) for inner in value)
        items.fa.set_flow_style()
        return items
    return value
