"""Which rows a model learns from, which stop and choose it, and which score it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dataml.errors import Invalid

TEST_EVERY = 5
"""Every fifth row (20%) is held out for the scores,"""
VALIDATION_EVERY = 7
"""and every seventh of the others (about 11% of all) stops the boosting and chooses between algorithms."""


@dataclass(frozen=True)
class Split:
    """Row numbers of the three disjoint parts."""

    method: Literal["stratified", "time"]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def by_target(codes: np.ndarray, *, is_regression: bool, seed: int) -> Split:
    """A random split that keeps the distribution of the target: rows are sorted by it, in random order among equals,
    and every n-th one is drawn. A class too small to be in every part is in the training part first."""
    random = np.random.default_rng(seed)
    order = np.lexsort((random.random(len(codes)), codes))
    rest, test = _every(order, TEST_EVERY, random)
    train, validation = _every(rest, VALIDATION_EVERY, random)
    if not is_regression:
        absent = np.setdiff1d(codes, codes[train])
        # One row of each class that was drawn elsewhere only.
        moved = np.array([np.flatnonzero(codes == code)[0] for code in absent], dtype=np.int64)
        train = np.concatenate((train, moved))
        validation, test = np.setdiff1d(validation, moved), np.setdiff1d(test, moved)
    return _checked(Split("stratified", np.sort(train), np.sort(validation), np.sort(test)))


def by_time(order: np.ndarray) -> Split:
    """The last fifth of the rows is held out; the last seventh of those before it validates. `order` lists rows oldest
    first."""
    cut = len(order) - len(order) // TEST_EVERY
    start = cut - cut // VALIDATION_EVERY
    return _checked(Split("time", order[:start], order[start:cut], order[cut:]))


def _every(order: np.ndarray, step: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    drawn = np.arange(len(order)) % step == random.integers(step)
    return order[~drawn], order[drawn]


def _checked(split: Split) -> Split:
    if not (len(split.validation) and len(split.test)):
        raise Invalid("Too few rows a class to hold any out: most classes have a single row.", code="too_few_rows")
    return split
