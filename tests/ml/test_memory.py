"""A large matrix is in memory once at most, whatever library learns from it."""

import mmap
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


def test_a_large_matrix_lies_in_a_file_and_a_small_one_in_memory() -> None:
    def is_mapped(matrix: np.ndarray) -> bool:
        base = matrix
        while isinstance(base, np.ndarray):
            base = base.base
        return isinstance(base, mmap.mmap)

    assert is_mapped(allocate_matrix(LARGE_BYTES // 80 + 1, 20))
    assert not is_mapped(allocate_matrix(100, 20))
    assert allocate_matrix(3, 2).shape == (3, 2)


def test_a_disk_without_room_leaves_a_large_matrix_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.posix_fallocate", refuse)
    matrix = allocate_matrix(LARGE_BYTES // 80 + 1, 20)
    assert matrix.base is None
    drop_pages(matrix)


def test_a_large_matrix_has_the_same_values_after_its_pages_were_dropped() -> None:
    samples = table(LARGE_BYTES // 80)
    before = samples.x.copy()
    drop_pages(samples.take(np.arange(1_000, 2_000)).x)
    release_memory()
    assert np.array_equal(samples.x, before)


@pytest.mark.parametrize("algorithm", [name for name in available_algorithms() if name != "Linear"])
def test_a_fit_keeps_no_copy_of_the_rows_except_the_numbers_of_catboost(algorithm: str) -> None:
    samples = table(250_000)
    train, validation = samples.take(np.arange(220_000)), samples.take(np.arange(220_000, 250_000))
    held: list[int] = []

    def measure(share: float, message: str) -> None:
        arrays = tracemalloc.take_snapshot().filter_traces([only_arrays])
        held.append(sum(trace.size for trace in arrays.traces))

    config = FitConfig(algorithm, Task(2), (19,), {"n_estimators": 11}, progress=measure)
    only_arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    tracemalloc.start()
    try:
        fit(config, train, validation)
    finally:
        tracemalloc.stop()
    assert held
    assert max(held) < (1.2 if algorithm == "CatBoost" else 0.25) * samples.x.nbytes
