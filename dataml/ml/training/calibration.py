"""Probabilities that mean what they say: learned on rows the model did not learn from, used only where that helps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

Method = Literal["sigmoid", "isotonic", "temperature"]
SIGNIFICANCE_Z = 1.645
"""Standard errors beyond which a mean difference is no chance (one-sided, 95%)."""
_SMALLEST = 1e-6
_ISOTONIC_ROWS = 1_000
"""Fewer rows make an isotonic curve of steps that stand for a handful of rows (Niculescu-Mizil and Caruana 2005)."""
_ISOTONIC_POINTS = 200


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
        """(rows, classes), float64; rows add up to 1."""
        given = np.asarray(probabilities, np.float64)
        if self.method == "temperature":
            powered = np.log(np.clip(given, _SMALLEST, 1)) / self.temperature
            powered = np.exp(powered - powered.max(axis=1, keepdims=True))
            return powered / powered.sum(axis=1, keepdims=True)
        if self.method == "sigmoid":
            positive = 1 / (1 + np.exp(-(self.slope * _log_odds(given[:, 1]) + self.offset)))
        else:
            positive = np.interp(given[:, 1], self.knots, self.values)
        return np.column_stack((1 - positive, positive))

    def to_json(self) -> dict[str, Any]:
        """Only what its method has."""
        parameters: dict[str, dict[str, Any]] = {
            "sigmoid": {"slope": self.slope, "offset": self.offset},
            "temperature": {"temperature": self.temperature},
            "isotonic": {"knots": list(self.knots), "values": list(self.values)},
        }
        return {"method": self.method, **parameters[self.method]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        points: dict[str, Any] = {key: tuple(record[key]) for key in ("knots", "values") if key in record}
        return cls(**(dict(record) | points))


def calibrate(probabilities: np.ndarray, truth: np.ndarray, seed: int = 0) -> Calibration | None:
    """The best map for `probabilities` (rows, classes) of class codes `truth` (rows,), or None when none is better.

    Each method is learned on one half of the rows and judged on the other by log loss, both ways round; it is better
    when it wins by more than SIGNIFICANCE_Z standard errors of the difference.
    """
    is_binary = probabilities.shape[1] == 2
    methods: list[Method] = ["sigmoid"] if is_binary else ["temperature"]
    if is_binary and len(truth) >= _ISOTONIC_ROWS:
        methods.append("isotonic")
    if len(truth) < 50 or len(np.unique(truth)) < 2:
        return None
    halves = np.array_split(np.random.default_rng(seed).permutation(len(truth)), 2)
    before = _losses(probabilities, truth)
    best: tuple[float, Method] | None = None
    for method in methods:
        after = np.empty(len(truth))
        for learned, judged in (halves, halves[::-1]):
            found = _learn(method, probabilities[learned], truth[learned])
            after[judged] = _losses(found.apply(probabilities[judged]), truth[judged])
        gained = before - after
        error = gained.std(ddof=1) / np.sqrt(len(gained))
        if gained.mean() > SIGNIFICANCE_Z * error and (best is None or gained.mean() > best[0]):
            best = (float(gained.mean()), method)
    return _learn(best[1], probabilities, truth) if best else None


def _learn(method: Method, probabilities: np.ndarray, truth: np.ndarray) -> Calibration:
    if method == "temperature":
        return _temperature(probabilities, truth)
    if method == "sigmoid":
        return _sigmoid(probabilities[:, 1], truth)
    return _isotonic(probabilities[:, 1], truth)


def _sigmoid(probability: np.ndarray, truth: np.ndarray) -> Calibration:
    """The least log loss against Platt's softened targets, which keep the slope finite. A slope below zero would turn
    the order of the rows around."""
    from scipy.optimize import minimize

    x = _log_odds(probability)
    positives = float(truth.sum())
    negatives = len(truth) - positives
    wanted = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        odds = line[0] * x + line[1]
        wrong = 1 / (1 + np.exp(-odds)) - wanted
        return float((np.logaddexp(0, odds) - wanted * odds).mean()), np.array([(wrong * x).mean(), wrong.mean()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(1e-3, None), (None, None)])
    return Calibration("sigmoid", slope=float(found.x[0]), offset=float(found.x[1]))


def _temperature(probabilities: np.ndarray, truth: np.ndarray) -> Calibration:
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        changed = Calibration("temperature", temperature=float(np.exp(log_temperature))).apply(probabilities)
        return float(_losses(changed, truth).mean())

    found = minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded")
    return Calibration("temperature", temperature=float(np.exp(found.x)))  # type: ignore[attr-defined]


def _isotonic(probability: np.ndarray, truth: np.ndarray) -> Calibration:
    from sklearn.isotonic import IsotonicRegression

    learned = IsotonicRegression(y_min=_SMALLEST, y_max=1 - _SMALLEST, out_of_bounds="clip").fit(probability, truth)
    knots, values = np.asarray(learned.X_thresholds_), np.asarray(learned.y_thresholds_)
    chosen = np.unique(np.linspace(0, len(knots) - 1, min(len(knots), _ISOTONIC_POINTS)).round().astype(int))
    return Calibration("isotonic", knots=tuple(knots[chosen].tolist()), values=tuple(values[chosen].tolist()))


def _log_odds(probability: np.ndarray) -> np.ndarray:
    clipped = np.clip(probability.astype(np.float64), _SMALLEST, 1 - _SMALLEST)
    return np.log(clipped / (1 - clipped))


def _losses(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return -np.log(np.clip(probabilities[np.arange(len(truth)), truth], _SMALLEST, 1))
