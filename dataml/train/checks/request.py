"""Checks a training request against its dataset, before any compute."""

from dataclasses import replace
from enum import StrEnum
from typing import Literal, get_args

import pyarrow as pa

from dataml.contract.contract import Contract
from dataml.contract.types import DataType
from dataml.errors import FieldError, Invalid, InvalidFields
from dataml.jobs.spec import ForecastConfig, SplitConfig, TrainSpec, TuningConfig
from dataml.ml.boosters.hyperparameters import ALGORITHMS, available_algorithms, check_hyperparameters
from dataml.ml.data_checks.identifiers import is_identifier
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.time_column import READABLE_TYPES
from dataml.ml.labels import to_label
from dataml.ml.training.candidates import DEFAULT_QUALITY
from dataml.ml.training.target import check_classes, check_numbers, check_row_count
from dataml.suggestions import MAX_SUGGESTIONS, describe_unknown
from dataml.train.schemas import ForecastOptions, RequestColumn, TrainRequest

ProblemType = Literal["Classification", "Regression", "Forecast"]
Algorithm = Literal[
    "auto",
    "XGBoost",
    "LightGBM",
    "CatBoost",
    "Linear",
    "AutoETS",
    "AutoARIMA",
    "SeasonalNaive",
    "Theta",
    "HistoricMean",
    "CrostonSBA",
    "TSB",
    "ADIDA",
]

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
    "linear": "Linear",
}
_FORECAST_ALGORITHMS: dict[str, Algorithm] = {
    **{name: algorithm for name, algorithm in _ALGORITHMS.items() if algorithm not in ("CatBoost", "Linear")},
    "autoets": "AutoETS",
    "ets": "AutoETS",
    "autoarima": "AutoARIMA",
    "arima": "AutoARIMA",
    "seasonalnaive": "SeasonalNaive",
    "theta": "Theta",
    "historicmean": "HistoricMean",
    "crostonsba": "CrostonSBA",
    "croston": "CrostonSBA",
    "sba": "CrostonSBA",
    "tsb": "TSB",
    "adida": "ADIDA",
}
TUNING_METRICS: dict[ProblemType, tuple[str, ...]] = {
    "Classification": ("log_loss", "roc_auc", "accuracy", "f1_score", "brier"),
    "Regression": ("rmse", "mae", "r2"),
    "Forecast": (),
}
_NUMERIC = {DataType.INTEGER, DataType.FLOAT}


class ColumnRole(StrEnum):
    """The role of a column in a training."""

    ID = "Id"
    TARGET = "Target"
    FEATURE = "Feature"
    TIME = "Time"
    IGNORE = "Ignore"
    EXOGENOUS = "Exogenous"


def list_roles(problem_type: ProblemType) -> tuple[ColumnRole, ...]:
    """Return the roles that columns of a training can have."""
    return tuple(role for role in ColumnRole if role != ColumnRole.EXOGENOUS or problem_type == "Forecast")


def list_algorithms(problem_type: ProblemType) -> tuple[Algorithm, ...]:
    """Return the algorithms that a training can name on this installation, `auto` first."""
    if problem_type == "Forecast":
        return tuple(dict.fromkeys(_FORECAST_ALGORITHMS.values()))
    installed = ("auto", *available_algorithms())
    return tuple(name for name in dict.fromkeys(_ALGORITHMS.values()) if name in installed)


def parse_problem_type(text: str) -> ProblemType:
    """Return the problem type that a text names, in any case.

    Raises:
        Invalid: `unknown_problem_type`.
    """
    problem_type = _PROBLEM_TYPES.get(text.strip().casefold())
    if problem_type is None:
        known = get_args(ProblemType)
        raise Invalid(describe_unknown("problem_type", text, known, is_listed=True), code="unknown_problem_type")
    return problem_type


