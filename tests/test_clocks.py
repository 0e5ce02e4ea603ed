"""Times when the machine's clock is set."""

import math
import time

import pytest

from dataml import clocks
from dataml.clocks import Deadline, steady_time

HOUR_S, DAY_S = 3600.0, 24 * 3600.0


def set_clock(monkeypatch: pytest.MonkeyPatch, offset_s: float) -> None:
    """Let the time of day, and no monotonic clock, differ from the machine's."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + offset_s)


def test_nothing_ages_when_the_clock_is_set_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    before = time.time()
    set_clock(monkeypatch, DAY_S)
    assert before <= steady_time() < before + HOUR_S


def test_a_clock_that_is_set_back_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, -HOUR_S)
    assert abs(steady_time() - time.time()) < 60


@pytest.mark.parametrize("offset_s", [-HOUR_S, DAY_S])
def test_a_deadline_stays_where_it_is(monkeypatch: pytest.MonkeyPatch, offset_s: float) -> None:
    deadline = Deadline.after(600)
    set_clock(monkeypatch, offset_s)
    assert 500 < deadline.remaining_s() <= 600


def test_a_deadline_of_another_machine_is_a_time_of_day(monkeypatch: pytest.MonkeyPatch) -> None:
    deadline = Deadline("another", monotonic_s=-math.inf, time_s=time.time() + 600)
    assert 500 < deadline.remaining_s() <= 600
    monkeypatch.setattr(clocks, "_machine", lambda: None)
    assert 500 < Deadline.after(600).remaining_s() <= 600


def test_no_deadline_is_never_reached() -> None:
    assert Deadline.after(math.inf).remaining_s() == math.inf
