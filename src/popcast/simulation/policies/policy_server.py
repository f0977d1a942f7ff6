"""Answers from a server that speaks the OpenAI chat API: vLLM, llama.cpp, Ollama, ``transformers serve``.

Each request is one user message, the words that all requests share first, so that servers can keep the common
beginning. How they are sent and their answers kept: :mod:`popcast.chat.client`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from popcast.chat.client import ChatClient, Question
from popcast.chat.response import Response
from popcast.core import paths
from popcast.simulation import params
from popcast.simulation.policies import persona_prompts
from popcast.simulation.records import Request

if TYPE_CHECKING:
    from popcast.simulation.audience.population import Person


class Policy:
    """Puts requests to the server that ``section`` names. Raises BadInput as :class:`ChatClient` does."""

    in_company = False

    def __init__(
        self,
        section: params.ServerPolicy,
        people: Sequence[Person],
        rules: params.Rules,
        *,
        folder: Path = paths.ANSWER_CACHE,
        first_pause: float = 0.5,
    ) -> None:
        self.section, self.people, self.rules = section, tuple(people), rules
        kept = "finished posts are kept"
        self.client = ChatClient(section, "simulation.policy", kept=kept, folder=folder, first_pause=first_pause)

    def facts(self) -> dict[str, str | bool | int | float | None]:
        """What manifests and reports say of the policy. A server does not tell the revision of its model."""
        return {
            "kind": "server",
            "model": self.section.model,
            "revision": None,
            "stand_in": False,
            "templates": persona_prompts.PROMPTS_HASH,
            "host": self.client.host,
        }

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """One response per request, in their order. An answer without words is "", which does not parse.

        Raises BadInput, one line, when the server is gone or refuses; what was answered before it is kept.
        """
        return self.client.ask([self._question(request) for request in requests])

    def _question(self, request: Request) -> Question:
        if request.kind == "field":
            prompt, tokens = persona_prompts.field_prompt(request, self.rules), self.section.field_tokens
        else:
            person = self.people[request.row]
            prompt = persona_prompts.action_prompt(request, person, self.rules, self.section.thought)
            tokens = self.section.action_tokens
        return Question(prompt.text, tokens, request.seed)

    def close(self) -> None:
        """Close connections and cache; a second call does nothing."""
        self.client.close()
