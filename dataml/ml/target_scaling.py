"""Scaling of a regression's target for the fit, where the boosters' arithmetic would lose it.

All of them read the target as float32, and XGBoost adds float32 predictions up and makes no split that gains less than
1e-6 (`kRtEps`, in the target's unit squared). So a target far from 0 loses its digits, one that varies little is not
learned by XGBoost, and one beyond 1e19 has no finite loss. A target of the usual size is fitted as it is: models then
predict in its own unit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

_MAX_DISTANCE: Final = 256.0
"""Standard deviations that the mean may be away from 0. From about 10,000 on the score of XGBoost falls."""
_MIN_EXPONENT: Final = -3
"""Power of two of the least standard deviation: 0.125. From about 0.01 down the score of XGBoost falls."""
_MAX_EXPONENT: Final = 40
"""Power of two of the largest standard deviation. From about 1e19 on float32 has no squares."""
_MAX_DOUBLE: Final = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class TargetScaling:
    """The map of a target `y` to `(y - shift) / scale`; `scale` is a power of two, so that it changes no digit."""

    shift: float = 0.0
    scale: float = 1.0

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return self.shift == 0.0 and self.scale == 1.0

    def apply(self, numbers: np.ndarray) -> np.ndarray:
        """Return scaled numbers as float64."""
        if self.is_identity:
            return numbers
        return np.ldexp(numbers, -self._exponent) - math.ldexp(self.shift, -self._exponent)

    def restore(self, numbers: np.ndarray) -> np.ndarray:
        """Return scaled numbers in the target's own unit: as they are, or as finite float64."""
        if self.is_identity:
            return numbers
        with np.errstate(over="ignore"):
            restored = np.ldexp(numbers.astype(np.float64), self._exponent) + self.shift
        return np.clip(restored, -_MAX_DOUBLE, _MAX_DOUBLE)

    def restore_differences(self, numbers: np.ndarray) -> np.ndarray:
        """Return differences of scaled numbers in the target's own unit, finite."""
        return multiply_finitely(numbers, self.scale)

    def to_json(self) -> dict[str, float] | None:
        """Return `shift` and `scale`, or None where they change nothing."""
        return None if self.is_identity else {"shift": self.shift, "scale": self.scale}

    @classmethod
    def from_json(cls, record: Mapping[str, Any] | None) -> Self:
        """Return the scaling that `to_json` wrote."""
        return cls(**record) if record else cls()

    @property
    def _exponent(self) -> int:
        return math.frexp(self.scale)[1] - 1


UNSCALED: Final = TargetScaling()


def multiply_finitely(numbers: np.ndarray, factor: float) -> np.ndarray:
    """Return products as they are where they are finite, else the largest double of their sign."""
    with np.errstate(over="ignore"):
        return np.clip(numbers * factor, -_MAX_DOUBLE, _MAX_DOUBLE)


def choose_scaling(target: np.ndarray, shift: float | None = None) -> TargetScaling:
    """Return the scaling of a target; `UNSCALED` for one of the usual size.

    Args:
        target: float64 (rows,), finite and not all the same.
        shift: the shift to keep, if it is given.
    """
    largest = math.frexp(float(np.abs(target).max()))[1]
    # Between -1 and 1 no sum and no square overflows.
    unit = np.ldexp(target, -largest)
    mean = float(unit.mean())
    deviation = float(np.sqrt(np.square(unit - mean).mean())) or float(np.finfo(np.float64).eps)
    exponent = largest + math.frexp(deviation)[1]
    scale, far = 1.0, abs(mean) > _MAX_DISTANCE * deviation
    if not _MIN_EXPONENT < exponent <= _MAX_EXPONENT:
        scale = math.ldexp(1.0, min(1_023, max(-1_022, exponent)))
    if shift is None:
        # A whole number of deviations has few digits, which makes the subtraction exact.
        shift = math.ldexp(round(math.ldexp(mean, largest - exponent)), exponent) if far else 0.0
    return TargetScaling(shift, scale)
