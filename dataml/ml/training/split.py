"""Which rows a model learns from, which stop and choose it, and which score it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from dataml.errors import Invalid

DEFAULT_HOLDOUT: float = 0.2
"""The share of rows that is held out for the scores."""
VALIDATION_EVERY = 7
"""With a single part for validation, every seventh of the others (about 11% of all) stops the boosting and chooses."""
_LARGE_ROWS = 50_000


@dataclass(frozen=True)
class Fold:
    """Row numbers: learned from, and judged by."""

    train: np.ndarray
    validation: np.ndarray


@dataclass(frozen=True)
class Split:
    """Row numbers of `test`, which no fold has, and the folds of the rest."""

    method: Literal["stratified", "time", "group"]
    test: np.ndarray
    folds: tuple[Fold, ...]

    @property
    def development_rows(self) -> np.ndarray:
        """Every row but those of `test`, ascending."""
        return np.unique(np.concatenate([part for fold in self.folds for part in (fold.train, fold.validation)]))

    def make_contiguous(self) -> tuple[np.ndarray, "Split"]:
        """Row numbers in an order in which the parts of a single fold, or the rest, and the test lie side by side, and
        the split of rows in that order: then a part is a view, and no copy. Within a part the order stays the same."""
        fold = self.folds[0]
        learned = [fold.train, fold.validation] if len(self.folds) == 1 else [self.development_rows]
        order = np.concatenate([*learned, self.test])
        new = np.empty(order.max() + 1, np.int64)
        new[order] = np.arange(len(order))
        folds = tuple(Fold(new[fold.train], new[fold.validation]) for fold in self.folds)
        return order, Split(self.method, new[self.test], folds)


def choose_fold_count(rows: int) -> int:
    """How many folds suit so many rows: few say little in a single part, many say enough."""
    return 3 if rows < _LARGE_ROWS else 1


def split_stratified(
    codes: np.ndarray, *, is_regression: bool, seed: int, holdout: float = DEFAULT_HOLDOUT, folds: int = 1
) -> Split:
    """A random split that keeps the distribution of the target: rows are sorted by it, in random order among equals,
    and dealt out in turn. A class too small to be in every part is learned from first."""
    random = np.random.default_rng(seed)
    order = np.lexsort((random.random(len(codes)), codes))
    rest, test = _dealt(order, holdout, random)
    if not is_regression:
        test = np.setdiff1d(test, _only_there(codes, test, rest))
        rest = order[~np.isin(order, test)]
    if folds == 1:
        _, validation = _dealt(rest, 1 / VALIDATION_EVERY, random)
        parts = [validation]
    else:
        start = random.integers(folds)
        parts = [rest[(np.arange(len(rest)) + start) % folds == number] for number in range(folds)]
    return _checked(
        Split("stratified", np.sort(test), tuple(_fold(rest, part, codes, is_regression) for part in parts))
    )


def split_by_time(order: np.ndarray, *, holdout: float = DEFAULT_HOLDOUT, folds: int = 1) -> Split:
    """The last rows are held out. `order` lists rows oldest first. Each fold is judged by the rows that follow those it
    learns from (rolling origin): with one, the last seventh of what is left; with k, each of the last k of k + 1 parts.
    """
    cut = len(order) - round(len(order) * holdout)
    if folds == 1:
        starts = [cut - cut // VALIDATION_EVERY, cut]
    else:
        starts = [round(cut * (number + 1) / (folds + 1)) for number in range(folds)] + [cut]
    parts = [Fold(order[:start], order[start:stop]) for start, stop in pairwise(starts)]
    return _checked(Split("time", order[cut:], tuple(parts)))


def split_by_group(groups: np.ndarray, *, seed: int, holdout: float = DEFAULT_HOLDOUT, folds: int = 1) -> Split:
    """Rows of one group (`groups` are codes from 0) are in one part only; the parts are of about equal size.

    Raises Invalid: `too_few_groups`.
    """
    sizes = np.bincount(groups)
    wanted = folds if folds > 1 else VALIDATION_EVERY
    if np.count_nonzero(sizes) < wanted + 1:
        detail = f"{np.count_nonzero(sizes)} different groups; rows cannot be held out by them."
        raise Invalid(detail, code="too_few_groups")
    random = np.random.default_rng(seed)
    order = random.permutation(np.flatnonzero(sizes))
    reached = np.cumsum(sizes[order])
    held = order[: max(1, int(np.searchsorted(reached, holdout * len(groups))))]
    test = np.flatnonzero(np.isin(groups, held))
    rest = np.flatnonzero(~np.isin(groups, held))
    left = order[len(held) :]
    # The largest first, each to the part that has least.
    part_of = np.empty(len(sizes), np.int64)
    filled = np.zeros(wanted)
    for group in left[np.argsort(-sizes[left], kind="stable")]:
        part_of[group] = filled.argmin()
        filled[part_of[group]] += sizes[group]
    parts = [rest[part_of[groups[rest]] == number] for number in range(folds)]
    return _checked(Split("group", test, tuple(Fold(np.setdiff1d(rest, part), part) for part in parts)))


def _dealt(order: np.ndarray, share: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`order` without and with an even `share` of it."""
    steps = np.floor((np.arange(len(order) + 1) + random.random()) * share)
    drawn = np.diff(steps) > 0
    return order[~drawn], order[drawn]


def _only_there(codes: np.ndarray, part: np.ndarray, others: np.ndarray) -> np.ndarray:
    """One row of `part` for each class that none of `others` has."""
    absent = np.setdiff1d(codes[part], codes[others])
    return np.array([part[np.flatnonzero(codes[part] == code)[0]] for code in absent], dtype=np.int64)


def _fold(rest: np.ndarray, validation: np.ndarray, codes: np.ndarray, is_regression: bool) -> Fold:
    train = np.setdiff1d(rest, validation)
    if not is_regression:
        moved = _only_there(codes, validation, train)
        train, validation = np.concatenate((train, moved)), np.setdiff1d(validation, moved)
    return Fold(np.sort(train), np.sort(validation))


def _checked(split: Split) -> Split:
    parts: Sequence[np.ndarray] = [
        split.test,
        *(part for fold in split.folds for part in (fold.train, fold.validation)),
    ]
    if not all(len(part) for part in parts):
        raise Invalid("Too few rows a class to hold any out: most classes have a single row.", code="too_few_rows")
    return split
