"""A large matrix is in memory once at most, whatever library learns from it."""

import tracemalloc

import numpy as np
import pytest

from dataml.ml.boosters.fitting import FitConfig, fit
from dataml.ml.boosters.hyperparameters import available_algorithms
from dataml.ml.boosters.native_model import LabeledRows, Task
from dataml.ml.memory import LARGE_BYTES, allocate_matrix, drop_pages, release_memory


def table(rows: int) -> LabeledRows:
    """20 columns, of which the last is a category."""
    x = allocate_matrix(rows, 20)
    x[:] = np.random.default_rng(0).normal(size=x.shape)
    x[:, 19] = np.arange(rows) % 7
    return LabeledRows(x, (x[:, 0] > 0).astype(np.int64))


def test_rows_that_follow_each_other_are_a_view() -> None:
    samples = table(100)
    part = samples.take(np.arange(20, 60))
    assert np.shares_memory(part.x, samples.x)
    assert np.shares_memory(part.y, samples.y)
    assert part.x.tolist() == samples.x[20:60].tolist()


@pytest.mark.parametrize("rows", [[], [3], [3, 5], [5, 4, 3], [3, 3, 5], [3, 5, 4, 6]])
def test_other_rows_are_those_that_were_asked_for(rows: list[int]) -> None:
    samples = table(100)
    part = samples.take(np.array(rows, dtype=np.int64))
    assert part.x.tolist() == samples.x[rows].tolist()
    assert part.y.tolist() == samples.y[rows].tolist()


def test_a_large_matrix_that_was_set_aside_has_the_same_values() -> None:
    samples = table(LARGE_BYTES // 80)
    before = samples.x.copy()
    drop_pages(samples.take(np.arange(1_000, 2_000)).x)
    release_memory()
    assert np.array_equal(samples.x, before)


@pytest.mark.parametrize("algorithm", available_algorithms())
def test_a_fit_keeps_no_copy_of_the_rows_but_the_numbers_catboost_asks_for(algorithm: str) -> None:
    samples = table(250_000)
    train, validation = samples.take(np.arange(220_000)), samples.take(np.arange(220_000, 250_000))
    held: list[int] = []

    def look(share: float, phrase: str) -> None:
        arrays = tracemalloc.take_snapshot().filter_traces([only_arrays])
        held.append(sum(trace.size for trace in arrays.traces))

    config = FitConfig(algorithm, Task(2), (19,), {"n_estimators": 11}, progress=look)
    only_arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    tracemalloc.start()
    try:
        fit(config, train, validation)
    finally:
        tracemalloc.stop()
    assert held
    assert max(held) < (1.2 if algorithm == "CatBoost" else 0.25) * samples.x.nbytes
