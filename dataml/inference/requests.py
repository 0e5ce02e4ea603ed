"""What the prediction log keeps of the request for a batch or a forecast, so that it can be traced and repeated.

Rows of datasets are kept as the dataset's version and the SHA-256 of its rows. What a request may hold in any number is
cut or replaced by its hash: an entry of the log has some kilobytes at most.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from dataml.dataset.models import Dataset
from dataml.http.strict_json import dump_json
from dataml.inference.forecast_schemas import BatchForecast, DirectForecastRequest
from dataml.train.threshold.service import DecisionThreshold

_MAX_SERIES: Final = 100
_MAX_VALUES_BYTES: Final = 16_384

RequestRecord = dict[str, Any]


def describe_batch(
    preprocess_id: int, dataset: Dataset, *, explain: bool, threshold: DecisionThreshold | None
) -> RequestRecord:
    """Return what the log keeps of the request to score a dataset; `threshold` is None for other than two classes."""
    return {
        "preprocess_id": preprocess_id,
        "dataset": describe_dataset(dataset),
        "explain": explain,
        "threshold": threshold.value if threshold is not None else None,
        "threshold_source": threshold.source if threshold is not None else None,
    }


def describe_forecast(
    preprocess_id: int,
    request: DirectForecastRequest | BatchForecast,
    unique_ids: Sequence[str] | None,
    *,
    explain: bool,
    dataset: Dataset | None = None,
    observations: Dataset | None = None,
    future: Dataset | Sequence[dict[str, Any]] | None = None,
) -> RequestRecord:
    """Return what the log keeps of the request for a forecast.

    Args:
        preprocess_id: that of the model.
        request: the options; a field that was not sent has its default.
        unique_ids: the series that were asked for; None for all.
        explain: whether contributions were asked for.
        dataset: with values observed since the training, with exogenous values, or with both.
        observations: a dataset with values observed since the training.
        future: a dataset with exogenous values, or the rows that were sent.
    """
    return {
        "preprocess_id": preprocess_id,
        "steps": request.steps,
        "frequency": request.frequency,
        **_describe_series(unique_ids),
        "level": request.level,
        "aggregate": request.aggregate,
        "round": request.round,
        "explain": explain,
        "revised": request.revised,
        "dataset": describe_dataset(dataset) if dataset is not None else None,
        "observations": describe_dataset(observations) if observations is not None else None,
        "future": describe_dataset(future) if isinstance(future, Dataset) else _describe_rows(future),
    }


def describe_dataset(dataset: Dataset) -> dict[str, Any]:
    """Return which rows of a dataset were read: its version, their file, and the hash of that."""
    return {
        "dataset_id": dataset.id,
        "dataset_name": dataset.name,
        "dataset_version": dataset.version,
        "parquet": dataset.parquet,
        "parquet_sha256": dataset.parquet_sha256,
    }


def get_dataset_id(request: RequestRecord | None) -> int | None:
    """Return the dataset that a forecast read: its `dataset_id`, else one with observations or values of the future."""
    parts = ((request or {}).get(name) or {} for name in ("dataset", "observations", "future"))
    return next((part["dataset_id"] for part in parts if "dataset_id" in part), None)


def _describe_series(unique_ids: Sequence[str] | None) -> dict[str, Any]:
    if unique_ids is None:
        return {"unique_ids": "all"}
    if len(unique_ids) <= _MAX_SERIES:
        return {"unique_ids": list(unique_ids)}
    return {
        "unique_ids": list(unique_ids[:_MAX_SERIES]),
        "unique_ids_count": len(unique_ids),
        "unique_ids_sha256": _hash_json(list(unique_ids)),
    }


def _describe_rows(rows: Sequence[dict[str, Any]] | None) -> dict[str, Any] | None:
    """Return the rows themselves where they are few, and their number and hash."""
    if rows is None:
        return None
    values = list(rows)
    is_small = len(dump_json(values)) <= _MAX_VALUES_BYTES
    return {"rows": len(values), "sha256": _hash_json(values), "values": values if is_small else None}


def _hash_json(value: Any) -> str:
    return hashlib.sha256(dump_json(value)).hexdigest()