def check_request(request: TrainRequest, contract: Contract, parquet: str) -> TrainSpec:
    """Return the job spec of a request that fits its dataset; its `train_id` is 0 until the training has a row.

    Args:
        request: the request.
        contract: the contract that the rows of the dataset follow.
        parquet: the storage name of these rows.

    Raises:
        Invalid: `unknown_problem_type`, `unknown_algorithm`, `algorithm_not_installed`, `unknown_hyperparameter`,
            `invalid_hyperparameter`, `no_target`, `several_targets`, `several_times`, `no_features`,
            `bad_positive_class`, `bad_validation`, `bad_tuning`, `bad_workers`; of a forecast also `no_time`,
            `several_ids`, `time_not_temporal`, `target_not_numeric`, `not_with_forecast`, `unknown_frequency`; of
            others `only_with_forecast`.
        InvalidFields: `invalid_columns`, naming each column that is wrong.
    """
    problem_type = parse_problem_type(request.problem_type)
    if problem_type == "Forecast":
        return _check_forecast(request, contract, parquet)
    if request.forecast is not None:
        raise Invalid("forecast says how a Forecast is trained; leave it out here.", code="only_with_forecast")
    algorithm = _parse_algorithm(request, _ALGORITHMS)
    if algorithm not in ("auto", *available_algorithms()):
        raise Invalid(
            "CatBoost is not installed on this platform (pip install dataml[catboost]).", code="algorithm_not_installed"
        )
    check_hyperparameters(algorithm, request.hyperparameters)
    if request.workers > 1:
        _check_workers(request, algorithm)
    roles = _parse_roles(request.columns, contract, problem_type)
    if ColumnRole.FEATURE not in roles.values() and ColumnRole.TIME not in roles.values():
        raise Invalid("No column is left as a feature.", code="no_features")
    if request.positive_class is not None and problem_type != "Classification":
        detail = f"positive_class is a class of a Classification; leave it out of a {problem_type}."
        raise Invalid(detail, code="bad_positive_class")
    spec = _new_spec(request, contract, parquet, problem_type, algorithm, roles)
    return replace(spec, validation=_parse_validation(request, spec), tuning=_parse_tuning(request, spec))


def _check_forecast(request: TrainRequest, contract: Contract, parquet: str) -> TrainSpec:
    algorithm = _parse_algorithm(request, _FORECAST_ALGORITHMS)
    check_hyperparameters(algorithm if algorithm in ALGORITHMS else "auto", request.hyperparameters)
    if request.hyperparameters and algorithm not in ("auto", *ALGORITHMS):
        raise Invalid(f"{algorithm} finds its parameters itself.", code="unknown_hyperparameter")
    others = {
        "tuning": request.tuning,
        "validation": request.validation,
        "workers": request.workers > 1 or None,
        "positive_class": request.positive_class,
        "quality": request.quality,
    }
    if sent := [name for name, value in others.items() if value is not None]:
        detail = f"A forecast is chosen and scored by a backtest (forecast.windows); leave out {', '.join(sent)}."
        raise Invalid(detail, code="not_with_forecast")
    roles = _parse_roles(request.columns, contract, "Forecast")
    _check_series_roles(roles, contract)
    spec = _new_spec(request, contract, parquet, "Forecast", algorithm, roles)
    data_type = contract.column(spec.target).data_type
    if data_type not in _NUMERIC:
        detail = f"A forecast needs an Integer or Float target; this one is {data_type}."
        raise Invalid(detail, code="target_not_numeric")
    options = request.forecast or ForecastOptions.model_validate({})
    if options.frequency is not None:
        Frequency.parse(options.frequency)
    _check_hierarchy(options.hierarchy, roles)
    hierarchy = tuple(options.hierarchy)
    return replace(spec, forecasting=ForecastConfig(**options.model_dump(exclude={"hierarchy"}), hierarchy=hierarchy))


