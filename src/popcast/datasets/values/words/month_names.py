"""Names of months and weekdays in the languages of exports, in full and cut; version 2."""

from __future__ import annotations

import unicodedata

_MONTHS = (
    "jan january januar janner janvier enero ene janeiro janv gennaio gen januari ocak oca stycznia "
    "styczen sty января янв "
    "январь січня يناير",
    "feb february februar fevrier fevr fev febrero fevereiro feber febbraio februari şubat şub lutego "
    "luty lut февраля фев "
    "февр февраль лютого فبراير",
    "mar march marz mrz mars marzo marco maerz maart mrt marts mart maret marca marzec марта мар март березня مارس",
    "apr april avril avr abril abr aprile nisan nis kwietnia kwiecien kwi апреля апр апрель квітня أبريل",
    "may mai mayo maio maggio mag mei maj mayıs maja мая май травня مايو",
    "jun june juni juin junio junho giugno giu haziran haz czerwca czerwiec cze июня июн июнь червня يونيو",
    "jul july juli juillet juil julio julho luglio lug temmuz tem lipca lipiec июля июл июль липня يوليو",
    "aug august aout agosto ago augustus ağustos ağu augusti agustus agu sierpnia sierpien sie августа "
    "авг август серпня "
    "أغسطس",
    "sep sept september septembre septiembre setembro set setiembre settembre eylül eyl wrzesnia "
    "wrzesien wrz сентября "
    "сен сент сентябрь вересня سبتمبر",
    "oct october octobre octubre outubro out okt oktober ottobre ott ekim eki października październik "
    "paź октября окт "
    "октябрь жовтня أكتوبر",
    "nov november novembre noviembre novembro kasım kas ноября ноя нояб ноябрь листопада نوفمبر",
    "dec december dez dezember decembre diciembre dic dezembro dicembre aralık ara des desember grudnia grudzien gru "
    "декабря дек декабрь грудня ديسمبر",
)
_WEEKDAYS = (
    "mon monday mo montag lun lundi lunes seg segunda segunda-feira lunedì maandag ma måndag mandag pazartesi pzt "
    "poniedziałek pon понедельник пн senin",
    "tue tues tuesday di dienstag mar mardi martes ter terca terca-feira martedì dinsdag tisdag tirsdag "
    "salı wtorek wt "
    "вторник вт selasa",
    "wed wednesday mi mittwoch mer mercredi mie miercoles qua quarta quarta-feira mercoledì woensdag wo "
    "onsdag çarşamba "
    "środa śr среда ср rabu",
    "thu thur thurs thursday do donnerstag jeu jeudi jue jueves qui quinta quinta-feira giovedì gio "
    "donderdag torsdag "
    "perşembe czwartek czw четверг чт kamis",
    "fri friday fr freitag ven vendredi vie viernes sex sexta sexta-feira venerdì vrijdag vr fredag cuma "
    "piątek pt пятница "
    "пт jumat",
    "sat saturday sa samstag sonnabend sam samedi sab sabado sabato zaterdag za lördag lørdag cumartesi sobota sob "
    "суббота сб sabtu",
    "sun sunday so sonntag dim dimanche dom domingo domenica zondag zo söndag søndag pazar niedziela nd "
    "воскресенье вс "
    "minggu",
)


def plain_word(word: str) -> str:
    """Small letters without accents and final dot.

    >>> plain_word("Févr."), MONTHS[plain_word("März")]
    ('fevr', 3)
    """
    letters = unicodedata.normalize("NFD", word.casefold().rstrip("."))
    return "".join(one for one in letters if not unicodedata.combining(one))


MONTHS = {plain_word(name): number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
WEEKDAYS = {plain_word(name) for names in _WEEKDAYS for name in names.split()}

SEVERAL = {"listopad": "October in Croatian, November in Polish", "lip": "June in Croatian, July in Polish"}
SEVERAL |= {"listopada": SEVERAL["listopad"], "lis": SEVERAL["listopad"]}
"""Names of two months -> which."""
