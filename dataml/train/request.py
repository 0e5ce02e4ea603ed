"""Checks a training request against its dataset before any compute."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq

from dataml.errors import FieldError, Invalid, InvalidFields
from dataml.ml.contract import Contract
from dataml.ml.hyperparameters import check_hyperparameters
from dataml.ml.values import DataType
from dataml.train.schemas import ColumnRole, TrainRequest

ProblemType = Literal["Classification", "Regression"]
Algorithm = Literal["auto", "XGBoost", "LightGBM"]

_PROBLEM_TYPES: dict[str, ProblemType] = {
    "classification": "Classification",
    "classifier": "Classification",
    "regression": "Regression",
    "regressor": "Regression",
}
_ALGORITHMS: dict[str, Algorithm] = {
    "": "auto",
    "auto": "auto",
    "xgboost": "XGBoost",
    "xgb": "XGBoost",
    "lightgbm": "LightGBM",
    "lgbm": "LightGBM",
}
_NUMERIC = {DataType.INTEGER, DataType.FLOAT}
_CLASSES = {DataType.STRING, DataType.INTEGER, DataType.BOOLEAN}


class ColumnPurpose(StrEnum):
    """The role of a column in a training."""

    ID = "Id"
    TARGET = "Target"
    FEATURE = "Feature"
    TIME = "Time"
    IGNORE = "Ignore"


@dataclass(frozen=True)
class CheckedRequest:
    """A request that fits its dataset: every column has a role, one is the target."""

    problem_type: ProblemType
    algorithm: Algorithm
    target: str
    roles: dict[str, str]


def parse_problem_type(text: str) -> ProblemType:
    """Raises:
    Invalid: `unknown_problem_type`.
    """
    found = _PROBLEM_TYPES.get(text.strip().casefold())
    if found is None:
        raise Invalid("problem_type is Classification or Regression.", code="unknown_problem_type")
    return found


def check(request: TrainRequest, contract: Contract) -> CheckedRequest:
    """Raises:
    Invalid: `unknown_problem_type`, `unknown_algorithm`, `unknown_hyperparameter`,
            `invalid_hyperparameter`, `no_target`, `several_targets`,
        `several_times`, `no_features`, `target_not_numeric`, `target_not_a_class`.
    InvalidFields: `invalid_columns`, naming each column that is wrong.
    """
    problem_type = parse_problem_type(request.problem_type)
    algorithm = _ALGORITHMS.get((request.algorithm or "").strip().casefold())
    if algorithm is None:
        raise Invalid("algorithm is XGBoost, LightGBM or auto.", code="unknown_algorithm")
    check_hyperparameters(algorithm, request.hyperparameters)
    roles = _roles(request.columns, contract)
    targets = [name for name, role in roles.items() if role == ColumnPurpose.TARGET]
    if len(targets) != 1:
        code = "several_targets" if targets else "no_target"
        raise Invalid("Exactly one column has the attribute_name Target.", code=code)
    if list(roles.values()).count(ColumnPurpose.TIME) > 1:
        raise Invalid("At most one column has the attribute_name Time.", code="several_times")
    if ColumnPurpose.FEATURE not in roles.values() and ColumnPurpose.TIME not in roles.values():
        raise Invalid("No column is left as a feature.", code="no_features")
    _check_target_type(problem_type, contract.column(targets[0]).data_type)
    return CheckedRequest(problem_type, algorithm, targets[0], roles)


def check_target_values(parquet: Path, target: str) -> None:
    """Raises:
    Invalid: `constant_target`.
    """
    values = pq.read_table(parquet, columns=[target]).column(target)
    if len(values.drop_null().unique()) < 2:
        raise Invalid(
            f"The target {target!r} has the same value in every row; there is nothing to learn.", code="constant_target"
        )


def _roles(columns: list[ColumnRole], contract: Contract) -> dict[str, str]:
    errors: list[FieldError] = []
    given: dict[str, str] = {}
    for index, column in enumerate(columns):
        error = _column_error(column, contract, given)
        if error is not None:
            field, message, code = error
            errors.append(FieldError(("body", "columns", index, field), message, code))
        else:
            given[column.column_name] = ColumnPurpose(column.attribute_name.strip().capitalize()).value
    if errors:
        raise InvalidFields(errors, code="invalid_columns")
    return {name: given.get(name, ColumnPurpose.FEATURE.value) for name in contract.names}


def _column_error(column: ColumnRole, contract: Contract, given: dict[str, str]) -> tuple[str, str, str] | None:
    name = column.column_name
    if name not in contract.names:
        return "column_name", f"The dataset has no column {name!r}.", "unknown_column"
    if name in given:
        return "column_name", f"The column {name!r} is listed twice.", "duplicate_column"
    if column.attribute_name.strip().capitalize() not in list(ColumnPurpose):
        return "attribute_name", "attribute_name is Id, Target, Feature, Time or Ignore.", "unknown_attribute"
    actual = contract.column(name).data_type
    if column.data_type is not None and DataType.parse(column.data_type) != actual:
        return "data_type", f"The column {name!r} is {actual} in the dataset.", "data_type_mismatch"
    return None


def _check_target_type(problem_type: ProblemType, data_type: DataType) -> None:
    if problem_type == "Regression" and data_type not in _NUMERIC:
        raise Invalid(
            f"A regression needs an Integer or Float target; this one is {data_type}.", code="target_not_numeric"
        )
    if problem_type == "Classification" and data_type not in _CLASSES:
        detail = f"A classification needs a String, Integer or Boolean target; this one is {data_type}."
        raise Invalid(detail, code="target_not_a_class")
