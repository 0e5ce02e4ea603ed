"""What values the target can have: its bounds, and whether it counts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from dataml.contract.contract import Column
from dataml.contract.types import DataType, parse_value


@dataclass(frozen=True)
class Limits:
    """Bounds of the target, and whether it is `whole`: an Integer, whose values are answered as whole numbers."""

    lower: float | None = None
    upper: float | None = None
    whole: bool = False

    @classmethod
    def of(cls, column: Column, y: np.ndarray) -> Self:
        """Those of the column's contract. An Integer that was never negative is a count: it never will be."""

        def bound(text: str | None) -> float | None:
            value = parse_value(text, column.data_type)
            return float(value) if isinstance(value, int | float) else None

        whole = column.data_type is DataType.INTEGER
        lower = bound(column.minimum)
        if lower is None and whole and (y >= 0).all():
            lower = 0.0
        return cls(lower, bound(column.maximum), whole)

    def bounded(self, values: np.ndarray) -> np.ndarray:
        if self.lower is None and self.upper is None:
            return values
        return np.clip(values, self.lower, self.upper)

    def rounded(self, values: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> dict[str, np.ndarray]:
        """Whole numbers, int64: the nearest, and an interval that holds no less than it did."""
        pairs = (("values", np.rint(values)), ("lower", np.floor(lower)), ("upper", np.ceil(upper)))
        most = float(2**62)
        return {name: np.clip(found, -most, most).astype(np.int64) for name, found in pairs}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        return cls(**record)
