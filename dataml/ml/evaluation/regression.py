"""How close predicted numbers are to those that came true."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from dataml.ml.evaluation import bootstrap, conformal
from dataml.ml.json_numbers import finite_or_none, to_json_numbers

_QUANTILES: Final = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
_MAX_SAMPLE_ROWS: Final = 500
_MAX_BINS: Final = 30


@dataclass(frozen=True)
class RegressionScores:
    """Metrics by name, and details as strict JSON."""

    metrics: dict[str, float | None]
    details: dict[str, Any]


def score_numbers(
    truth: np.ndarray, predicted: np.ndarray, residuals: np.ndarray | None, seed: int
) -> RegressionScores:
    """Score predicted numbers (rows,) against the truth (rows,).

    `details` has `rows`; `confidence`; `residual_quantiles` (of truth minus prediction, by quantile as text) and
    `residual_mean`; `residual_histogram` {`edges`, `counts`, `below`, `above`: rows beyond the edges};
    `predicted_vs_true` {`truth`, `predicted`} of at most 500 rows; and `intervals` (see `conformal`; empty without
    `residuals`).

    Args:
        truth: the numbers that came true.
        predicted: the predicted ones.
        residuals: truth minus prediction on other rows, for the intervals.
        seed: of the bootstrap.
    """
    # Errors near the largest double may be infinite; then their scores are None.
    with np.errstate(over="ignore", invalid="ignore"):
        errors = truth - predicted
        sums, exponent = _row_sums(truth, errors)
        score = partial(_metrics, exponent=exponent)
        metrics = {name: finite_or_none(value) for name, value in score(sums.sum(axis=0)).items()}
        units = bootstrap.resampling_units(len(truth), sums.shape[1], seed)
        unit_sums = np.stack([np.bincount(units, column) for column in sums.T], axis=1)
        intervals = bootstrap.bootstrap_additive(unit_sums, score, seed)
    quantiles = np.quantile(errors, _QUANTILES)
    details: dict[str, Any] = {
        "rows": len(truth),
        "confidence": {name: intervals[name] if value is not None else None for name, value in metrics.items()},
        "residual_mean": finite_or_none(_mean(errors)),
        "residual_quantiles": {
            str(level): finite_or_none(value) for level, value in zip(_QUANTILES, quantiles, strict=True)
        },
        "residual_histogram": _histogram(errors),
        "intervals": (
            conformal.conformal_intervals(residuals.astype(np.float64), errors) if residuals is not None else {}
        ),
        "predicted_vs_true": _sample(truth, predicted, seed),
    }
    return RegressionScores(metrics, details)


def _row_sums(truth: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the terms of the metrics for each row, to be summed over rows: (rows, 6), and an exponent.

    Numbers are divided by two to the power of the exponent, so that no square overflows or vanishes.
    """
    with np.errstate(divide="ignore"):
        relative = np.abs(errors / truth) if (truth != 0).all() else np.full(len(truth), np.nan)
    # Around the mean, because the squares of large numbers would hide how they differ.
    largest = _exponent(truth)
    centred = np.ldexp(truth, -largest)
    centred -= centred.mean()
    exponent = max(largest + _exponent(centred), _exponent(errors))
    centred, errors = np.ldexp(centred, largest - exponent), np.ldexp(errors, -exponent)
    columns = [np.ones(len(truth)), np.square(errors), np.abs(errors), relative, centred, np.square(centred)]
    return np.stack(columns, axis=1), exponent


def _mean(numbers: np.ndarray) -> float:
    """Return the mean, whose sum need not be finite."""
    exponent = _exponent(numbers)
    return float(np.ldexp(np.ldexp(numbers, -exponent).mean(), exponent))


def _exponent(numbers: np.ndarray) -> int:
    """Return the power of two that is just above the largest of all absolute values."""
    return int(np.frexp(np.abs(numbers).max(initial=0.0))[1])


def _metrics(sums: np.ndarray, exponent: int) -> dict[str, np.ndarray]:
    """Return the metrics of `_row_sums` over rows (..., 6); NaN where they are not defined."""
    rows, squared, absolute, relative, centred, centred_squared = np.moveaxis(sums, -1, 0)
    spread = centred_squared - np.square(centred) / rows
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "rmse": np.ldexp(np.sqrt(squared / rows), exponent),
            "mae": np.ldexp(absolute / rows, exponent),
            # Coefficient of determination; rows that are all alike leave nothing to determine.
            "r2": np.where(spread > 1e-12 * centred_squared, 1 - squared / spread, np.nan),
            "mape": relative / rows,
        }


def _histogram(errors: np.ndarray) -> dict[str, Any]:
    """Return a histogram without the outermost half percent at each end, which would leave the others one bar."""
    low, high = np.quantile(errors, [0.005, 0.995])
    inside = errors[(errors >= low) & (errors <= high)]
    beyond = {"below": int((errors < low).sum()), "above": int((errors > high).sum())}
    if not high > low or not np.isfinite(high - low):
        return {"edges": [finite_or_none(low), finite_or_none(low)], "counts": [len(inside)]} | beyond
    edges = np.unique(np.linspace(low, high, min(_MAX_BINS, max(5, round(len(errors) ** 0.5))) + 1))
    counts, edges = np.histogram(inside, edges)
    return {"edges": [finite_or_none(edge) for edge in edges], "counts": counts.tolist()} | beyond


def _sample(truth: np.ndarray, predicted: np.ndarray, seed: int) -> dict[str, list[float | None]]:
    rows = np.random.default_rng(seed).permutation(len(truth))[:_MAX_SAMPLE_ROWS]
    digits = _digits(truth[rows])
    return {
        "truth": to_json_numbers(truth[rows], digits),
        "predicted": to_json_numbers(predicted[rows], digits),
    }


def _digits(numbers: np.ndarray) -> int:
    """Return how many digits of numbers are six of the range they lie in."""
    unit = np.ldexp(numbers, -_exponent(numbers))
    spread = float(np.ptp(unit))
    return 6 if spread == 0 else int(np.clip(6 + np.round(np.log10(np.abs(unit).max() / spread)), 6, 17))
