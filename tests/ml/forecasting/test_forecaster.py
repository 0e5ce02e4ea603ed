"""A forecaster forecasts steps, buckets and explanations of its series, within its limits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dataml.errors import Invalid, NotFound
from dataml.ml.forecasting.forecaster import BASE, MAX_STEPS, Forecaster, ForecastParameters
from tests.ml.forecasting.training_data import make_future, make_rows, train_on


@pytest.fixture(scope="module")
def lagged(tmp_path_factory: pytest.TempPathFactory) -> Forecaster:
    return train_on(tmp_path_factory.mktemp("lagged"), "LightGBM").forecaster


@pytest.fixture(scope="module")
def naive(tmp_path_factory: pytest.TempPathFactory) -> Forecaster:
    return train_on(tmp_path_factory.mktemp("naive"), "SeasonalNaive").forecaster


def test_the_next_steps_of_each_series_are_forecast(naive: Forecaster) -> None:
    a, b = naive.forecast(ForecastParameters(30))
    assert (a.unique_id, b.unique_id) == ("a", "b")
    assert a.frequency.format_times(a.times[:2]) == ["2024-01-06T00:00:00Z", "2024-01-06T01:00:00Z"]
    assert b.frequency.format_times(b.times[:1]) == ["2024-01-05T14:00:00Z"]
    assert a.values[:24].tolist() == naive.series.y[:24].tolist()
    assert a.values[24:].tolist() == a.values[:6].tolist()
    assert ((a.lower <= a.values) & (a.values <= a.upper)).all()


def test_an_integer_target_is_rounded_on_request_and_never_negative(naive: Forecaster) -> None:
    for exact, rounded in zip(
        naive.forecast(ForecastParameters(5, level=99.9)),
        naive.forecast(ForecastParameters(5, level=99.9, round=True)),
        strict=True,
    ):
        assert exact.lower.dtype == np.float64
        assert exact.lower.min() >= 0
        assert {rounded.values.dtype, rounded.lower.dtype, rounded.upper.dtype} == {np.dtype(np.int64)}
        assert rounded.lower.tolist() == np.floor(exact.lower).tolist()
        assert rounded.upper.tolist() == np.ceil(exact.upper).tolist()


def test_series_are_returned_in_the_requested_order(naive: Forecaster) -> None:
    assert [series.unique_id for series in naive.forecast(ForecastParameters(1, unique_ids=("b", "a")))] == ["b", "a"]


def test_an_unknown_series_is_not_found(naive: Forecaster) -> None:
    with pytest.raises(NotFound) as missing:
        naive.forecast(ForecastParameters(1, unique_ids=("a", "z")))
    assert missing.value.code == "series_not_found"
    assert "'z'" in missing.value.detail


def test_coarser_steps_are_sums_or_means_of_whole_buckets(naive: Forecaster) -> None:
    hours = naive.forecast(ForecastParameters(34, unique_ids=("b",)))[0]
    total = naive.forecast(ForecastParameters(1, "Day", ("b",)))[0]
    mean = naive.forecast(ForecastParameters(1, "Day", ("b",), aggregate="mean"))[0]
    # Ten hours complete the day that the history has begun.
    day = hours.values[10:34]
    assert total.times.astype("datetime64[D]").astype(str).tolist() == ["2024-01-06"]
    assert total.values.tolist() == [day.sum()]
    assert mean.values == pytest.approx([day.mean()])
    width = total.upper[0] - total.lower[0]
    assert hours.upper[20] - hours.lower[20] < width < (hours.upper - hours.lower)[10:34].sum()
    assert mean.upper[0] - mean.lower[0] == pytest.approx(width / 24)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (ForecastParameters(1, "15min"), "frequency_mismatch"),
        (ForecastParameters(1, "Wek"), "unknown_frequency"),
        (ForecastParameters(MAX_STEPS + 1), "too_many_steps"),
        (ForecastParameters(MAX_STEPS // 24 + 1, "Day"), "too_many_steps"),
        (ForecastParameters(1, level=20), "bad_level"),
    ],
)
def test_an_impossible_forecast_is_refused(naive: Forecaster, parameters: ForecastParameters, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        naive.forecast(parameters)
    assert refused.value.code == code


def test_contributions_sum_to_the_forecast(lagged: Forecaster) -> None:
    limits = lagged.config.limits
    for series in lagged.forecast(ForecastParameters(8, explain=True), make_future(8)):
        assert series.explanation is not None
        sums = [sum(step.values()) for step in series.explanation]
        assert limits.clip(np.array(sums), lagged.floors[0]) == pytest.approx(series.values)
        assert {BASE, "promo"} <= set(series.explanation[0])


def test_a_statistical_model_is_one_contribution(naive: Forecaster) -> None:
    (series,) = naive.forecast(ForecastParameters(2, unique_ids=("a",), explain=True))
    assert series.explanation == [{"SeasonalNaive": float(value)} for value in series.values]


def test_explanations_of_buckets_are_sums(lagged: Forecaster) -> None:
    (day,) = lagged.forecast(ForecastParameters(1, "Day", ("a",), explain=True), make_future(24, ("a",)))
    (hours,) = lagged.forecast(ForecastParameters(24, unique_ids=("a",), explain=True), make_future(24, ("a",)))
    assert day.explanation is not None
    assert hours.explanation is not None
    assert day.explanation[0][BASE] == pytest.approx(sum(step[BASE] for step in hours.explanation))


def test_importance_is_of_boosters_alone(lagged: Forecaster, naive: Forecaster) -> None:
    assert sum(lagged.importance.values()) == pytest.approx(1)
    assert list(lagged.importance.values()) == sorted(lagged.importance.values(), reverse=True)
    assert naive.importance == {}


def test_a_member_with_exogenous_columns_needs_the_future(lagged: Forecaster, naive: Forecaster) -> None:
    assert lagged.needs_future
    assert not naive.needs_future
    with pytest.raises(Invalid) as refused:
        lagged.forecast(ForecastParameters(2))
    assert refused.value.code == "missing_future"


def test_an_updated_forecaster_starts_where_the_observations_end(naive: Forecaster) -> None:
    updated = naive.update(make_rows(first=100, extra=3))
    assert (updated.last_times - naive.last_times == np.timedelta64(3, "h")).all()
    assert updated.members is naive.members
    assert updated.forecast(ForecastParameters(1))[0].times[0] == naive.forecast(ForecastParameters(4))[0].times[3]


def test_an_update_with_unknown_series_is_refused(naive: Forecaster) -> None:
    rows = make_rows(first=115, extra=3)
    renamed = rows.set_column(0, "id", [["z"] * rows.num_rows])
    with pytest.raises(Invalid) as refused:
        naive.update(renamed)
    assert refused.value.code == "unknown_series"


def test_an_update_with_negative_values_allows_negative_forecasts(naive: Forecaster) -> None:
    rows = make_rows(first=100, extra=3)
    negative = pa.array([-500] * 3, pa.int64())
    a = rows.slice(0, 23)
    changed = pa.concat_tables([a.slice(0, 20), a.slice(20).set_column(2, "y", negative)])
    updated = naive.update(changed)
    assert updated.floors.tolist() == [-np.inf, 0.0]
    assert updated.forecast(ForecastParameters(24, unique_ids=("a",)))[0].values.min() == -500


def test_bounds_of_sums_of_a_model_without_them_are_narrower_than_sums_of_bounds(naive: Forecaster) -> None:
    old = replace(naive, sums=None)
    hours = old.forecast(ForecastParameters(34, unique_ids=("b",)))[0]
    total = old.forecast(ForecastParameters(1, "Day", ("b",)))[0]
    # The model keeps one season of history, which is too short for errors of the seasonal naive.
    naive_width = hours.upper[10:34].sum() - hours.values[10:34].sum()
    expected = naive_width * 24 ** (old._sum_intervals.power - 1)
    assert total.upper - total.values == pytest.approx([expected])
    assert 0.85 < old._sum_intervals.power < 0.95
    assert total.confidence == pytest.approx([hours.confidence[10:34].mean()])


def test_a_forecast_of_own_models_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forecaster = train_on(tmp_path, "Theta").forecaster
    calls = []
    monkeypatch.setattr(Forecaster, "_apply_local", lambda self, member, number, known: calls.append(0) or np.ones(6))
    parameters = ForecastParameters(6, unique_ids=("a",))
    first = forecaster.forecast(parameters, make_future(6))
    again = forecaster.forecast(replace(parameters, level=80.0), make_future(6))
    assert len(calls) == 1
    np.testing.assert_array_equal(first[0].values, again[0].values)
    updated = forecaster.update(make_rows(110, 10))
    updated.forecast(parameters, None)
    assert len(calls) == 2
