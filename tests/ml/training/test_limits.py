"""The candidates of a wide table are limited or left out, and each is named."""

from typing import Any

from dataml.ml.boosters.limits import FitLimits
from dataml.ml.boosters.native_model import Task
from dataml.ml.training.candidates import Candidate, Candidates, list_defaults
from dataml.ml.training.limits import describe_limits, limit_candidates, warn_of_limits


def candidates(algorithm: str = "auto", classes: int = 2, **options: Any) -> Candidates:
    task = Task(classes)
    return Candidates(task, list_defaults(algorithm, task), (), **options)


def by_name(limited: Candidates) -> dict[str, Candidate]:
    return {model.name: model for model in limited.models}


def test_ordinary_tables_have_no_limits() -> None:
    for rows, columns in ((100, 20), (1_000, 150), (50_000, 50), (1_000_000, 20), (5_000_000, 20)):
        limited, left_out = limit_candidates(candidates(), rows, columns)
        assert limited.names == candidates().names
        assert {model.limits for model in limited.models} == {FitLimits()}, (rows, columns)
        assert left_out == {}


def test_slow_candidates_look_at_some_columns_of_a_wide_table() -> None:
    for algorithm in ("CatBoost", "Linear"):
        for named in ("auto", algorithm):
            limited, _ = limit_candidates(candidates(named), 100, 1_998)
            model = by_name(limited)[algorithm]
            assert model.limits == FitLimits(max_columns=256)
            assert limited.fit_config(model).limits.max_columns == 256
    chosen, _ = limit_candidates(candidates(hyperparameters={"colsample_bytree": 0.5}), 100, 1_998)
    assert "CatBoost" not in chosen.names or by_name(chosen)["CatBoost"].limits.max_columns is None


def test_what_cannot_do_enough_rounds_is_left_out_and_named() -> None:
    limited, left_out = limit_candidates(candidates(), 8_000, 10_000)
    assert set(left_out) == {"XGBoost"}
    assert "LightGBM" in limited.names
    (warning,) = warn_of_limits(left_out)
    assert warning.code == "candidate_left_out"
    assert warning.message.startswith("XGBoost was left out: 2,000 rounds on 10,000 columns would take")


def test_one_candidate_is_always_kept() -> None:
    limited, left_out = limit_candidates(candidates(), 100_000, 16_000)
    assert by_name(limited)["LightGBM"].limits.max_rounds == 100
    assert "LightGBM" not in left_out


def test_a_named_algorithm_is_kept_and_may_take_ten_times_as_long() -> None:
    for algorithm in ("XGBoost", "LightGBM"):
        named, none = limit_candidates(candidates(algorithm), 100_000, 16_000)
        rounds = by_name(named)[algorithm].limits.max_rounds
        assert (named.names, none) == ((algorithm,), {})
        assert rounds is not None
        assert 100 < rounds < 2_000
        assert by_name(limit_candidates(candidates(algorithm), 1_000, 2_000)[0])[algorithm].limits.max_rounds is None
        chosen = candidates(algorithm, hyperparameters={"n_estimators": 1_500})
        assert by_name(limit_candidates(chosen, 100_000, 16_000)[0])[algorithm].limits.max_rounds is None


def test_only_a_fit_that_met_its_limit_is_named() -> None:
    limited, _ = limit_candidates(candidates(), 400, 10_000)
    rounds = by_name(limited)["XGBoost"].limits.max_rounds
    assert rounds is not None
    assert set(describe_limits(limited, 10_000, {"XGBoost": 60, "CatBoost": 10})) == {"CatBoost", "Linear"}
    described = describe_limits(limited, 10_000, {"XGBoost": rounds})
    assert described["XGBoost"] == f"cut short after {rounds:,} rounds"
    assert {warning.code for warning in warn_of_limits(described)} == {"candidate_limited"}


def test_fewer_rounds_of_the_user_are_within_the_limit() -> None:
    limited, left_out = limit_candidates(candidates(hyperparameters={"n_estimators": 20}), 8_000, 10_000)
    assert left_out == {}
    assert by_name(limited)["XGBoost"].limits.max_rounds is None
