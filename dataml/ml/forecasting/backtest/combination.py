"""Which models forecast which series: rules that weigh the candidates, judged on windows they were not made from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_HOPELESS = 2.0
"""A candidate with so many times the error of the best one is in no blend."""
_PRIOR_WINDOWS = 2.0
"""What is known of all series counts as much as so many windows of one."""
_LEAST_WEIGHT = 0.05
_BY_ERROR = "weighted by error"
_BY_SERIES = "weighted by error of each series"
_NOISE = 0.99
"""How sure it must be, by a one-sided t-test over windows, that another rule is better than the blend of all."""

Weigh = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Choice:
    """`weights` (series, candidates) add up to 1 for each series. `rule` says in words how they were made, `scores` has
    the error of every candidate and rule that was tried, lower is better: mean absolute scaled error, of a rule on
    windows that its weights were not made from. `blended` (windows, series, horizon) is what the rule forecasts there.
    """

    weights: np.ndarray
    rule: str
    scores: dict[str, float]
    blended: np.ndarray

    @property
    def used(self) -> np.ndarray:
        """Positions of the candidates that forecast any series."""
        return np.flatnonzero((self.weights > 0).any(axis=0))


def choose(names: Sequence[str], forecasts: np.ndarray, truth: np.ndarray, scale: np.ndarray) -> Choice:
    """The blend of all candidates by their errors, which loses least where the past misleads (a week of holidays that
    is repeated, say), or the rule with the least error that is better than it by more than noise.

    `forecasts` (candidates, windows, series, horizon) and `truth` (windows, series, horizon) are NaN where a series has
    no such window; `scale` (series,) is what errors are divided by. With a single window there is nothing to judge
    rules by: then the three best candidates share, which rarely is far from the best (Stock & Watson 2004, the
    "forecast combination puzzle").
    """
    scale = _usable(scale, truth)
    errors = _errors(forecasts, truth, scale)
    scores = {name: _mean(each) for name, each in zip(names, errors, strict=True)}
    if len(names) == 1:
        weights = np.ones((truth.shape[1], 1))
        return Choice(weights, names[0], scores, forecasts[0])
    rules = _rules(names, truth.shape[1])
    if truth.shape[0] == 1:
        rule = f"mean of the best {min(3, len(names))}"
        weights = _kept(rules[rule](errors))
        return Choice(weights, rule, scores, _blend(weights, forecasts))
    judged = {name: _crossed(weigh, errors, forecasts) for name, weigh in rules.items()}
    found = {name: _errors(each[None], truth, scale)[0] for name, each in judged.items()}
    usual = _BY_SERIES if _BY_SERIES in rules else _BY_ERROR
    best = min(
        (name for name in found if name == usual or _is_better(found[name], found[usual])),
        key=lambda name: _mean(found[name]),
    )
    weights = _kept(rules[best](errors))
    return Choice(weights, best, scores | {name: _mean(each) for name, each in found.items()}, judged[best])


def _is_better(errors: np.ndarray, than: np.ndarray) -> bool:
    """Whether errors (windows, series) are less by more than noise. Series of one window err together: each window is
    one witness."""
    from scipy.stats import t

    lead = than - errors
    known = np.isfinite(lead)
    witnesses = known.any(axis=1)
    by_window = np.where(known, lead, 0.0).sum(axis=1)[witnesses] / known.sum(axis=1)[witnesses]
    if len(by_window) < 2:
        return False
    noise = by_window.std(ddof=1) / np.sqrt(len(by_window))
    return bool(by_window.mean() > t.ppf(_NOISE, len(by_window) - 1) * noise)


def _usable(scale: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """A series that has repeated itself exactly has no scale; its own size, or 1, lets it take part."""
    known = np.isfinite(truth)
    count = np.maximum(known.sum(axis=(0, 2)), 1)
    size = np.where(known, np.abs(truth), 0.0).sum(axis=(0, 2)) / count
    return np.where(scale > 0, scale, np.where(size > 0, size, 1.0))


def _rules(names: Sequence[str], series: int) -> dict[str, Weigh]:
    """From errors (candidates, windows, series) to weights (series, candidates); the simpler ones first."""
    rules: dict[str, Weigh] = {"best one": lambda errors: _best_of(errors, 1)}
    for count in range(2, len(names) + 1):
        rules[f"mean of the best {count}"] = lambda errors, count=count: _best_of(errors, count)
    rules[_BY_ERROR] = _by_error
    if series > 1:
        rules["best one of each series"] = lambda errors: _by_series(errors, sharpness=np.inf)
        rules[_BY_SERIES] = lambda errors: _by_series(errors, sharpness=2.0)
    return rules


def _errors(forecasts: np.ndarray, truth: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Mean absolute scaled error (candidates, windows, series), NaN where there is no value."""
    absolute = np.abs(forecasts - truth) / scale[:, None]
    known = np.isfinite(absolute)
    count = known.sum(axis=-1)
    total = np.where(known, absolute, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _mean(errors: np.ndarray) -> float:
    known = np.isfinite(errors)
    return float(errors[known].mean()) if known.any() else 0.0


def _of_all(errors: np.ndarray) -> np.ndarray:
    """The error of each candidate over all series."""
    return np.array([_mean(each) for each in errors])


def _best_of(errors: np.ndarray, count: int) -> np.ndarray:
    found = _of_all(errors)
    order = np.argsort(found, kind="stable")[:count]
    chosen = [each for each in order if found[each] <= _HOPELESS * found[order[0]]]
    weights = np.zeros((errors.shape[2], len(found)))
    weights[:, chosen] = 1 / len(chosen)
    return weights


def _by_error(errors: np.ndarray) -> np.ndarray:
    weights = _inverse(_of_all(errors)[None, :], 2.0)
    return np.repeat(weights, errors.shape[2], axis=0)


def _by_series(errors: np.ndarray, sharpness: float) -> np.ndarray:
    """Each series by its own errors, relative to its mean over the candidates, shrunk towards those of all series."""
    known = np.isfinite(errors).all(axis=0)
    count = known.sum(axis=0)
    own = np.where(known, errors, 0.0).sum(axis=1) / np.maximum(count, 1)
    level = own.mean(axis=0)
    of_all = _of_all(errors)
    relative = np.divide(own, level, out=np.ones_like(own), where=level > 0)
    typical = of_all / (of_all.mean() or 1.0)
    shrunk = (relative * count + typical[:, None] * _PRIOR_WINDOWS) / (count + _PRIOR_WINDOWS)
    return _inverse(shrunk.T, sharpness)


def _inverse(errors: np.ndarray, sharpness: float) -> np.ndarray:
    """Weights of rows of errors: by the power of their inverse, or all to the least of them."""
    if np.isinf(sharpness):
        weights = np.zeros_like(errors)
        weights[np.arange(len(errors)), errors.argmin(axis=1)] = 1.0
        return weights
    least = errors.min(axis=1, keepdims=True)
    # Where a candidate makes no error at all, it gets nearly everything and nothing is divided by zero.
    powered = (np.maximum(least, 1e-9) / np.maximum(errors, 1e-9)) ** sharpness
    powered[errors > _HOPELESS * np.maximum(least, 1e-9)] = 0.0
    return powered / powered.sum(axis=1, keepdims=True)


def _crossed(weigh: Weigh, errors: np.ndarray, forecasts: np.ndarray) -> np.ndarray:
    """What a rule forecasts for each window with weights from the others."""
    windows = errors.shape[1]
    parts = []
    for window in range(windows):
        weights = _kept(weigh(np.delete(errors, window, axis=1)))
        parts.append(_blend(weights, forecasts[:, window : window + 1])[0])
    return np.stack(parts)


def _blend(weights: np.ndarray, forecasts: np.ndarray) -> np.ndarray:
    """(windows, series, horizon). A candidate without weight has no say, whatever it forecasts."""
    parts = np.where(weights.T[:, None, :, None] > 0, forecasts * weights.T[:, None, :, None], 0.0)
    blended = parts.sum(axis=0)
    return np.where(np.isfinite(forecasts).any(axis=0), blended, np.nan)


def _kept(weights: np.ndarray) -> np.ndarray:
    """Without the least of them, which cost a model and change nothing."""
    weights = np.where(weights < np.minimum(_LEAST_WEIGHT, weights.max(axis=1, keepdims=True)), 0.0, weights)
    return weights / weights.sum(axis=1, keepdims=True)
