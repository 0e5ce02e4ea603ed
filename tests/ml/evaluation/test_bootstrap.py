"""Intervals of scores are as wide as the scores vary, whichever way they are computed."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation import bootstrap
from dataml.ml.evaluation.bootstrap import MAX_EXACT_ROWS
from dataml.ml.evaluation.evaluate import Evaluation, evaluate


def draw_binary(rows: int, seed: int, share: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = (random.random(rows) < share).astype(np.int64)
    positive = 1 / (1 + np.exp(-random.normal(1.5 * truth - 1, 1)))
    return truth, np.stack([1 - positive, positive], axis=1)


def draw_classes(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 4, rows)
    scores = random.random((rows, 4)) + 0.5 * (truth[:, None] == np.arange(4))
    return truth, scores / scores.sum(axis=1, keepdims=True)


def draw_numbers(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.gamma(4, 2, rows) + 1
    return truth, truth + random.normal(0, 1, rows)


MAKERS: dict[str, tuple[Callable[[int, int], tuple[np.ndarray, np.ndarray]], Task]] = {
    "two classes": (draw_binary, Task(2)),
    "four classes": (draw_classes, Task(4)),
    "numbers": (draw_numbers, Task(0)),
}


def widths(result: Evaluation) -> dict[str, float]:
    return {name: each["high"] - each["low"] for name, each in result.details["confidence"].items()}


@pytest.mark.parametrize("kind", MAKERS)
def test_an_interval_is_as_wide_as_the_score_varies_from_sample_to_sample(kind: str) -> None:
    make, task = MAKERS[kind]
    scores = [evaluate(task, *make(600, seed)).metrics for seed in range(100, 200)]
    measured = widths(evaluate(task, *make(600, 1)))
    for name, width in measured.items():
        deviation = np.std([each[name] for each in scores])  # type: ignore[arg-type]
        assert width == pytest.approx(3.92 * deviation, rel=0.35), name


@pytest.mark.parametrize("kind", MAKERS)
def test_every_metric_has_an_interval_around_it_and_the_same_seed_gives_the_same(kind: str) -> None:
    make, task = MAKERS[kind]
    truth, predicted = make(400, 3)
    result = evaluate(task, truth, predicted, seed=5)
    intervals = result.details["confidence"]
    assert intervals.keys() == result.metrics.keys()
    for name, value in result.metrics.items():
        assert intervals[name]["low"] < value < intervals[name]["high"], name  # type: ignore[operator]
        assert intervals[name]["level"] == 0.95
    assert evaluate(task, truth, predicted, seed=5).details == result.details
    assert evaluate(task, truth, predicted, seed=6).details["confidence"] != intervals


@pytest.mark.parametrize("kind", MAKERS)
def test_the_method_for_many_rows_gives_the_intervals_of_the_one_for_few(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, task = MAKERS[kind]
    truth, predicted = make(6_000, 7)
    exact = evaluate(task, truth, predicted)
    monkeypatch.setattr(bootstrap, "MAX_EXACT_ROWS", 3_000)
    coarse = evaluate(task, truth, predicted)
    assert coarse.metrics == exact.metrics
    for name, each in exact.details["confidence"].items():
        width = each["high"] - each["low"]
        for end in ("low", "high"):
            assert coarse.details["confidence"][name][end] == pytest.approx(each[end], abs=0.2 * width), name


def test_few_positives_among_many_rows_keep_their_ranks() -> None:
    """Groups of neighbouring scores must not merge them with the rows below."""
    rows = MAX_EXACT_ROWS + 1_000
    truth = np.zeros(rows, dtype=np.int64)
    truth[:30] = 1
    positive = np.concatenate([np.linspace(0.9, 1, 30), np.linspace(0, 0.8, rows - 30)])
    result = evaluate(Task(2), truth, np.stack([1 - positive, positive], axis=1))
    assert result.metrics["pr_auc"] == 1
    assert result.details["confidence"]["pr_auc"]["low"] == pytest.approx(1)
    assert result.details["confidence"]["roc_auc"]["low"] == pytest.approx(1)


@pytest.mark.parametrize("rows", [300, MAX_EXACT_ROWS + 1])
def test_tied_scores_are_drawn_as_one_step(rows: int) -> None:
    truth, predicted = draw_binary(rows, 2)
    positive = np.round(predicted[:, 1], 1)
    result = evaluate(Task(2), truth, np.stack([1 - positive, positive], axis=1))
    interval = result.details["confidence"]["roc_auc"]
    assert interval["low"] < result.metrics["roc_auc"] < interval["high"]  # type: ignore[operator]


def test_a_perfect_model_has_an_interval_without_width() -> None:
    truth, _ = draw_binary(50, 1)
    result = evaluate(Task(2), truth, (truth[:, None] == np.arange(2)).astype(np.float64))
    for name in ("accuracy", "f1_score", "roc_auc", "pr_auc"):
        assert result.details["confidence"][name] == {"low": 1.0, "high": 1.0, "level": 0.95}


def test_a_score_that_is_not_defined_has_no_interval() -> None:
    result = evaluate(Task(2), np.zeros(30, dtype=np.int64), np.full((30, 2), 0.5))
    assert result.details["confidence"]["roc_auc"] is None
    assert result.details["confidence"]["accuracy"] is not None
    constant = evaluate(Task(0), np.full(30, 0.1), np.linspace(0, 1, 30))
    assert constant.details["confidence"]["r2"] is None
    json.dumps(constant.details, allow_nan=False)
