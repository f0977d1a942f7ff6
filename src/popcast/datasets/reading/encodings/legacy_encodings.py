"""Which of the encodings before Unicode a text is written in: one that makes plain sense of its bytes, or none.

An encoding of one byte per character reads anything, and two of two bytes read most of what the other wrote. So each
candidate is asked how much of the text is what people write in it: western letters between ASCII ones, the common
characters of Chinese, Japanese and Korean standards, the frequent letters of Russian. Two that fit are no answer.
"""

from __future__ import annotations

import re
from collections import Counter

FITS = 0.95
"""Share of the characters beyond ASCII that must be common ones."""

FEW = 8
"""Characters that may by chance be none of the ones that tell an encoding from others."""

FEWEST = 5
"""Bytes beyond ASCII from which two to a character can be told."""

WESTERN = frozenset(range(0xC0, 0x100)) - {0xD0, 0xD7, 0xDD, 0xDE, 0xF0, 0xF7, 0xFD, 0xFE}
"""Letters of cp1252 without those whose bytes are Turkish ones in cp1254."""

RARE = frozenset({0x8A, 0x8C, 0x8E, 0x9A, 0x9C, 0x9E, 0x9F})
"""Letters of cp1252 that are seldom, and are the frequent ones of Mac Roman or DOS."""

INSIDE = frozenset({0x85, 0x91, 0x92, 0x95, 0x96, 0x97, 0xA0, 0xAD, 0xB4, 0xB7})
"""Signs of cp1252 that stand between two letters: apostrophes, dashes, blanks, dots."""

SIGNS = frozenset(
    {0x80, 0x82, 0x84, 0x86, 0x87, 0x89, 0x8B, 0x93, 0x94, 0x99, 0x9B, 0xA1, 0xA2, 0xA3, 0xA5, 0xA7, 0xA9, 0xAA, 0xAB}
    | {0xAC, 0xAE, 0xB0, 0xB1, 0xB2, 0xB3, 0xB5, 0xB6, 0xB9, 0xBA, 0xBB, 0xBC, 0xBD, 0xBE, 0xBF, 0xD7, 0xF7}
)
"""Signs of cp1252 that do not."""

TOGETHER = frozenset(
    {0x80, 0x82, 0x84, 0x85, 0x8B, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x9B, 0xA0, 0xA1, 0xAB, 0xAD, 0xB0, 0xBB}
    | {0xBF}
)
"""Signs of cp1252 that stand side by side: quotes, blanks, dots, dashes."""

RUSSIAN = frozenset("оеаинтсрв")
"""62 of 100 letters of Russian text, and 30 to 40 of what Greek or Hebrew would look like as cp1251."""

SELDOM = frozenset("ъщшфцэ")
"""2 of 100 letters of Russian text, and 16 of what Hebrew would look like."""

WORDS = frozenset(b"\xd7\xc0\xc1\xc4\xc5\xc8\xc9\xcd\xd3\xd6\xe0\xe1\xe4\xe5\xe8\xe9\xed\xf3\xf6\xf9\xfa\xdc\xfc")
"""Letters and signs of cp1252 that are words alone."""


def judge(sample: bytes) -> tuple[str | None, list[str]]:
    """The encoding of lines with other than ASCII, or None; and all that could be meant.

    >>> judge("Straße, Café".encode("cp1252"))
    ('cp1252', ['cp1252'])
    """
    fitting = [name for name, fits in _JUDGES.items() if fits(sample)]
    if fitting and fitting[0] in ("gb18030", "big5", "cp932") and sum(byte > 0x7F for byte in sample) < FEWEST:
        return None, [*fitting, "another"]
    return (fitting[0] if len(fitting) == 1 else None), fitting or [*_JUDGES, "cp1250", "cp1254"]


