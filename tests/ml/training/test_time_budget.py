"""Fits share a budget of time; what it is not enough for is left out."""

import math

import pytest

from dataml.clocks import Deadline
from dataml.ml.boosters.fitting import NEVER
from dataml.ml.training.time_budget import TimeBudget, default_fit_time_s, limit_fit_time_s

LONG_S = 100_000.0
"""So long that the time which the test itself takes does not count."""


def make_budget(remaining_s: float = LONG_S, **options: object) -> TimeBudget:
    values = {"folds": 5, "workers": 2, "refits": 3} | options
    return TimeBudget(Deadline.after(remaining_s), **values)  # type: ignore[arg-type]


def test_default_times_grow_with_the_matrix_and_the_quality() -> None:
    assert default_fit_time_s(7_043, 20, "balanced") == pytest.approx(20, abs=0.1)
    assert default_fit_time_s(7_043, 20, "best") == pytest.approx(60, abs=0.5)
    assert default_fit_time_s(10, 2, "balanced") == pytest.approx(15, abs=0.1)
    assert default_fit_time_s(10**7, 20, "balanced") == default_fit_time_s(10**7, 20, "best") == 120


def test_fits_end_before_the_limit_of_the_job() -> None:
    assert limit_fit_time_s(60, 5) == 40
    assert limit_fit_time_s(60, 50) == 0


def test_without_a_deadline_there_is_always_time() -> None:
    budget = make_budget(math.inf)
    budget.record("a", "LightGBM", 1e9, folds_left=4)
    assert budget.is_enough("b", "LightGBM", 5)
    assert budget.fit_deadline("b", 5) is NEVER
    deadline = budget.refit_deadline("a")
    assert deadline is not None
    assert math.isinf(deadline.remaining_s())


def test_a_candidate_may_take_all_the_time_that_is_left() -> None:
    # Three turns of two folds at a time, and a fit on all rows.
    assert make_budget().fit_deadline("a", 5).remaining_s() == pytest.approx(LONG_S / 4, rel=0.01)
    single = make_budget(folds=1, refits=0)
    assert single.fit_deadline("a", 1).remaining_s() == pytest.approx(LONG_S, rel=0.01)


def test_time_is_reserved_for_what_has_been_begun() -> None:
    budget = make_budget()
    assert budget.is_enough("b", "CatBoost", 5)  # not measured yet
    # Two more turns, and the fit on all rows in half of the workers.
    budget.record("a", "LightGBM", LONG_S / 5, folds_left=4)
    rest = LONG_S - 2 * LONG_S / 5 - LONG_S / 5 * 5 / 4 / 2
    assert budget.fit_deadline("b", 1).remaining_s() == pytest.approx(rest / 2, rel=0.01)
    assert not budget.is_enough("b", "LightGBM", 5)
    budget.drop("a")
    assert budget.fit_deadline("b", 1).remaining_s() == pytest.approx(LONG_S / 2, rel=0.01)


def test_after_the_deadline_only_the_protected_candidate_is_fitted() -> None:
    budget = make_budget(0.0, first="a")
    budget.record("a", "LightGBM", 1.0, folds_left=0)
    budget.record("b", "LightGBM", 1.0, folds_left=0)
    assert budget.fit_deadline("a", 1) is budget.refit_deadline("a") is NEVER
    assert budget.fit_deadline("b", 1).remaining_s() <= 0
    assert budget.refit_deadline("b") is None
    assert not budget.is_enough("c", "XGBoost", 1)
