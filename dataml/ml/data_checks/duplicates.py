"""Held-out rows that the model has learned from: copies on both sides of the split."""

from typing import Final

import numpy as np

from dataml.contract.warnings import DataWarning

MIN_SHARE: Final = 0.01
"""Share of the held-out rows from which on there is a warning."""
_MIN_COUNT: Final = 2
_MAX_TEST_ROWS: Final = 50_000
_MAX_TRAIN_ROWS: Final = 1_000_000
_MAX_CELLS: Final = 100_000_000
_CHUNK_CELLS: Final = 2_000_000
_CHANCE_ROWS: Final = 2_000
_MAX_CHANCE: Final = 0.1
"""Largest part of the copies that may be chance."""
_MISSING: Final = np.uint32(0x7FC00000)


def find_duplicates(matrix: np.ndarray, train: np.ndarray, test: np.ndarray, seed: int) -> list[DataWarning]:
    """Return a warning if rows of `test` have the features of rows of `train`.

    Rows of a few categories are equal by chance. So there is no warning where features that vary independently of each
    other would have more than a tenth of these copies.

    Args:
        matrix: encoded rows (rows, width).
        train: the numbers of the rows that are learned from; of many, a sample is compared.
        test: the numbers of the held-out rows.
        seed: of the samples.
    """
    random = np.random.default_rng(seed)
    width = max(1, matrix.shape[1])
    compared = _draw(train, min(_MAX_TRAIN_ROWS, _MAX_CELLS // width), random)
    test = _draw(test, min(_MAX_TEST_ROWS, _MAX_CELLS // width), random)
    factors = random.integers(1, 2**63, matrix.shape[1], dtype=np.uint64) | np.uint64(1)
    known, held_out = np.sort(_hash_rows(matrix, compared, factors)), _hash_rows(matrix, test, factors)
    is_copy = known[np.minimum(np.searchsorted(known, held_out), len(known) - 1)] == held_out
    count, rows = int(is_copy.sum()), len(test)
    if count < max(_MIN_COUNT, MIN_SHARE * rows):
        return []
    chance = len(compared) * _chance_of_equality(matrix[_draw(compared, _CHANCE_ROWS, random)])
    if chance > _MAX_CHANCE * count / rows:
        return []
    least = "At least " if len(compared) < len(train) else ""
    message = (
        f"{least}{count:,} of {rows:,} held-out rows have the same features as rows that the model learned from, so "
        "the scores may be too good. Remove repeated rows, or keep the rows of one case together with validation.group."
    )
    return [DataWarning("duplicates_across_split", message, None, count)]


def _draw(rows: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= size else np.sort(random.permutation(rows)[:size])


def _hash_rows(matrix: np.ndarray, rows: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return 64 bits for each of these rows; rows of equal numbers have equal bits."""
    size = max(1, _CHUNK_CELLS // max(1, matrix.shape[1]))
    parts: list[np.ndarray] = []
    for start in range(0, len(rows), size):
        part = np.ascontiguousarray(matrix[rows[start : start + size]] + np.float32(0))  # -0 becomes 0
        bits = np.where(np.isnan(part), _MISSING, part.view(np.uint32)).astype(np.uint64)
        mixed = (bits + np.uint64(0x9E3779B97F4A7C15)) * factors
        parts.append((mixed ^ (mixed >> np.uint64(29))).sum(axis=1, dtype=np.uint64))
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _chance_of_equality(sample: np.ndarray) -> float:
    """Return the probability that two rows are equal when their features are independent."""
    rows, chance = len(sample), 1.0
    for column in sample.T:
        _, counts = np.unique(column, return_counts=True, equal_nan=True)
        # An unbiased estimate of the probability that two rows have the same value.
        chance *= float((counts * (counts - 1)).sum()) / max(1, rows * (rows - 1))
    return chance
