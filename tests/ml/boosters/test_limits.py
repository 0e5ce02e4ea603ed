"""The time of a round is estimated from the size of the table, and wide tables get fewer bins."""

import numpy as np
import pytest

from dataml.ml.boosters.fitting import FitConfig, fit, library_parameters
from dataml.ml.boosters.limits import WIDE_COLUMNS, FitLimits, estimate_round_s
from dataml.ml.boosters.native_model import LabeledRows, NativeModel, Task
from tests.ml.boosters.fits import BOOSTERS


def make_wide(columns: int = WIDE_COLUMNS + 20, rows: int = 120) -> LabeledRows:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, columns)).astype(np.float32)
    x[:, 10] = random.integers(0, 3, rows)
    y = x[:, 0] + 2 * (x[:, 10] == 1) + x[:, columns - 1] + 0.2 * random.normal(size=rows)
    return LabeledRows(x, (y > np.median(y)).astype(np.int64))


@pytest.mark.parametrize(
    ("algorithm", "name"), [("XGBoost", "max_bin"), ("LightGBM", "max_bin"), ("CatBoost", "border_count")]
)
def test_wide_tables_get_fewer_bins_unless_the_user_says_how_many(algorithm: str, name: str) -> None:
    config, chosen = FitConfig(algorithm, Task(2), ()), FitConfig(algorithm, Task(2), (), {"max_bin": 200})
    assert name not in library_parameters(config, 100, WIDE_COLUMNS)
    assert library_parameters(config, 100, WIDE_COLUMNS + 1)[name] == 63
    assert library_parameters(chosen, 100, WIDE_COLUMNS + 1)[name] == 200


@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_a_wide_table_is_fitted_with_any_number_of_bins(algorithm: str) -> None:
    whole = make_wide()
    for options in ({}, {"max_bin": 20}):
        config = FitConfig(algorithm, Task(2), (10,), {"n_estimators": 15} | options)
        model = fit(config, whole, whole)
        assert (model.predict(whole.x).argmax(axis=1) == whole.y).mean() > 0.8


def test_catboost_looks_at_the_columns_that_say_most() -> None:
    whole = make_wide()
    limits = FitLimits(max_columns=12)
    fitted = fit(FitConfig("CatBoost", Task(2), (10,), {"n_estimators": 30}, limits=limits), whole, whole)
    used = np.flatnonzero(np.abs(fitted.model.contributions(whole.x)).sum(axis=(0, 1)))
    assert {0, 10, whole.x.shape[1] - 1} <= set(used.tolist())
    assert len(used) <= 12
    assert "ignored_features" not in fitted.params


def test_a_limited_model_is_the_same_from_its_file() -> None:
    whole = make_wide()
    limits = FitLimits(max_columns=12)
    fitted = fit(FitConfig("CatBoost", Task(2), (), {"n_estimators": 30}, limits=limits), whole, whole)
    again = NativeModel.from_bytes("CatBoost", Task(2), fitted.model.to_bytes(), ())
    assert (again.predict(whole.x) == fitted.predict(whole.x)).all()


@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_a_fit_ends_at_its_most_rounds(algorithm: str) -> None:
    whole = make_wide(30)
    limits = FitLimits(max_rounds=7)
    assert fit(FitConfig(algorithm, Task(2), (), limits=limits), whole, whole).best_iteration <= 7


@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_a_round_takes_longer_with_more_of_everything(algorithm: str) -> None:
    small = estimate_round_s(algorithm, 100, 100, 2)
    assert estimate_round_s(algorithm, 100, 200, 2) == pytest.approx(2 * small)
    assert small < estimate_round_s(algorithm, 1_000, 100, 2)
    assert small < estimate_round_s(algorithm, 100, 100, 5)
    assert estimate_round_s(algorithm, 100, 100, 0, 10) == pytest.approx(small / 10)
