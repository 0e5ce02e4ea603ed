"""Candidates are judged on rows they have not learned from; what wins by more than noise predicts."""

import numpy as np
import pytest

from dataml.ml.boosters.hyperparameters import available_algorithms
from dataml.ml.boosters.native_model import LabeledRows, Task
from dataml.ml.training import split
from dataml.ml.training.model_selection import Candidates, Selection, resolve_algorithms, select


def table(task: Task, rows: int = 1_200) -> LabeledRows:
    """A smooth signal, on which the libraries err in different ways."""
    random = np.random.default_rng(1)
    x = random.normal(size=(rows, 6)).astype(np.float32)
    x[:, 5] = random.integers(0, 12, rows)
    signal = x[:, 0] + x[:, 1] * x[:, 2] + (x[:, 5] % 3 == 1) + 0.5 * random.normal(size=rows)
    if task.is_regression:
        return LabeledRows(x, signal)
    return LabeledRows(x, np.digitize(signal, np.quantile(signal, np.arange(1, task.classes) / task.classes)))


def chosen(
    task: Task, folds: int, algorithm: str = "auto", **options: object
) -> tuple[Selection, LabeledRows, split.Split]:
    samples = table(task)
    parts = split.split_stratified(samples.y, is_regression=task.is_regression, seed=0, folds=folds)
    candidates = Candidates(task, resolve_algorithms(algorithm, task), (5,), {"n_estimators": 80} | options, threads=2)
    told: list[float] = []
    found = select(candidates, samples, parts, lambda share, phrase: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1

    return found, samples, parts


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("task", [Task(0), Task(2), Task(3)], ids=lambda task: f"{task.classes} classes")
def test_all_libraries_are_tried_and_the_best_of_them_and_their_blend_predicts(task: Task, folds: int) -> None:
    found, samples, parts = chosen(task, folds)
    assert set(available_algorithms()) <= set(found.candidates)
    assert sum(member.weight for member in found.members) == pytest.approx(1)
    names = [member.fitted.algorithm for member in found.members]
    alone = {name: score for name, score in found.candidates.items() if name != "Blend"}
    if len(names) == 1:
        assert alone[names[0]] == min(alone.values())
    else:
        assert found.candidates["Blend"] < min(alone.values())
    predicted = found.predict(samples.x[parts.test])
    if task.is_regression:
        assert np.square(predicted - samples.y[parts.test]).mean() < 0.6 * samples.y.var()
        assert found.residuals is not None
        assert found.residuals == pytest.approx(samples.y[found.validation_rows] - found.validation_predictions)
    else:
        assert predicted.sum(axis=1) == pytest.approx(1)
        assert (predicted.argmax(axis=1) == samples.y[parts.test]).mean() > 1.5 / task.classes


def test_with_folds_the_rows_that_judged_are_learned_from_in_the_end() -> None:
    found, _, parts = chosen(Task(2), 3, "LightGBM")
    assert np.sort(found.validation_rows).tolist() == parts.development_rows.tolist()
    assert list(found.candidates) == ["LightGBM"]
    text = found.members[0].fitted.model.to_bytes().decode()
    first_leaf_counts = next(line for line in text.splitlines() if line.startswith("leaf_count="))
    rows = sum(map(int, first_leaf_counts.partition("=")[2].split()))
    assert rows == pytest.approx(0.8 * len(parts.development_rows), rel=0.05)  # each tree sees four fifths of them


def test_one_seed_makes_one_selection() -> None:
    (first, samples, _), (second, _, _) = chosen(Task(2), 3), chosen(Task(2), 3)
    assert (first.predict(samples.x) == second.predict(samples.x)).all()


def test_a_model_of_many_classes_leaves_catboost_out() -> None:
    assert "CatBoost" not in resolve_algorithms("auto", Task(500))
    assert resolve_algorithms("CatBoost", Task(500)) == ("CatBoost",)
