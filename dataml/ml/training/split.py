"""Splits of rows into those that a model learns from, those that stop and choose it, and those that score it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from dataml.errors import Invalid
from dataml.ml.training.candidates import Quality

DEFAULT_HOLDOUT: Final = 0.2
"""The share of rows that is held out for the scores."""
VALIDATION_EVERY: Final = 7
"""With a single part for validation, every seventh of the others (about 11% of all) stops the boosting and chooses."""
_MIN_SINGLE_FOLD_ROWS: Final = 50_000
_MANY_ROWS: Final = 20_000
_NAMED_FOLDS: Final = 3
_FOLDS: Final[dict[Quality, tuple[int, int]]] = {"fast": (3, 1), "balanced": (5, 3), "best": (8, 5)}
"""Folds of fewer and of more than `_MANY_ROWS` rows."""
_MAX_REPEATED_ROWS: Final = 3_000
_REPEATS: Final = 2


@dataclass(frozen=True)
class Fold:
    """Numbers of the rows that a model learns from, and of those that validate it."""

    train: np.ndarray
    validation: np.ndarray


@dataclass(frozen=True)
class Split:
    """Row numbers of `test`, which no fold has, and the folds of the other rows."""

    method: Literal["stratified", "time", "group"]
    test: np.ndarray
    folds: tuple[Fold, ...]

    @property
    def development_rows(self) -> np.ndarray:
        """Every row but those of `test`, ascending."""
        parts = [part for fold in self.folds for part in (fold.train, fold.validation)]
        is_development = np.zeros(max(int(part.max()) for part in parts if len(part)) + 1, bool)
        for part in parts:
            is_development[part] = True
        return np.flatnonzero(is_development)

    def make_contiguous(self) -> tuple[np.ndarray, "Split"]:
        """Return an order of the rows in which each part is contiguous, and the split of rows in that order.

        Then a part of a matrix is a view, and no copy. The parts are train and validation of a single fold, or all
        development rows, and the test; within a part the order stays the same.
        """
        fold = self.folds[0]
        development = [fold.train, fold.validation] if len(self.folds) == 1 else [self.development_rows]
        order = np.concatenate([*development, self.test])
        new = np.empty(order.max() + 1, np.int64)
        new[order] = np.arange(len(order))
        folds = tuple(Fold(new[fold.train], new[fold.validation]) for fold in self.folds)
        return order, Split(self.method, new[self.test], folds)


def choose_fold_count(rows: int, quality: Quality | None = None) -> int:
    """Return how many folds suit so many rows: a single part of few rows is too small to choose by.

    Args:
        rows: of which the folds are made.
        quality: of a training that blends several candidates; None for one that fits a named algorithm.
    """
    if rows >= _MIN_SINGLE_FOLD_ROWS:
        return 1
    if quality is None:
        return _NAMED_FOLDS
    few, many = _FOLDS[quality]
    return few if rows < _MANY_ROWS else many


def choose_repeats(rows: int, quality: Quality | None) -> int:
    """Return how many times the rows are divided into folds: few rows give another choice by other folds."""
    return _REPEATS if quality == "best" and rows < _MAX_REPEATED_ROWS else 1


def split_stratified(
    codes: np.ndarray,
    *,
    is_regression: bool,
    seed: int,
    holdout: float = DEFAULT_HOLDOUT,
    folds: int = 1,
    repeats: int = 1,
) -> Split:
    """Split rows at random, keeping the distribution of the target.

    Rows are sorted by the target, in random order among equals, and dealt out in turn. A class too small to be in
    every part is learned from first.

    Args:
        codes: class codes, or the numbers of a regression (rows,).
        is_regression: whether they are numbers.
        seed: of the random order.
        holdout: the share of the test.
        folds: how many.
        repeats: how many times the rows are divided into several folds.

    Raises:
        Invalid: a part would be empty (`too_few_rows`).
    """
    random = np.random.default_rng(seed)
    order = np.lexsort((random.random(len(codes)), codes))
    rest, test = _deal(order, holdout, random)
    if not is_regression:
        test = np.setdiff1d(test, _rows_of_absent_classes(codes, test, rest))
        rest = order[~np.isin(order, test)]
    if folds == 1:
        _, validation = _deal(rest, 1 / VALIDATION_EVERY, random)
        parts = [validation]
    else:
        first = (np.arange(len(rest)) + random.integers(folds)) % folds
        dealt = [first, *(_deal_folds(len(rest), folds, random) for _ in range(repeats - 1))]
        parts = [rest[numbers == number] for numbers in dealt for number in range(folds)]
    return _check(
        Split("stratified", np.sort(test), tuple(_make_fold(rest, part, codes, is_regression) for part in parts))
    )


def split_by_time(order: np.ndarray, *, holdout: float = DEFAULT_HOLDOUT, folds: int = 1) -> Split:
    """Hold the last rows out.

    Each fold is validated by the rows that follow those it learns from (rolling origin): with one, the last seventh of
    the rows before the test; with k, each of the last k of k + 1 parts.

    Args:
        order: row numbers, oldest first.
        holdout: the share of the test.
        folds: how many.

    Raises:
        Invalid: a part would be empty (`too_few_rows`).
    """
    cut = len(order) - round(len(order) * holdout)
    if folds == 1:
        starts = [cut - cut // VALIDATION_EVERY, cut]
    else:
        starts = [round(cut * (number + 1) / (folds + 1)) for number in range(folds)] + [cut]
    parts = [Fold(order[:start], order[start:stop]) for start, stop in pairwise(starts)]
    return _check(Split("time", order[cut:], tuple(parts)))


def split_by_group(groups: np.ndarray, *, seed: int, holdout: float = DEFAULT_HOLDOUT, folds: int = 1) -> Split:
    """Split rows so that those of one group are in one part only; the parts are of about equal size.

    Args:
        groups: codes from 0 (rows,).
        seed: of the random order of groups.
        holdout: the share of the test.
        folds: how many.

    Raises:
        Invalid: there are fewer groups than parts (`too_few_groups`), or a part would be empty (`too_few_rows`).
    """
    sizes = np.bincount(groups)
    part_count = folds if folds > 1 else VALIDATION_EVERY
    if np.count_nonzero(sizes) < part_count + 1:
        detail = f"There are {np.count_nonzero(sizes)} different groups, too few to hold rows out by group."
        raise Invalid(detail, code="too_few_groups")
    random = np.random.default_rng(seed)
    order = random.permutation(np.flatnonzero(sizes))
    cumulative = np.cumsum(sizes[order])
    held_out = order[: max(1, int(np.searchsorted(cumulative, holdout * len(groups))))]
    test = np.flatnonzero(np.isin(groups, held_out))
    rest = np.flatnonzero(~np.isin(groups, held_out))
    part_of = _assign_groups(order[len(held_out) :], sizes, part_count)
    parts = [rest[part_of[groups[rest]] == number] for number in range(folds)]
    return _check(Split("group", test, tuple(Fold(np.setdiff1d(rest, part), part) for part in parts)))


def _assign_groups(groups: np.ndarray, sizes: np.ndarray, part_count: int) -> np.ndarray:
    """Return the part of each group: the largest groups first, each to the part that has fewest rows."""
    part_of = np.empty(len(sizes), np.int64)
    filled = np.zeros(part_count)
    for group in groups[np.argsort(-sizes[groups], kind="stable")]:
        part_of[group] = filled.argmin()
        filled[part_of[group]] += sizes[group]
    return part_of


def _deal(order: np.ndarray, share: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return `order` without an even `share` of it, and that share."""
    steps = np.floor((np.arange(len(order) + 1) + random.random()) * share)
    is_drawn = np.diff(steps) > 0
    return order[~is_drawn], order[is_drawn]