def _check_hierarchy(columns: list[str], roles: dict[str, str]) -> None:
    if not columns:
        return
    if ColumnRole.ID not in roles.values():
        raise Invalid("A hierarchy sums up series: one column needs the role Id.", code="bad_hierarchy")
    if len(set(columns)) < len(columns):
        raise Invalid("forecast.hierarchy names a column twice.", code="bad_hierarchy")
    for name in columns:
        if name not in roles:
            raise Invalid(f"forecast.hierarchy: {describe_unknown('column', name, roles)}", code="bad_hierarchy")
        if roles[name] not in (ColumnRole.FEATURE, ColumnRole.IGNORE):
            detail = f"{name!r} has the role {roles[name]}; a column of the hierarchy is a Feature or Ignore."
            raise Invalid(detail, code="bad_hierarchy")


def _check_series_roles(roles: dict[str, str], contract: Contract) -> None:
    times = [name for name, role in roles.items() if role == ColumnRole.TIME]
    if len(times) != 1:
        detail = "In a forecast exactly one column is the Time; others can be Ignore or Feature."
        raise Invalid(detail, code="no_time")
    if list(roles.values()).count(ColumnRole.ID) > 1:
        detail = "In a forecast at most one column is the Id of a series; others can be Ignore or Feature."
        raise Invalid(detail, code="several_ids")
    data_type = contract.column(times[0]).data_type
    # The values of other readable types are looked at when the rows are checked.
    if not data_type.is_temporal and data_type not in READABLE_TYPES:
        detail = f"The Time column {times[0]!r} is {data_type}, no Date or Timestamp."
        raise Invalid(detail, code="time_not_temporal")


def _new_spec(
    request: TrainRequest,
    contract: Contract,
    parquet: str,
    problem_type: ProblemType,
    algorithm: Algorithm,
    roles: dict[str, str],
) -> TrainSpec:
    return TrainSpec(
        train_id=0,
        parquet=parquet,
        contract=contract,
        problem_type=problem_type,
        algorithm=algorithm,
        roles=roles,
        hyperparameters=request.hyperparameters,
        seed=request.seed,
        positive_class=None if request.positive_class is None else to_label(request.positive_class),
        categories=tuple(column.column_name for column in request.columns if column.hint == "category"),
        workers=request.workers,
        quality=request.quality or DEFAULT_QUALITY,
        time_limit_s=request.time_limit_s,
    )


def _parse_algorithm(request: TrainRequest, algorithms: dict[str, Algorithm]) -> Algorithm:
    algorithm = algorithms.get((request.algorithm or "").strip().casefold())
    if algorithm is None:
        names = [name for name in dict.fromkeys(algorithms.values()) if name != "auto"]
        detail = describe_unknown("algorithm", request.algorithm or "", [*names, "auto"], is_listed=True)
        raise Invalid(detail, code="unknown_algorithm")
    return algorithm


def check_target_values(target: pa.ChunkedArray, spec: TrainSpec, *, allow_identifier: bool) -> None:
    """Refuse a target whose values cannot be learned, or, unless that is allowed, one that names the rows.

    Raises:
        Invalid: `target_is_identifier`, and what `check_classes`, `check_numbers` or `check_row_count` find.
    """
    values = target.drop_null()
    data_type = spec.contract.column(spec.target).data_type
    if spec.problem_type == "Regression":
        check_numbers(spec.target, data_type, values)
    if not allow_identifier and is_identifier(spec.target, data_type, target):
        detail = (
            f"The target '{spec.target}' has another value in every row, as an identifier has, which nothing predicts. "
            "Give it the role Id or Ignore, and name another Target; or, if it is to be predicted, send "
            "allow_identifier_target."
        )
        raise Invalid(detail, code="target_is_identifier")
    if spec.problem_type != "Regression":
        check_classes(spec.target, data_type, values, spec.positive_class)
    check_row_count(spec.target, len(values))


def _check_workers(request: TrainRequest, algorithm: Algorithm) -> None:
    folds = request.validation.folds if request.validation else None
    if algorithm in ("CatBoost", "Linear") or request.tuning is not None or (folds or 1) > 1:
        detail = "Several workers fit XGBoost or LightGBM, without tuning and with a single part for validation."
        raise Invalid(detail, code="bad_workers")


