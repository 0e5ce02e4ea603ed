"""Spellings of numbers that the values of a text column can have, and what to say where none is settled.

Of each spelling the values that it reads are counted: the one that reads all of them is the column's. Where several do
and disagree, the other columns of the data may show which is meant: a table has one decimal mark.
"""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import unify_characters
from dataml.contract.contract import Column
from dataml.contract.numbers import (
    CURRENCY_PATTERN,
    PRICE_DASH,
    SPELLINGS,
    ZERO_PATTERN,
    Decimal,
    NumberFormat,
    join_readings,
    list_readings,
)
from dataml.contract.spelling_counts import MAX_SAMPLES, NEARLY_SHARE, SpellingCounts
from dataml.contract.types import DataType
from dataml.contract.value_format import ANY_FORMAT, ValueFormat
from dataml.contract.warnings import MAX_EXAMPLES, DataWarning


class NumberSpellings(SpellingCounts):
    """How many values of a text column each spelling of numbers reads."""

    def __init__(self, name: str, value_format: ValueFormat = ANY_FORMAT) -> None:
        super().__init__(name, value_format)
        self._counts = dict.fromkeys(SPELLINGS, 0)
        self._whole = dict.fromkeys(SPELLINGS, 0)
        self._percent = 0
        self._zeros = 0
        self._plus = 0
        self._currencies: set[str] = set()
        self._bare = 0
        self._samples: set[str] = set()
        self._decimal: Decimal | None = None
        self._widths: set[int] | None = set()
        self._has_leading_zero = False

    def add(self, cells: pa.Array) -> None:
        """Take a batch of the column into account."""
        cells = self._select(cells)
        if not len(cells):
            return
        self._add_widths(cells)
        cells = pc.replace_substring_regex(unify_characters(cells), PRICE_DASH, r"\1\2")
        is_number = pa.repeat(pa.scalar(False), len(cells))
        for spelling in self._counts:
            matches = pc.match_substring_regex(cells, _decorated(spelling.core_pattern))
            count = pc.sum(matches).as_py() or 0
            self._counts[spelling] += count
            if count:
                self._whole[spelling] += pc.sum(
                    pc.match_substring_regex(cells, _decorated(spelling.whole_pattern))
                ).as_py()
                is_number = pc.or_(is_number, matches)
        self._add_others(cells.filter(pc.invert(is_number)))
        self._add_distinct(cells.filter(is_number))
        self._add_decorations(cells.filter(is_number))

    def _add_widths(self, cells: pa.Array) -> None:
        """Take into account how many digits the values have, while they are nothing but digits of one width."""
        if self._widths is None or not pc.all(pc.match_substring_regex(cells, "^[0-9]+$")).as_py():
            self._widths = None
            return
        extremes = pc.min_max(pc.binary_length(cells))
        self._widths |= {extremes["min"].as_py(), extremes["max"].as_py()}
        self._has_leading_zero |= pc.any(pc.match_substring_regex(cells, "^0[0-9]")).as_py()

    def _add_decorations(self, numbers: pa.Array) -> None:
        self._percent += pc.sum(pc.match_substring(numbers, "%")).as_py() or 0
        self._zeros += pc.sum(pc.match_substring_regex(numbers, r"^0([.,]0*)?$")).as_py() or 0
        self._plus += pc.sum(pc.starts_with(numbers, "+")).as_py() or 0
        has_currency = pc.match_substring_regex(numbers, CURRENCY_PATTERN)
        if pc.any(has_currency).as_py():
            without_exponent = pc.replace_substring_regex(
                numbers.filter(has_currency), r"([0-9])[eE]([+-]?[0-9])", r"\1\2"
            )
            rest = pc.replace_substring_regex(without_exponent, r"[.,][0-9]|[0-9][.,]|[0-9+()% '\-]", "")
            self._currencies.update(pc.unique(rest).to_pylist()[:10])
        self._bare += pc.sum(pc.invert(has_currency)).as_py() or 0
        if len(self._samples) < MAX_SAMPLES:
            marked = numbers.filter(pc.match_substring_regex(numbers, "[.,]"))
            self._samples.update(pc.unique(marked.slice(0, MAX_SAMPLES)).to_pylist())

    @property
    def count(self) -> int:
        """How many values the best spelling reads."""
        return max(self._counts.values())

    @property
    def decimal(self) -> Decimal | None:
        """The decimal mark that the values show; None where they are no numbers, or leave it open."""
        if not self._total or self.count < NEARLY_SHARE * self._total or self._is_mixed or self._is_code:
            return None
        marks: set[Decimal] = {spelling.decimal for spelling in self._best}
        return marks.pop() if len(marks) == 1 else None

    def prefer(self, decimal: Decimal) -> None:
        """Take the spellings with the decimal mark that other columns show, where the values leave it open."""
        self._decimal = decimal

    @property
    def readings(self) -> tuple[str, ...]:
        """What one of the values means by the best spellings, if they disagree; empty when one is settled."""
        return self._find_readings(self._preferred)

    @property
    def number_format(self) -> str | None:
        """The spelling of the column, None for the plain one and when none is settled."""
        spelling = self._preferred[0]
        if not self._total or (spelling.is_plain and not self._percent and not self._currencies):
            return None
        if self._is_mixed or (not spelling.is_plain and self.readings):
            return None
        currency = next(iter(self._currencies), "")
        return str(NumberFormat(spelling.decimal, spelling.group, currency, bool(self._percent)))

    def settle(self, column: Column) -> Column:
        """Return the column as a number if all its values are one in a settled spelling; else as it is."""
        if not self._is_settled:
            return column
        is_whole = self._whole[self._preferred[0]] == self._total and not self._percent
        data_type = DataType.INTEGER if is_whole else DataType.FLOAT
        return Column(column.name, data_type, number_format=self.number_format)

    @property
    def warning(self) -> DataWarning | None:
        """What keeps a column that is nearly all numbers from being one, or whose spelling others show; or None."""
        if not self._total or self._is_code:
            return None
        if self.count < NEARLY_SHARE * self._total:
            return self._warn_nearly("nearly_numeric", "numbers", "Float", self.count)
        if self._is_mixed:
            return self._warn_mixed()
        if self._decimal is not None and self.number_format is not None and (readings := self._open_readings):
            return self._warn_others(*readings)
        if not self._preferred[0].is_plain and (readings := self.readings):
            return self._warn_ambiguous(*readings)
        return self._warn_nearly("nearly_numeric", "numbers", "Float", self.count)

    def _warn_mixed(self) -> DataWarning:
        kinds = sorted(self._currencies) + (["%"] if self._percent else [])
        kinds += ["neither"] if (self._bare if self._currencies else self._percent) else []
        message = f"The numbers of `{self.name}` have different units ({', '.join(kinds)}); the column is read as text."
        return DataWarning("mixed_units", message, self.name, self._total, tuple(kinds[:MAX_EXAMPLES]))

    def _warn_others(self, text: str, *values: str) -> DataWarning:
        message = (
            f"`{self.name}` is read in the spelling {self.number_format}: {text!r} can be {join_readings(values)}, and "
            "only other columns show which. If that is wrong, upload with a template in which it has a number_format."
        )
        return DataWarning("number_format_of_others", message, self.name, self._total, (text,))

    def _warn_ambiguous(self, text: str, *values: str) -> DataWarning:
        message = (
            f"`{self.name}` is read as text: {text!r} can be {join_readings(values)}, and no value shows which. "
            "Upload with a template in which it is a number with a number_format, such as 1,234.5 or 1.234,5."
        )
        return DataWarning("ambiguous_number_format", message, self.name, self._total, (text,))

    @property
    def _best(self) -> list[NumberFormat]:
        """The spellings that read the most values; of equals the one with the fewest separators first."""
        most = self.count
        return [spelling for spelling, count in self._counts.items() if count == most]

    @property
    def _preferred(self) -> list[NumberFormat]:
        """The best spellings with the decimal mark of other columns, if there are any; else all of the best."""
        return [spelling for spelling in self._best if spelling.decimal == self._decimal] or self._best

    @property
    def _open_readings(self) -> tuple[str, ...]:
        """The readings that the values themselves leave open."""
        return self._find_readings(self._best)

    def _find_readings(self, spellings: list[NumberFormat]) -> tuple[str, ...]:
        for text in sorted(self._samples):
            values = [
                plain
                for spelling, plain in list_readings(text).items()
                if NumberFormat(spelling.decimal, spelling.group) in spellings
            ]
            if len(values) > 1:
                return text, *values
        return ()

    @property
    def _is_settled(self) -> bool:
        if self.count < self._total or self._is_mixed or self._is_code:
            return False
        return self._preferred[0].is_plain or not self.readings

    @property
    def _is_mixed(self) -> bool:
        if len(self._currencies) > 1 or (self._currencies and self._bare):
            return True
        return 0 < self._percent < self.count - self._zeros  # 0 is 0%

    @property
    def _is_code(self) -> bool:
        """Whether every value has a plus sign, as telephone codes do, or as many digits, the first of some a zero."""
        has_one_width = self._widths is not None and len(self._widths) == 1
        return self._plus == self._total or (has_one_width and self._has_leading_zero)


def prefer_common_decimal(spellings: Iterable[NumberSpellings], shown: Iterable[Decimal] = ()) -> None:
    """Settle the decimal mark of columns that leave it open by the one that all others show, if they agree.

    Args:
        spellings: the columns whose spellings were counted.
        shown: the marks that further columns show.
    """
    spellings = list(spellings)
    marks: set[Decimal] = {*shown, *(mark for each in spellings if (mark := each.decimal) is not None)}
    if len(marks) == 1:
        for each in spellings:
            each.prefer(*marks)


def _decorated(core: str) -> str:
    """Return the RE2 pattern of a number with a sign, a percent sign and a currency in all places that they have."""
    currency = f"(?:{CURRENCY_PATTERN})"
    before = rf"(?:{currency}?\s*\()?\s*[+-]?\s*(?:{currency}\s*[+-]?\s*)?"
    behind = rf"\s*[+-]?\s*%?\s*{currency}?\s*[+-]?\s*\)?"
    return rf"^(?:{before}(?:{core}){behind}|{ZERO_PATTERN})$"
