"""Policy ``transformers``: a causal language model on this machine answers for the personas, many posts at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from popcast.chat.response import Response
from popcast.core.errors import BadInput, bad_input
from popcast.core.pretrained.model_notes import base_note
from popcast.core.scratch import temporary
from popcast.lm.chat_template import ChatTemplate, encode
from popcast.simulation import params
from popcast.simulation.policies import persona_prompts
from popcast.simulation.records import Request

if TYPE_CHECKING:
    from popcast.lm.shared_prefix import Plain, Shared
    from popcast.simulation.audience.population import Person

PROBE = "Users of Twitter see a post."
PROBES = ("0", "a", "Z", '"')
"""What may follow the rules of a prompt: their tokens are those that do not change with it."""


class Policy:
    """Answers of a language model, held to the grammar. Raises BadInput, one line, where the model cannot be used.

    section: ``simulation.policy``. people: in the order of rows. An answer depends on its request alone, up to ties
    that rounding decides (see ``lm.seeded_prompts``): few in float32, many in coarser dtypes.
    """

    in_company = True

    def __init__(self, section: params.TransformersPolicy, people: Sequence[Person], rules: params.Rules) -> None:
        import torch

        from popcast.lm.grammar import Grammar
        from popcast.lm.reading import Reader
        from popcast.lm.shared_prefix import shareable
        from popcast.lm.token_draws import Sampling

        self.section, self.people, self.rules = section, tuple(people), rules
        self.model, self.tokenizer = _loaded(section)
        if getattr(self.model, "peft_config", None) and self.model.active_peft_config.is_prompt_learning:
            raise BadInput(f"{section.model}: a prefix-tuned model cannot answer for personas: choose its base")
        config = self.model.config.get_text_config(decoder=True)
        self.positions = getattr(config, "max_position_embeddings", None)
        self.reader = Reader(self.model, self.tokenizer, [], size=1, buckets=True, room=self.positions or 1 << 20)
        self.ends = self.reader.ends
        width = self.reader.network.get_output_embeddings().weight.shape[0]
        self.grammar = Grammar(self.tokenizer, width, self.ends, section.action_tokens, section.thought)
        self.sampling = Sampling(section.temperature, section.top_p)
        self.template = ChatTemplate(self.tokenizer)
        with torch.inference_mode():
            self.shares = shareable(self.reader, self.encode(PROBE))
        self._ways: dict[str, tuple[list[int], Shared | Plain]] = {}

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """One response per request, in their order; every ``action`` parses. BadInput: a prompt is too long."""
        import torch

        found: dict[int, Response] = {}
        with torch.inference_mode():
            for kind in ("action", "field"):
                numbers = [i for i, request in enumerate(requests) if request.kind == kind]
                answers = self._answer(kind, [requests[i] for i in numbers])
                found |= dict(zip(numbers, answers, strict=True))
        return [found[i] for i in range(len(requests))]

    def facts(self) -> dict[str, str | bool | int | float | None]:
        """What manifests say; ``stand_in``: as the model's ``base.json`` says, False without one."""
        note = _base_note(self.section.model)
        return {
            "kind": "transformers",
            "model": self.section.model,
            "revision": self.section.revision,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "stand_in": bool(note.get("stand_in", False)),
            "templates": persona_prompts.PROMPTS_HASH,
            "grammar": self.grammar.hash,
        }

    def close(self) -> None:
        """Give the model's memory back."""
        self._ways.clear()
        self.model = self.reader = None

    def prompt(self, request: Request) -> persona_prompts.Prompt:
        if request.kind == "field":
            return persona_prompts.field_prompt(request, self.rules)
        return persona_prompts.action_prompt(request, self.people[request.row], self.rules, self.section.thought)

    def encode(self, text: str) -> list[int]:
        """Tokens of a user message as the model gets it: in its chat template if it has one, BOS once."""
        if self.template.exists:  # a user's turn without a system message, as policy ``server`` asks too
            text = self.template.user_turn(text, of=f"{self.section.model}: ")
        return encode(self.tokenizer, text)

    def _answer(self, kind: str, requests: list[Request]) -> list[Response]:
        from popcast.lm import seeded_prompts

        if not requests:
            return []
        limit = self.section.action_tokens if kind == "action" else self.section.field_tokens
        asked = [self.prompt(request) for request in requests]
        tokens = [self.encode(prompt.text) for prompt in asked]
        self._check(tokens, limit)
        rules, way = self._way(kind, asked[0].static, tokens)
        forced = self.grammar.forced(kind)
        parts = _parts(tokens, [prompt.static + prompt.shared for prompt in asked], len(rules), forced)
        seeds = [request.seed for request in requests]
        prompts = [seeded_prompts.SeededPrompt(part, seed, limit) for part, seed in zip(parts, seeds, strict=True)]
        found: list[Response | None] = [None] * len(requests)
        for batch in seeded_prompts.batches(prompts, self.section.batch_tokens):
            several = [prompts[i] for i in batch]
            answers = seeded_prompts.answers(way, self.grammar, kind, several, self.sampling, self.ends)
            for i, answer in zip(batch, answers, strict=True):
                written = [*forced, *answer]
                found[i] = Response(self.grammar.text(written), len(tokens[i]), len(written))
        return found

    def _way(self, kind: str, static: str, tokens: list[list[int]]):
        """Tokens that all prompts of a kind begin with, and the model behind them: read once for all calls."""
        from popcast.lm.seeded_prompts import common
        from popcast.lm.shared_prefix import Plain, Shared

        rules = self._ways[kind][0] if kind in self._ways else None
        if rules is None:
            probes = [self.encode(static + probe) for probe in PROBES]
            rules = probes[0][: common(probes)]
        fits = rules[: common([[*rules, -1], *tokens])]
        if kind not in self._ways or len(fits) < len(rules):
            self._ways[kind] = (fits, (Shared if self.shares else Plain)(self.reader, fits))
        return self._ways[kind]

    def _check(self, tokens: list[list[int]], limit: int) -> None:
        for row in tokens:
            if self.positions is not None and len(row) + limit > self.positions:
                raise bad_input(
                    f"a prompt of {len(row)} tokens and an answer of {limit} do not fit into the model",
                    file=self.section.model,
                    expected=f"at most {self.positions} together",
                )


