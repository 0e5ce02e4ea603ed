"""How the values of a column are written: what stands for a missing value, and the spellings of numbers and dates."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from dataml.contract.dates import DateOrder
from dataml.contract.numbers import NumberFormat, parse_number_format

DateFormat = Literal["year", "year_month", "compact", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "excel"]
"""What the digits of a column of dates mean: calendar years (2015), months (201503), days with or without hours,
minutes and seconds (20240131, 20240131130559), units since 1970, or the days of a spreadsheet."""

# The errors of formulas, as spreadsheets in English, German, French, Spanish, Italian, Portuguese and Dutch write them.
_FORMULA_ERRORS: Final = (
    *("#null!", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#spill!", "#calc!", "#field!", "#getting_data"),
    *("#nv", "#wert!", "#bezug!", "#zahl!", "#überlauf!", "#valeur!", "#nom?", "#nombre!", "#nul!", "#propagation!"),
    *("#¡nulo!", "#¡div/0!", "#¡valor!", "#¡ref!", "#¿nombre?", "#¡num!", "#n/d", "#valore!", "#rif!", "#nome?"),
    *("#nulo!", "#nullo!", "#valor!", "#núm!", "#waarde!", "#verw!", "#naam?", "#getal!", "#leeg!", "#deel/0!", "#n/b"),
)
# Days that were never set: of MySQL and SAP, and of programs that print them in the order of a country.
_ZERO_DAYS: Final = ("0000-00-00", "0000-00-00 00:00:00", "0000-00-00t00:00:00", "00.00.0000", "00/00/0000")
# Missing values of several kinds, which Stata and SAS write behind a dot.
_EXTENDED_MISSING: Final = tuple(f".{letter}" for letter in "_abcdefghijklmnopqrstuvwxyz")

MISSING_MARKERS: Final = frozenset(
    {
        *("na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "nat", "null", "(null)", "[null]"),
        *("none", "nil", "\\n", "-", "--", "---", "\u2013", "\u2014", "?", "??", ".", "..", "...", "(blank)"),
        *("(empty)", ":", "k.a.", "n.d.", "n/d"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
        *(*_FORMULA_ERRORS, *_ZERO_DAYS, *_EXTENDED_MISSING),
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
        missing_values: the texts that stand for a missing value; None means MISSING_MARKERS, and none in a String.
        strip: whether the blanks around a String are left out.
    """

    date_order: DateOrder | None = None
    date_format: DateFormat | None = None
    number_format: str | None = None
    missing_values: tuple[str, ...] | None = None
    strip: bool = False

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
