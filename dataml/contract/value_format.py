"""How the values of a column are written: what stands for a missing value, and the spellings of numbers and dates."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from dataml.contract.dates import DateOrder
from dataml.contract.numbers import NumberFormat, parse_number_format

DateFormat = Literal["year", "year_month", "compact", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "excel"]
"""What the digits of a column of dates mean: calendar years (2015), months (201503), days with or without hours,
minutes and seconds (20240131, 20240131130559), units since 1970, or the days of a spreadsheet."""

# The errors of formulas, as spreadsheets write them in English, German, French, Spanish, Italian, Portuguese, Dutch,
# Swedish, Danish, Norwegian, Finnish, Polish, Czech, Hungarian, Turkish and Russian.
_FORMULA_ERRORS: Final = (
    *("#null!", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#spill!", "#calc!", "#field!", "#getting_data"),
    *("#nv", "#wert!", "#bezug!", "#zahl!", "#überlauf!", "#valeur!", "#nom?", "#nombre!", "#nul!", "#propagation!"),
    *("#¡nulo!", "#¡div/0!", "#¡valor!", "#¡ref!", "#¿nombre?", "#¡num!", "#n/d", "#valore!", "#rif!", "#nome?"),
    *("#nulo!", "#nullo!", "#valor!", "#núm!", "#waarde!", "#verw!", "#naam?", "#getal!", "#leeg!", "#deel/0!", "#n/b"),
    *("#saknas!", "#division/0!", "#värdefel!", "#referens!", "#namn?", "#ogiltigt!", "#skärning!", "#i/t", "#i/t!"),
    *("#værdi!", "#reference!", "#navn?", "#nummer!", "#tom!", "#verdi!", "#puuttuu!", "#jako/0!", "#arvo!"),
    *("#viittaus!", "#nimi?", "#luku!", "#tyhjä!", "#n/d!", "#dziel/0!", "#arg!", "#adr!", "#nazwa?", "#liczba!"),
    *("#zero!", "#není_k_dispozici", "#dělení_nulou!", "#hodnota!", "#odkaz!", "#název?", "#číslo!", "#hiányzik"),
    *("#zéróosztó!", "#érték!", "#hiv!", "#név?", "#szám!", "#nulla!", "#yok", "#sayi/0!", "#değer!", "#başv!", "#ad?"),
    *("#sayi!", "#boş!", "#н/д", "#дел/0!", "#знач!", "#ссылка!", "#имя?", "#число!", "#пусто!"),
    *("#error!", "loading...", *(f"err:{number}" for number in range(501, 541))),  # Google Sheets and LibreOffice
)
# What C writes for no number, with as many digits as its format asks for.
_NOT_A_NUMBER: Final = (
    *(f"{sign}1.#{kind}{'0' * zeros}" for sign in ("", "-") for kind in ("ind", "qnan", "snan") for zeros in range(9)),
    *("nan", "-nan", "nan(ind)", "-nan(ind)", "nan(snan)", "-nan(snan)"),
)
_DASHES: Final = ("-", "--", "---", *"\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d")
# Days that were never set: of MySQL and SAP, and of programs that print them in the order of a country.
_ZERO_DAYS: Final = ("0000-00-00", "0000-00-00 00:00:00", "0000-00-00t00:00:00", "00.00.0000", "00/00/0000")
# The day 0 of spreadsheets.
_DAYS_ZERO: Final = (
    "1900-01-00",
    "00.01.1900",
    "00/01/1900",
    "0/1/1900",
    "1/0/1900",
    "01/00/1900",
    "1/0/00",
    "00-jan-00",
)
# Missing values of several kinds, which Stata and SAS write behind a dot.
_EXTENDED_MISSING: Final = tuple(f".{letter}" for letter in "_abcdefghijklmnopqrstuvwxyz")

MISSING_MARKERS: Final = frozenset(
    {
        *("na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nat", "null", "(null)", "[null]"),
        *("none", "nil", "\\n", "?", "??", ".", "..", "...", "(blank)"),
        *("(empty)", ":", "k.a.", "k. a.", "n.d.", "n/d", *_DASHES, *_NOT_A_NUMBER),
        *(*_FORMULA_ERRORS, *_ZERO_DAYS, *_DAYS_ZERO, *_EXTENDED_MISSING),
    }
)
"""Texts, in lower case, that stand for a missing value in any column but a String: those of spreadsheets, statistics
programs, databases and pandas."""


@dataclass(frozen=True)
class ValueFormat:
    """How the values of a column are written; the default is a column about which nothing is known.

    Attributes:
        date_order: how 08/09/2024 is read; None means that such a date is invalid.
        date_format: what digits mean in a Date or Timestamp; None means that they are no date, unless they are written
            as 20240131.
        number_format: the spelling of numbers, named by the number 1234.5; None means the plain one.
        missing_values: the texts that stand for a missing value, and the numbers and dates that they are in the column,
            however these are written; None means MISSING_MARKERS, and none in a String.
        strip: whether the blanks around a String are left out.
        time_zone: the zone of local times, timestamps without an offset, and of the days and hours of all timestamps: a
            name such as Europe/Berlin, or an offset from UTC such as +02:00; None means UTC.
    """

    date_order: DateOrder | None = None
    date_format: DateFormat | None = None
    number_format: str | None = None
    missing_values: tuple[str, ...] | None = None
    strip: bool = False
    time_zone: str | None = None

    @cached_property
    def numbers(self) -> NumberFormat:
        """The spelling of numbers."""
        return parse_number_format(self.number_format)

    @cached_property
    def markers(self) -> frozenset[str]:
        """The texts of `missing_values` in lower case; MISSING_MARKERS where there are none."""
        if self.missing_values is None:
            return MISSING_MARKERS
        return frozenset(text.strip().lower() for text in self.missing_values)

    def is_missing(self, text: str, *, is_string: bool) -> bool:
        """Return whether a text without blanks around it stands for a missing value.

        In a String only `missing_values` do, exactly as they are written.
        """
        if is_string:
            return self.missing_values is not None and text in self.missing_values
        return text.lower() in self.markers


ANY_FORMAT: Final = ValueFormat()
"""The format of a column about which nothing is known."""
