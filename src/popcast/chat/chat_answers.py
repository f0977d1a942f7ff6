"""What chat servers send back, good or bad, turned into an answer or a plain reason, and the key kept out of both."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import isfinite
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from popcast.chat.response import Response
from popcast.core.errors import bad_input

TRANSIENT = (408, 409, 425, 429)
"""Status codes below 500 that another try may cure."""
_SHOWN = 200
_MOST_TOKENS = 2**31 - 1
_SHORT, _TOKEN = 10_000, 200
"""Characters that any answer may have, and that a token may have: more is no answer to what was asked."""
_REAL_KEY = 8
"""Characters from which on a key is a secret and not a placeholder (``none``, ``EMPTY``) that answers may hold."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no answer. again: another try may help; wait: seconds that the server asks to wait before it."""

    problem: str
    again: bool
    wait: float | None = None


def host(url: str, section: str) -> tuple[str, bool]:
    """(host with port, whether it is this machine) of a server's address. BadInput: none, or one that holds secrets.

    section: where ``url`` stands in params.yaml.
    """
    expected = "an address like http://localhost:8000/v1"
    try:
        parts = urlsplit(url)
        name, port = parts.hostname, parts.port
    except ValueError:
        raise bad_input(f"{section}.url: not an address", expected=expected) from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise bad_input(
            f"{section}.url: holds a user name or password; "
            "a key belongs in the environment variable that key_variable names",
            expected=expected,
        )
    if parts.query or parts.fragment:
        raise bad_input(f"{section}.url: holds ? or #", expected=expected)
    if not name or any(sign.isspace() for sign in url):
        raise bad_input(f"{section}.url: not an address", expected=expected)
    try:
        address = ipaddress.ip_address(name)
        loopback = address.is_loopback or address.is_unspecified
    except ValueError:
        loopback = name == "localhost" or name.endswith(".localhost")
    shown = f"[{name}]" if ":" in name else name
    return (shown if port is None else f"{shown}:{port}"), loopback


def secret(variable: str | None, section: str) -> SecretStr:
    """The key in the environment variable ``variable``; "" where none is named. BadInput names the variable only.

    section: where ``key_variable`` stands in params.yaml.
    """
    if variable is None:
        return SecretStr("")
    key = os.environ.get(variable, "").strip()
    if not key:
        raise bad_input(f"environment variable {variable} is not set: {section}.key_variable names it")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise bad_input(f"environment variable {variable}: no key: expected ASCII without spaces")
    return SecretStr(key)


def read(body: bytes, key: SecretStr, tokens: int) -> Response | Trouble:
    """The answer in the body of a chat completion (status 200). tokens: that it was asked to have at most."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return Trouble(f"this is no chat API: {_said(body, key)}", again=False)
    if isinstance(data, dict) and data.get("error"):
        return Trouble(f"an error instead of an answer: {_said(body, key)}", again=False)
    choices = data.get("choices") if isinstance(data, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(message, dict):
        return Trouble(f"this is no chat API, no choices[0].message in the answer: {_said(body, key)}", again=False)
    text = message.get("content")
    if text is None:
        text = ""  # cut off while it reasoned, or refused: an answer that does not parse
    if not isinstance(text, str):
        return Trouble("this is no chat API: the content of the answer is no text", again=False)
    if len(text) > max(_SHORT, _TOKEN * tokens):
        return Trouble(f"an answer of {len(text)} characters where {tokens} tokens were asked for", again=False)
    usage = data.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    text = text.encode("utf-8", "replace").decode()  # lone surrogates can be neither kept nor written
    return Response(
        without(text, key, placeholders=True),
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
    )


def refused(status: int, headers: Mapping[str, str], body: bytes, key_variable: str | None, key: SecretStr) -> Trouble:
    """What an answer with a status other than 200 means."""
    advice = ""
    if status in (401, 403):
        advice = f"; is the key in {key_variable} right?" if key_variable else "; does it want a key (key_variable)?"
    elif status == 404:
        advice = "; is the name of the model right, and does the url end in /v1?"
    elif 300 <= status < 400:
        advice = "; redirects are not followed: give the address that it leads to"
    said = _said(body, key)
    problem = f"it answers {status}{f' ({said})' if said else ''}{advice}"
    wait = retry_after(headers)
    if wait is not None:
        problem += f", asks to wait {wait:.0f} s"
    return Trouble(problem, again=status in TRANSIENT or status >= 500, wait=wait)


def no_connection(cause: BaseException | None, key: SecretStr) -> Trouble:
    """The connection failed or broke; ``cause``: what the transport raised."""
    said = "" if cause is None else _plain(f"{type(cause).__name__}: {cause}".removesuffix(": "), key)
    return Trouble(f"no connection ({said})" if said else "no connection", again=True)


def unreadable(cause: BaseException, key: SecretStr) -> Trouble:
    """The answer was not read to its end: it is too large or oddly packed."""
    return Trouble(f"this is no chat API: it sends {_plain(str(cause), key)}", again=False)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from now that Retry-After asks for (RFC 9110 10.2.3: a number or a date); None: nothing usable."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if isfinite(seconds) else None


def without(text: str, key: SecretStr, *, placeholders: bool = False) -> str:
    """``text`` with *** for the key. placeholders: one too short to be a secret stays, unless it follows Bearer."""
    value = key.get_secret_value()
    if not value:
        return text
    text = text.replace(f"Bearer {value}", "Bearer ***")
    if placeholders and len(value) < _REAL_KEY:
        return text
    forms = (value, json.dumps(value)[1:-1], quote(value, safe=""))
    return re.sub("|".join(map(re.escape, forms)), "***", text, flags=re.IGNORECASE)


def _said(body: bytes, key: SecretStr) -> str:
    """The server's own words in one short line."""
    text = body[:100_000].decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict):
        said = data.get("error") or data.get("detail") or data.get("message") or data
        if isinstance(said, dict):
            said = said.get("message") or said
        text = said if isinstance(said, str) else json.dumps(said)
    if text.lstrip()[:1] == "<":
        return "a page of HTML or XML"
    return _plain(text, key) or "nothing"


def _plain(text: str, key: SecretStr) -> str:
    text = " ".join(without(text, key).split())
    text = "".join(sign if sign.isprintable() else "?" for sign in text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _count(value: object) -> int | None:
    """A number of tokens; None where it is none."""
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