def _parse_validation(request: TrainRequest, spec: TrainSpec) -> SplitConfig:
    options = request.validation
    if options is None:
        return SplitConfig()
    if options.group is not None:
        if options.group not in spec.contract.names:
            detail = describe_unknown("column", options.group, spec.contract.names)
            raise Invalid(f"validation.group: {detail}", code="bad_validation")
        if options.group == spec.target:
            raise Invalid("validation.group is a column other than the target.", code="bad_validation")
        if ColumnRole.TIME in spec.roles.values():
            raise Invalid("Rows are held out by time or by group, not by both.", code="bad_validation")
    return SplitConfig(**options.model_dump())


def _parse_tuning(request: TrainRequest, spec: TrainSpec) -> TuningConfig | None:
    options = request.tuning
    if options is None:
        return None
    if spec.algorithm == "Linear":
        raise Invalid("A linear model finds its penalty itself; leave out tuning.", code="bad_tuning")
    metrics = TUNING_METRICS[spec.problem_type]
    if options.metric is not None and options.metric not in metrics:
        detail = describe_unknown(f"tuning.metric of a {spec.problem_type}", options.metric, metrics, is_listed=True)
        raise Invalid(detail, code="bad_tuning")
    return TuningConfig(**options.model_dump())


def _parse_roles(columns: list[RequestColumn], contract: Contract, problem_type: ProblemType) -> dict[str, str]:
    """Return the role of every column of the dataset, one of them the target."""
    errors: list[FieldError] = []
    requested: dict[str, str] = {}
    for index, column in enumerate(columns):
        is_first = len(errors) < MAX_SUGGESTIONS
        error = _column_error(column, contract, requested, problem_type, is_first=is_first)
        if error is not None:
            field, message, code = error
            errors.append(FieldError(("body", "columns", index, field), message, code))
        else:
            requested[column.column_name] = ColumnRole(column.attribute_name.strip().capitalize()).value
    if errors:
        raise InvalidFields(sorted(errors, key=lambda error: error.code != "unknown_column"), code="invalid_columns")
    roles = {name: requested.get(name, ColumnRole.FEATURE.value) for name in contract.names}
    target_count = list(roles.values()).count(ColumnRole.TARGET)
    if target_count != 1:
        code = "several_targets" if target_count else "no_target"
        raise Invalid("Exactly one column has the attribute_name Target.", code=code)
    if list(roles.values()).count(ColumnRole.TIME) > 1:
        raise Invalid("At most one column has the attribute_name Time.", code="several_times")
    return roles


def _column_error(
    column: RequestColumn, contract: Contract, requested: dict[str, str], problem_type: ProblemType, *, is_first: bool
) -> tuple[str, str, str] | None:
    """Return the wrong field of a column of the request, with a message and a code; None when nothing is wrong."""
    name = column.column_name
    if name not in contract.names:
        # Columns are at most 2,000: only for the first few of them a search can be paid.
        known = contract.names if is_first else ()
        return "column_name", describe_unknown("column", name, known), "unknown_column"
    if name in requested:
        return "column_name", f"The column {name!r} is listed twice.", "duplicate_column"
    allowed = list_roles(problem_type)
    if column.attribute_name.strip().capitalize() not in allowed:
        kind = f"attribute_name of a {problem_type}"
        message = describe_unknown(kind, column.attribute_name, allowed, is_listed=True)
        return "attribute_name", message, "unknown_attribute"
    actual = contract.column(name).data_type
    if column.hint == "category" and actual not in (DataType.INTEGER, DataType.STRING):
        return "hint", f"The column {name!r} is {actual}; whole numbers and text can be categories.", "bad_hint"
    if column.data_type is not None and DataType.parse(column.data_type) != actual:
        return "data_type", f"The column {name!r} is {actual} in the dataset.", "data_type_mismatch"
    return None
