"""Units and truth values that pages and exports write instead of digits, by language; version 2.

A unit is read only as it stands here: dropping an unknown one would be off by a factor of a thousand or more.
"""

from __future__ import annotations

THOUSAND, MILLION, BILLION = 10**3, 10**6, 10**9

UNITS: dict[str, int] = {
    # English, and what the platforms write in many languages
    "k": THOUSAND, "thousand": THOUSAND, "mn": MILLION, "mm": MILLION, "million": MILLION,
    "millions": MILLION, "bn": BILLION, "billion": BILLION, "billions": BILLION,
    # German
    "tsd": THOUSAND, "tsd.": THOUSAND, "tausend": THOUSAND, "mio": MILLION, "mio.": MILLION, "millionen": MILLION,
    "mrd": BILLION, "mrd.": BILLION, "milliarden": BILLION,
    # French
    "mille": THOUSAND, "md": BILLION, "mds": BILLION, "milliards": BILLION,
    # Spanish, Portuguese, Italian: mil is a thousand
    "mil": THOUSAND, "millón": MILLION, "millones": MILLION, "mill": MILLION, "mill.": MILLION, "mi": MILLION,
    "milhão": MILLION, "milhões": MILLION, "bi": BILLION, "mila": THOUSAND, "mln": MILLION, "milioni": MILLION,
    # Russian, Ukrainian, Polish, Czech, Indonesian
    "к": THOUSAND, "тыс": THOUSAND, "тыс.": THOUSAND, "тис": THOUSAND, "тис.": THOUSAND, "млн": MILLION,
    "млрд": BILLION, "tys": THOUSAND, "tys.": THOUSAND, "tis": THOUSAND, "tis.": THOUSAND, "mld": BILLION,
    "mld.": BILLION, "rb": THOUSAND, "jt": MILLION,
    # India
    "हज़ार": THOUSAND, "लाख": 10**5, "करोड़": 10**7, "l": 10**5,
    "lakh": 10**5, "lakhs": 10**5, "lac": 10**5, "crore": 10**7, "crores": 10**7, "cr": 10**7,
    # Arabic
    "ألف": THOUSAND, "آلاف": THOUSAND, "مليون": MILLION, "مليار": BILLION,
    # Chinese, Japanese, Korean
    "千": THOUSAND, "천": THOUSAND, "万": 10**4, "萬": 10**4, "만": 10**4, "w": 10**4, "百万": MILLION,
    "千万": 10**7, "亿": 10**8, "億": 10**8, "억": 10**8,
}  # fmt: skip
"""Unit in small letters -> factor. ``w`` stands for 万 on Chinese pages."""

LETTERS = {"M": MILLION, "B": BILLION, "G": BILLION}
"""Capitals that are units anywhere."""

COUNT_LETTERS = {"m": MILLION, "b": BILLION}
"""Small letters that are units of counts only: 3m of another column may be minutes or metres."""

COUNT_ONLY = {"w", "mm", "mi", "md", "mn", "cr", "l"}
"""Units that are something else (watts, millimetres, miles) where nothing is counted."""

NOUNS = {"次", "回", "件", "個", "个", "人", "条", "次观看", "次播放", "回視聴", "회", "개", "명", "views", "view",
         "likes", "like",
         "comments", "comment", "shares", "share", "plays", "play", "retweets", "followers", "subscribers", "aufrufe",
         "aufruf", "kommentare", "kommentar", "vues", "vue", "j'aime", "commentaires", "partages", "me gusta",
         "visualizaciones", "reproducciones", "comentarios", "visualizações", "curtidas", "visualizzazioni",
         "просмотров", "просмотра", "просмотр", "wyświetleń"}  # fmt: skip
"""What is counted, as pages write it behind a count: it changes no number."""

TRUE = {"true", "yes", "y", "ja", "oui", "si", "sí", "sim", "是", "はい", "t", "wahr", "vrai", "on", "да", "tak",
        "verdadero", "verdadeiro", "vero", "waar", "истина", "prawda", "예", "evet"}  # fmt: skip
FALSE = {"false", "no", "n", "nein", "non", "não", "nao", "否", "いいえ", "f", "falsch", "faux", "off", "нет", "nie",
         "falso", "onwaar", "ложь", "fałsz", "아니요", "hayır"}  # fmt: skip


def factor(unit: str, counts: bool) -> int | None:
    """What the digits before ``unit`` are multiplied with; None where it is no known unit.

    >>> factor("Tsd.", True), factor("M", False), factor("m", False)
    (1000, 1000000, None)
    """
    if unit in LETTERS:
        return LETTERS[unit]
    if unit in COUNT_LETTERS:
        return COUNT_LETTERS[unit] if counts else None
    word = unit.lower()
    if word in COUNT_ONLY and not counts:
        return None
    return UNITS.get(word)


def without_noun(unit: str) -> str:
    """A unit without what is counted.

    >>> without_noun("K views"), without_noun("万次"), without_noun("Mviews")
    ('K', '万', 'Mviews')
    """
    small = unit.lower()
    noun = max((one for one in NOUNS if small.endswith(one)), key=len, default="")
    rest = unit[: len(unit) - len(noun)].rstrip()
    return rest if not rest or not noun.isascii() or len(rest) < len(unit) - len(noun) else unit
