"""Rows are held out as asked: by the target's distribution, by time, or by groups that stay together."""

import numpy as np
import pytest

from dataml.errors import Invalid
from dataml.ml.training import split
from dataml.ml.training.split import Split


def rows_of(found: Split) -> np.ndarray:
    return np.sort(np.concatenate((found.development_rows, found.test)))


@pytest.mark.parametrize("folds", [1, 3, 5])
@pytest.mark.parametrize("holdout", [0.1, 0.2, 0.5])
def test_every_row_is_in_one_part_and_classes_keep_their_shares(folds: int, holdout: float) -> None:
    codes = np.repeat([0, 1, 2], [700, 250, 50])
    found = split.split_stratified(codes, is_regression=False, seed=1, holdout=holdout, folds=folds)
    assert rows_of(found).tolist() == list(range(1000))
    assert len(found.test) == pytest.approx(1000 * holdout, abs=2)
    assert np.bincount(codes[found.test]) == pytest.approx(np.array([700, 250, 50]) * holdout, abs=2)
    for fold in found.folds:
        assert not np.intersect1d(fold.train, fold.validation).size
        assert not np.intersect1d(fold.train, found.test).size
    judged = np.concatenate([fold.validation for fold in found.folds])
    assert len(np.unique(judged)) == len(judged)
    if folds > 1:
        assert np.sort(judged).tolist() == found.development_rows.tolist()


def test_one_seed_makes_one_split() -> None:
    codes = np.arange(200) % 4
    first, second, other = (
        split.split_stratified(codes, is_regression=False, seed=seed, folds=3) for seed in (1, 1, 2)
    )
    assert first.test.tolist() == second.test.tolist() != other.test.tolist()


def test_a_class_of_one_row_is_learned_from_in_every_fold() -> None:
    codes = np.array([0] * 60 + [1] * 60 + [2])
    for seed in range(10):
        found = split.split_stratified(codes, is_regression=False, seed=seed, folds=3)
        assert 120 not in found.test
        assert all(120 in fold.train for fold in found.folds)


def test_time_judges_by_what_comes_later() -> None:
    order = np.arange(100)[::-1]
    one = split.split_by_time(order)
    assert one.test.tolist() == order[80:].tolist()
    assert len(one.folds[0].validation) == 11
    found = split.split_by_time(order, folds=3)
    assert [len(fold.train) for fold in found.folds] == [20, 40, 60]
    for fold in found.folds:
        assert fold.train.min() > fold.validation.max()
        assert fold.validation.min() > found.test.max()


@pytest.mark.parametrize("folds", [1, 4])
def test_rows_of_a_group_stay_together(folds: int) -> None:
    groups = np.random.default_rng(0).integers(0, 40, 1000)
    found = split.split_by_group(groups, seed=0, folds=folds)
    assert rows_of(found).tolist() == list(range(1000))
    assert not np.intersect1d(groups[found.test], groups[found.development_rows]).size
    assert len(found.test) == pytest.approx(200, abs=40)
    for fold in found.folds:
        assert not np.intersect1d(groups[fold.train], groups[fold.validation]).size


def test_too_few_groups_or_rows_are_refused() -> None:
    with pytest.raises(Invalid) as few:
        split.split_by_group(np.zeros(100, int), seed=0, folds=3)
    assert few.value.code == "too_few_groups"
    with pytest.raises(Invalid) as single:
        split.split_stratified(np.arange(30), is_regression=False, seed=0)
    assert single.value.code == "too_few_rows"


@pytest.mark.parametrize("folds", [1, 3])
def test_side_by_side_the_parts_have_the_same_rows_in_the_same_order(folds: int) -> None:
    codes = np.repeat([0, 1], [60, 40])
    found = split.split_stratified(codes, is_regression=False, seed=1, folds=folds)
    order, there = found.make_contiguous()
    assert np.sort(order).tolist() == list(range(100))
    assert order[there.test].tolist() == found.test.tolist()
    assert np.sort(order[there.development_rows]).tolist() == found.development_rows.tolist()
    for fold, moved in zip(found.folds, there.folds, strict=True):
        assert order[moved.train].tolist() == fold.train.tolist()
        assert order[moved.validation].tolist() == fold.validation.tolist()
    together = [
        there.test,
        *([there.folds[0].train, there.folds[0].validation] if folds == 1 else [there.development_rows]),
    ]
    assert all((np.diff(part) == 1).all() for part in together)


def test_rows_of_a_time_lie_side_by_side_oldest_first() -> None:
    oldest_first = np.array([5, 3, 0, 8, 1, 2, 9, 7, 6, 4])
    found = split.split_by_time(oldest_first)
    order, there = found.make_contiguous()
    assert order.tolist() == oldest_first.tolist()
    assert there.folds[0].train.tolist() == list(range(len(found.folds[0].train)))
