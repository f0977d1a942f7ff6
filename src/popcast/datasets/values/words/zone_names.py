"""Names of time zones behind a clock time, as offsets from UTC; those of several zones are told apart or refused.

A name that is dropped would shift a post by hours without a word. Version 1: the names that exports of platforms and
databases print.
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HOURS: dict[str, float] = {
    "Z": 0, "UTC": 0, "UT": 0, "GMT": 0, "WET": 0, "WEST": 1, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2, "EET": 2,
    "EEST": 3, "MSK": 3, "TRT": 3, "SAST": 2, "WAT": 1, "CAT": 2, "EAT": 3, "PKT": 5, "WIB": 7, "WITA": 8, "WIT": 9,
    "HKT": 8, "SGT": 8, "JST": 9, "KST": 9, "AWST": 8, "ACST": 9.5, "ACDT": 10.5, "AEST": 10, "AEDT": 11, "NZST": 12,
    "NZDT": 13, "NST": -3.5, "NDT": -2.5, "ADT": -3, "BRT": -3, "ART": -3, "EST": -5, "EDT": -4, "CDT": -5, "MST": -7,
    "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10,
}  # fmt: skip
"""Name -> hours ahead of UTC."""

SEVERAL: dict[str, str] = {
    "CST": "America/Chicago, Asia/Shanghai or America/Havana",
    "IST": "Asia/Kolkata, Asia/Jerusalem or Europe/Dublin",
    "BST": "Europe/London or Asia/Dhaka",
    "AST": "America/Halifax or Asia/Riyadh",
    "GST": "Asia/Dubai or Atlantic/South_Georgia",
}
"""Name of several zones -> which; the dataset's own ``zone`` decides where it is one of them."""

_OFFSET = re.compile(r"(?:UTC|GMT|UT)? ?([+-])(\d{1,2}):?(\d{2})?", re.IGNORECASE)


class UnknownZone(Exception):
    """``str(error)``: what is wrong with the name, and what to write instead."""


def minutes_ahead(name: str, moment: datetime, zone: str) -> int:
    """Minutes that a clock with this zone (``Z``, ``+01:00``, ``GMT+8``, ``EDT``, ``Europe/Paris``) is ahead of UTC.

    moment: the clock time. zone: of the dataset, which decides for names of several zones. Raises UnknownZone.

    >>> minutes_ahead("GMT+8", datetime(2020, 1, 1), "UTC"), minutes_ahead("CST", datetime(2020, 7, 1), "Asia/Shanghai")
    (480, 480)
    """
    if found := _OFFSET.fullmatch(name):
        sign, hours, minutes = found.groups()
        ahead = int(hours) * 60 + int(minutes or 0)
        if ahead > 14 * 60 or int(minutes or 0) > 59:
            raise UnknownZone("no time zone is so far ahead of UTC")
        return -ahead if sign == "-" else ahead
    short = name.upper()
    if short in HOURS:
        return int(HOURS[short] * 60)
    if short in SEVERAL:
        for month in (1, 7):
            there = moment.replace(month=month, day=1, tzinfo=ZoneInfo(zone))
            if there.tzname() == short:
                return int(there.utcoffset().total_seconds() // 60)
        raise UnknownZone(f"{short} is the name of several time zones, set zone: {SEVERAL[short]}, or write +hh:mm")
    if "/" in name:
        try:
            return int(moment.replace(tzinfo=ZoneInfo(name)).utcoffset().total_seconds() // 60)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise UnknownZone("unknown time zone, write an offset such as +01:00")
