"""Candidates are validated on rows that they did not learn from; the best of them, or their blend, is selected."""

import numpy as np
import pytest

from dataml.ml.boosters.hyperparameters import available_algorithms
from dataml.ml.boosters.native_model import LabeledRows, Task
from dataml.ml.leaderboard import CandidateScore
from dataml.ml.training import split
from dataml.ml.training.candidates import Candidates, list_candidates, list_defaults
from dataml.ml.training.model_selection import Selection, select


def make_rows(task: Task, rows: int = 1_200) -> LabeledRows:
    """Return rows with a smooth signal, on which the libraries err in different ways."""
    random = np.random.default_rng(1)
    x = random.normal(size=(rows, 6)).astype(np.float32)
    x[:, 5] = random.integers(0, 12, rows)
    signal = x[:, 0] + x[:, 1] * x[:, 2] + (x[:, 5] % 3 == 1) + 0.5 * random.normal(size=rows)
    if task.is_regression:
        return LabeledRows(x, signal)
    return LabeledRows(x, np.digitize(signal, np.quantile(signal, np.arange(1, task.classes) / task.classes)))


def select_model(
    task: Task, folds: int, algorithm: str = "auto", **options: object
) -> tuple[Selection, LabeledRows, split.Split]:
    samples = make_rows(task)
    parts = split.split_stratified(samples.y, is_regression=task.is_regression, seed=0, folds=folds)
    candidates = Candidates(task, list_defaults(algorithm, task), (5,), {"n_estimators": 80} | options, threads=2)
    shares: list[float] = []
    messages: list[str] = []

    def report_progress(share: float, message: str) -> None:
        shares.append(share)
        messages.append(message)

    steps: list[CandidateScore] = []
    selection = select(candidates, samples, parts, report_progress, report_score=steps.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    metric = task.metric.replace("_", " ")
    assert selection.candidates.keys() - {"Blend"} | selection.limited.keys() == set(candidates.names)
    for name in set(candidates.names) & selection.candidates.keys():
        score = f"{name} has a {metric} of {selection.candidates[name]:.4g} in the validation"
        assert messages.count(score) == 1
    check_leaderboard(steps, selection, candidates)
    return selection, samples, parts


def check_leaderboard(steps: list[CandidateScore], selection: Selection, candidates: Candidates) -> None:
    """Check that each candidate waits, is fitted, is scored, and that one of them is selected."""
    last = {each.candidate: each for each in steps}
    stopped = {name for name in last if last[name].state == "stopped"}
    assert stopped == set(candidates.names) - selection.candidates.keys()
    last = {name: each for name, each in last.items() if name not in stopped}
    assert {name: each.score for name, each in last.items()} == pytest.approx(selection.candidates)
    assert {each.metric for each in steps} == {candidates.task.metric}
    names = [member.name for member in selection.members]
    winner = names[0] if len(names) == 1 else "Blend"
    assert [name for name, each in last.items() if each.state == "selected"] == [winner]
    for name in set(candidates.names) - stopped:
        own = [each for each in steps if each.candidate == name]
        order = list(dict.fromkeys(each.state.value for each in own))
        assert order == ["waiting", "fitting", "scored", "selected"][: 4 if name == winner else 3]
        assert all(each.score is None and each.seconds is None for each in own if each.state in ("waiting", "fitting"))
        seconds = last[name].seconds
        assert seconds is not None
        assert seconds > 0


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("task", [Task(0), Task(2), Task(3)], ids=lambda task: f"{task.classes} classes")
def test_the_best_library_or_a_blend_is_selected(task: Task, folds: int) -> None:
    selection, samples, parts = select_model(task, folds)
    assert folds > 1 or set(available_algorithms()) <= set(selection.candidates)
    assert sum(member.weight for member in selection.members) == pytest.approx(1)
    names = [member.name for member in selection.members]
    alone = {name: score for name, score in selection.candidates.items() if name != "Blend"}
    if len(names) == 1:
        assert alone[names[0]] == min(alone.values())
    else:
        assert selection.candidates["Blend"] < min(alone.values())
    predicted = selection.predict(samples.x[parts.test])
    if task.is_regression:
        assert np.square(predicted - samples.y[parts.test]).mean() < 0.6 * samples.y.var()
        assert selection.residuals is not None
        assert selection.residuals == pytest.approx(
            samples.y[selection.validation_rows] - selection.validation_predictions
        )
    else:
        assert predicted.sum(axis=1) == pytest.approx(1)
        assert (predicted.argmax(axis=1) == samples.y[parts.test]).mean() > 1.5 / task.classes


def test_with_folds_the_final_model_learns_from_the_validation_rows() -> None:
    selection, _, parts = select_model(Task(2), 3, "LightGBM")
    assert np.sort(selection.validation_rows).tolist() == parts.development_rows.tolist()
    assert list(selection.candidates) == ["LightGBM"]
    text = selection.members[0].fitted.model.to_bytes().decode()
    first_leaf_counts = next(line for line in text.splitlines() if line.startswith("leaf_count="))
    rows = sum(map(int, first_leaf_counts.partition("=")[2].split()))
    assert rows == pytest.approx(0.8 * len(parts.development_rows), rel=0.05)  # each tree sees four fifths of them


def test_one_seed_makes_one_selection() -> None:
    (first, samples, _), (second, _, _) = select_model(Task(2), 3), select_model(Task(2), 3)
    assert (first.predict(samples.x) == second.predict(samples.x)).all()


def test_a_model_of_many_classes_leaves_catboost_out() -> None:
    assert "CatBoost" not in [model.name for model in list_candidates(Task(500))]
    assert [model.name for model in list_defaults("CatBoost", Task(500))] == ["CatBoost"]
