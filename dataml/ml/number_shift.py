"""An exact shift of numbers that float32 would merge: boosters read float32, which holds 24 bits.

Seconds since 1970 are 128 apart there. Less an offset near them they are exact. The subtraction is one of float64, or
of whole numbers where the values are.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

LIMIT: Final = float(np.finfo(np.float32).max)
"""The largest float32; numbers beyond it are held at it, for XGBoost refuses infinities."""

_MAX_SAMPLE_ROWS: Final = 10_000
_MAX_MERGED_SHARE: Final = 0.01
"""Share of the different values of a sample that may become equal to another one.

Trees cut a column into some hundreds of ranges. Where float32 keeps 99% of 10,000 values apart its steps are a
hundred-thousandth of the range or less, and a shift would change nothing.
"""
_ZERO: Final = 1e-35
"""LightGBM reads what is this close to 0 as 0 (`kZeroThreshold` of its `meta.h`)."""
_MAX_EXPONENT: Final = 1_000
_QUANTILES: Final = (0.5, 0.0, 0.25, 0.75, 1.0)


@dataclass(frozen=True)
class NumberShift:
    """The map of a number `x` to `(x - offset) * scale`.

    `offset` is an int where the numbers are whole, `scale` a power of two, so that it changes no digit.
    """

    offset: int | float = 0
    scale: float = 1.0

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return self.offset == 0 and self.scale == 1.0

    def to_json(self) -> dict[str, Any]:
        """Return `offset` and `scale`, or nothing where they change nothing."""
        return {} if self.is_identity else {"offset": self.offset, "scale": self.scale}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the shift that `to_json` wrote; extra keys are ignored."""
        return cls(record.get("offset", 0), record.get("scale", 1.0))

    def apply(self, numbers: np.ndarray) -> np.ndarray:
        """Return float64 of float64 or int64 numbers, within the limits of float32."""
        if self.is_identity:
            return np.clip(numbers, -LIMIT, LIMIT)
        with np.errstate(over="ignore"):
            return np.clip(self._subtract(numbers) * self.scale, -LIMIT, LIMIT)

    def value_encoder(self) -> Callable[[float | None], float]:
        """Return the function that does `apply` for one number, to the bit; NaN where it is missing."""
        offset, scale = self.offset, self.scale

        def encode(value: float | None) -> float:
            if value is None:
                return math.nan
            number = float(value - offset) * scale
            return number if -LIMIT <= number <= LIMIT else max(-LIMIT, min(LIMIT, number))

        return encode

    def _subtract(self, numbers: np.ndarray) -> np.ndarray:
        if numbers.dtype != np.int64:
            return numbers - self.offset
        # The difference of two int64 may need 64 bits and a sign; float64 then rounds it once, as Python does.
        offset = np.int64(self.offset)
        bits, offset_bits = numbers.view(np.uint64), offset.view(np.uint64)
        is_above = numbers >= offset
        distance = np.where(is_above, bits - offset_bits, offset_bits - bits).astype(np.float64)
        return np.where(is_above, distance, -distance)


IDENTITY: Final = NumberShift()


def choose_shift(numbers: np.ndarray) -> NumberShift:
    """Return the shift that keeps the most values of a column apart, `IDENTITY` where float32 does so without.

    Args:
        numbers: float64 or int64 (rows,) without missing values.
    """
    sample = numbers[:: max(1, -(-len(numbers) // _MAX_SAMPLE_ROWS))]
    sample = sample[np.isfinite(sample)]
    if _is_surely_apart(sample):
        return IDENTITY
    distinct = np.unique(sample)
    enough = len(distinct) * (1 - _MAX_MERGED_SHARE)
    best, most = IDENTITY, _count_apart(IDENTITY, distinct)
    for candidates in (_offsets(distinct), _scaled_offsets(distinct)):
        if most >= enough:
            break
        for candidate in candidates:
            apart = _count_apart(candidate, distinct)
            if apart > most:
                best, most = candidate, apart
    return best


def _is_surely_apart(sample: np.ndarray) -> bool:
    """Return whether float32 merges too little to matter, as a sort of float32 shows; columns are many."""
    encoded = _to_float32(IDENTITY, sample)
    # Beyond 2^53 float64 would make different whole numbers equal here.
    if np.array_equal(encoded, sample) and np.abs(encoded).max(initial=0.0) < 2.0**53:
        return True
    encoded.sort()
    return int(np.count_nonzero(encoded[1:] == encoded[:-1])) <= _MAX_MERGED_SHARE * len(encoded)


def _to_float32(shift: NumberShift, numbers: np.ndarray) -> np.ndarray:
    """Return numbers as the boosters read them."""
    encoded = shift.apply(numbers).astype(np.float32)
    encoded[np.abs(encoded) <= _ZERO] = 0.0
    return encoded


def _count_apart(shift: NumberShift, distinct: np.ndarray) -> int:
    return len(np.unique(_to_float32(shift, distinct)))


def _offsets(distinct: np.ndarray) -> Iterator[NumberShift]:
    for level in _QUANTILES:
        yield NumberShift(distinct[round(level * (len(distinct) - 1))].item())


def _scaled_offsets(distinct: np.ndarray) -> Iterator[NumberShift]:
    """Yield every offset with the scales that make the largest, or the usual, distance from it about 1."""
    if distinct.dtype == np.int64:
        return
    for shift in (IDENTITY, *_offsets(distinct)):
        with np.errstate(over="ignore"):
            distances = np.minimum(np.abs(distinct - shift.offset), np.finfo(np.float64).max)
        for distance in (distances.max(), np.median(distances)):
            exponent = min(_MAX_EXPONENT, max(-_MAX_EXPONENT, math.frexp(distance)[1]))
            yield NumberShift(shift.offset, math.ldexp(1.0, -exponent))