def _deal_folds(rows: int, folds: int, random: np.random.Generator) -> np.ndarray:
    """Return a fold for each of the rows: as many following rows as there are folds are dealt out at random."""
    rounds = random.random((rows // folds + 1, folds)).argsort(axis=1)
    return rounds.ravel()[:rows]


def _rows_of_absent_classes(codes: np.ndarray, part: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return one row of `part` for each class that none of `others` has."""
    absent = np.setdiff1d(codes[part], codes[others])
    return np.array([part[np.flatnonzero(codes[part] == code)[0]] for code in absent], dtype=np.int64)


def _make_fold(rest: np.ndarray, validation: np.ndarray, codes: np.ndarray, is_regression: bool) -> Fold:
    train = np.setdiff1d(rest, validation)
    if not is_regression:
        moved = _rows_of_absent_classes(codes, validation, train)
        train, validation = np.concatenate((train, moved)), np.setdiff1d(validation, moved)
    return Fold(np.sort(train), np.sort(validation))


def _check(split: Split) -> Split:
    parts: Sequence[np.ndarray] = [
        split.test,
        *(part for fold in split.folds for part in (fold.train, fold.validation)),
    ]
    if not all(len(part) for part in parts):
        raise Invalid("Rows cannot be held out: most classes have a single row.", code="too_few_rows")
    return split
