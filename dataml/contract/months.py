"""Names of months in several languages, as dates are written; no name means two months."""

from typing import Final

# Full names in the order of the year, from the Unicode Common Locale Data Repository (CLDR); where dates are written
# with the genitive, the name by itself (`_alone`) as well. Croatian has `listopad` for October, which is November in
# Czech and Polish, and is left out.
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
    "fi_alone": "tammikuu helmikuu maaliskuu huhtikuu toukokuu kesäkuu heinäkuu elokuu syyskuu lokakuu marraskuu "
    "joulukuu",
    "pl_alone": "styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień",
    "cs": "ledna února března dubna května června července srpna září října listopadu prosince",
    "cs_alone": "leden únor březen duben květen červen červenec srpen září říjen listopad prosinec",
    "sk": "januára februára marca apríla mája júna júla augusta septembra októbra novembra decembra",
    "hu": "január február március április május június július augusztus szeptember október november december",
    "ro": "ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie",
    "sl": "januar februar marec april maj junij julij avgust september oktober november december",
    "id": "januari februari maret april mei juni juli agustus september oktober november desember",
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "ru_alone": "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь",
    "uk": "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
    "uk_alone": "січень лютий березень квітень травень червень липень серпень вересень жовтень листопад грудень",
    "bg": "януари февруари март април май юни юли август септември октомври ноември декември",
    "el": "ιανουαρίου φεβρουαρίου μαρτίου απριλίου μαΐου ιουνίου ιουλίου αυγούστου σεπτεμβρίου οκτωβρίου νοεμβρίου "
    "δεκεμβρίου",
    "el_alone": "ιανουάριος φεβρουάριος μάρτιος απρίλιος μάιος ιούνιος ιούλιος αύγουστος σεπτέμβριος οκτώβριος "
    "νοέμβριος δεκέμβριος",
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
    "febr": 2,
    "márc": 3,
    "szept": 9,
    "čvn": 6,
    "čvc": 7,
    "сент": 9,
    "нояб": 11,
    "квіт": 4,
    "ιουν": 6,
    "ιουλ": 7,
    "ιούν": 6,
    "ιούλ": 7,
    "maalis": 3,
    "tammi": 1,
    "helmi": 2,
    "huhti": 4,
    "touko": 5,
    "heinä": 7,
    "marras": 11,
    "joulu": 12,
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
