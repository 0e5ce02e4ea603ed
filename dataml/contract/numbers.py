"""Spellings of numbers: separators, percent, currency and the places of a sign; one spelling a column.

A spelling is named by the number 1234.5 written in it: `1,234.5`, `1.234,5`, `1 234,5`, `1'234.5`, `1234,5`, with a
percent sign (`1,234.5%`) or a currency (`$1,234.5`). In every spelling a negative number is written with a sign before
or behind it, or in parentheses as accountants do.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, Literal, Self

Decimal = Literal[".", ","]
Group = Literal["", ",", ".", " ", "'"]

_SYMBOLS: Final = "$€£¥￥円元원₹₩₽₺₫฿₪₴₦₱₡₲₵₸₼"
_CODES: Final = (
    "USD|EUR|GBP|JPY|CNY|CHF|AUD|CAD|NZD|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|TRY|RUB|UAH|INR|PKR|BDT|IDR|MYR|PHP|SGD|"
    "HKD|TWD|KRW|THB|VND|BRL|MXN|ARS|CLP|COP|PEN|ZAR|EGP|NGN|KES|ILS|AED|SAR|QAR"
)
_WORDS: Final = (
    r"R\$|US\$|CA\$|A\$|NZ\$|HK\$|S\$|kr\.?|zł|Kč|Ft|Fr\.|Rs\.?|lei" + "|\u0440\u0443\u0431\\.?|\u0433\u0440\u043d\\.?"
)
# Longer names first: in RE2 and in `re` the first alternative that matches wins.
CURRENCY_PATTERN: Final = f"{_WORDS}|{_CODES}|[{_SYMBOLS}]"
"""Regular expression of the currencies that are known, for RE2 and for `re`."""

ZERO_PATTERN: Final = rf"(?:{CURRENCY_PATTERN})\s*-|-\s*(?:{CURRENCY_PATTERN})"
"""Regular expression of zero as the accounting formats of spreadsheets show it: `$ -`, `- €`."""

# Characters that mean the same in a number: spaces of other widths, the typographic apostrophe, and the minus sign.
EQUAL_CHARACTERS: Final = {
    **dict.fromkeys("\u00a0\u202f\u2009", " "),
    "\u2019": "'",
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\uff0d", "-"),
}
_EQUAL: Final = str.maketrans(EQUAL_CHARACTERS)
PRICE_DASH: Final = "([0-9][.,]) ?[-\u2014]{1,2}($|[^0-9-])"
"""Regular expression of a dash in place of the cents of a price, `12.-` or `12,\u2014 €`, which is no sign; for RE2 and
for `re`. The groups 1 and 2 are the number without it."""

GROUPS: Final[tuple[Group, ...]] = ("", ",", ".", " ", "'")
"""What can stand between thousands."""
_GROUPS: Final[dict[str, Group]] = {group: group for group in GROUPS}
_DECIMALS: Final[dict[str, Decimal]] = {".": ".", ",": ","}
_NAME: Final = re.compile(
    rf"(?P<before>{CURRENCY_PATTERN})?\s*1(?P<group>[,.' ]?)234(?P<decimal>[.,])5\s*(?P<percent>%)?\s*"
    rf"(?P<behind>{CURRENCY_PATTERN})?"
)
_DECORATED: Final = re.compile(
    rf"(?:(?P<outside>{CURRENCY_PATTERN})\s*(?=\())?(?P<open>\()?\s*(?P<sign>[+-])?\s*"
    rf"(?:(?P<before>{CURRENCY_PATTERN})\s*(?P<inner>[+-])?\s*)?"
    r"(?P<core>[0-9.,](?:[0-9.,]|[ '](?=[0-9]))*+(?:[eE][+-]?[0-9]{1,4})?)"
    rf"\s*(?P<after>[+-])?\s*(?P<percent>%)?\s*(?P<behind>{CURRENCY_PATTERN})?\s*(?P<trailing>[+-])?\s*(?P<close>\))?"
)
_PRICE_DASH: Final = re.compile(PRICE_DASH)
_ZERO: Final = re.compile(ZERO_PATTERN)
_MAX_CHARACTERS: Final = 400


@dataclass(frozen=True)
class NumberFormat:
    """One spelling of numbers; the default is the plain one, 1234.5."""

    decimal: Decimal = "."
    group: Group = ""
    currency: str = ""
    is_percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the spelling that the number 1234.5 is written in here.

        Raises:
            ValueError: it is not that number in a known spelling.
        """
        match = _NAME.fullmatch(text.translate(_EQUAL).strip())
        if match is None or match["group"] == match["decimal"] or (match["before"] and match["behind"]):
            raise ValueError(text)
        decimal = _DECIMALS[match["decimal"]]
        group = _GROUPS[match["group"]]
        return cls(decimal, group, match["before"] or match["behind"] or "", bool(match["percent"]))

    def __str__(self) -> str:
        return f"{self.currency}1{self.group}234{self.decimal}5{'%' if self.is_percent else ''}"

    @property
    def is_plain(self) -> bool:
        """Whether it is 1234.5."""
        return self == PLAIN

    @cached_property
    def core_pattern(self) -> str:
        """Regular expression of the digits with their separators, for RE2 and for `re`.

        What is rather a code does not match: 007, and more than 18 digits before the decimal mark.
        """
        return self._build_pattern(self.whole_pattern, "{1,2}")

    @cached_property
    def whole_pattern(self) -> str:
        """Regular expression of whole numbers of at most 18 digits, as `core_pattern`."""
        return self._build_whole("0|[1-9][0-9]{0,17}", "{1,5}")

    def _build_pattern(self, whole: str, exponent: str) -> str:
        mark = re.escape(self.decimal)
        return f"(?:{whole}(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]{exponent})?"

    def _build_whole(self, ungrouped: str, groups: str) -> str:
        if not self.group:
            return f"(?:{ungrouped})"
        mark = re.escape(self.group)
        whole = f"{ungrouped}|[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}}){groups}"
        # In India the groups before the last have two digits: 12,34,567.
        indian = f"|[1-9][0-9]?(?:,[0-9]{{2}}){groups},[0-9]{{3}}" if self.group == "," else ""
        return f"(?:{whole}{indian})"

    def to_plain(self, text: str) -> str | None:
        """Return a number in this spelling as `-1234.5`, or None when it is not written in it.

        A percentage is a share: 12.5% is 12.5e-2. Leading zeros are allowed.
        """
        if len(text) > _MAX_CHARACTERS:
            return None
        text = _unify(text)
        if self.currency and _ZERO.fullmatch(text):
            return "0" if text.strip("- ") == self.currency else None
        match = _DECORATED.fullmatch(text)
        if match is None or bool(match["open"]) != bool(match["close"]):
            return None
        signs = [sign for sign in (match["sign"], match["inner"], match["after"], match["trailing"]) if sign]
        currencies = [text for text in (match["outside"], match["before"], match["behind"]) if text]
        if len(signs) + bool(match["open"]) > 1 or len(currencies) > 1 or currencies not in ([], [self.currency]):
            return None
        core = self._unify_core(match["core"])
        if core is None:
            return None
        is_zero = not core.lower().partition("e")[0].strip("0.")
        if bool(match["percent"]) != self.is_percent and not (is_zero and not match["percent"]):
            return None
        if match["percent"]:
            digits, _, exponent = core.lower().partition("e")
            core = f"{digits}e{int(exponent or 0) - 2}"
        return f"-{core}" if match["open"] or "-" in signs else core

    def _unify_core(self, core: str) -> str | None:
        match = self._core.fullmatch(core)
        if match is None:
            return None
        plain = core.replace(self.group, "") if self.group else core
        return plain.replace(self.decimal, ".")

    @cached_property
    def _core(self) -> re.Pattern[str]:
        return re.compile(self._build_pattern(self._build_whole("[0-9]++", "+"), "+"))


