"""The leaderboard of a forecast's training: what each candidate scores in the backtest, as soon as it is through."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Final

import numpy as np

from dataml.ml.forecasting.backtest.combination import ForecastCombination
from dataml.ml.forecasting.backtest.naive_errors import NaiveErrors
from dataml.ml.forecasting.backtest.scaled_errors import ScaledErrors
from dataml.ml.json_numbers import finite_or_none
from dataml.ml.leaderboard import CandidateScore, CandidateState, ReportScore

_METRIC: Final = "mean_scaled_error"


class BacktestLeaderboard:
    """Reports the candidates of a selection while they are backtested, by the error that they are selected by.

    Args:
        names: the names of the candidates.
        truth: (windows, series, horizon), NaN where a series has no such window.
        naive: what errors are divided by.
        is_small_count: (series,), whose squared errors are compared.
        report_score: is called with each candidate whenever it has come further.
    """

    def __init__(
        self,
        names: Sequence[str],
        truth: np.ndarray,
        naive: NaiveErrors,
        is_small_count: np.ndarray,
        report_score: ReportScore,
    ) -> None:
        self._scores = {name: CandidateScore(name, _METRIC) for name in names}
        self._truth = truth
        self._naive = naive
        self._is_small_count = is_small_count
        self._report_score = report_score
        for score in self._scores.values():
            report_score(score)

    def backtest(self, name: str, run: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the forecasts (windows, series, horizon) that `run` makes, and report their error.

        What is backtested for comparison only is no candidate, and is not reported.
        """
        score = self._scores.get(name)
        if score is None:
            return run()
        self._report_score(replace(score, state=CandidateState.FITTING))
        began = perf_counter()
        forecasts = run()
        seconds = perf_counter() - began
        error = ScaledErrors.measure(forecasts[None], self._truth, self._naive, self._is_small_count).by_candidate()[0]
        has_forecast = np.isfinite(forecasts).any()
        scored = replace(
            score,
            score=finite_or_none(error) if has_forecast else None,
            seconds=seconds,
            state=CandidateState.SCORED,
        )
        self._scores[name] = scored
        self._report_score(scored)
        return forecasts

    def select(self, combination: ForecastCombination) -> None:
        """Report the rule that was selected, or the only candidate."""
        name = combination.rule
        score = self._scores.get(name, CandidateScore(name, _METRIC, combination.scores.get(name)))
        self._report_score(replace(score, state=CandidateState.SELECTED))