def _parts(tokens: list[list[int]], keys: list[str], rules: int, forced: list[int]) -> list:
    """The tokens behind the rules of each prompt, cut where those of the same post and epoch part."""
    from popcast.lm.seeded_prompts import common
    from popcast.lm.shared_prefix import Prompted

    groups: dict[str, list[int]] = {}
    for number, text in enumerate(keys):
        groups.setdefault(text, []).append(number)
    parts: dict[int, Prompted] = {}
    for rows in groups.values():
        cut = common([tokens[i] for i in rows]) if len(rows) > 1 else rules
        for i in rows:
            parts[i] = Prompted(tuple(tokens[i][rules:cut]), (*tokens[i][cut:], *forced))
    return [parts[i] for i in range(len(tokens))]


def _loaded(section: params.TransformersPolicy):
    """Model in evaluation mode and tokenizer: of a folder, made here or not, or of the hub."""
    from popcast.lm import backbone

    if Path(section.model).is_dir():
        dtype = None if section.dtype == "auto" else section.dtype
        return backbone.load(Path(section.model), device=section.device, dtype=dtype)
    pretrained = backbone.Pretrained(model=section.model, revision=section.revision, dtype=section.dtype)
    with temporary("model") as folder:
        backbone.write_pointer(Path(folder), pretrained, (0.0, 10.0))
        return backbone.load(Path(folder), device=section.device)


def _base_note(model: str) -> dict:
    """``base.json`` of the model's folder, or of the base that it was tuned on; {} where there is none."""
    from popcast.lm.backbone import base_of

    if not Path(model).is_dir():
        return {}
    return base_note(base_of(Path(model))) or {}
