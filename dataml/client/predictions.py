"""Rows that are sent to a model and the answers as columns: the same columns from every way to predict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from dataml.client.errors import Invalid, WrongRows
from dataml.client.frames import Frame
from dataml.client.tables import is_installed

if TYPE_CHECKING:
    from dataml.client import schemas

How = Literal["auto", "realtime", "batch"]
MAX_REALTIME_ROWS: Final = 5_000
"""More rows are scored by a batch job."""
CHUNK_ROWS: Final = 1_000
EXPLAIN_CHUNK_ROWS: Final = 100
MAX_WRONG_ROWS: Final = 20
"""Each wrong row costs a call in real time; beyond these a batch finds all of them at once."""
# The platform reads a JSON body of 1 MiB at most.
_MAX_BODY_BYTES: Final = 900_000


@dataclass(frozen=True)
class ModelColumns:
    """What a model reads and answers.

    Attributes:
        inputs: The data type of each column that it reads.
        defaults: The columns that may be left out.
        known: All columns of its training; those it does not read are not sent.
        target_type: The data type of a prediction.
        labels: Its classes, in the order of the result; empty for a regression.
    """

    inputs: dict[str, str]
    defaults: frozenset[str]
    known: frozenset[str]
    target_type: str
    labels: tuple[str, ...]

    @classmethod
    def of(cls, info: schemas.TrainDetail, form: schemas.FormAnswer) -> ModelColumns:
        """Return the columns of a completed training, with the form that its predictions need."""
        summary = info["summary"] or {}
        return cls(
            inputs={field["column_name"]: field["data_type"] for field in form["headers"]},
            defaults=frozenset(f["column_name"] for f in form["headers"] if f["default_value"] is not None),
            known=frozenset(info["roles"]),
            target_type="Float" if info["problem_type"] != "Classification" else summary.get("target_type", "String"),
            labels=tuple(_label(each) for each in summary.get("classes") or ()),
        )

    @property
    def result_types(self) -> dict[str, str]:
        """The columns of a result, in their order, with their data types."""
        probabilities = {f"probability_{label}": "Float" for label in self.labels}
        return {"prediction": self.target_type, **probabilities, "error": "String"}

    def check(self, frame: Frame) -> None:
        """Check that rows have the columns that the model reads; columns of no training are left out.

        Raises:
            WrongRows: `missing_column`, with the name that was perhaps meant.
        """
        others = [name for name in frame.names if name not in self.known]
        missing = [name for name in self.inputs if name not in frame.names]
        meant = {name: _nearest(name, others) for name in missing}
        wrong = [name for name in missing if meant[name] or name not in self.defaults]
        # Of dicts each row may leave out others, and the platform says which of them has too few.
        if wrong and (frame.kind not in ("record", "records") or any(meant.values()) or not frame.names):
            shown = [f"{name!r}" + (f" (is {meant[name]!r} meant?)" if meant[name] else "") for name in wrong]
            raise WrongRows(f"The model reads columns that are missing: {', '.join(shown)}.", code="missing_column")


def split_rows(rows: Sequence[dict[str, Any]], chunk_rows: int) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield the position of the first row, and the rows of each call, as many as a body may have."""
    begin = 0
    while begin < len(rows):
        size = min(chunk_rows, len(rows) - begin)
        while size > 1 and len(json.dumps(rows[begin : begin + size])) > _MAX_BODY_BYTES:
            size = (size + 1) // 2
        yield begin, list(rows[begin : begin + size])
        begin += size


def wrong_row(error: Invalid, number_of_rows: int) -> tuple[int, str] | None:
    """Return the position and the reason of the row that a call was refused for; None where it is not about one."""
    for field in error.fields:
        location = list(field.get("loc", ()))
        if location[:2] == ["body", "instances"] and len(location) > 2 and isinstance(location[2], int):
            messages = [str(f.get("msg", "")) for f in error.fields if list(f.get("loc", ()))[2:3] == location[2:3]]
            return location[2], "; ".join(messages)
        if location[:2] == ["body", "features"] and number_of_rows == 1:
            return 0, "; ".join(str(f.get("msg", "")) for f in error.fields)
    return None


def result_columns(
    columns: ModelColumns, answers: Mapping[int, Mapping[str, Any]], errors: Mapping[int, str], rows: int
) -> dict[str, list[Any]]:
    """Return answers of real-time predictions, by the position of their row, as the columns of a result."""
    result: dict[str, list[Any]] = {name: [None] * rows for name in columns.result_types}
    for index, answer in answers.items():
        result["prediction"][index] = answer["prediction"]
        for label, probability in (answer["probabilities"] or {}).items():
            result[f"probability_{label}"][index] = probability
    for index, reason in errors.items():
        result["error"][index] = reason
    return result


def explanation_columns(
    inputs: Sequence[str], answers: Mapping[int, Mapping[str, Any]], errors: Mapping[int, str], rows: int
) -> dict[str, list[Any]]:
    """Return the contributions of each feature as columns, in the order of the model, and the errors."""
    result: dict[str, list[Any]] = {name: [None] * rows for name in inputs}
    for index, answer in answers.items():
        for name, contribution in answer["explanation"].items():
            result.setdefault(name, [None] * rows)[index] = contribution
    return result | {"error": [errors.get(index) for index in range(rows)]}


def read_result(path: Path, types: Mapping[str, str]) -> dict[str, Any]:
    """Return columns of the result file of a batch: arrays of Arrow where pyarrow is installed, else lists."""
    if is_installed("pyarrow"):
        from dataml.client import parquet

        return parquet.read_csv(path, types)
    import csv

    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [_parse(row[name], kind) for row in rows] for name, kind in types.items()}


def _parse(text: str, data_type: str) -> Any:
    if text == "":
        return None
    if data_type == "Boolean":
        return text == "true"
    return int(text) if data_type == "Integer" else float(text) if data_type == "Float" else text


def _label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nearest(name: str, others: Sequence[str]) -> str | None:
    import difflib

    by_lower = {other.lower(): other for other in others}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    return next(iter(difflib.get_close_matches(name, others, n=1, cutoff=0.8)), None)
