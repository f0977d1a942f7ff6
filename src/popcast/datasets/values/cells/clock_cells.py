"""One cell of text that shows a day and perhaps a clock time: ISO 8601, ``dd.mm.yyyy``, RFC 2822, Twitter's, names of
months, ``yyyy年mm月dd日``. What is the day in ``3/4/2025`` the whole column has to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from popcast.datasets.values.words.month_names import MONTHS, WEEKDAYS, plain_word

LONGEST = 100
"""Characters of a time at most."""

_WORD = r"[^\W\d_]+(?:-feira)?\.?"
_OF = r"(?:\s+|-|/|\.)(?:del?\s+)?"
_DATES = (
    ("ymd", r"(?P<y>\d{4})(?P<sign>[-/.])(?P<m>\d{1,2})(?P=sign)(?P<d>\d{1,2})"),
    ("cjk", r"(?P<y>\d{4}) ?[年년] ?(?P<m>\d{1,2}) ?[月월] ?(?P<d>\d{1,2}) ?[日일]"),
    ("packed", r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})"),
    ("num", r"(?P<a>\d{1,2})(?P<sign>[./-]) ?(?P<b>\d{1,2})(?P=sign) ?(?P<y>\d{4}|\d{2})"),
    ("day", rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?{_OF}(?P<month>{_WORD}){_OF}(?P<y>\d{{4}}|\d{{2}})"),
    ("month", rf"(?P<month>{_WORD}) (?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y>\d{{4}})"),
)
_HALF = r"[AaPp]\.? ?[Mm]\.?|[上下]午|午[前後]|오[전후]"
_CLOCK = (
    rf"(?:(?P<before>{_HALF}) ?)?"
    r"(?:(?P<H>\d{1,2})(?::|[時时시] ?|h)(?P<M>\d{2})(?:(?::|[分분] ?)(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?[分분秒초]?"
    r"|(?<=[Tt])(?P<HH>\d{2})(?:(?P<MM>\d{2})(?P<SS>\d{2})?(?:[.,](?P<ff>\d{1,9}))?)?)"
    rf"(?: ?(?P<after>{_HALF})(?![A-Za-z]))?"
)
_ZONE = (
    r"(?: ?(?P<zone>[+-]\d{1,2}(?::?\d{2})?|(?:UTC|GMT|UT) ?[+-]\d{1,2}(?::?\d{2})?"
    r"|[A-Za-z]{3,}/[A-Za-z_]+(?:/[A-Za-z_]+)?|[A-Za-z]{1,5})(?P<note> ?\(.*\)| ?\[.*\]| [A-Z]{3,5})?)?"
)
_JOIN = r"(?:[Tt]|_|,? ?(?:at|um|à|às|a las|alle|-|–|·|@)? )"
_WEEKDAY = rf"(?:(?P<weekday>{_WORD}),? )?"
_WHOLE = tuple((name, re.compile(rf"{_WEEKDAY}{date}(?:{_JOIN}{_CLOCK}{_ZONE})?")) for name, date in _DATES)
_YEAR_LAST = re.compile(rf"(?P<weekday>{_WORD}),? (?P<month>{_WORD}) (?P<d>\d{{1,2}}) {_CLOCK}{_ZONE} (?P<y>\d{{4}})")
_PACKED = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?")

FORMS = {
    "ymd": "year-month-day", "cjk": "year, month, day with signs", "packed": "yyyymmdd",
    "num": "day and month in digits", "day": "names of months", "month": "names of months",
    "last": "as Twitter prints it",
}  # fmt: skip


@dataclass(frozen=True)
class ClockCell:
    """What a cell shows. either: the two numbers of which one is the day, with their sign, as in ``3/4/2025``; then
    ``clock`` is the 1st of January. wrong: why it is no time, or None."""

    form: str
    clock: datetime | None = None
    zone: str | None = None
    either: tuple[int, int, str] | None = None
    wrong: str | None = None

    def moment(self, day_first: bool) -> datetime | None:
        """Day and clock time; None where there is no such day."""
        if self.either is None:
            return self.clock
        day, month = self.either[:2] if day_first else self.either[1::-1]
        try:
            return self.clock.replace(month=month, day=day)
        except ValueError:
            return None


def clock_cell(text: str) -> ClockCell | None:
    """The parts of a cell; None where it shows no time.

    >>> clock_cell("Wed Oct 10 20:19:24 +0000 2018").zone, clock_cell("03/04/2025").either
    ('+0000', (3, 4, '/'))
    """
    if not 6 <= len(text) <= LONGEST:
        return None
    text = " ".join(text.replace("−", "-").split())
    if found := _YEAR_LAST.fullmatch(text):
        return _read("last", found.groupdict())
    if packed := _PACKED.fullmatch(text):
        year, month, day, hour, minute, second = packed.groups()
        return _read("packed", {"y": year, "m": month, "d": day, "H": hour, "M": minute, "S": second})
    for name, pattern in _WHOLE:
        if found := pattern.fullmatch(text):
            return _read(name, found.groupdict())
    return None


def _read(form: str, part: dict[str, str | None]) -> ClockCell | None:
    get = part.get
    if get("weekday") and plain_word(part["weekday"]) not in WEEKDAYS:
        return None
    if get("month") and plain_word(part["month"]) not in MONTHS:
        return None
    if len(part["y"]) == 2:
        return ClockCell(form, wrong="a year of two digits")
    if get("note") and not re.search(r"[\d/]|^[Zz]$|^(?:UTC|GMT)$", get("zone") or ""):
        return None
    month = MONTHS[plain_word(part["month"])] if get("month") else int(get("m") or 1)
    try:
        clock = datetime(int(part["y"]), month, int(get("d") or 1)) + _clock(part)
    except ValueError:
        return None
    either = (int(part["a"]), int(part["b"]), part["sign"]) if get("a") else None
    return ClockCell(form, clock, get("zone"), either)


def _clock(part: dict[str, str | None]) -> timedelta:
    """Time of day. Raises ValueError where there is none such."""
    get = part.get
    hour, minute, second = (int(get(one) or get(one * 2) or 0) for one in "HMS")
    half = get("before") or get("after")
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(half)
        late = half[0] in "Pp下" or half in ("午後", "오후")
        hour = hour % 12 + 12 * late
    if hour > 23 + (minute == second == 0) or minute > 59 or second > 59:  # 24:00 is the midnight that ends the day
        raise ValueError(hour)
    fraction = (get("f") or get("ff") or "0")[:6].ljust(6, "0")
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=int(fraction))
