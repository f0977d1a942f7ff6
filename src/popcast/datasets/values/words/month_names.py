"""Names of months and weekdays in English, German, French, Spanish and Portuguese, in full and cut; version 1."""

from __future__ import annotations

import unicodedata

_MONTHS = (
    "jan january januar janner janvier enero ene janeiro janv",
    "feb february februar fevrier fevr fev febrero fevereiro feber",
    "mar march marz mrz mars marzo marco maerz",
    "apr april avril avr abril abr",
    "may mai mayo maio",
    "jun june juni juin junio junho",
    "jul july juli juillet juil julio julho",
    "aug august aout agosto ago",
    "sep sept september septembre septiembre setembro set setiembre",
    "oct october okt oktober octobre octubre outubro out",
    "nov november novembre noviembre novembro",
    "dec december dez dezember decembre diciembre dic dezembro",
)
_WEEKDAYS = (
    "mon monday mo montag lun lundi lunes seg segunda segunda-feira",
    "tue tues tuesday di dienstag mar mardi martes ter terca terca-feira",
    "wed wednesday mi mittwoch mer mercredi mie miercoles qua quarta quarta-feira",
    "thu thur thurs thursday do donnerstag jeu jeudi jue jueves qui quinta quinta-feira",
    "fri friday fr freitag ven vendredi vie viernes sex sexta sexta-feira",
    "sat saturday sa samstag sonnabend sam samedi sab sabado",
    "sun sunday so sonntag dim dimanche dom domingo",
)
MONTHS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
WEEKDAYS = {name for names in _WEEKDAYS for name in names.split()}


def plain_word(word: str) -> str:
    """Small letters without accents and final dot.

    >>> plain_word("Févr."), MONTHS[plain_word("März")]
    ('fevr', 3)
    """
    letters = unicodedata.normalize("NFD", word.casefold().rstrip("."))
    return "".join(one for one in letters if not unicodedata.combining(one))
