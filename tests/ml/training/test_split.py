"""Rows are held out by the target's distribution, by time, or by groups that stay together."""

import numpy as np
import pytest

from dataml.errors import Invalid
from dataml.ml.training import split
from dataml.ml.training.split import Split


def all_rows(whole: Split) -> np.ndarray:
    return np.sort(np.concatenate((whole.development_rows, whole.test)))


@pytest.mark.parametrize("folds", [1, 3, 5])
@pytest.mark.parametrize("holdout", [0.1, 0.2, 0.5])
def test_every_row_is_in_one_part_and_classes_keep_their_shares(folds: int, holdout: float) -> None:
    codes = np.repeat([0, 1, 2], [700, 250, 50])
    whole = split.split_stratified(codes, is_regression=False, seed=1, holdout=holdout, folds=folds)
    assert all_rows(whole).tolist() == list(range(1000))
    assert len(whole.test) == pytest.approx(1000 * holdout, abs=2)
    assert np.bincount(codes[whole.test]) == pytest.approx(np.array([700, 250, 50]) * holdout, abs=2)
    for fold in whole.folds:
        assert not np.intersect1d(fold.train, fold.validation).size
        assert not np.intersect1d(fold.train, whole.test).size
    validated = np.concatenate([fold.validation for fold in whole.folds])
    assert len(np.unique(validated)) == len(validated)
    if folds > 1:
        assert np.sort(validated).tolist() == whole.development_rows.tolist()


def test_one_seed_makes_one_split() -> None:
    codes = np.arange(200) % 4
    first, second, other = (
        split.split_stratified(codes, is_regression=False, seed=seed, folds=3) for seed in (1, 1, 2)
    )
    assert first.test.tolist() == second.test.tolist() != other.test.tolist()


@pytest.mark.parametrize("is_regression", [False, True])
def test_rows_are_divided_into_other_folds_at_each_repeat(is_regression: bool) -> None:
    codes = np.random.default_rng(0).permutation(300) if is_regression else np.arange(300) % 3
    whole = split.split_stratified(codes, is_regression=is_regression, seed=1, folds=4, repeats=2)
    once = split.split_stratified(codes, is_regression=is_regression, seed=1, folds=4)
    assert whole.test.tolist() == once.test.tolist()
    assert [each.validation.tolist() for each in whole.folds[:4]] == [each.validation.tolist() for each in once.folds]
    for folds in (whole.folds[:4], whole.folds[4:]):
        assert np.sort(np.concatenate([each.validation for each in folds])).tolist() == whole.development_rows.tolist()
    first, second = ([set(each.validation.tolist()) for each in folds] for folds in (whole.folds[:4], whole.folds[4:]))
    assert all(len(one & other) < 0.6 * len(one) for one in first for other in second)


def test_fewer_rows_and_more_quality_have_more_folds() -> None:
    assert [split.choose_fold_count(1_000, quality) for quality in (None, "fast", "balanced", "best")] == [3, 3, 5, 8]
    assert [split.choose_fold_count(30_000, quality) for quality in (None, "fast", "balanced", "best")] == [3, 1, 3, 5]
    assert {split.choose_fold_count(50_000, quality) for quality in (None, "fast", "balanced", "best")} == {1}
    assert (split.choose_repeats(1_000, "best"), split.choose_repeats(1_000, "balanced")) == (2, 1)
    assert split.choose_repeats(10_000, "best") == 1


def test_a_class_of_one_row_is_learned_from_in_every_fold() -> None:
    codes = np.array([0] * 60 + [1] * 60 + [2])
    for seed in range(10):
        whole = split.split_stratified(codes, is_regression=False, seed=seed, folds=3)
        assert 120 not in whole.test
        assert all(120 in fold.train for fold in whole.folds)


def test_a_split_by_time_validates_on_later_rows() -> None:
    order = np.arange(100)[::-1]
    one = split.split_by_time(order)
    assert one.test.tolist() == order[80:].tolist()
    assert len(one.folds[0].validation) == 11
    whole = split.split_by_time(order, folds=3)
    assert [len(fold.train) for fold in whole.folds] == [20, 40, 60]
    for fold in whole.folds:
        assert fold.train.min() > fold.validation.max()
        assert fold.validation.min() > whole.test.max()


@pytest.mark.parametrize("folds", [1, 4])
def test_rows_of_a_group_stay_together(folds: int) -> None:
    groups = np.random.default_rng(0).integers(0, 40, 1000)
    whole = split.split_by_group(groups, seed=0, folds=folds)
    assert all_rows(whole).tolist() == list(range(1000))
    assert not np.intersect1d(groups[whole.test], groups[whole.development_rows]).size
    assert len(whole.test) == pytest.approx(200, abs=40)
    for fold in whole.folds:
        assert not np.intersect1d(groups[fold.train], groups[fold.validation]).size


def test_too_few_groups_or_rows_are_refused() -> None:
    with pytest.raises(Invalid) as few:
        split.split_by_group(np.zeros(100, int), seed=0, folds=3)
    assert few.value.code == "too_few_groups"
    with pytest.raises(Invalid) as single:
        split.split_stratified(np.arange(30), is_regression=False, seed=0)
    assert single.value.code == "too_few_rows"


@pytest.mark.parametrize("folds", [1, 3])
def test_contiguous_parts_have_the_same_rows_in_the_same_order(folds: int) -> None:
    codes = np.repeat([0, 1], [60, 40])
    whole = split.split_stratified(codes, is_regression=False, seed=1, folds=folds)
    order, contiguous = whole.make_contiguous()
    assert np.sort(order).tolist() == list(range(100))
    assert order[contiguous.test].tolist() == whole.test.tolist()
    assert np.sort(order[contiguous.development_rows]).tolist() == whole.development_rows.tolist()
    for fold, moved in zip(whole.folds, contiguous.folds, strict=True):
        assert order[moved.train].tolist() == fold.train.tolist()
        assert order[moved.validation].tolist() == fold.validation.tolist()
    together = [
        contiguous.test,
        *([contiguous.folds[0].train, contiguous.folds[0].validation] if folds == 1 else [contiguous.development_rows]),
    ]
    assert all((np.diff(part) == 1).all() for part in together)


def test_contiguous_rows_of_a_split_by_time_are_oldest_first() -> None:
    oldest_first = np.array([5, 3, 0, 8, 1, 2, 9, 7, 6, 4])
    whole = split.split_by_time(oldest_first)
    order, contiguous = whole.make_contiguous()
    assert order.tolist() == oldest_first.tolist()
    assert contiguous.folds[0].train.tolist() == list(range(len(whole.folds[0].train)))


@pytest.mark.parametrize(("rows", "folds"), [(100, 3), (49_999, 3), (50_000, 1)])
def test_few_rows_get_several_folds(rows: int, folds: int) -> None:
    assert split.choose_fold_count(rows) == folds
