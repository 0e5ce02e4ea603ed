"""Constraints on the values of a column beyond their type: bounds, allowed values, a pattern.

A single value and a whole column are checked with the same result: patterns run on Arrow's RE2 either way, whose time
is linear in the length of the text.
"""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import MAX_DISPLAY_CHARACTERS, ParsedColumn, RuleViolation, to_text
from dataml.contract.dates import InvalidValue, settle_date_order
from dataml.contract.types import DataType
from dataml.contract.value_format import ValueFormat
from dataml.contract.values import Value, parse_value

MAX_ALLOWED_VALUES: Final = 10_000
MAX_PATTERN_CHARACTERS: Final = 1_000
_ORDERED: Final = frozenset({DataType.INTEGER, DataType.FLOAT, DataType.DATE, DataType.TIMESTAMP})


class InvalidConstraint(ValueError):
    """A constraint that no value can be checked against; `code` says which one, the text says why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class Constraints:
    """The typed constraints of one column: inclusive bounds, allowed values, a pattern for the whole text."""

    data_type: DataType
    minimum: Any = None
    maximum: Any = None
    allowed: tuple[Any, ...] | None = None
    pattern: str | None = None

    @classmethod
    def build(
        cls,
        data_type: DataType,
        minimum: str | None,
        maximum: str | None,
        allowed_values: Sequence[str] | None,
        pattern: str | None,
        time_zone: str | None = None,
    ) -> "Constraints":
        """Return the constraints that these texts describe; timestamps without an offset are local times of the zone.

        Raises:
            InvalidConstraint: `bad_minimum`, `bad_maximum`, `bad_range`, `bad_allowed_values` or `bad_pattern`.
        """
        low = _parse_bound("minimum", data_type, minimum, time_zone)
        high = _parse_bound("maximum", data_type, maximum, time_zone)
        if low is not None and high is not None and low > high:
            raise InvalidConstraint("bad_range", f"the minimum {minimum} is greater than the maximum {maximum}")
        allowed = _parse_allowed(data_type, allowed_values, time_zone)
        return cls(data_type, low, high, allowed, _anchor(data_type, pattern))

    def __bool__(self) -> bool:
        """Return whether there is any constraint."""
        return any(each is not None for each in (self.minimum, self.maximum, self.allowed, self.pattern))

    def check_value(self, value: Value) -> None:
        """Check a typed value; a missing one breaks no constraint.

        Raises:
            InvalidValue: `below_minimum`, `above_maximum`, `not_allowed` or `pattern_mismatch`.
        """
        if not self or value is None:
            return
        for rule, reason, is_broken in self._evaluate(pa.array([value], self.data_type.arrow)):
            if is_broken[0].as_py():
                raise InvalidValue(rule, reason)

    def check_column(self, parsed: ParsedColumn, cells: pa.Array) -> ParsedColumn:
        """Return the column with a violation for each value that breaks a constraint: the first one that it breaks."""
        rule_of_row = np.full(len(parsed.values), -1)
        rules = []
        for rule, reason, is_broken in self._evaluate(parsed.values):
            rows = pc.fill_null(is_broken, False).to_numpy(zero_copy_only=False)
            rule_of_row[rows & (rule_of_row < 0)] = len(rules)
            rules.append((rule, reason))
        invalid_rows = np.flatnonzero(rule_of_row >= 0)
        return add_violations(parsed, cells, invalid_rows, [rules[index] for index in rule_of_row[invalid_rows]])

    def _evaluate(self, values: pa.Array) -> Iterator[tuple[str, str, pa.BooleanArray]]:
        """Yield each rule, its reason, and where it is broken; null where there is no value."""
        if self.minimum is not None:
            low = pa.scalar(self.minimum, self.data_type.arrow)
            yield "below_minimum", f"it is less than {_format(self.minimum)}", pc.less(values, low)
        if self.maximum is not None:
            high = pa.scalar(self.maximum, self.data_type.arrow)
            yield "above_maximum", f"it is more than {_format(self.maximum)}", pc.greater(values, high)
        if self.allowed is not None:
            allowed = pc.is_in(values, value_set=pa.array(self.allowed, self.data_type.arrow))
            yield "not_allowed", "it is not one of the allowed values", pc.and_(pc.is_valid(values), pc.invert(allowed))
        if self.pattern is not None:
            fits = pc.match_substring_regex(values, self.pattern)
            yield "pattern_mismatch", "it does not match the pattern", pc.invert(fits)


def add_violations(
    parsed: ParsedColumn, cells: pa.Array, invalid_rows: np.ndarray, rules: Sequence[tuple[str, str]]
) -> ParsedColumn:
    """Return the column with more violations: row `invalid_rows[i]` breaks `rules[i]`, a rule and its reason."""
    if not len(invalid_rows):
        return parsed
    texts = to_text(cells.take(pa.array(invalid_rows))).to_pylist()
    indices: dict[RuleViolation, int] = {}
    violation_indices = [
        indices.setdefault(RuleViolation((text or "")[:MAX_DISPLAY_CHARACTERS], *rule), len(indices))
        for text, rule in zip(texts, rules, strict=True)
    ]
    rows = np.concatenate([parsed.invalid_rows, invalid_rows])
    order = np.argsort(rows, kind="stable")
    is_valid = np.ones(len(parsed.values), bool)
    is_valid[invalid_rows] = False
    return replace(
        parsed,
        values=pc.if_else(pa.array(is_valid), parsed.values, pa.scalar(None, parsed.values.type)),
        invalid_rows=rows[order],
        violation_indices=np.concatenate(
            [parsed.violation_indices, np.array(violation_indices) + len(parsed.violations)]
        )[order],
        violations=[*parsed.violations, *indices],
    )


def _parse_stated(text: str, data_type: DataType, time_zone: str | None) -> Value:
    return parse_value(text, data_type, ValueFormat(settle_date_order(text), time_zone=time_zone))


def _parse_bound(name: str, data_type: DataType, text: str | None, time_zone: str | None) -> Any:
    if text is None:
        return None
    if data_type not in _ORDERED:
        raise InvalidConstraint(f"bad_{name}", f"a column of type {data_type} cannot have a {name}")
    try:
        value = _parse_stated(text, data_type, time_zone)
    except InvalidValue as error:
        raise InvalidConstraint(
            f"bad_{name}", f"the {name} {text!r} is not of type {data_type}: {error.reason}"
        ) from error
    if value is None:
        raise InvalidConstraint(f"bad_{name}", f"the {name} is empty")
    return value


def _parse_allowed(data_type: DataType, texts: Sequence[str] | None, time_zone: str | None) -> tuple[Any, ...] | None:
    if texts is None:
        return None
    if not 1 <= len(texts) <= MAX_ALLOWED_VALUES:
        raise InvalidConstraint("bad_allowed_values", f"there must be 1 to {MAX_ALLOWED_VALUES:,} allowed values")
    values = []
    for text in texts:
        try:
            value = _parse_stated(text, data_type, time_zone)
        except InvalidValue as error:
            detail = f"the allowed value {text[:100]!r} is not of type {data_type}: {error.reason}"
            raise InvalidConstraint("bad_allowed_values", detail) from error
        if value is None:
            raise InvalidConstraint(
                "bad_allowed_values", "an allowed value is empty; set nullable to allow missing values"
            )
        values.append(value)
    return tuple(dict.fromkeys(values))


def _anchor(data_type: DataType, pattern: str | None) -> str | None:
    if pattern is None:
        return None
    if data_type is not DataType.STRING:
        raise InvalidConstraint("bad_pattern", f"a column of type {data_type} cannot have a pattern")
    if not 1 <= len(pattern) <= MAX_PATTERN_CHARACTERS:
        raise InvalidConstraint("bad_pattern", f"a pattern must have 1 to {MAX_PATTERN_CHARACTERS:,} characters")
    anchored = rf"\A(?:{pattern})\z"
    try:
        for each in (pattern, anchored):
            pc.match_substring_regex(pa.array([""]), each)
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        raise InvalidConstraint(
            "bad_pattern", f"the pattern is not an RE2 regular expression: {str(error)[:200]}"
        ) from error
    return anchored


def _format(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else str(value)