def _western(sample: bytes) -> bool:
    """cp1252: letters among ASCII ones, no words of others alone, and signs outside of words."""
    good = bad = rare = 0
    for word in re.findall(rb"[A-Za-z\xc0-\xff]+", sample):
        high = [byte for byte in word if byte > 0x7F]
        alone = len(high) == len(word) and not (len(word) == 1 and word[0] in WORDS)
        if alone or not WESTERN.issuperset(high) or re.search(rb"[\xc0-\xff]{4}", word):
            bad += len(high)
        else:
            good += len(high)
    for match in re.finditer(rb"[\x80-\xbf]+", sample):
        signs = match.group()
        around = sample[max(match.start() - 1, 0) : match.start()], sample[match.end() : match.end() + 1]
        inside = all(map(_letter, around)) and not INSIDE.issuperset(signs)
        rare += sum(byte in RARE for byte in signs)
        plain = [byte for byte in signs if byte not in RARE]
        odd = (inside or len(signs) > 1) and not TOGETHER.issuperset(plain)
        bad += len(plain) if odd or not (INSIDE | SIGNS).issuperset(plain) else 0
        good += len(signs)
    return bad <= 0.02 * good and rare <= 0.25 * good


def _letter(byte: bytes) -> bool:
    return byte.isalpha() or (byte != b"" and byte[0] in WESTERN)


def _characters(sample: bytes, encoding: str) -> Counter | None:
    """Bytes of every character beyond ASCII, with counts; None if the text is not written so."""
    try:
        text = bytes(sample).decode(encoding)
    except UnicodeDecodeError:
        return None
    return Counter({char.encode(encoding): n for char, n in Counter(text).items() if not char.isascii()})


def _share(characters: Counter | None, common) -> float:
    """Share of characters that are common. Those of four bytes (emoji of gb18030) count where there are no others."""
    found = characters or {}
    pairs = {code: n for code, n in found.items() if len(code) < 4}
    if not pairs:
        return float(bool(found))
    return sum(n for code, n in pairs.items() if common(code)) / sum(pairs.values())


def _chinese(sample: bytes) -> bool:
    """gb18030: the 3755 characters of the first level of GB 2312 and its punctuation."""
    return (
        _share(_characters(sample, "gb18030"), lambda code: _pair(code, 0xB0, 0xD7) or _pair(code, 0xA1, 0xA3)) >= FITS
    )


def _pair(code: bytes, first: int, last: int) -> bool:
    return len(code) == 2 and first <= code[0] <= last and code[1] >= 0xA1


def _taiwanese(sample: bytes) -> bool:
    """big5: the 5401 characters of its first level, a third of them with a second byte below 0x7F."""
    characters = _characters(sample, "big5")
    low = _share(characters, lambda code: len(code) == 2 and code[1] < 0x7F)
    few = sum((characters or {}).values()) < FEW
    return (low >= 0.1 or few) and _share(characters, lambda code: len(code) == 2 and 0xA1 <= code[0] <= 0xC6) >= FITS


def _japanese(sample: bytes) -> bool:
    """cp932: kana and the kanji of the first level of JIS X 0208, with kana among them."""
    characters = _characters(sample, "cp932")
    kana = _share(characters, lambda code: len(code) == 2 and code[0] in (0x82, 0x83))
    return kana >= 0.2 and _share(characters, lambda code: len(code) == 2 and 0x81 <= code[0] <= 0x98) >= FITS


def _korean(sample: bytes) -> bool:
    """euc_kr: nothing but the 2350 syllables, whose first bytes are half of those of Chinese."""
    return (
        _share(_characters(sample, "euc_kr"), lambda code: _pair(code, 0xB0, 0xC8) or _pair(code, 0xA1, 0xA3)) >= FITS
    )


def _cyrillic(sample: bytes) -> bool:
    """cp1251: runs of letters, small ones but for the first, as frequent as in Russian."""
    try:
        text = bytes(sample).decode("cp1251")
    except UnicodeDecodeError:
        return False
    words = re.findall("[А-яЁё]+", text)
    small = [char for word in words for char in word if char >= "а"]
    letters = sum(map(len, words))
    others = sum(not char.isascii() for char in text) - letters
    frequent = sum(char in RUSSIAN for char in small) >= 0.4 * len(small)
    seldom = sum(char in SELDOM for char in small) <= 0.08 * len(small)
    mixed = sum(len(re.findall("[а-я][А-Я]", word)) for word in words) <= 0.02 * letters
    return (
        letters >= 20
        and letters >= 2.5 * len(words)
        and len(small) >= 0.7 * letters
        and frequent
        and seldom
        and mixed
        and others <= 0.1 * letters
    )


_JUDGES = {"cp1252": _western, "gb18030": _chinese, "big5": _taiwanese, "cp932": _japanese, "euc_kr": _korean,
           "cp1251": _cyrillic}  # fmt: skip
