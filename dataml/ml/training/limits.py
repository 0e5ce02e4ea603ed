"""Limits of the candidates of a training, by an estimate of their time: wide tables would take hours."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from dataml.contract.warnings import DataWarning
from dataml.ml.boosters.fitting import STOPPING_ROUNDS, most_rounds
from dataml.ml.boosters.limits import NO_LIMITS, FitLimits, estimate_round_s
from dataml.ml.linear.fitting import MAX_COLUMNS
from dataml.ml.training.candidates import Candidate, Candidates

MAX_CATBOOST_COLUMNS: Final = 256
"""Columns that CatBoost looks at. A round of its takes as long as ten of the others with as many columns."""
MIN_ROUNDS: Final = 100
"""Rounds below which a candidate is left out: it would say little of what it can do."""
_FIT_S: Final = 30.0
_FIT_S_PER_ROW: Final = 0.005
_NAMED_FACTOR: Final = 10
"""How much longer a fit may take of an algorithm that the user has named."""
_FULL_WIDTH: Final = ("LightGBM", "XGBoost")


def limit_candidates(candidates: Candidates, rows: int, columns: int) -> tuple[Candidates, dict[str, str]]:
    """Return the candidates with limits that keep each fit within a bounded time, or without those that none keeps.

    A single fit in one thread may take 30 s and 5 ms a row, by `estimate_round_s`. CatBoost looks at the 256 columns
    that are most associated with the target, unless the user has chosen what share of columns it looks at; so does a
    linear model, which takes no longer than a second or so. The fastest
    candidate that looks at all columns is never left out, nor is an algorithm that the user has named, or a model that
    is continued. A named one may take ten times as long, and as many rounds as the user has chosen.

    Args:
        candidates: what to try.
        rows: that one fit learns from.
        columns: of the matrix.

    Returns:
        The candidates, and a sentence for each one that is left out, by name.
    """
    if candidates.is_continuation:
        return candidates, {}
    left_out: dict[str, str] = {}
    kept: list[Candidate] = []
    kept_anyway = next((name for name in _FULL_WIDTH if name in candidates.names), candidates.names[0])
    allowed_s = _FIT_S + _FIT_S_PER_ROW * rows
    for model in candidates.models:
        if model.algorithm == "Linear":
            limits = FitLimits(max_columns=MAX_COLUMNS) if columns > MAX_COLUMNS else NO_LIMITS
            kept.append(replace(model, limits=limits))
            continue
        looked_at = _limit_columns(candidates, model.algorithm, columns)
        round_s = estimate_round_s(model.algorithm, rows, columns, candidates.task.classes, looked_at)
        allowed, wanted = int(allowed_s / round_s), most_rounds(candidates.fit_config(model))
        if len(candidates.models) == 1:
            allowed = wanted if "n_estimators" in candidates.hyperparameters else _NAMED_FACTOR * allowed
        if allowed < min(MIN_ROUNDS, wanted) and model.name != kept_anyway:
            minutes = round_s * wanted / 60
            left_out[model.name] = (
                f"left out: {wanted:,} rounds on {columns:,} columns would take {minutes:,.0f} minutes"
            )
            continue
        max_rounds = None if allowed >= wanted else max(MIN_ROUNDS, allowed)
        kept.append(replace(model, limits=FitLimits(max_rounds, looked_at)))
    return replace(candidates, models=tuple(kept)), left_out


def describe_limits(candidates: Candidates, columns: int, rounds: Mapping[str, int]) -> dict[str, str]:
    """Return a sentence for each candidate that its limits have changed, by name.

    Args:
        candidates: that were fitted.
        columns: of the matrix.
        rounds: the most rounds that a fit of each candidate took; early stopping did not end one near its limit.
    """
    described: dict[str, str] = {}
    for model in candidates.models:
        limits, parts = model.limits, list[str]()
        if limits.max_columns is not None:
            parts.append(f"fitted on the {limits.max_columns} of {columns:,} columns most associated with the target")
        if limits.max_rounds is not None and rounds.get(model.name, 0) > limits.max_rounds - STOPPING_ROUNDS:
            parts.append(f"cut short after {limits.max_rounds:,} rounds")
        if parts:
            described[model.name] = " and ".join(parts)
    return described


def warn_of_limits(limited: Mapping[str, str]) -> list[DataWarning]:
    """Return a warning for each candidate that was left out or limited, by its sentence."""
    return [
        DataWarning(
            "candidate_left_out" if sentence.startswith("left out") else "candidate_limited",
            f"{name} was {sentence}. The role Ignore for columns that say little leaves it time for the others.",
        )
        for name, sentence in limited.items()
    ]


def _limit_columns(candidates: Candidates, algorithm: str, columns: int) -> int | None:
    is_chosen = "colsample_bytree" in candidates.hyperparameters
    is_limited = algorithm == "CatBoost" and columns > MAX_CATBOOST_COLUMNS and not is_chosen
    return MAX_CATBOOST_COLUMNS if is_limited else None
