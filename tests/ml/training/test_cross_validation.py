"""Candidates are validated in groups; those that cannot win, or for which no time is left, are stopped."""

from dataclasses import replace

import numpy as np
import pytest

from dataml.clocks import Deadline
from dataml.ml.boosters.native_model import LabeledRows, Task
from dataml.ml.training import split
from dataml.ml.training.candidates import Candidate, Candidates
from dataml.ml.training.cross_validation import cross_validate
from dataml.ml.training.model_selection import select
from tests.ml.training.test_model_selection import make_rows

GOOD = Candidate("good", "LightGBM")
HOPELESS = Candidate("hopeless", "XGBoost", {"learning_rate": 1e-6, "n_estimators": 3, "base_score": 0.99})
SMALL = Candidate("small", "LightGBM", {"num_leaves": 4})


def make_task(*models: Candidate, classes: int = 2, folds: int = 3) -> tuple[Candidates, LabeledRows, split.Split]:
    task = Task(classes)
    samples = make_rows(task, 600)
    if task.is_regression:
        samples = replace(samples, y=samples.y + 20)
    parts = split.split_stratified(samples.y, is_regression=task.is_regression, seed=0, folds=folds)
    return Candidates(task, models, (5,), {"n_estimators": 60}, threads=2), samples, parts


def test_a_candidate_that_no_blend_would_weight_is_stopped_after_one_fold() -> None:
    candidates, samples, parts = make_task(GOOD, HOPELESS, SMALL, classes=0)
    candidates = replace(candidates, hyperparameters={})
    validation = cross_validate(candidates, samples, parts)
    assert set(validation.predictions) == {"good", "small"} == set(validation.fitted)
    assert validation.stopped == {"hopeless": "stopped after one of 3 folds, as no blend would give it weight"}
    assert all(len(predicted) == len(validation.rows) for predicted in validation.predictions.values())


def test_the_first_candidate_and_single_folds_are_never_raced() -> None:
    for models, folds in (((HOPELESS, GOOD), 3), ((GOOD, HOPELESS), 1)):
        candidates, samples, parts = make_task(*models, folds=folds)
        validation = cross_validate(replace(candidates, hyperparameters={}), samples, parts)
        assert set(validation.predictions) == {"good", "hopeless"}


@pytest.mark.parametrize("folds", [1, 3])
def test_without_time_the_first_candidate_is_used_as_it_is(folds: int) -> None:
    candidates, samples, parts = make_task(GOOD, SMALL, folds=folds)
    selection = select(candidates, samples, parts, lambda share, message: None, deadline=Deadline.after(0))
    (member,) = selection.members
    assert (member.name, member.fitted.best_iteration) == ("good", 1)
    assert selection.limited["small"] == "left out, as no more time was left"
    assert "no" in selection.limited["good"]
    assert np.isfinite(selection.predict(samples.x)).all()


def test_a_default_deadline_fits_the_first_candidate_to_its_end() -> None:
    candidates, samples, parts = make_task(GOOD, SMALL)
    late = select(candidates, samples, parts, lambda share, message: None, deadline=Deadline.after(0), is_strict=False)
    alone = select(replace(candidates, models=(GOOD,)), samples, parts, lambda share, message: None)
    assert set(late.limited) == {"small"}
    assert (late.predict(samples.x) == alone.predict(samples.x)).all()


def test_members_of_one_algorithm_predict_together() -> None:
    candidates, samples, parts = make_task(GOOD, SMALL, Candidate("random", "LightGBM", {"extra_trees": True}))
    messages: list[str] = []
    selection = select(candidates, samples, parts, lambda share, message: messages.append(message))
    assert {member.fitted.algorithm for member in selection.members} == {"LightGBM"}
    assert len(selection.members) > 1
    assert sum(member.weight for member in selection.members) == pytest.approx(1)
    assert any(message.startswith("small has a log loss of") for message in messages)
