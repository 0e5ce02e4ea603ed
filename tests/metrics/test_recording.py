"""Metrics that a process records."""

import threading

import pytest

from dataml.metrics.recording import Counter, Gauge, Histogram, take_recording


def test_recording_has_only_what_came_since_the_last_one() -> None:
    counter = Counter("requests_total", "Requests.", ("route",))
    histogram = Histogram("duration_seconds", "Times.", bounds=(0.1, 1.0))
    counter.add("/a")
    counter.add("/a", amount=2)
    counter.add("/b")
    for value in (0.1, 0.5, 7.0):
        histogram.observe(value)
    recording = take_recording("one", (counter, histogram))
    assert recording.counters == {"requests_total": {("/a",): 3, ("/b",): 1}}
    # A bound belongs to its bucket. The last number is the sum.
    assert recording.histograms == {"duration_seconds": {(): [1, 1, 1, 7.6]}}
    counter.add("/b")
    recording = take_recording("one", (counter, histogram))
    assert (recording.counters, recording.histograms) == ({"requests_total": {("/b",): 1}}, {})


def test_gauges_stay() -> None:
    gauge = Gauge("models", "Models.")
    gauge.set(3)
    gauge.set(2)
    for _ in range(2):
        assert take_recording("one", (gauge,)).gauges == {"models": {(): 2}}


def test_failing_block_is_timed() -> None:
    histogram = Histogram("duration_seconds", "Times.", ("kind",), bounds=(10.0,))
    with pytest.raises(KeyError), histogram.time("read"):
        raise KeyError
    ((observed),) = histogram.take().values()
    assert observed[:2] == [1, 0]
    assert observed[2] > 0


def test_nothing_is_lost_among_threads() -> None:
    counter = Counter("calls_total", "Calls.")
    taken: list[float] = []
    stop = threading.Event()

    def take() -> None:
        while not stop.is_set():
            taken.extend(counter.take().values())

    def add() -> None:
        for _ in range(20_000):
            counter.add()

    taker, adders = threading.Thread(target=take), [threading.Thread(target=add) for _ in range(4)]
    for thread in (taker, *adders):
        thread.start()
    for thread in adders:
        thread.join()
    stop.set()
    taker.join()
    assert sum(taken) + sum(counter.take().values()) == 80_000
