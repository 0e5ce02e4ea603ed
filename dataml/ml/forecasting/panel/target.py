"""The range of the target: its bounds, and whether it is a whole number."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from dataml.contract.contract import Column
from dataml.contract.types import DataType, parse_value


@dataclass(frozen=True)
class TargetLimits:
    """Bounds of the target, and whether it is `whole`: an Integer, whose values are answered as whole numbers."""

    lower: float | None = None
    upper: float | None = None
    whole: bool = False

    @classmethod
    def from_contract(cls, column: Column, y: np.ndarray) -> Self:
        """Return the bounds of a column; an Integer that was never negative is a count, and stays at 0 or more."""

        def bound(text: str | None) -> float | None:
            value = parse_value(text, column.data_type)
            return float(value) if isinstance(value, int | float) else None

        whole = column.data_type is DataType.INTEGER
        lower = bound(column.minimum)
        if lower is None and whole and (y >= 0).all():
            lower = 0.0
        return cls(lower, bound(column.maximum), whole)

    def clip(self, values: np.ndarray) -> np.ndarray:
        """Return the values, cut at the bounds."""
        if self.lower is None and self.upper is None:
            return values
        return np.clip(values, self.lower, self.upper)

    def round_outward(self, values: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> dict[str, np.ndarray]:
        """Return whole numbers, int64: the nearest values, and bounds rounded outward."""
        pairs = (("values", np.rint(values)), ("lower", np.floor(lower)), ("upper", np.ceil(upper)))
        limit = float(2**62)
        return {name: np.clip(numbers, -limit, limit).astype(np.int64) for name, numbers in pairs}

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the limits that `to_json` wrote."""
        return cls(**record)
