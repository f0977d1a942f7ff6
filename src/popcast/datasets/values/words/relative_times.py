"""Times that pages show by their distance from now: ``3 hours ago``, ``2d``, ``gestern 09:41``, ``3小时前``; version 1.

Without the moment at which the page was seen they are no times, and they are told apart to say so.
"""

from __future__ import annotations

import re

RELATIVE = "a time relative to the moment at which the page was seen"
NO_YEAR = "a day without its year"

_UNITS = (
    r"(?:s|secs?|seconds?|mins?|minutes?|m|h|hrs?|hours?|d|days?|w|wks?|weeks?|mos?|mths?|months?|y|yrs?|years?"
    r"|sek\w*|minuten?|std\.?|stunden?|tag\w*|woche\w*|monat\w*|jahr\w*|heures?|jours?|j|sem\w*|mois|ans?|horas?|minutos?"
    r"|segundos?|d[ií]as?|meses|mes|a[ñn]os?|mês|anos?|ore|or[ae]|giorn[io]|settiman[ae]|mes[ie]|ann[io]|minut\w*|godz\w*"
    r"|dni|dzień|tyg\w*|мин\w*|сек\w*|час\w*|ч|дн\w*|день|дня|нед\w*|мес\w*|год\w*|лет|uur|uren|dagen|weken|saat|dakika"
    r"|gün|hafta|ay|jam|menit|hari|minggu|bulan)\.?"
)
_NUMBER = r"(?:\d{1,3}|an?|one|eine[rmn]?|une?|una?|um|uma|einem)"
_FORMS = (
    rf"{_NUMBER} ?{_UNITS}(?: (?:ago|fa|temu|назад|önce|geleden|yang lalu|sedan|siden|atrás))?",
    rf"(?:vor|il y a|hace|h[áa]|för|for|in|hace unos|about|active) {_NUMBER} ?{_UNITS}(?: (?:ago|siden|sedan))?",
    r"(?:just now|now|moments? ago|gerade eben|soeben|à l'instant|ahora|agora|adesso|только что|刚刚|刚才|剛剛|たった今|방금)",
    r"(?:today|yesterday|last (?:week|month|year)|heute|gestern|vorgestern|aujourd['’]hui|hier|avant-hier|hoy|ayer|hoje"
    r"|ontem|oggi|ieri|dzisiaj|dziś|wczoraj|сегодня|вчера|vandaag|gisteren|bugün|dün)\b.*",
    r"(?:今天|昨天|前天|今日|昨日|一昨日|어제|오늘).*",
    r"\d{1,3} ?(?:个|個)?(?:秒|秒钟|分|分钟|分鐘|小时|小時|時間|天|日|周|週間|週|月|か月|ヶ月|年|초|분|시간|일|주|개월|년) ?(?:前|전|之前)",
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day at .*",
)
_RELATIVE = re.compile("|".join(_FORMS), re.IGNORECASE)
_NO_YEAR = re.compile(r"\d{1,2}(?:[-/.] ?\d{1,2}\.?|月\d{1,2}日|월 ?\d{1,2}일)(?: \d{1,2}:\d{2}(?::\d{2})?)?")
_NO_YEAR_WORDS = re.compile(
    r"(?:[^\W\d]+\.? \d{1,2}|\d{1,2}\.? [^\W\d]+\.?)(?:,? (?:at )?\d{1,2}:\d{2}(?: ?[AaPp][Mm])?)?"
)


def why_unclear(text: str) -> str | None:
    """What is wrong with a cell that shows a time without saying which day; None where it shows none.

    >>> why_unclear("3 hours ago") == why_unclear("昨天 09:41") == RELATIVE, why_unclear("01-03 09:41"), why_unclear("soon")
    (True, 'a day without its year', None)
    """
    text = " ".join(text.split())
    if _RELATIVE.fullmatch(text):
        return RELATIVE
    return NO_YEAR if _NO_YEAR.fullmatch(text) or _NO_YEAR_WORDS.fullmatch(text) else None
