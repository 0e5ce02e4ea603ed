"""Combination of forecasts: rules that weigh the candidates, each scored on windows other than those of its weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from dataml.ml.forecasting.backtest.naive_errors import NaiveErrors
from dataml.ml.forecasting.backtest.scaled_errors import ScaledErrors
from dataml.ml.forecasting.blending import blend

_PRIOR_WINDOWS: Final = 2.0
"""Windows of one series that the errors over all series count as."""
_MIN_WEIGHT: Final = 0.05
_BY_ERROR: Final = "weighted by error"
_BY_SERIES: Final = "weighted by error of each series"
_SINGLE_WINDOW: Final = (
    "Rules cannot be compared on a single window; a mean of several candidates is rarely far from the best one."
)
_SIGNIFICANCE: Final = 0.99
"""Confidence of the one-sided t-test over windows that another rule is better than the default one."""

_MEDIAN_SIZE: Final = 5
_MIN_MEDIAN_SIZE: Final = 4
"""Candidates of a median. Of two or three it is not more robust than their mean, or is a single one of them."""

WeightingRule = Callable[[ScaledErrors], np.ndarray]
"""From the errors of candidates to weights (series, candidates)."""


@dataclass(frozen=True)
class ForecastCombination:
    """The weights of the candidates, and how they were made.

    `weights` (series, candidates) sum to 1 for each series. `rule` names the rule that made them. `scores` are the mean
    scaled errors (see `ScaledErrors`) of every candidate and rule that was tried, lower is better; those of a rule are
    on windows that its weights were not made from. `blended` (windows, series, horizon) are the forecasts of the rule
    there. `reason` says in a sentence why it is this rule, and not one with a smaller error. With `is_median` the
    forecast is the median of those that have a weight.
    """

    weights: np.ndarray
    rule: str
    reason: str
    scores: dict[str, float]
    blended: np.ndarray
    is_median: bool = False

    @property
    def used(self) -> np.ndarray:
        """The positions of the candidates that forecast any series."""
        return np.flatnonzero((self.weights > 0).any(axis=0))

    def blend(self, forecasts: np.ndarray) -> np.ndarray:
        """Return the blended forecasts of other windows, from those of the `used` candidates.

        They are (windows, series, horizon), from (used, windows, series, horizon).
        """
        return blend(self.weights[:, self.used], forecasts, is_median=self.is_median)


def select_combination(
    names: Sequence[str],
    forecasts: np.ndarray,
    truth: np.ndarray,
    naive: NaiveErrors,
    is_small_count: np.ndarray,
) -> ForecastCombination:
    """Select the rule that weighs the candidates.

    It is the median of the five best candidates, which loses least where the past misleads one of them (a holiday week
    that is repeated, for example), or the rule with the smallest error that is significantly better. Fewer than four
    candidates are blended by their errors. With a single window the
    rules cannot be compared: then the three best candidates get equal weights, which is rarely far from the best
    combination (Stock and Watson 2004, the "forecast combination puzzle").

    A candidate without any forecast, as a booster is before the first window of short series, gets no weight and no
    score.

    Args:
        names: The names of the candidates.
        forecasts: (candidates, windows, series, horizon), NaN where a series has no such window.
        truth: (windows, series, horizon), NaN likewise.
        naive: What errors are divided by.
        is_small_count: (series,), whose squared errors are compared, so that forecasts of their mean win.
    """
    has_forecast = np.isfinite(forecasts).any(axis=(1, 2, 3))
    if has_forecast.any() and not has_forecast.all():
        kept = np.flatnonzero(has_forecast).tolist()
        combination = select_combination([names[at] for at in kept], forecasts[kept], truth, naive, is_small_count)
        weights = np.zeros((truth.shape[1], len(names)))
        weights[:, kept] = combination.weights
        return replace(combination, weights=weights)
    errors = ScaledErrors.measure(forecasts, truth, naive, is_small_count)
    scores = dict(zip(names, errors.by_candidate().tolist(), strict=True))
    if len(names) == 1:
        weights = np.ones((truth.shape[1], 1))
        return ForecastCombination(weights, names[0], "It is the only candidate.", scores, forecasts[0])
    rules = _rules(names, truth.shape[1])
    if truth.shape[0] == 1:
        rule = f"mean of the best {min(3, len(names))}"
        weights = _drop_small(rules[rule](errors))
        return ForecastCombination(weights, rule, _SINGLE_WINDOW, scores, blend(weights, forecasts, is_median=False))
    median = f"median of the best {min(_MEDIAN_SIZE, len(names))}"
    blended = {name: _cross_validate(rule, errors, forecasts, name == median) for name, rule in rules.items()}
    rule_errors = {name: ScaledErrors.measure(own[None], truth, naive, is_small_count) for name, own in blended.items()}
    rule_scores = {name: float(own.by_candidate()[0]) for name, own in rule_errors.items()}
    default = next(name for name in (median, _BY_SERIES, _BY_ERROR) if name in rules)
    best = min(
        (n for n in rules if n == default or _is_better(rule_errors[n].values[0], rule_errors[default].values[0])),
        key=lambda name: rule_scores[name],
    )
    weights = _drop_small(rules[best](errors))
    reason = _explain_rule(best, default, scores, rule_scores, truth.shape[0])
    return ForecastCombination(weights, best, reason, scores | rule_scores, blended[best], best == median)


def _explain_rule(
    rule: str, default: str, scores: dict[str, float], rule_scores: dict[str, float], windows: int
) -> str:
    """Return why the rule was chosen: the default one, or one that is significantly better."""
    if rule != default:
        return (
            f"Over the {windows} windows its error, {rule_scores[rule]:.3f}, is significantly smaller than that of the "
            f"{default}, {rule_scores[default]:.3f} (one-sided t-test, {_SIGNIFICANCE:.0%})."
        )
    everything = scores | rule_scores
    best = min(everything, key=lambda name: everything[name])
    if everything[best] >= rule_scores[rule]:
        return f"No candidate and no other rule had a smaller error than {rule_scores[rule]:.3f}."
    lead = f"{best} had a smaller error, {everything[best]:.3f} against {rule_scores[rule]:.3f}"
    if best in rule_scores:
        why = f"not significantly so (one-sided t-test, {_SIGNIFICANCE:.0%})"
    else:
        why = "it was found to be the best one on the windows that it is measured on"
    return (
        f"{lead}, but {why}: over {windows} windows that may be luck, and a blend loses less where the future is "
        "unlike them."
    )


def _is_better(errors: np.ndarray, than: np.ndarray) -> bool:
    """Return whether errors (windows, series) are significantly lower, by a one-sided t-test over windows.

    The errors of the series of one window depend on each other, so that each window is one observation.
    """
    from scipy.stats import t

    lead = than - errors
    known = np.isfinite(lead)
    has_value = known.any(axis=1)
    by_window = np.where(known, lead, 0.0).sum(axis=1)[has_value] / known.sum(axis=1)[has_value]
    if len(by_window) < 2:
        return False
    standard_error = by_window.std(ddof=1) / np.sqrt(len(by_window))
    return bool(by_window.mean() > t.ppf(_SIGNIFICANCE, len(by_window) - 1) * standard_error)


def _rules(names: Sequence[str], series: int) -> dict[str, WeightingRule]:
    """Return the rules by name, the simpler ones first."""
    rules: dict[str, WeightingRule] = {"best one": lambda errors: _weigh_best(errors, 1)}
    if len(names) >= _MIN_MEDIAN_SIZE:
        size = min(_MEDIAN_SIZE, len(names))
        rules[f"median of the best {size}"] = lambda errors: _weigh_best(errors, size)
    for count in range(2, len(names) + 1):
        rules[f"mean of the best {count}"] = lambda errors, count=count: _weigh_best(errors, count)
    rules[_BY_ERROR] = _weigh_by_error
    if series > 1:
        rules["best one of each series"] = lambda errors: _weigh_by_series(errors, sharpness=np.inf)
        rules[_BY_SERIES] = lambda errors: _weigh_by_series(errors, sharpness=2.0)
    return rules


def _weigh_best(errors: ScaledErrors, count: int) -> np.ndarray:
    means = errors.by_candidate()
    order = np.argsort(means, kind="stable")[:count]
    chosen = [position for position in order if means[position] <= errors.max_ratio.mean() * means[order[0]]]
    weights = np.zeros((len(errors.is_squared), len(means)))
    weights[:, chosen] = 1 / len(chosen)
    return weights


def _weigh_by_error(errors: ScaledErrors) -> np.ndarray:
    weights = _inverse_weights(errors.by_candidate()[None, :], errors.max_ratio.mean(keepdims=True), 2.0)
    return np.repeat(weights, len(errors.is_squared), axis=0)


def _weigh_by_series(errors: ScaledErrors, sharpness: float) -> np.ndarray:
    """Return weights by the errors of each series, relative to their mean and shrunk towards those of all series."""
    own, count = errors.by_series()
    level = own.mean(axis=0)
    overall = errors.by_candidate()
    relative = np.divide(own, level, out=np.ones_like(own), where=level > 0)
    typical = overall / (overall.mean() or 1.0)
    shrunk = (relative * count + typical[:, None] * _PRIOR_WINDOWS) / (count + _PRIOR_WINDOWS)
    return _inverse_weights(shrunk.T, errors.max_ratio, sharpness)


def _inverse_weights(errors: np.ndarray, max_ratio: np.ndarray, sharpness: float) -> np.ndarray:
    """Return weights of rows of errors: a power of their inverse, or with infinite sharpness all to the smallest.

    A sharpness of 2 weighs by the inverse mean squared error, as Bates and Granger (1969) do. An error beyond
    `max_ratio` (rows,) times the smallest one gets no weight.
    """
    if np.isinf(sharpness):
        weights = np.zeros_like(errors)
        weights[np.arange(len(errors)), errors.argmin(axis=1)] = 1.0
        return weights
    smallest = errors.min(axis=1, keepdims=True)
    # A candidate without any error gets nearly all the weight, and nothing is divided by zero.
    powered = (np.maximum(smallest, 1e-9) / np.maximum(errors, 1e-9)) ** sharpness
    powered[errors > max_ratio[:, None] * np.maximum(smallest, 1e-9)] = 0.0
    return powered / powered.sum(axis=1, keepdims=True)


def _cross_validate(rule: WeightingRule, errors: ScaledErrors, forecasts: np.ndarray, is_median: bool) -> np.ndarray:
    """Return the forecasts of a rule for each window, with weights made from the other windows."""
    blends = []
    for window in range(forecasts.shape[1]):
        weights = _drop_small(rule(errors.without(window)))
        blends.append(blend(weights, forecasts[:, window : window + 1], is_median=is_median)[0])
    return np.stack(blends)


def _drop_small(weights: np.ndarray) -> np.ndarray:
    """Return the weights without the smallest ones, which cost a model and change nothing."""
    weights = np.where(weights < np.minimum(_MIN_WEIGHT, weights.max(axis=1, keepdims=True)), 0.0, weights)
    return weights / weights.sum(axis=1, keepdims=True)
