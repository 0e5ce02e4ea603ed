# Generated from dataml/client/aio/forecasting.py by `make client`: change that file.
"""Forecasts of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataml.client.frames import Frame, build, preferred_kind
from dataml.client.sync.operations import Operations
from dataml.client.sync.runtime import run_in_thread

if TYPE_CHECKING:
    from dataml.client import schemas

_TYPES = {"value": "Float", "lower": "Float", "upper": "Float", "confidence": "Float"}


def forecast(
    api: Operations, info: schemas.TrainDetail, steps: int | None, future: Any, options: dict[str, Any]
) -> Any:
    """Return the next steps of series, in the kind of `future`."""
    id_column = next((name for name, role in info["roles"].items() if role == "Id"), None)
    time_column = next((name for name, role in info["roles"].items() if role == "Time"), "date")
    body = {name: value for name, value in options.items() if value is not None}
    if id_column is not None:
        body.setdefault("unique_ids", "all")
    frame = Frame(future) if future is not None else None
    if frame is not None:
        body["future"] = run_in_thread(frame.records, _input_types(api, info))
    horizon = ((info["summary"] or {}).get("forecast") or {}).get("horizon")
    request: Any = {
        "train_id": info["id"],
        "preprocess_id": info["preprocess_id"],
        "steps": steps or horizon or 1,
        **body,
    }
    answer = api.forecast(request)
    rows = answer["forecast"]
    columns: dict[str, list[Any]] = {id_column: [row["unique_id"] for row in rows]} if id_column is not None else {}
    columns[time_column] = [row["date"] for row in rows]
    columns |= {name: [_as_float(row[name]) for row in rows] for name in ("value", "lower", "upper", "confidence")}
    kind = preferred_kind() if frame is None or frame.kind == "record" else frame.kind
    return _with_times(build(kind, columns, _TYPES), kind, time_column)


def _input_types(api: Operations, info: schemas.TrainDetail) -> dict[str, str]:
    form = api.get_prediction_form(id=info["id"])
    return {field["column_name"]: field["data_type"] for field in form["headers"]}


def _as_float(value: Any) -> float | None:
    return None if value is None else float(value)


def _with_times(rows: Any, kind: str, column: str) -> Any:
    """Return the rows with times of their library, where that has some."""
    if kind == "pandas":
        import pandas as pd

        rows[column] = pd.to_datetime(rows[column])
    return rows
