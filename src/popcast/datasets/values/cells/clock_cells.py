"""One cell of text that shows a day and perhaps a clock time: ISO 8601, ``dd.mm.yyyy``, RFC 2822, Twitter's, names of
months, ``yyyy年mm月dd日``. What is the day in ``3/4/2025`` the whole column has to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from popcast.datasets.values.words.month_names import MONTHS, SEVERAL, WEEKDAYS, plain_word
from popcast.datasets.values.words.relative_times import why_unclear

LONGEST = 100
"""Characters of a time at most."""

_WORD = r"[^\W\d_]+(?:-feira)?\.?"
_OF = r"(?:,?\s+|-|/|\.)(?:(?:del?|of)\s+)?"
_DATES = (
    ("ymd", r"(?P<y>\d{4})(?P<sign>[-/.])(?P<m>\d{1,2})(?P=sign)(?P<d>\d{1,2})"),
    ("ymd", r"(?P<y>\d{4})\. (?P<m>\d{1,2})\. (?P<d>\d{1,2})\."),
    (
        "cjk",
        r"(?P<y>\d{4}) ?[年년] ?(?P<m>\d{1,2}) ?[月월] ?(?P<d>\d{1,2}) ?[日일]"
        r"(?: ?[(（].[)）]| ?(?:星期|周|週)[一二三四五六日天]| ?.요일)?",
    ),
    ("packed", r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})"),
    ("num", r"(?P<a>\d{1,2})(?P<sign>[./-]) ?(?P<b>\d{1,2})(?P=sign) ?(?P<y>\d{4}|\d{2})"),
    ("day", rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?{_OF}(?P<month>{_WORD}){_OF}(?P<y>\d{{4}}|\d{{2}})(?: г\.?,?)?"),
    ("day", r"(?P<d>\d{1,2})(?P<month>[^\W\d_]{3,9})(?P<y>\d{4})"),
    ("month", rf"(?P<month>{_WORD}) (?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y>\d{{4}})"),
)
_HALF = r"[AaPp]\.? ?[Mm]\.?|[上下]午|午[前後]|오[전후]"
_CLOCK = (
    rf"(?:(?P<before>{_HALF}) ?)?"
    r"(?:(?P<H>\d{1,2})(?::|(?P<dot>\.)|[時时시] ?|h)(?P<M>\d{2})(?:(?(dot)\.|(?::|[分분] ?))(?P<S>\d{2})"
    r"(?:[.,](?P<f>\d{1,9}))?)?[分분秒초]?"
    r"|(?<=[Tt])(?P<HH>\d{2})(?:(?P<MM>\d{2})(?P<SS>\d{2})?(?:[.,](?P<ff>\d{1,9}))?)?)"
    rf"(?: ?(?P<after>{_HALF})(?![A-Za-z]))?(?: ?(?:[Uu]hr|hrs?\.?|h|uur)(?![A-Za-z]))?"
)
_ZONE = (
    r"(?: ?(?:\((?P<bracket>(?:UTC|GMT)(?: ?[+-]\d{1,2}(?::?\d{2})?)?)\)|(?P<zone>[+-]\d{1,2}(?::?\d{2})?|(?:UTC|GMT|UT) ?[+-]\d{1,2}(?::?\d{2})?"
    r"|[A-Za-z]{3,}/[A-Za-z_]+(?:/[A-Za-z_]+)?|[A-Za-z]{1,5}))(?P<note> ?\(.*\)| ?\[.*\]| [A-Z]{3,5})?)?"
)
_JOIN = r"(?:[Tt]|_|:|,? ?(?:at|um|à|às|a las|alle(?: ore)?|ore|kl\.?|klo|om|в|о|o|pukul|-|–|·|•|@)? )"
_WEEKDAY = rf"(?:(?P<weekday>{_WORD}),? )?"
_WHOLE = tuple((name, re.compile(rf"{_WEEKDAY}{date}(?:{_JOIN}{_CLOCK}{_ZONE})?")) for name, date in _DATES)
_CLOCK_FIRST = tuple(
    (name, re.compile(rf"{_CLOCK}{_ZONE}(?:,? (?:(?:on|am|-|–|·|•|\|) )?){_WEEKDAY}{date}"))
    for name, date in _DATES
    if name != "packed"
)
_YEAR_LAST = re.compile(rf"(?P<weekday>{_WORD}),? (?P<month>{_WORD}) (?P<d>\d{{1,2}}) {_CLOCK}{_ZONE} (?P<y>\d{{4}})")
_WRAPPED = re.compile(
    r"""(?:ISODate|(?:pd\.)?Timestamp|(?:np\.|numpy\.)?datetime64|new Date)?\(?(["'])([^"']*)\1(?:, ?tz=.*)?\)?"""
)
"""A cell that a program quotes."""
_FILE_NAME = re.compile(r"(\d{4}-\d\d-\d\d)_(\d\d)-(\d\d)-(\d\d)_UTC")
"""As Instaloader names files."""
UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Characters of no width and marks of direction."""
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
        return _unclear(text) if len(text) < 6 else None
    text = " ".join(UNSEEN.sub("", text).replace("−", "-").split())
    if wrapped := _WRAPPED.fullmatch(text):
        text = "" if ", tz=" in text or ",tz=" in text else wrapped[2]
    text = _FILE_NAME.sub(r"\1 \2:\3:\4 UTC", text)
    if found := _YEAR_LAST.fullmatch(text):
        return _read("last", found.groupdict())
    if packed := _PACKED.fullmatch(text):
        year, month, day, hour, minute, second = packed.groups()
        return _read("packed", {"y": year, "m": month, "d": day, "H": hour, "M": minute, "S": second})
    for name, pattern in (*_WHOLE, *_CLOCK_FIRST):
        if found := pattern.fullmatch(text):
            return _read(name, found.groupdict())
    return _unclear(text)


def _unclear(text: str) -> ClockCell | None:
    why = why_unclear(text)
    return None if why is None else ClockCell("unclear", wrong=why)


def _read(form: str, part: dict[str, str | None]) -> ClockCell | None:
    get = part.get
    zone = get("zone") or get("bracket")
    if get("weekday") and plain_word(part["weekday"]) not in WEEKDAYS:
        return None
    if get("month") and plain_word(part["month"]) in SEVERAL:
        return ClockCell(form, wrong=f"{part['month']} is {SEVERAL[plain_word(part['month'])]}")
    if get("month") and plain_word(part["month"]) not in MONTHS:
        return None
    if len(part["y"]) == 2:
        return ClockCell(form, wrong="a year of two digits")
    if get("note") and not re.search(r"[\d/]|^[Zz]$|^(?:UTC|GMT)$", zone or ""):
        return None
    month = MONTHS[plain_word(part["month"])] if get("month") else int(get("m") or 1)
    try:
        clock = datetime(int(part["y"]), month, int(get("d") or 1)) + _clock(part)
    except ValueError:
        return None
    either = (int(part["a"]), int(part["b"]), part["sign"]) if get("a") else None
    return ClockCell(form, clock, zone, either)


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
