"""The body of a training, from the arguments of `train`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from dataml.client import schemas


ProblemType = Literal["Classification", "Regression", "Forecast"]
OneOrMore: TypeAlias = "str | Sequence[str] | None"


class TrainOptions(TypedDict, total=False):
    """The options of a training.

    Attributes:
        name: Name of the predictor, by default that of the dataset.
        problem_type: Classification, Regression or Forecast. By default a Forecast with a `horizon`, a Classification
            of text, booleans and integers with two values, else a Regression.
        id: The column that only identifies a row, or several; of a forecast the one that names the series.
        time: The column with the times.
        exogenous: Of a forecast, columns that are known in the future.
        ignore: Columns to leave out.
        categories: Columns whose integers are categories, such as postcodes.
        algorithm: XGBoost, LightGBM, CatBoost, Linear, ...; by default all are tried.
        quality: How much is tried where no algorithm is named: `fast`, `balanced` or `best`.
        horizon: Of a forecast, for how many steps it is trained and tested.
        frequency: Of a forecast, such as `Day`; by default detected.
        forecast: Other options of a forecast, as `ForecastOptions` has them.
        domain: The business domain.
        hyperparameters: Parameters of the algorithm.
        validation: How rows are held out, as `ValidationRequest` has it.
        tuning: A search for hyperparameters, as `TuningRequest` has it.
        positive_class: The one of two classes that the scores are about.
        new_version: Train the next version of a predictor that exists.
        is_incremental: Continue the newest version of the predictor on this dataset.
        explain: Compute the feature importance after the training.
        workers: Parts of the rows that are trained on at a time.
        seed: Of the split and of the algorithm.
        time_limit_s: How long the job may run, in seconds; the models of a table are fitted in three quarters of it.
        allow_identifier_target: Train also where the target looks like an identifier.
        parameters: More fields of the request, by the names that the API gives them.
        idempotency_key: Two trainings with the same key are one; a new key by default.
    """

    name: str
    problem_type: ProblemType | None
    id: OneOrMore
    time: str | None
    exogenous: OneOrMore
    ignore: OneOrMore
    categories: OneOrMore
    algorithm: str | None
    quality: Literal["fast", "balanced", "best"] | None
    horizon: int | None
    frequency: str | None
    forecast: Mapping[str, Any] | None
    domain: str
    hyperparameters: Mapping[str, Any]
    validation: Mapping[str, Any] | None
    tuning: Mapping[str, Any] | None
    positive_class: bool | int | float | str | None
    new_version: bool
    is_incremental: bool
    explain: bool
    workers: int
    seed: int
    time_limit_s: int | None
    allow_identifier_target: bool
    parameters: Mapping[str, Any]
    idempotency_key: str


# These have the names that the API gives them.
_SAME = (
    *(
        "algorithm",
        "quality",
        "hyperparameters",
        "validation",
        "tuning",
        "positive_class",
        "new_version",
        "is_incremental",
    ),
    *("workers", "seed", "time_limit_s", "allow_identifier_target"),
)


def train_request(
    dataset_id: int, dataset_name: str, target: str, problem_type: ProblemType, options: TrainOptions
) -> schemas.TrainRequest:
    """Return the body of a training."""
    body: dict[str, Any] = {
        "dataset_id": dataset_id,
        "predictor_name": options.get("name") or dataset_name,
        "domain": options.get("domain", "General"),
        "problem_type": problem_type,
        "columns": _columns(target, options),
    }
    body |= {name: options[name] for name in _SAME if options.get(name) is not None}
    if options.get("explain"):
        body["shap_enabled"] = True
    if (forecast := _forecast(options)) is not None:
        body["forecast"] = forecast
    body |= options.get("parameters") or {}
    return body  # type: ignore[return-value]


def guess_problem_type(target_type: str | None, values: Iterable[Any]) -> ProblemType:
    """Return what is most likely meant by a target: classes for text, booleans and integers of two values.

    Args:
        target_type: The data type of the target, None where it is unknown.
        values: Some of its values, looked at for integers only.
    """
    if target_type == "Integer":
        return "Classification" if len({value for value in values if value is not None}) <= 2 else "Regression"
    return "Regression" if target_type == "Float" else "Classification"


def _columns(target: str, options: TrainOptions) -> list[schemas.RequestColumn]:
    """Return the roles of columns as a training takes them; those that are not named are features."""
    categories = _as_list(options.get("categories"))
    roles = dict.fromkeys(categories, "Feature")
    for role, names in (
        ("Ignore", options.get("ignore")),
        ("Exogenous", options.get("exogenous")),
        ("Id", options.get("id")),
        ("Time", options.get("time")),
        ("Target", target),
    ):
        roles |= dict.fromkeys(_as_list(names), role)
    return [_column(name, role, is_category=name in categories) for name, role in roles.items()]


def _column(name: str, role: str, *, is_category: bool) -> schemas.RequestColumn:
    column: schemas.RequestColumn = {"column_name": name, "attribute_name": role}
    if is_category:
        column["hint"] = "category"
    return column


def _forecast(options: TrainOptions) -> dict[str, Any] | None:
    given = {
        "horizon": options.get("horizon"),
        "frequency": options.get("frequency"),
        **(options.get("forecast") or {}),
    }
    return {name: value for name, value in given.items() if value is not None} or None


def _as_list(names: OneOrMore) -> list[str]:
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)
