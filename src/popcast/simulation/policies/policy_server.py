"""Answers from a server that speaks the OpenAI chat API: vLLM, llama.cpp, Ollama, ``transformers serve``.

Each request is one user message, the words that all requests share first, so that servers can keep the common
beginning. Answers are kept by hash of prompt, seed and settings (:mod:`popcast.chat.answer_cache`): what was
answered is never asked again, not even after a kill. When the server is gone, the stage stops with one line.

The key comes from an environment variable. It goes into the Authorization header and nowhere else: what the server says
is searched for it before it becomes an answer or part of an error.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from popcast.chat import chat_answers
from popcast.chat.answer_cache import AnswerCache, answer_key
from popcast.chat.chat_answers import Trouble
from popcast.chat.response import Response
from popcast.core import paths
from popcast.core.errors import BadInput, bad_input
from popcast.core.stable import stable_random
from popcast.simulation import params
from popcast.simulation.policies import persona_prompts
from popcast.simulation.records import Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from popcast.simulation.audience.population import Person

LONGEST_PAUSE = 30.0
LONGEST_WAIT = 120.0
"""Seconds that a server may ask for by Retry-After; one that asks for more is gone for now."""
_NO_KEY = "none"


@dataclass(frozen=True, slots=True)
class _Question:
    """A request as the server gets it. ``key``: of its answer in the cache."""

    prompt: str
    tokens: int
    seed: int
    key: str


class ServerPolicy:
    """Asks ``section.url``, at most ``section.concurrency`` questions at a time, in every process that holds one.

    folder: of the kept answers. first_pause: seconds before the second try, doubled before each further one.
    Raises BadInput for an address that is none or holds a password, and for a key that is missing.
    """

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
        self.host, loopback = chat_answers.host(section.url)
        self.counts: Counter[str] = Counter()
        """requests; kept: answered by the cache; sent: over the network, again among them: tries after the first."""
        self._first_pause = first_pause
        self._secret = chat_answers.secret(section.key_variable)
        self._client = self._connected(loopback)
        self._cache = AnswerCache(folder) if section.cache else None
        self._runner = asyncio.Runner()

    def _connected(self, loopback: bool) -> AsyncOpenAI:
        import httpx2
        import openai

        # at their debug level they write down headers of answers, and a server may send the key back
        for name in ("openai", "httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        wide = self.section.concurrency
        # a proxy of the environment is for far servers; redirects are not followed (they would carry posts elsewhere)
        transport = httpx2.AsyncClient(
            trust_env=not loopback,
            timeout=self.section.timeout,
            limits=httpx2.Limits(max_connections=wide, max_keepalive_connections=wide),
        )
        client = openai.AsyncOpenAI(
            api_key=self._secret.get_secret_value() or _NO_KEY,
            base_url=self.section.url,
            max_retries=0,
            timeout=self.section.timeout,
            http_client=transport,
        )
        # like the key, these come from no variable that params.yaml does not name
        client.organization = client.project = None
        return client

    def facts(self) -> dict[str, str | bool | int | float | None]:
        """What manifests and reports say of the policy. A server does not tell the revision of its model."""
        return {
            "kind": "server",
            "model": self.section.model,
            "revision": None,
            "stand_in": False,
            "templates": persona_prompts.TEMPLATE_HASH,
            "host": self.host,
        }

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """One response per request, in their order. An answer without words is "", which does not parse.

        Raises BadInput, one line, when the server is gone or refuses; what was answered before it is kept.
        """
        questions = [self._question(request) for request in requests]
        self.counts["requests"] += len(questions)
        answers: dict[str, Response] = {}
        if self._cache is not None:
            found = {question.key: self._cache.get(question.key) for question in questions}
            answers = {key: answer for key, answer in found.items() if answer is not None}
            self.counts["kept"] += sum(question.key in answers for question in questions)
        if missing := {question.key: question for question in questions if question.key not in answers}:
            self._runner.run(self._ask_all(list(missing.values()), answers))
        return [answers[question.key] for question in questions]

    def _question(self, request: Request) -> _Question:
        section = self.section
        if request.kind == "field":
            prompt, tokens = persona_prompts.field_prompt(request, self.rules), section.field_tokens
        else:
            person = self.people[request.row]
            prompt = persona_prompts.action_prompt(request, person, self.rules, section.thought)
            tokens = section.action_tokens
        settings = {
            "temperature": section.temperature,
            "top_p": section.top_p,
            "max_tokens": tokens,
            "send_seed": section.send_seed,
        }
        key = answer_key(section.model, settings, prompt.text, request.seed)
        return _Question(prompt.text, tokens, request.seed, key)

    async def _ask_all(self, questions: Sequence[_Question], answers: dict[str, Response]) -> None:
        """Put the answers in ``answers``. After the first failure no question is begun; those under way may finish."""
        waiting, stop = iter(questions), asyncio.Event()
        problems: list[BadInput] = []

        async def work() -> None:
            for question in waiting:
                if stop.is_set():
                    return
                try:
                    answer = await self._ask(question, stop)
                    if answer is not None:
                        answers[question.key] = answer if self._cache is None else self._cache.put(question.key, answer)
                except BadInput as error:
                    problems.append(error)
                    stop.set()

        workers = min(self.section.concurrency, len(questions))
        await asyncio.gather(*(work() for _ in range(workers)))
        if problems:
            raise problems[0]

    async def _ask(self, question: _Question, stop: asyncio.Event) -> Response | None:
        """The answer; None: all stops before one came. Raises BadInput when the tries are used up."""
        tries = 0
        for pause in (*self._pauses(question.seed), None):
            tries += 1
            self.counts["sent"] += 1
            outcome = await self._post(question)
            if isinstance(outcome, Response):
                return outcome
            again = outcome.again and (outcome.wait or 0) <= LONGEST_WAIT
            if not again or pause is None:
                break
            if await _set_within(stop, pause + (outcome.wait or 0)):
                return None
            self.counts["again"] += 1
        told = f" ({tries} tries)" if tries > 1 else ""
        raise bad_input(
            f"model server {self.section.url}: {outcome.problem}{told}; finished posts are kept; run again to go on"
        )

    def _pauses(self, seed: int) -> Iterator[float]:
        """Seconds before each further try: doubled each time, shortened by up to half by a draw of the request's."""
        draws = stable_random(map(str, range(self.section.retries)), seed, "pause")
        for attempt, draw in enumerate(draws.tolist()):
            yield min(LONGEST_PAUSE, self._first_pause * 2**attempt) * (1 - draw / 2)

    async def _post(self, question: _Question) -> Response | Trouble:
        """Send it once. Nothing that the client raises leaves here: its exceptions hold the headers of the request."""
        import openai

        section = self.section
        try:
            async with asyncio.timeout(section.timeout):  # the client's own limit is per piece, not for the whole
                reply = await self._client.chat.completions.with_raw_response.create(
                    model=section.model,
                    messages=[{"role": "user", "content": question.prompt}],
                    temperature=section.temperature,
                    top_p=section.top_p,
                    max_tokens=question.tokens,
                    seed=question.seed & 0x7FFFFFFF if section.send_seed else openai.omit,  # servers take 31 bits
                )
            return chat_answers.read(reply.content, self._secret)
        except (TimeoutError, openai.APITimeoutError):
            return Trouble(f"no answer within {section.timeout:g} s", again=True)
        except openai.APIConnectionError as error:
            return chat_answers.no_connection(error.__cause__, self._secret)
        except openai.APIStatusError as error:
            response = error.response
            return chat_answers.refused(
                response.status_code, response.headers, response.content, section.key_variable, self._secret
            )
        except openai.OpenAIError as error:
            return Trouble(f"the client failed ({type(error).__name__})", again=False)

    def close(self) -> None:
        """Close connections and cache; a second call does nothing."""
        if not self._client.is_closed():
            self._runner.run(self._client.close())
            self._runner.close()
        if self._cache is not None:
            self._cache.close()


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for ``event``, at most ``seconds``; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
