"""Reliability of probabilities: of the rows given 70%, seven in ten should be of the class."""

from typing import Any, Final

import numpy as np

from dataml.ml.json_numbers import finite_or_none

_BINS: Final = 10


def calibration_curve(probability: np.ndarray, came_true: np.ndarray) -> list[dict[str, Any]]:
    """Return mean predicted and observed probability of at most 10 bins, lowest probability first.

    Bins have about equally many rows; rows of one probability share a bin.
    """
    ordered = np.sort(probability)
    edges = np.unique(ordered[np.arange(1, _BINS) * len(ordered) // _BINS])
    bins = np.searchsorted(edges, probability, side="right")
    rows = np.bincount(bins, minlength=_BINS)
    with np.errstate(invalid="ignore"):
        predicted, observed = (np.bincount(bins, each, _BINS) / rows for each in (probability, came_true))
    return [
        {"predicted": finite_or_none(predicted[i]), "observed": finite_or_none(observed[i]), "rows": int(rows[i])}
        for i in np.flatnonzero(rows)
    ]


def expected_calibration_error(curve: list[dict[str, Any]]) -> float | None:
    """Return the mean distance between predicted and observed probability over the rows.

    Naeini et al. 2015; with bins of equally many rows, Nguyen and O'Connor 2015. With few rows it is above 0 for
    perfect probabilities too.
    """
    rows = sum(each["rows"] for each in curve)
    return finite_or_none(sum(abs(each["predicted"] - each["observed"]) * each["rows"] for each in curve) / rows)
