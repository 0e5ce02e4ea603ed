"""Names of months in several languages, as dates are written; no name means two months."""

from typing import Final

# Full names in the order of the year, from the Unicode Common Locale Data Repository (CLDR); the genitive, where dates
# are written with it.
_NAMES: Final = {
    "en": "january february march april may june july august september october november december",
    "de": "januar februar märz april mai juni juli august september oktober november dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
    "da": "januar februar marts april maj juni juli august september oktober november december",
    "no": "januar februar mars april mai juni juli august september oktober november desember",
    "fi": "tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta heinäkuuta elokuuta syyskuuta lokakuuta "
    "marraskuuta joulukuuta",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
    "tr": "ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık",
}
# Short forms that are not the first three letters of a full name.
_SHORT: Final = {
    "mär": 3,
    "mrz": 3,
    "sept": 9,
    "janv": 1,
    "févr": 2,
    "avr": 4,
    "juil": 7,
    "maa": 3,
    "mrt": 3,
    "sty": 1,
    "lut": 2,
    "kwi": 4,
    "cze": 6,
    "lip": 7,
    "sie": 8,
    "wrz": 9,
    "paź": 10,
    "lis": 11,
    "gru": 12,
}
_WITHOUT_ACCENTS: Final = {"maerz": 3, "fevrier": 2, "aout": 8, "decembre": 12, "marco": 3, "fev": 2, "dec": 12}


def _build() -> dict[str, int]:
    months: dict[str, int] = {}
    ambiguous: set[str] = set()
    for names in _NAMES.values():
        for number, name in enumerate(names.split(), 1):
            months[name] = number
            for length in (3, 4):
                short = name[:length]
                if months.setdefault(short, number) != number:
                    ambiguous.add(short)
    # "juin" and "juillet" begin alike.
    english = {name[:3]: number for number, name in enumerate(_NAMES["en"].split(), 1)}
    unique = {name: number for name, number in months.items() if name not in ambiguous}
    return unique | _SHORT | _WITHOUT_ACCENTS | english


MONTHS: Final = _build()
"""Numbers of the months by their names and short forms in lower case, without a dot."""
