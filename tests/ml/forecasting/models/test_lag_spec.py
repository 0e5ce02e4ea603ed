"""A lag spec suits its series, names every column, and survives JSON."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataml.ml.forecasting.models.lag_spec import LagSpec, select_lags
from tests.ml.forecasting.lagged_series import COVARIATES, MONTHLY, SPECS, YEARLY


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_spec_survives_strict_json(spec: LagSpec) -> None:
    assert LagSpec.from_json(json.loads(json.dumps(spec.to_json(), allow_nan=False))) == spec


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_column_names_are_distinct(spec: LagSpec) -> None:
    assert len(set(spec.names)) == len(spec.names) == spec.width


def test_a_covariate_keeps_its_name_when_another_column_has_the_same() -> None:
    spec = replace(COVARIATES, known=("lag 1", "day of week"), categorical=("day of week",))
    assert len(set(spec.names)) == spec.width
    assert {"lag 1", "lag 1 (history)", "day of week", "day of week (calendar)"} <= set(spec.names)
    assert [spec.names[i] for i in spec.categorical_positions] == ["day of week"]


def test_monthly_and_yearly_series_get_suitable_lags() -> None:
    assert {1, 12, 24} <= set(MONTHLY.lags)
    assert MONTHLY.level == 12
    assert MONTHLY.reach <= 60 - 12
    assert 1 in YEARLY.lags
    assert max(YEARLY.lags) <= 8


@given(
    st.sampled_from([1, 4, 7, 12, 24, 52, 60]),
    st.lists(st.sampled_from([7, 168, 260, 365, 1_440]), max_size=2).map(tuple),
    st.integers(1, 3_000),
    st.integers(1, 100),
)
def test_a_spec_never_reaches_further_than_the_series(
    season: int, seasons: tuple[int, ...], length: int, horizon: int
) -> None:
    spec = select_lags(season, seasons, (), length, horizon)
    assert spec.lags[0] == 1
    assert spec.level >= 1
    assert spec.reach <= max(length - horizon, 1)
    assert len(set(spec.names)) == spec.width
