"""The budget of time of a training, and how its fits share it."""

import math
from collections import defaultdict
from threading import Lock
from typing import Final

from dataml.clocks import Deadline
from dataml.ml.boosters.fitting import NEVER
from dataml.ml.training.candidates import Quality

_MIN_S: Final = 15.0
_MAX_S: Final = 120.0
_CELLS_PER_S: Final = 28_000
"""Rows times columns for each second above the smallest budget: 7,000 rows of 20 columns have 20 s."""
_BEST_FACTOR: Final = 3.0
_FIT_SHARE: Final = 0.75
"""The share of a job's time limit for fits: its start comes before them, scores and the bundle after them."""


def default_fit_time_s(rows: int, columns: int, quality: Quality) -> float:
    """Return the seconds after which `auto` begins no more candidates, by the size of its matrix."""
    factor = _BEST_FACTOR if quality == "best" else 1.0
    return min(factor * (_MIN_S + rows * columns / _CELLS_PER_S), _MAX_S)


def limit_fit_time_s(time_limit_s: float, elapsed_s: float) -> float:
    """Return the seconds for all fits of a job that must end within a limit, when so many have passed."""
    return max(0.0, _FIT_SHARE * time_limit_s - elapsed_s)


class TimeBudget:
    """The time that is left for fits; safe to share between threads.

    Parts of it are reserved: for the other folds of candidates that have been begun, and for fitting the slowest ones
    again on all rows, by the times that were measured.
    """

    def __init__(self, deadline: Deadline, folds: int, workers: int, refits: int, first: str | None = None) -> None:
        """Keep the deadline of all fits.

        Args:
            deadline: after it no fit goes on, but those of `first`.
            folds: of each candidate.
            workers: how many fits run at a time.
            refits: how many models are probably fitted again; 0 where none is.
            first: the candidate that is fitted to its end whatever time that takes; None where none is.
        """
        self._first = first
        self._deadline = deadline
        self._folds = folds
        self._workers = workers
        self._refits = refits
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._by_algorithm: dict[str, list[float]] = defaultdict(list)
        self._open: dict[str, int] = {}
        self._lock = Lock()

    def record(self, name: str, algorithm: str, seconds: float, folds_left: int) -> None:
        """Record how long a fold of a candidate took, and how many of its folds are to follow."""
        with self._lock:
            self._seconds[name].append(seconds)
            self._by_algorithm[algorithm].append(seconds)
            self._open[name] = folds_left

    def drop(self, name: str) -> None:
        """Reserve no more time for a candidate that has been stopped."""
        with self._lock:
            self._open.pop(name, None)
            self._seconds.pop(name, None)

    def is_enough(self, name: str, algorithm: str, folds: int) -> bool:
        """Return whether so many folds of a candidate can end in time; without a measured time, any time is enough."""
        with self._lock:
            times = self._seconds.get(name) or self._by_algorithm.get(algorithm) or [0.0]
            needed_s = sum(times) / len(times) * math.ceil(folds / self._workers)
            return self._remaining_s(name) > needed_s

    def fit_deadline(self, name: str, folds: int) -> Deadline:
        """Return the deadline of one of so many folds of a candidate that are to be fitted.

        A candidate may take all the time that is left: those that follow gain less, and a part of a fit is worth less
        than a whole one of fewer candidates.
        """
        if name == self._first or math.isinf(self._deadline.remaining_s()):
            return NEVER
        with self._lock:
            remaining_s = max(0.0, self._remaining_s(name))
        is_first_fit = name not in self._seconds
        turns = math.ceil(folds / self._workers) + (is_first_fit and self._refits > 0)
        return Deadline.after(remaining_s / turns)

    def refit_deadline(self, name: str) -> Deadline | None:
        """Return the deadline of the fit of a candidate on all rows; None where no time is left for it."""
        if name == self._first:
            return NEVER
        with self._lock:
            return self._deadline if self._deadline.remaining_s() > self._refit_s(name) else None

    def _remaining_s(self, name: str) -> float:
        """Return the seconds that are left for a candidate, without those that are reserved for others."""
        pending_s = sum(
            max(self._seconds[other]) * math.ceil(folds / self._workers)
            for other, folds in self._open.items()
            if other != name and self._seconds.get(other)
        )
        refit_s = sorted((self._refit_s(each) for each in self._seconds), reverse=True)
        return self._deadline.remaining_s() - pending_s - sum(refit_s[: self._refits]) / self._workers

    def _refit_s(self, name: str) -> float:
        times = self._seconds.get(name) or [0.0]
        return sum(times) / len(times) * self._folds / max(1, self._folds - 1)
