"""Calibration of probabilities: learned on rows the model did not learn from, used only where it helps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np

Method = Literal["sigmoid", "isotonic", "temperature"]
SIGNIFICANCE_Z: Final = 1.645
"""Standard errors beyond which a mean difference is significant (one-sided, 95%)."""
_MIN_PROBABILITY: Final = 1e-6
_MIN_ROWS: Final = 50
_MIN_ISOTONIC_ROWS: Final = 1_000
"""Fewer rows make an isotonic curve of steps that stand for a handful of rows (Niculescu-Mizil and Caruana 2005)."""
_MAX_ISOTONIC_POINTS: Final = 200


@dataclass(frozen=True)
class Calibration:
    """A map of probabilities (rows, classes) to better ones.

    `sigmoid` (Platt 1999) is a line in log-odds: `slope`, `offset`. `isotonic` (Zadrozny and Elkan 2002) goes through
    the points (`knots`, `values`) for the second of two classes. `temperature` (Guo et al. 2017) divides the log of all
    probabilities by one number.
    """

    method: Method
    slope: float = 1.0
    offset: float = 0.0
    temperature: float = 1.0
    knots: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities (rows, classes) as float64; rows add up to 1."""
        before = np.asarray(probabilities, np.float64)
        if self.method == "temperature":
            scores = np.log(np.clip(before, _MIN_PROBABILITY, 1)) / self.temperature
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            return powers / powers.sum(axis=1, keepdims=True)
        if self.method == "sigmoid":
            positive = 1 / (1 + np.exp(-(self.slope * _log_odds(before[:, 1]) + self.offset)))
        else:
            positive = np.interp(before[:, 1], self.knots, self.values)
        return np.column_stack((1 - positive, positive))

    def to_json(self) -> dict[str, Any]:
        """Return the method and its own parameters."""
        parameters: dict[str, dict[str, Any]] = {
            "sigmoid": {"slope": self.slope, "offset": self.offset},
            "temperature": {"temperature": self.temperature},
            "isotonic": {"knots": list(self.knots), "values": list(self.values)},
        }
        return {"method": self.method, **parameters[self.method]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the calibration that `to_json` wrote."""
        points: dict[str, Any] = {key: tuple(record[key]) for key in ("knots", "values") if key in record}
        return cls(**(dict(record) | points))


def calibrate(probabilities: np.ndarray, truth: np.ndarray, seed: int = 0) -> Calibration | None:
    """Return the best calibration, or None when none is better than no calibration.

    Each method is learned on one half of the rows and validated on the other by log loss, both ways round; it is
    better when it wins by more than SIGNIFICANCE_Z standard errors of the difference.

    Args:
        probabilities: (rows, classes), on rows that the model did not learn from.
        truth: class codes (rows,).
        seed: of the halves.
    """
    is_binary = probabilities.shape[1] == 2
    methods: list[Method] = ["sigmoid"] if is_binary else ["temperature"]
    if is_binary and len(truth) >= _MIN_ISOTONIC_ROWS:
        methods.append("isotonic")
    if len(truth) < _MIN_ROWS or len(np.unique(truth)) < 2:
        return None
    halves = np.array_split(np.random.default_rng(seed).permutation(len(truth)), 2)
    before = _log_losses(probabilities, truth)
    best: tuple[float, Method] | None = None
    for method in methods:
        after = np.empty(len(truth))
        for train, validation in (halves, halves[::-1]):
            learned = _learn(method, probabilities[train], truth[train])
            after[validation] = _log_losses(learned.apply(probabilities[validation]), truth[validation])
        gain = before - after
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        if gain.mean() > SIGNIFICANCE_Z * error and (best is None or gain.mean() > best[0]):
            best = (float(gain.mean()), method)
    return _learn(best[1], probabilities, truth) if best else None


def _learn(method: Method, probabilities: np.ndarray, truth: np.ndarray) -> Calibration:
    if method == "temperature":
        return _learn_temperature(probabilities, truth)
    if method == "sigmoid":
        return _learn_sigmoid(probabilities[:, 1], truth)
    return _learn_isotonic(probabilities[:, 1], truth)


def _learn_sigmoid(probability: np.ndarray, truth: np.ndarray) -> Calibration:
    """Minimize the log loss against Platt's softened targets, which keep the slope finite.

    A slope below zero would reverse the order of the rows.
    """
    from scipy.optimize import minimize

    x = _log_odds(probability)
    positives = float(truth.sum())
    negatives = len(truth) - positives
    targets = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        odds = line[0] * x + line[1]
        errors = 1 / (1 + np.exp(-odds)) - targets
        gradient = np.array([(errors * x).mean(), errors.mean()])
        return float((np.logaddexp(0, odds) - targets * odds).mean()), gradient

    minimum = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(1e-3, None), (None, None)])
    return Calibration("sigmoid", slope=float(minimum.x[0]), offset=float(minimum.x[1]))


def _learn_temperature(probabilities: np.ndarray, truth: np.ndarray) -> Calibration:
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        calibrated = Calibration("temperature", temperature=float(np.exp(log_temperature))).apply(probabilities)
        return float(_log_losses(calibrated, truth).mean())

    minimum = minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded")
    return Calibration("temperature", temperature=float(np.exp(minimum.x)))  # type: ignore[attr-defined]


def _learn_isotonic(probability: np.ndarray, truth: np.ndarray) -> Calibration:
    from sklearn.isotonic import IsotonicRegression

    regression = IsotonicRegression(y_min=_MIN_PROBABILITY, y_max=1 - _MIN_PROBABILITY, out_of_bounds="clip")
    learned = regression.fit(probability, truth)
    knots, values = np.asarray(learned.X_thresholds_), np.asarray(learned.y_thresholds_)
    points = min(len(knots), _MAX_ISOTONIC_POINTS)
    kept = np.unique(np.linspace(0, len(knots) - 1, points).round().astype(int))
    return Calibration("isotonic", knots=tuple(knots[kept].tolist()), values=tuple(values[kept].tolist()))


def _log_odds(probability: np.ndarray) -> np.ndarray:
    clipped = np.clip(probability.astype(np.float64), _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    return np.log(clipped / (1 - clipped))


def _log_losses(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return -np.log(np.clip(probabilities[np.arange(len(truth)), truth], _MIN_PROBABILITY, 1))
