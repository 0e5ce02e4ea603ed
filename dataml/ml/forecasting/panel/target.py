"""The range of the target: its bounds, and whether it is a whole number."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from dataml.contract.contract import Column
from dataml.contract.types import DataType
from dataml.contract.values import parse_value


@dataclass(frozen=True)
class TargetLimits:
    """Bounds of the target by its contract, and whether it is `whole`: an Integer."""

    lower: float | None = None
    upper: float | None = None
    whole: bool = False

    @classmethod
    def from_contract(cls, column: Column) -> Self:
        """Return the bounds of a column."""

        def bound(text: str | None) -> float | None:
            value = parse_value(text, column.data_type)
            return float(value) if isinstance(value, int | float) else None

        return cls(bound(column.minimum), bound(column.maximum), column.data_type is DataType.INTEGER)

    def floors(self, y: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Return the lower bound of each series, (series,), -inf where it has none.

        It is that of the contract. Without one it is 0 for a series that was never negative.

        Args:
            y: The values of all series, one behind the other, (rows,).
            starts: Where each series begins, and the end, int64 (series + 1,).
        """
        if self.lower is not None:
            return np.full(len(starts) - 1, self.lower)
        return np.where(np.minimum.reduceat(y, starts[:-1]) >= 0, 0.0, -np.inf)

    def clip(self, values: np.ndarray, floors: np.ndarray, count: int | np.ndarray = 1) -> np.ndarray:
        """Return values, or sums of `count` values, cut at the bounds; `floors` and `count` broadcast to them."""
        upper = np.inf if self.upper is None else self.upper
        return np.clip(values, floors * count, upper * count)

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the limits that `to_json` wrote."""
        return cls(**record)


def round_outward(values: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> dict[str, np.ndarray]:
    """Return whole numbers, int64: the nearest `values`, and bounds `lower` and `upper` rounded outward."""
    pairs = (("values", np.rint(values)), ("lower", np.floor(lower)), ("upper", np.ceil(upper)))
    limit = float(2**62)
    return {name: np.clip(numbers, -limit, limit).astype(np.int64) for name, numbers in pairs}
