"""What a column asks of its values beyond their type: bounds, allowed values, a pattern.

A value is checked as it was typed, one by one or a whole column at once, with the same answer: patterns run on Arrow's
RE2 either way, whose time is linear in the text.
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
from dataml.contract.dates import InvalidValue
from dataml.contract.types import DataType, Value, parse_value

MAX_ALLOWED_VALUES: Final = 10_000
MAX_PATTERN_CHARACTERS: Final = 1_000
_ORDERED: Final = frozenset({DataType.INTEGER, DataType.FLOAT, DataType.DATE, DataType.TIMESTAMP})


class InvalidConstraint(ValueError):
    """A constraint that cannot be: `code` names which, the text says why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class Constraints:
    """The constraints of one column, typed and ready to check. Bounds are inclusive; a pattern fits the whole text."""

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
    ) -> "Constraints":
        """Raises BadConstraint: `bad_minimum`, `bad_maximum`, `bad_range`, `bad_allowed_values`, `bad_pattern`."""
        low = _bound("minimum", data_type, minimum)
        high = _bound("maximum", data_type, maximum)
        if low is not None and high is not None and low > high:
            raise InvalidConstraint("bad_range", f"the minimum {minimum} lies above the maximum {maximum}")
        return cls(data_type, low, high, _allowed(data_type, allowed_values), _whole(data_type, pattern))

    def __bool__(self) -> bool:
        return any(each is not None for each in (self.minimum, self.maximum, self.allowed, self.pattern))

    def check(self, value: Value) -> None:
        """Raises ValueRefused: `below_minimum`, `above_maximum`, `not_allowed`, `pattern_mismatch`."""
        if not self or value is None:
            return
        for rule, reason, broken in self._broken(pa.array([value], self.data_type.arrow)):
            if broken[0].as_py():
                raise InvalidValue(rule, reason)

    def refuse(self, parsed: ParsedColumn, cells: pa.Array) -> ParsedColumn:
        """The column, with the values that break a rule refused as well, each for the first rule that it breaks."""
        rule_of = np.full(len(parsed.values), -1)
        rules = []
        for rule, reason, broken in self._broken(parsed.values):
            rows = pc.fill_null(broken, False).to_numpy(zero_copy_only=False)
            rule_of[rows & (rule_of < 0)] = len(rules)
            rules.append((rule, reason))
        wrong = np.flatnonzero(rule_of >= 0)
        return add_violations(parsed, cells, wrong, [rules[number] for number in rule_of[wrong]])

    def _broken(self, values: pa.Array) -> Iterator[tuple[str, str, pa.BooleanArray]]:
        """Each rule with its reason, and where it is broken; null where there is no value."""
        if self.minimum is not None:
            low = pa.scalar(self.minimum, self.data_type.arrow)
            yield "below_minimum", f"it is less than {_shown(self.minimum)}", pc.less(values, low)
        if self.maximum is not None:
            high = pa.scalar(self.maximum, self.data_type.arrow)
            yield "above_maximum", f"it is more than {_shown(self.maximum)}", pc.greater(values, high)
        if self.allowed is not None:
            allowed = pc.is_in(values, value_set=pa.array(self.allowed, self.data_type.arrow))
            yield "not_allowed", "it is none of the allowed values", pc.and_(pc.is_valid(values), pc.invert(allowed))
        if self.pattern is not None:
            fits = pc.match_substring_regex(values, self.pattern)
            yield "pattern_mismatch", "it does not match the pattern", pc.invert(fits)


def add_violations(
    parsed: ParsedColumn, cells: pa.Array, wrong: np.ndarray, rules: Sequence[tuple[str, str]]
) -> ParsedColumn:
    """The column with the rows `wrong` refused too, `rules[i]` (rule and reason) for `wrong[i]`."""
    if not len(wrong):
        return parsed
    texts = to_text(cells.take(pa.array(wrong))).to_pylist()
    numbers: dict[RuleViolation, int] = {}
    which = [
        numbers.setdefault(RuleViolation((text or "")[:MAX_DISPLAY_CHARACTERS], *rule), len(numbers))
        for text, rule in zip(texts, rules, strict=True)
    ]
    rows = np.concatenate([parsed.rows, wrong])
    order = np.argsort(rows, kind="stable")
    good = np.ones(len(parsed.values), bool)
    good[wrong] = False
    return replace(
        parsed,
        values=pc.if_else(pa.array(good), parsed.values, pa.scalar(None, parsed.values.type)),
        rows=rows[order],
        which=np.concatenate([parsed.which, np.array(which) + len(parsed.violations)])[order],
        violations=[*parsed.violations, *numbers],
    )


def _bound(name: str, data_type: DataType, text: str | None) -> Any:
    if text is None:
        return None
    if data_type not in _ORDERED:
        raise InvalidConstraint(f"bad_{name}", f"a {data_type} column has no {name}")
    try:
        value = parse_value(text, data_type)
    except InvalidValue as refused:
        raise InvalidConstraint(f"bad_{name}", f"the {name} {text!r} is no {data_type}: {refused.reason}") from refused
    if value is None:
        raise InvalidConstraint(f"bad_{name}", f"the {name} is empty")
    return value


def _allowed(data_type: DataType, texts: Sequence[str] | None) -> tuple[Any, ...] | None:
    if texts is None:
        return None
    if not 1 <= len(texts) <= MAX_ALLOWED_VALUES:
        raise InvalidConstraint("bad_allowed_values", f"there are 1 to {MAX_ALLOWED_VALUES:,} allowed values")
    values = []
    for text in texts:
        try:
            value = parse_value(text, data_type)
        except InvalidValue as refused:
            detail = f"the allowed value {text[:100]!r} is no {data_type}: {refused.reason}"
            raise InvalidConstraint("bad_allowed_values", detail) from refused
        if value is None:
            raise InvalidConstraint("bad_allowed_values", "an allowed value is empty; use nullable for missing ones")
        values.append(value)
    return tuple(dict.fromkeys(values))


def _whole(data_type: DataType, pattern: str | None) -> str | None:
    if pattern is None:
        return None
    if data_type is not DataType.STRING:
        raise InvalidConstraint("bad_pattern", f"a {data_type} column has no pattern")
    if not 1 <= len(pattern) <= MAX_PATTERN_CHARACTERS:
        raise InvalidConstraint("bad_pattern", f"a pattern has 1 to {MAX_PATTERN_CHARACTERS:,} characters")
    whole = rf"\A(?:{pattern})\z"
    try:
        for each in (pattern, whole):
            pc.match_substring_regex(pa.array([""]), each)
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        raise InvalidConstraint(
            "bad_pattern", f"the pattern is no RE2 regular expression: {str(error)[:200]}"
        ) from error
    return whole


def _shown(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else str(value)
