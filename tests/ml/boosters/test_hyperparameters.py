"""Hyperparameters have one name for all libraries, or a library's own, and bounds."""

import pytest

from dataml.errors import Invalid
from dataml.ml.boosters.hyperparameters import HYPERPARAMETERS, canonical_names, check_hyperparameters


@pytest.mark.parametrize(
    ("algorithm", "settings", "code"),
    [
        ("auto", {"depth": 3}, "unknown_hyperparameter"),
        ("XGBoost", {"num_leaves": 31}, "unknown_hyperparameter"),
        ("auto", {"learning_rate": 0}, "invalid_hyperparameter"),
        ("auto", {"learning_rate": "fast"}, "invalid_hyperparameter"),
        ("auto", {"learning_rate": float("nan")}, "invalid_hyperparameter"),
        ("auto", {"max_depth": 2.5}, "invalid_hyperparameter"),
        ("auto", {"max_depth": True}, "invalid_hyperparameter"),
        ("auto", {"n_estimators": 1e9}, "invalid_hyperparameter"),
        ("CatBoost", {"learning_rate": -1}, "invalid_hyperparameter"),
        ("CatBoost", {"num_leaves": 31}, "unknown_hyperparameter"),
        ("LightGBM", {"lambda_l1": 1, "reg_alpha": 1}, "unknown_hyperparameter"),
    ],
)
def test_unknown_names_and_values_are_refused(algorithm: str, settings: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_hyperparameters(algorithm, settings)
    assert refusal.value.code == code


def test_a_refusal_names_the_known_hyperparameters_or_the_bounds() -> None:
    with pytest.raises(Invalid, match=r"There is no hyperparameter of XGBoost 'depht'.* Use .*max_depth"):
        check_hyperparameters("XGBoost", {"depht": 3})
    with pytest.raises(Invalid, match="'max_depth' must be a whole number from 1 to 16"):
        check_hyperparameters("XGBoost", {"max_depth": 17})


def test_a_librarys_own_names_are_translated() -> None:
    assert canonical_names("XGBoost", {"eta": 0.1, "gamma": 1}) == {"learning_rate": 0.1, "min_split_gain": 1}
    assert canonical_names("LightGBM", {"min_data_in_leaf": 5}) == {"min_child_samples": 5}
    assert canonical_names("CatBoost", {"depth": 4, "l2_leaf_reg": 3}) == {"max_depth": 4, "reg_lambda": 3}
    check_hyperparameters("CatBoost", {"depth": 4, "iterations": 100})


def test_own_names_are_unknown_when_no_library_is_named() -> None:
    assert canonical_names("auto", {"eta": 0.1}) == {"eta": 0.1}


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_the_bounds_themselves_are_allowed(name: str) -> None:
    rule = HYPERPARAMETERS[name]
    check_hyperparameters("auto", {name: rule.minimum})
    check_hyperparameters("auto", {name: rule.maximum})
