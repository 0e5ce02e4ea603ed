"""Checks a training request against its dataset before any compute."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.contract.types import DataType
from dataml.errors import FieldError, Invalid, InvalidFields
from dataml.jobs.spec import ForecastConfig, SplitConfig, TuningConfig
from dataml.ml.boosters.hyperparameters import ALGORITHMS, available_algorithms, check_hyperparameters
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.train.schemas import ForecastOptions, RequestColumn, TrainRequest

ProblemType = Literal["Classification", "Regression", "Forecast"]
Algorithm = Literal["auto", "XGBoost", "LightGBM", "CatBoost", "AutoETS", "AutoARIMA", "SeasonalNaive", "Theta"]

_PROBLEM_TYPES: dict[str, ProblemType] = {
    "classification": "Classification",
    "classifier": "Classification",
    "regression": "Regression",
    "regressor": "Regression",
    "forecast": "Forecast",
    "forecasting": "Forecast",
    "time series": "Forecast",
    "time-series": "Forecast",
    "timeseries": "Forecast",
}
_ALGORITHMS: dict[str, Algorithm] = {
    "": "auto",
    "auto": "auto",
    "xgboost": "XGBoost",
    "xgb": "XGBoost",
    "lightgbm": "LightGBM",
    "lgbm": "LightGBM",
    "catboost": "CatBoost",
}
_FORECAST_ALGORITHMS: dict[str, Algorithm] = {
    **{name: algorithm for name, algorithm in _ALGORITHMS.items() if algorithm != "CatBoost"},
    "autoets": "AutoETS",
    "ets": "AutoETS",
    "autoarima": "AutoARIMA",
    "arima": "AutoARIMA",
    "seasonalnaive": "SeasonalNaive",
    "theta": "Theta",
}
TUNING_METRICS: dict[ProblemType, tuple[str, ...]] = {
    "Classification": ("log_loss", "roc_auc", "accuracy", "f1_score", "brier"),
    "Regression": ("rmse", "mae", "r2"),
    "Forecast": (),
}
_NUMERIC = {DataType.INTEGER, DataType.FLOAT}
_CLASSES = {DataType.STRING, DataType.INTEGER, DataType.BOOLEAN}


class ColumnRole(StrEnum):
    """The role of a column in a training."""

    ID = "Id"
    TARGET = "Target"
    FEATURE = "Feature"
    TIME = "Time"
    IGNORE = "Ignore"
    EXOGENOUS = "Exogenous"


def list_roles(problem_type: ProblemType) -> tuple[ColumnRole, ...]:
    """The roles that columns of such a training can have."""
    return tuple(each for each in ColumnRole if each != ColumnRole.EXOGENOUS or problem_type == "Forecast")


@dataclass(frozen=True)
class CheckedRequest:
    """A request that fits its dataset: every column has a role, one is the target; `categories` are whole numbers that
    are names of something."""

    problem_type: ProblemType
    algorithm: Algorithm
    target: str
    roles: dict[str, str]
    categories: tuple[str, ...]
    validation: SplitConfig
    tuning: TuningConfig | None
    forecasting: ForecastConfig | None = None


def parse_problem_type(text: str) -> ProblemType:
    """Raises:
    Invalid: `unknown_problem_type`.
    """
    found = _PROBLEM_TYPES.get(text.strip().casefold())
    if found is None:
        raise Invalid("problem_type is Classification, Regression or Forecast.", code="unknown_problem_type")
    return found


def check(request: TrainRequest, contract: Contract) -> CheckedRequest:
    """Raises:
    Invalid: `unknown_problem_type`, `unknown_algorithm`, `algorithm_not_installed`, `unknown_hyperparameter`,
            `invalid_hyperparameter`, `no_target`, `several_targets`,
        `several_times`, `no_features`, `target_not_numeric`, `target_not_a_class`, `bad_validation`, `bad_tuning`,
        `bad_workers`; of a forecast also `no_time`, `several_ids`, `not_with_forecast`, `unknown_frequency`; of others
        `only_with_forecast`.
    InvalidFields: `invalid_columns`, naming each column that is wrong.
    """
    problem_type = parse_problem_type(request.problem_type)
    if problem_type == "Forecast":
        return _forecast(request, contract)
    if request.forecast is not None:
        raise Invalid("forecast says how a Forecast is trained; leave it out here.", code="only_with_forecast")
    algorithm = _algorithm(request, _ALGORITHMS)
    if algorithm not in ("auto", *available_algorithms()):
        raise Invalid(
            "CatBoost is not installed on this platform (pip install dataml[catboost]).", code="algorithm_not_installed"
        )
    check_hyperparameters(algorithm, request.hyperparameters)
    if request.workers > 1:
        _check_workers(request, algorithm)
    roles, target = _roles(request.columns, contract, problem_type)
    if ColumnRole.FEATURE not in roles.values() and ColumnRole.TIME not in roles.values():
        raise Invalid("No column is left as a feature.", code="no_features")
    _check_target_type(problem_type, contract.column(target).data_type)
    return CheckedRequest(
        problem_type,
        algorithm,
        target,
        roles,
        _categories(request),
        _validation(request, contract, target, has_time=ColumnRole.TIME in roles.values()),
        _tuning(request, problem_type),
    )


def _forecast(request: TrainRequest, contract: Contract) -> CheckedRequest:
    algorithm = _algorithm(request, _FORECAST_ALGORITHMS)
    check_hyperparameters(algorithm if algorithm in ALGORITHMS else "auto", request.hyperparameters)
    if request.hyperparameters and algorithm not in ("auto", *ALGORITHMS):
        raise Invalid(f"{algorithm} finds its parameters itself.", code="unknown_hyperparameter")
    others = {"tuning": request.tuning, "validation": request.validation, "workers": request.workers > 1 or None}
    if given := [name for name, value in others.items() if value is not None]:
        detail = f"A forecast is chosen and scored by a backtest (forecast.windows); leave out {', '.join(given)}."
        raise Invalid(detail, code="not_with_forecast")
    roles, target = _roles(request.columns, contract, "Forecast")
    for role, most, code in ((ColumnRole.TIME, 1, "no_time"), (ColumnRole.ID, 1, "several_ids")):
        count = list(roles.values()).count(role)
        if count > most or (role == ColumnRole.TIME and not count):
            words = (
                "exactly one column is the Time" if code == "no_time" else "at most one column is the Id of a series"
            )
            raise Invalid(f"In a forecast {words}; others can be Ignore or Feature.", code=code)
    time = next(name for name, role in roles.items() if role == ColumnRole.TIME)
    if not contract.column(time).data_type.is_temporal:
        detail = f"The Time column {time!r} is {contract.column(time).data_type}, no Date or Timestamp."
        raise Invalid(detail, code="time_not_temporal")
    _check_target_type("Regression", contract.column(target).data_type)
    asked = request.forecast or ForecastOptions.model_validate({})
    if asked.frequency is not None:
        Frequency.parse(asked.frequency)
    options = ForecastConfig(asked.horizon, asked.frequency, asked.season_length, asked.fill, asked.windows)
    return CheckedRequest(
        "Forecast", algorithm, target, roles, _categories(request), SplitConfig(), None, forecasting=options
    )


def _algorithm(request: TrainRequest, known: dict[str, Algorithm]) -> Algorithm:
    found = known.get((request.algorithm or "").strip().casefold())
    if found is None:
        names = [name for name in dict.fromkeys(known.values()) if name != "auto"]
        raise Invalid(f"algorithm is {', '.join(names)} or auto.", code="unknown_algorithm")
    return found


def _categories(request: TrainRequest) -> tuple[str, ...]:
    return tuple(column.column_name for column in request.columns if column.hint == "category")


def check_target_values(parquet: Path, target: str) -> None:
    """Raises:
    Invalid: `constant_target`.
    """
    values = pq.read_table(parquet, columns=[target]).column(target)
    if len(values.drop_null().unique()) < 2:
        raise Invalid(
            f"The target {target!r} has the same value in every row; there is nothing to learn.", code="constant_target"
        )


def _check_workers(request: TrainRequest, algorithm: Algorithm) -> None:
    folds = request.validation.folds if request.validation else None
    if algorithm == "CatBoost" or request.tuning is not None or (folds or 1) > 1:
        detail = "Several workers fit XGBoost or LightGBM, without tuning and with a single part for validation."
        raise Invalid(detail, code="bad_workers")


def _validation(request: TrainRequest, contract: Contract, target: str, has_time: bool) -> SplitConfig:
    asked = request.validation
    if asked is None:
        return SplitConfig()
    if asked.group is not None:
        if asked.group not in contract.names or asked.group == target:
            raise Invalid("validation.group is a column of the dataset other than the target.", code="bad_validation")
        if has_time:
            raise Invalid("Rows are held out by time or by group, not by both.", code="bad_validation")
    return SplitConfig(asked.holdout, asked.folds, asked.group)


def _tuning(request: TrainRequest, problem_type: ProblemType) -> TuningConfig | None:
    asked = request.tuning
    if asked is None:
        return None
    metrics = TUNING_METRICS[problem_type]
    if asked.metric is not None and asked.metric not in metrics:
        raise Invalid(f"tuning.metric of a {problem_type} is one of {', '.join(metrics)}.", code="bad_tuning")
    return TuningConfig(asked.trials, asked.time_budget_s, asked.metric)


def _roles(columns: list[RequestColumn], contract: Contract, problem_type: ProblemType) -> tuple[dict[str, str], str]:
    """The role of every column, and the target."""
    errors: list[FieldError] = []
    given: dict[str, str] = {}
    for index, column in enumerate(columns):
        error = _column_error(column, contract, given, problem_type)
        if error is not None:
            field, message, code = error
            errors.append(FieldError(("body", "columns", index, field), message, code))
        else:
            given[column.column_name] = ColumnRole(column.attribute_name.strip().capitalize()).value
    if errors:
        raise InvalidFields(errors, code="invalid_columns")
    roles = {name: given.get(name, ColumnRole.FEATURE.value) for name in contract.names}
    targets = [name for name, role in roles.items() if role == ColumnRole.TARGET]
    if len(targets) != 1:
        code = "several_targets" if targets else "no_target"
        raise Invalid("Exactly one column has the attribute_name Target.", code=code)
    if list(roles.values()).count(ColumnRole.TIME) > 1:
        raise Invalid("At most one column has the attribute_name Time.", code="several_times")
    return roles, targets[0]


def _column_error(
    column: RequestColumn, contract: Contract, given: dict[str, str], problem_type: ProblemType
) -> tuple[str, str, str] | None:
    name = column.column_name
    if name not in contract.names:
        return "column_name", f"The dataset has no column {name!r}.", "unknown_column"
    if name in given:
        return "column_name", f"The column {name!r} is listed twice.", "duplicate_column"
    allowed = list_roles(problem_type)
    if column.attribute_name.strip().capitalize() not in allowed:
        return "attribute_name", f"attribute_name of a {problem_type} is {_listed(allowed)}.", "unknown_attribute"
    actual = contract.column(name).data_type
    if column.hint == "category" and actual not in (DataType.INTEGER, DataType.STRING):
        return "hint", f"The column {name!r} is {actual}; whole numbers and text can be categories.", "bad_hint"
    if column.data_type is not None and DataType.parse(column.data_type) != actual:
        return "data_type", f"The column {name!r} is {actual} in the dataset.", "data_type_mismatch"
    return None


def _listed(names: tuple[ColumnRole, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _check_target_type(problem_type: ProblemType, data_type: DataType) -> None:
    if problem_type == "Regression" and data_type not in _NUMERIC:
        raise Invalid(
            f"A regression needs an Integer or Float target; this one is {data_type}.", code="target_not_numeric"
        )
    if problem_type == "Classification" and data_type not in _CLASSES:
        detail = f"A classification needs a String, Integer or Boolean target; this one is {data_type}."
        raise Invalid(detail, code="target_not_a_class")
