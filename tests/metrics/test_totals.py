"""Totals of the platform from what its processes have recorded."""

import pytest

from dataml.metrics.definitions import (
    HTTP_REQUESTS,
    JOBS_FINISHED,
    POOL_MODELS,
    PREDICTED_ROWS,
    PREDICTION_DURATION,
    PREDICTION_LOG_LAG,
    RECORDED,
)
from dataml.metrics.recording import Labels, Recording
from dataml.metrics.totals import OTHER, RecentCalls, Totals, quantile


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def totals(clock: Clock) -> Totals:
    return Totals(max_predictors=2, clock=clock)


def rows(*labels: str, amount: float = 1.0) -> Recording:
    return Recording("pool", counters={PREDICTED_ROWS.name: {labels: amount}})


def calls(version: str, *durations_s: float, status: str = "2xx", alias: str = "") -> Recording:
    PREDICTION_DURATION.take()
    for duration_s in durations_s:
        PREDICTION_DURATION.observe(duration_s, "acme", "churn", version, alias, status)
    return Recording("api", histograms={PREDICTION_DURATION.name: PREDICTION_DURATION.take()})


def predicted(totals: Totals) -> dict[Labels, float]:
    return totals.snapshot().counters[PREDICTED_ROWS.name]


def test_recordings_of_all_processes_are_added_up(totals: Totals) -> None:
    for process in ("one", "two", "one"):
        totals.add(Recording(process, counters={HTTP_REQUESTS.name: {("GET", "/a", "200"): 2}}))
    totals.add(calls("1", 0.003, 0.7))
    totals.add(calls("1", 0.003))
    snapshot = totals.snapshot()
    assert snapshot.counters == {HTTP_REQUESTS.name: {("GET", "/a", "200"): 6}}
    (observed,) = snapshot.histograms[PREDICTION_DURATION.name].values()
    assert sum(observed[:-1]) == 3
    assert observed[-1] == pytest.approx(0.706)


def test_counts_of_a_process_that_has_ended_stay_and_its_gauges_go(totals: Totals, clock: Clock) -> None:
    counters = {JOBS_FINISHED.name: {("train", "succeeded"): 1.0}}
    totals.add(Recording("one", counters, gauges={POOL_MODELS.name: {(): 3}, PREDICTION_LOG_LAG.name: {(): 7}}))
    totals.add(Recording("two", gauges={POOL_MODELS.name: {(): 2}, PREDICTION_LOG_LAG.name: {(): 1}}))
    # The number of models is a sum, the lag is that of the slowest.
    assert totals.snapshot().gauges == {POOL_MODELS.name: {(): 5}, PREDICTION_LOG_LAG.name: {(): 7}}
    clock.now_s += 20
    totals.add(Recording("two", gauges={POOL_MODELS.name: {(): 2}}))
    clock.now_s += 20
    snapshot = totals.snapshot()
    assert snapshot.gauges == {POOL_MODELS.name: {(): 2}}
    assert snapshot.counters == counters


def test_totals_that_begin_again_have_nothing_of_before(clock: Clock) -> None:
    """A process that goes on sends only what is new: a restart of the one that adds up counts nothing twice."""
    first, second = Totals(10, clock), Totals(10, clock)
    first.add(rows("acme", "churn", "1", amount=1000))
    second.add(rows("acme", "churn", "1", amount=1))
    assert predicted(second) == {("acme", "churn", "1"): 1}


def test_predictors_beyond_the_limit_are_added_up(totals: Totals) -> None:
    for name in ("a", "b", "c", "d", "a"):
        totals.add(rows("acme", name, "1"))
    assert predicted(totals) == {("acme", "a", "1"): 2, ("acme", "b", "1"): 1, OTHER[:3]: 2}


def test_metrics_of_one_predictor_take_one_place(totals: Totals) -> None:
    totals.add(calls("1", 0.1))
    totals.add(calls("1", 0.1, status="4xx"))
    totals.add(rows("acme", "churn", "1"))
    totals.add(rows("acme", "churn", "2"))
    assert OTHER[:3] not in predicted(totals)
    assert len(totals.snapshot().histograms[PREDICTION_DURATION.name]) == 2


def test_calls_by_an_alias_take_a_place_of_their_own(totals: Totals) -> None:
    for alias in ("", "prod", "test"):
        totals.add(calls("1", 0.1, alias=alias))
    keys = set(totals.snapshot().histograms[PREDICTION_DURATION.name])
    assert keys == {("acme", "churn", "1", "", "2xx"), ("acme", "churn", "1", "prod", "2xx"), (*OTHER, "2xx")}


def test_idle_predictor_gives_its_place_to_another(totals: Totals, clock: Clock) -> None:
    for name in ("a", "b"):
        totals.add(rows("acme", name, "1"))
    clock.now_s += 3000
    totals.add(rows("acme", "a", "1"))
    clock.now_s += 601
    totals.add(rows("acme", "c", "1"))
    assert predicted(totals) == {("acme", "a", "1"): 2, ("acme", "c", "1"): 1}
    totals.add(rows("acme", "d", "1"))
    assert predicted(totals)[OTHER[:3]] == 1


def test_traffic_is_that_of_the_last_five_minutes(totals: Totals, clock: Clock) -> None:
    totals.add(calls("1", *[0.02] * 10))
    clock.now_s += 200
    totals.add(calls("1", *[0.2] * 98, status="2xx"))
    totals.add(calls("1", 3.0, 3.0, status="5xx"))
    totals.add(calls("2", 9.0, alias="prod"))
    recent_calls = totals.recent_calls(("acme", "churn", "1"))
    assert recent_calls is not None
    assert (recent_calls.requests, recent_calls.errors) == (110, 2)
    assert recent_calls.p50_ms is not None
    assert recent_calls.p99_ms is not None
    assert 100 <= recent_calls.p50_ms <= 250
    assert 2500 <= recent_calls.p99_ms <= 5000
    clock.now_s += 120
    recent_calls = totals.recent_calls(("acme", "churn", "1"))
    assert recent_calls is not None
    assert (recent_calls.requests, recent_calls.errors) == (100, 2)
    clock.now_s += 300
    assert totals.recent_calls(("acme", "churn", "1")) == RecentCalls(0, 0, None, None)


def test_traffic_beyond_the_limit_is_not_known(totals: Totals) -> None:
    assert totals.recent_calls(("acme", "churn", "1")) == RecentCalls(0, 0, None, None)
    for version in "123":
        totals.add(calls(version, 0.1))
    assert totals.recent_calls(("acme", "churn", "3")) is None
    assert totals.recent_calls(("acme", "churn", "2")) is not None


@pytest.mark.parametrize(
    ("share", "counts", "value"),
    [
        (0.5, [0, 0, 0], None),
        (0.5, [4, 0, 0], 0.5),  # the middle of the first bucket
        (0.5, [2, 2, 0], 1.0),
        (0.75, [2, 2, 0], 1.5),
        (0.99, [1, 0, 9], 2.0),  # beyond the last bound
    ],
)
def test_quantile_is_interpolated_as_prometheus_does(share: float, counts: list[float], value: float | None) -> None:
    assert quantile(share, (1.0, 2.0), counts) == value


def test_names_follow_the_conventions_of_prometheus() -> None:
    assert len({metric.name for metric in RECORDED}) == len(RECORDED)
    for metric in RECORDED:
        assert metric.name.startswith("dataml_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.kind != "histogram" or metric.name.endswith("_seconds")
        assert metric.description.endswith(".")
