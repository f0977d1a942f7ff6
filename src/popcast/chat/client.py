"""Puts questions to a server that speaks the OpenAI chat API, many at a time, and keeps what it answered.

Each question is one user message. Answers are kept by hash of prompt, seed and settings
(:mod:`popcast.chat.answer_cache`): what was answered is never asked again, not even after a kill. When the server is
gone, asking stops with one line.

The key comes from an environment variable. It goes into the Authorization header and nowhere else: what the server says
is searched for it before it becomes an answer or part of an error.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from popcast.chat import chat_answers
from popcast.chat.answer_cache import AnswerCache, answer_key
from popcast.chat.chat_answers import Trouble
from popcast.chat.params import ChatSettings
from popcast.chat.response import Response
from popcast.core import paths
from popcast.core.errors import BadInput, bad_input
from popcast.core.stable import stable_random

if TYPE_CHECKING:
    from openai import AsyncOpenAI

LONGEST_PAUSE = 30.0
LONGEST_WAIT = 120.0
"""Seconds that a server may ask for by Retry-After; one that asks for more is gone for now."""
_NO_KEY = "none"


@dataclass(frozen=True, slots=True)
class Question:
    """One user message, the tokens that its answer may have, the seed of the answer, and maybe a picture (data URL)."""

    prompt: str
    tokens: int
    seed: int
    picture: str | None = None


class ChatClient:
    """Asks ``settings.url``, at most ``settings.concurrency`` questions at a time, in every process that holds one.

    section: where the settings stand in params.yaml, for errors. kept: what an error says of the work done so far.
    folder: of the kept answers. first_pause: seconds before the second try, doubled before each further one.
    Raises BadInput for an address that is none or holds a password, and for a key that is missing.
    """

    def __init__(
        self,
        settings: ChatSettings,
        section: str,
        *,
        kept: str = "answers are kept",
        folder: Path = paths.ANSWER_CACHE,
        first_pause: float = 0.5,
    ) -> None:
        self.settings = settings
        self.host, loopback = chat_answers.host(settings.url, section)
        self.counts: Counter[str] = Counter()
        """requests; kept: answered by the cache; sent: over the network, again among them: tries after the first."""
        self._kept, self._first_pause = kept, first_pause
        self._secret = chat_answers.secret(settings.key_variable, section)
        self._aside = ThreadPoolExecutor(1, "chat-aside")
        self._client = self._connected(loopback)
        self._cache = AnswerCache(folder) if settings.cache else None
        self._runner = asyncio.Runner()

    def _connected(self, loopback: bool) -> AsyncOpenAI:
        import httpx2
        import openai

        from popcast.chat.bounded_answers import BoundedClient

        # at their debug level they write down headers of answers, and a server may send the key back
        for name in ("openai", "httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        wide = self.settings.concurrency
        # a proxy of the environment is for far servers; redirects are not followed (they would carry posts elsewhere)
        transport = BoundedClient(
            self._aside,
            trust_env=not loopback,
            timeout=self.settings.timeout,
            limits=httpx2.Limits(max_connections=wide, max_keepalive_connections=wide),
        )
        client = openai.AsyncOpenAI(
            api_key=self._secret.get_secret_value() or _NO_KEY,
            base_url=self.settings.url,
            max_retries=0,
            timeout=self.settings.timeout,
            http_client=transport,
        )
        # like the key, these come from no variable that params.yaml does not name
        client.organization = client.project = None
        return client

    def ask(self, questions: Sequence[Question]) -> list[Response]:
        """One answer per question, in their order. An answer without words is "".

        Raises BadInput, one line, when the server is gone or refuses; what was answered before it is kept.
        """
        keys = [self._key(question) for question in questions]
        self.counts["requests"] += len(questions)
        answers: dict[str, Response] = {}
        if self._cache is not None:
            found = {key: self._cache.get(key) for key in keys}
            answers = {key: answer for key, answer in found.items() if answer is not None}
            self.counts["kept"] += sum(key in answers for key in keys)
        asked = dict(zip(keys, questions, strict=True))
        if missing := {key: question for key, question in asked.items() if key not in answers}:
            self._runner.run(self._ask_all(missing, answers))
        return [answers[key] for key in keys]

    def _key(self, question: Question) -> str:
        """Of the question's answer in the cache."""
        settings = {
            "temperature": self.settings.temperature,
            "top_p": self.settings.top_p,
            "max_tokens": question.tokens,
            "send_seed": self.settings.send_seed,
        }
        prompt = question.prompt if question.picture is None else f"{question.prompt}\0{question.picture}"
        return answer_key(self.settings.model, settings, prompt, question.seed)

    async def _ask_all(self, questions: dict[str, Question], answers: dict[str, Response]) -> None:
        """Put the answers in ``answers``, by key. After the first failure none is begun; those under way may finish."""
        waiting, stop = iter(questions.items()), asyncio.Event()
        problems: list[BadInput] = []

        async def work() -> None:
            for key, question in waiting:
                if stop.is_set():
                    return
                try:
                    answer = await self._ask_one(question, stop)
                    if answer is not None:
                        answers[key] = answer if self._cache is None else self._cache.put(key, answer)
                except BadInput as error:
                    problems.append(error)
                    stop.set()

        workers = min(self.settings.concurrency, len(questions))
        await asyncio.gather(*(work() for _ in range(workers)))
        if problems:
            raise problems[0]

    async def _ask_one(self, question: Question, stop: asyncio.Event) -> Response | None:
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
        raise bad_input(f"model server {self.settings.url}: {outcome.problem}{told}; {self._kept}; run again to go on")

    def _pauses(self, seed: int) -> Iterator[float]:
        """Seconds before each further try: doubled each time, shortened by up to half by a draw of the question's."""
        draws = stable_random(map(str, range(self.settings.retries)), seed, "pause")
        for attempt, draw in enumerate(draws.tolist()):
            yield min(LONGEST_PAUSE, self._first_pause * 2**attempt) * (1 - draw / 2)

    async def _post(self, question: Question) -> Response | Trouble:
        """Send it once. Nothing that the client raises leaves here: its exceptions hold the headers of the request."""
        import openai

        from popcast.chat.bounded_answers import Unreadable

        settings = self.settings
        try:
            async with asyncio.timeout(settings.timeout):  # the client's own limit is per piece, not for the whole
                reply = await self._client.chat.completions.with_raw_response.create(
                    model=settings.model,
                    messages=[{"role": "user", "content": _content(question)}],
                    temperature=settings.temperature,
                    top_p=settings.top_p,
                    max_tokens=question.tokens,
                    seed=question.seed & 0x7FFFFFFF if settings.send_seed else openai.omit,  # servers take 31 bits
                )
                return await self._read(reply.content, question.tokens)
        except (TimeoutError, openai.APITimeoutError):
            return Trouble(f"no answer within {settings.timeout:g} s", again=True)
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, Unreadable):
                return chat_answers.unreadable(error.__cause__, self._secret)
            return chat_answers.no_connection(error.__cause__, self._secret)
        except openai.APIStatusError as error:
            response = error.response
            return chat_answers.refused(
                response.status_code, response.headers, response.content, settings.key_variable, self._secret
            )
        except openai.OpenAIError as error:
            return Trouble(f"the client failed ({type(error).__name__})", again=False)

    async def _read(self, body: bytes, tokens: int) -> Response | Trouble:
        """The answer in a body. A big one is read in a thread: other answers go on meanwhile."""
        from popcast.chat.bounded_answers import SMALL

        if len(body) <= SMALL:
            return chat_answers.read(body, self._secret, tokens)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._aside, chat_answers.read, body, self._secret, tokens)

    def close(self) -> None:
        """Close connections and cache; a second call does nothing."""
        if not self._client.is_closed():
            self._runner.run(self._client.close())
            self._runner.close()
            self._aside.shutdown(cancel_futures=True)
        if self._cache is not None:
            self._cache.close()


def _content(question: Question) -> str | list[dict[str, object]]:
    if question.picture is None:
        return question.prompt
    picture = {"type": "image_url", "image_url": {"url": question.picture}}
    return [{"type": "text", "text": question.prompt}, picture]


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for ``event``, at most ``seconds``; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