PLAIN: Final = NumberFormat()
"""The spelling 1234.5."""

SPELLINGS: Final = tuple(
    NumberFormat(decimal, group) for decimal in _DECIMALS.values() for group in _GROUPS.values() if group != decimal
)
"""All combinations of separators, the plain one first."""


@lru_cache(64)
def parse_number_format(name: str | None) -> NumberFormat:
    """Return the spelling of this name, the plain one for None.

    Raises:
        ValueError: as `NumberFormat.parse`.
    """
    return PLAIN if name is None else NumberFormat.parse(name)


def list_readings(text: str) -> dict[NumberFormat, str]:
    """Return what a text means as a number, by each spelling in which it is one; a single spelling for each meaning."""
    match = _DECORATED.fullmatch(_unify(text)) if len(text) <= _MAX_CHARACTERS else None
    if match is None:
        return {}
    currency, is_percent = match["outside"] or match["before"] or match["behind"] or "", bool(match["percent"])
    readings: dict[NumberFormat, str] = {}
    for spelling in SPELLINGS:
        if not re.fullmatch(spelling.core_pattern, match["core"]):
            continue
        candidate = NumberFormat(spelling.decimal, spelling.group, currency, is_percent)
        plain = candidate.to_plain(text)
        if plain is not None and plain not in readings.values():
            readings[candidate] = plain
    return readings


def _unify(text: str) -> str:
    """Return a number with the usual characters, without the blanks around it and a dash in place of cents."""
    return _PRICE_DASH.sub(r"\1\2", text.translate(_EQUAL).strip())


def join_readings(readings: Iterable[str]) -> str:
    """Return readings as words: `1234 or 1.234`."""
    return " or ".join(dict.fromkeys(readings))
