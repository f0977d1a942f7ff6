"""One cell of text that shows a number: its digits, its unit, and what it says about point and comma.

What ``1.234`` means the whole column has to say (:mod:`popcast.datasets.values.shown_numbers`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from popcast.datasets.values.cells.clock_cells import UNSEEN
from popcast.datasets.values.words.number_units import factor, without_noun

LONGEST = 60
"""Characters of a number at most."""

SIGNS = {".": ",", ",": "."}
"""Sign of the fraction -> sign of the thousands."""

_SHAPE = re.compile(r"([+-]?)([0-9][0-9.,' ]*|[.,][0-9]+)([^\d.,' +][^\d+]*)?(\+?)")
_POWER = re.compile(r"([+-]?)(\d+)(?:([.,])(\d+))?[eE]([+-]?\d{1,3})")
_GROUPS = re.compile(r"\d{1,3}(?:([ ',.])\d{3})(?:\1\d{3})*")
_INDIAN = re.compile(r"\d{1,2}(?:,\d\d)+,\d{3}")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "´": "'", "`": "'", "−": "-", "٬": "'"})
_ARABIC = re.compile(r"٫(\d+)")
_RAISED = re.compile("[¹²³⁰-₎½⅓-⅞¼¾Ⅰ-ↈ①-⓿]")
"""Signs that would be taken for digits of the number that they stand beside: ``5²`` is not 52."""


@dataclass(frozen=True)
class Shown:
    """One number as it stands in a cell. digits: without unit. sign: the one point or comma that may be either,
    or "". english: what it says about point and comma, True: the point parts the fraction, False: the comma, None:
    nothing."""

    digits: str
    factor: int = 1
    percent: bool = False
    power: int = 0
    open_sign: str = ""
    english: bool | None = None
    spaced: bool = False
    unit: str = ""

    def value(self, decimal: str) -> Decimal | None:
        """The number if ``decimal`` parts the fraction; None where the cell contradicts that."""
        if self.english is not None and self.english != (decimal == "."):
            return None
        plain = self.digits.replace("'", "").replace(" ", "").replace(SIGNS[decimal], "").replace(decimal, ".")
        number = Decimal(plain).scaleb(self.power) * self.factor
        return number / 100 if self.percent else number


def shape(text: str, counts: bool) -> Shown | None:
    """The parts of a cell; None where it shows no number (currencies, unknown units, words).

    >>> shape("2,8 Tsd.", True).factor, shape("1.234", True).open_sign, shape("$5", True) is None
    (1000, '.', True)
    """
    if len(text) > LONGEST:
        return None
    text = _plain(text)
    if power := _POWER.fullmatch(text):
        sign, whole, comma, fraction, exponent = power.groups()
        english = None if comma is None else comma == "."
        return Shown(f"{sign}{whole}{comma or ''}{fraction or ''}", power=int(exponent), english=english)
    found = _SHAPE.fullmatch(text)
    if found is None:
        return None
    sign, body, unit, _ = found.groups()
    body, unit = body.rstrip(), (unit or "").strip()
    unit = without_noun(unit) if counts else unit
    percent = unit == "%"
    times = 1 if unit == "" or percent else factor(unit, counts)
    if times is None or (percent and counts):
        return None
    signs = _signs(body)
    if signs is None:
        return None
    open_sign, english, spaced = signs
    if unit in ("B", "b") and (english is False or f" {unit}" in text):
        return None  # a thousand on Turkish pages (2,8 B), a billion on all others (2.8B)
    return Shown(sign + body, times, percent, 0, open_sign, english, spaced, unit)


def _plain(text: str) -> str:
    """Digits of any script as 0 to 9, blanks as one, apostrophes and minus signs as typed, no marks of direction."""
    if not text.isascii():
        text = UNSEEN.sub("", text)
        if _RAISED.search(text):
            return text
        text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)
        text = "".join(str(unicodedata.digit(one)) if one.isdecimal() else one for one in text)
        text = _ARABIC.sub(r".\g<1>0", text)  # of a fraction, never thousands
    return " ".join(text.split())


def _signs(body: str) -> tuple[str, bool | None, bool] | None:
    """The open sign, whether the point parts the fraction, whether blanks or apostrophes part thousands; None where
    the groups are those of no number."""
    spaced = " " in body or "'" in body
    points, commas = body.count("."), body.count(",")
    whole = body
    english: bool | None = None
    if points and commas:
        last = max(body.rfind("."), body.rfind(","))
        if body.count(body[last]) > 1:
            return None
        whole, english = body[:last], body[last] == "."
    elif points + commas == 1:
        sign = "." if points else ","
        before, after = body.split(sign)
        if spaced or len(after) != 3 or not re.fullmatch(r"[1-9]\d{0,2}", before):
            if not after:
                return None
            whole, english = before, sign == "."
        else:
            return sign, None, False
    elif points + commas > 1:
        english = commas > 0
    if whole and not whole.isdigit() and not _GROUPS.fullmatch(whole) and not _INDIAN.fullmatch(whole):
        return None
    return "", english, spaced
