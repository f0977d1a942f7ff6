"""Salted pseudonyms of users, and texts without the names and numbers of people."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable

from popcast.core.errors import BadInput
from popcast.response.params import ResponseSet

SHORTEST_SALT = 16
"""Characters of a salt at least."""

PUBLIC_SALT = b"popcast: generated users need no secret"
MENTIONED = "@用户"
"""Stands for every ``@name`` in a text."""

ID_LENGTH, ALIAS_LENGTH = 16, 6
"""Hex digits of a pseudonym and of an alias: of 11,000 users two share an alias now and then, and no pseudonym."""

_MENTION = re.compile(r"[@＠][\w·-]{1,30}")
_PROFILE = re.compile(r"weibo\.(?:com|cn)/(?:(?:u|n|profile|p)/)?[\w%.-]+")
_NUMBER = re.compile(r"(?<![0-9])[0-9]{5,12}(?![0-9])")


class Pseudonyms:
    """Ids of users to pseudonyms with one salt. aliases: names in texts give way too."""

    def __init__(self, salt: bytes, aliases: bool = True) -> None:
        self._salt, self.aliases = salt, aliases
        self._known: dict[str, str] = {}

    def user(self, number: str) -> str:
        """The pseudonym of a user's id: 16 hex digits of HMAC-SHA256."""
        if number not in self._known:
            digest = hmac.new(self._salt, number.encode(), hashlib.sha256).hexdigest()
            self._known[number] = digest[:ID_LENGTH]
        return self._known[number]

    def alias(self, number: str) -> str:
        """What stands for a user's name: 用户 and six digits of the pseudonym."""
        return f"用户{self.user(number)[:ALIAS_LENGTH]}"

    def name(self, number: str, screen_name: str) -> str:
        """The alias, or the screen name where names are kept and there is one."""
        return self.alias(number) if self.aliases or not screen_name else screen_name

    def text(self, text: str, owners: Iterable[tuple[str, str]] = ()) -> str:
        """``text`` without mentions, links to profiles, and names and numbers of its ``owners`` (id, screen name).

        A name of one letter stays: it is a word too. Where aliases are off names stay as well.
        """
        text = _PROFILE.sub("weibo.com/", text)
        text = _NUMBER.sub(self._number, text)
        named = {name.lower(): number for number, name in owners if len(name) > 1 and name.lower() in text.lower()}
        if self.aliases and named:
            names = "|".join(re.escape(name) for name in sorted(named, key=len, reverse=True))
            text = re.sub(names, lambda match: self._alias_of(match[0], named), text, flags=re.IGNORECASE)
        if self.aliases:
            text = _MENTION.sub(MENTIONED, text)
        return text

    def place(self, path: str) -> str:
        """A path below the raw folder without the numbers of users in it."""
        return _NUMBER.sub(lambda match: self.alias(match[0]), path)

    def _alias_of(self, name: str, named: dict[str, str]) -> str:
        number = named.get(name.lower())
        return "用户" if number is None else self.alias(number)

    def _number(self, match: re.Match) -> str:
        """A user's number that was met before, as pseudonym; other numbers stay."""
        return self._known.get(match[0], match[0])


def of_section(section: ResponseSet) -> Pseudonyms:
    """The pseudonyms of a set of responses. Raises BadInput where its salt is missing or short."""
    if section.salt_variable is None:
        if not section.generated:
            raise BadInput("responses: salt_variable: null is for generated users only")
        return Pseudonyms(PUBLIC_SALT, section.aliases)
    salt = os.environ.get(section.salt_variable, "").strip()
    if len(salt) < SHORTEST_SALT:
        said = "is not set" if not salt else f"has {len(salt)} characters"
        raise BadInput(
            f"environment variable {section.salt_variable} {said}: expected a secret salt of at least"
            f" {SHORTEST_SALT} characters, the same one at every run"
        )
    return Pseudonyms(salt.encode("utf-8", "surrogateescape"), section.aliases)
