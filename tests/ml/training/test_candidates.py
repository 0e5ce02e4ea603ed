"""A portfolio has candidates by name; the hyperparameters of users hold for all of them."""

import numpy as np
import pytest

from dataml.ml.boosters.fitting import library_parameters
from dataml.ml.boosters.hyperparameters import available_algorithms
from dataml.ml.boosters.native_model import Task
from dataml.ml.training.candidates import QUALITIES, Candidates, find_log_center, list_candidates, list_defaults


@pytest.mark.parametrize("quality", QUALITIES)
def test_candidates_of_a_portfolio_have_names_of_their_own(quality: str) -> None:
    candidates = Candidates(Task(2), list_candidates(Task(2), quality), ())  # type: ignore[arg-type]
    assert len(set(candidates.names)) == len(candidates.names)
    assert candidates.names[0] == "LightGBM"
    assert [model for group in candidates.groups() for model in group] == list(candidates.models)
    parameters = [library_parameters(candidates.fit_config(model), 100) for model in candidates.models]
    assert all(parameters.count(each) == 1 for each in parameters)


def test_more_quality_tries_more() -> None:
    fast, balanced, best = (list_candidates(Task(0), quality) for quality in QUALITIES)
    assert fast[:3] == balanced[:3] == best[:3]
    names = [{model.name for model in portfolio} for portfolio in (fast, balanced, best)]
    assert names[0] < names[1] < names[2]
    assert set(available_algorithms()) <= names[1]


def test_a_variant_that_a_hyperparameter_would_undo_is_left_out() -> None:
    names = {model.name for model in list_candidates(Task(2), "balanced", {"max_depth": 4, "n_estimators": 50})}
    assert "XGBoost small trees" not in names
    assert {"XGBoost", "LightGBM small trees"} <= names
    assert "LightGBM small trees" not in {
        model.name for model in list_candidates(Task(2), "balanced", {"num_leaves": 9})
    }


def test_hyperparameters_of_users_override_those_of_a_candidate() -> None:
    (small,) = [model for model in list_candidates(Task(2)) if model.name == "LightGBM small trees"]
    plain = library_parameters(Candidates(Task(2), (small,), ()).fit_config(small), 100)
    chosen = library_parameters(Candidates(Task(2), (small,), (), {"learning_rate": 0.2}).fit_config(small), 100)
    assert (plain["num_leaves"], plain["learning_rate"]) == (8, 0.05)
    assert (chosen["num_leaves"], chosen["learning_rate"]) == (8, 0.2)


def test_slow_algorithms_are_left_out_of_many_classes_unless_they_are_named() -> None:
    assert "CatBoost" not in {model.algorithm for model in list_candidates(Task(500))}
    assert "Linear" not in {model.algorithm for model in list_defaults("auto", Task(500))}
    assert [model.name for model in list_defaults("CatBoost", Task(500))] == ["CatBoost"]


def test_a_search_chooses_for_candidates_by_name() -> None:
    candidates = Candidates(Task(2), list_defaults("auto", Task(2)), (), {"subsample": 0.5})
    tuned = candidates.with_tuned({"XGBoost": {"max_depth": 3, "subsample": 0.9}})
    configs = {model.name: tuned.fit_config(model) for model in tuned.models}
    assert configs["XGBoost"].hyperparameters == {"max_depth": 3, "subsample": 0.5}
    assert configs["LightGBM"].hyperparameters == {"subsample": 0.5}


def test_a_skewed_number_has_candidates_for_its_logarithm() -> None:
    names = {model.name: model.log_center for model in list_candidates(Task(0), log_center=7.5)}
    assert names["XGBoost small trees of the logarithm"] == 7.5
    assert names["XGBoost small trees"] is None
    assert not any(model.log_center for model in list_candidates(Task(0)))


def test_only_positive_numbers_with_a_long_tail_are_skewed() -> None:
    random = np.random.default_rng(0)
    tailed = np.exp(random.normal(size=1_000))
    assert find_log_center(tailed) == pytest.approx(np.log(tailed).mean())
    assert find_log_center(tailed - 1) is None
    assert find_log_center(random.normal(100, 1, 1_000)) is None
    assert find_log_center(np.log(tailed) + 10) is None
    assert find_log_center(np.full(10, 3.0)) is None
