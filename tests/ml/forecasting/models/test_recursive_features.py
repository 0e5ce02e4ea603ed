"""Features of the next step equal the training rows of that step."""

import numpy as np
import pytest

from dataml.ml.forecasting.models import recursive_features
from dataml.ml.forecasting.models.lag_features import build_training_matrix, series_scales
from dataml.ml.forecasting.models.lag_spec import LagSpec
from dataml.ml.forecasting.models.recursive_features import RecursiveFeatures
from tests.ml.forecasting.lagged_series import COVARIATES, PLAIN, SPECS, build_input, daily_series
from tests.ml.forecasting.models.mlforecast_columns import mlforecast_columns, regular_series


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_next_row_equals_that_of_mlforecast(spec: LagSpec) -> None:
    data = regular_series(spec)
    history, level = mlforecast_columns(spec, data)
    for back in (0, 1, 5, spec.reach // 2):
        cutoffs = np.maximum(data.lengths - 1 - back, 1)
        tails = build_input(spec, data, np.ones(len(cutoffs)), 1, cutoffs).tails
        columns, level_now = RecursiveFeatures(spec).compute(tails, np.ones(len(cutoffs)))
        at = data.starts[:-1] + cutoffs
        size = np.abs(level[at]).max()
        assert level_now == pytest.approx(level[at], rel=1e-9)
        assert columns == pytest.approx(history[at], rel=1e-9, abs=1e-9 * size, nan_ok=True)


@pytest.mark.parametrize("gaps", [0, 0.2, 0.7])
def test_the_next_row_equals_the_training_row_for_series_of_any_length(gaps: float) -> None:
    spec, data = COVARIATES, daily_series((150, 90, 40, 9, 3, 2), COVARIATES, gaps=gaps)
    scale = series_scales(data.y, data.starts, data.lengths, spec.season)
    rows = build_training_matrix(spec, data, scale)
    features = RecursiveFeatures(spec)
    for cutoff in range(1, 140, 7):
        at_cutoff = rows.take(rows.position == cutoff)
        cutoffs = np.where(data.lengths > cutoff, cutoff, 1)
        columns, _ = features.compute(build_input(spec, data, scale, 1, cutoffs).tails, scale)
        expected = at_cutoff.x[:, : spec.history_width]
        assert columns[at_cutoff.series] == pytest.approx(expected, rel=1e-5, abs=1e-5, nan_ok=True)


def test_many_series_are_computed_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    data = daily_series((60, 60, 40, 30, 20))
    tails = build_input(PLAIN, data, np.ones(5), 1).tails
    scale = np.arange(1.0, 6)
    whole = RecursiveFeatures(PLAIN).compute(tails, scale)
    monkeypatch.setattr(recursive_features, "_MAX_CELLS", 2 * tails.shape[1])
    parts = RecursiveFeatures(PLAIN).compute(tails, scale)
    assert np.array_equal(parts[0], whole[0], equal_nan=True)
    assert np.array_equal(parts[1], whole[1])


def test_a_gap_in_the_whole_window_is_filled_by_the_mean_of_the_known_values() -> None:
    tails = np.full((1, PLAIN.reach), np.nan)
    tails[0, :4] = [2.0, 4.0, 6.0, 8.0]
    _, level = RecursiveFeatures(PLAIN).compute(tails, np.ones(1))
    assert level.tolist() == [5.0]
