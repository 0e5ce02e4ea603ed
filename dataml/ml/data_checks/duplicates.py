"""Held-out rows that the model has learned from: copies on both sides of the split."""

from typing import Final

import numpy as np

from dataml.contract.warnings import DataWarning

MIN_SHARE: Final = 0.01
"""Share of the held-out rows from which on there is a warning."""
_MIN_COUNT: Final = 2
_MAX_TEST_ROWS: Final = 50_000
_MAX_TRAIN_ROWS: Final = 1_000_000
_CHUNK_CELLS: Final = 4_000_000
_MAX_CHANCE: Final = 0.1
"""Largest part of the copies that may be chance."""
_MISSING: Final = np.uint32(0x7FC00000)


def find_duplicates(train: np.ndarray, test: np.ndarray, seed: int) -> list[DataWarning]:
    """Return a warning if rows of `test` have the features of rows of `train` (both (rows, width), encoded).

    Rows of a few categories are equal by chance. So there is no warning where features that vary independently of each
    other would have more than a tenth of these copies.
    """
    random = np.random.default_rng(seed)
    train, test = _draw(train, _MAX_TRAIN_ROWS, random), _draw(test, _MAX_TEST_ROWS, random)
    factors = random.integers(1, 2**63, train.shape[1], dtype=np.uint64) | np.uint64(1)
    known = np.unique(_hash_rows(train, factors))
    is_copy = np.isin(_hash_rows(test, factors), known)
    count, rows = int(is_copy.sum()), len(test)
    if count < max(_MIN_COUNT, MIN_SHARE * rows) or _expected_by_chance(train, random) > _MAX_CHANCE * count / rows:
        return []
    message = (
        f"{count:,} of {rows:,} held-out rows have the same features as rows that the model learned from, so the "
        "scores may be too good. Remove repeated rows, or keep the rows of one case together with validation.group."
    )
    return [DataWarning("duplicates_across_split", message, None, count)]


def _draw(matrix: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    return matrix if len(matrix) <= size else matrix[np.sort(random.permutation(len(matrix))[:size])]


def _hash_rows(matrix: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return 64 bits for each row; rows of equal numbers have equal bits."""
    size = max(1, _CHUNK_CELLS // max(1, matrix.shape[1]))
    parts = []
    for start in range(0, len(matrix), size):
        part = np.ascontiguousarray(matrix[start : start + size] + np.float32(0))  # -0 becomes 0
        bits = np.where(np.isnan(part), _MISSING, part.view(np.uint32)).astype(np.uint64)
        mixed = (bits + np.uint64(0x9E3779B97F4A7C15)) * factors
        parts.append((mixed ^ (mixed >> np.uint64(29))).sum(axis=1, dtype=np.uint64))
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _expected_by_chance(train: np.ndarray, random: np.random.Generator) -> float:
    """Return how many of the rows of `train` equal a new row by chance, when features are independent."""
    sample = _draw(train, 2_000, random)
    rows, chance = len(sample), float(len(train))
    for column in sample.T:
        _, counts = np.unique(column, return_counts=True, equal_nan=True)
        # An unbiased estimate of the probability that two rows have the same value.
        chance *= float((counts * (counts - 1)).sum()) / max(1, rows * (rows - 1))
    return chance
