"""Ask a platform with the old home the same questions, before and after an upgrade.

`make_home.py` records the answers of the old version, and `test_old_home.py` compares those of the present one with
them. Both use the HTTP API only, because the modules and classes behind it change between versions.
"""

import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.client import Client

FOLDER = Path(__file__).parent
ARCHIVE = FOLDER / "home-0.1.0.tar.gz"
EXPECTED = FOLDER / "expected.json"

CLERK = "clerk"
"""A user of the tenant `default`."""
BRANCH_HEAD = "branch-head"
"""The administrator of another tenant."""

# Large, and drawn from other fields of the same answer.
_DRAWINGS = frozenset({"chart", "charts", "histogram"})


def predictions(client: Client, model: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the answers of a model to its recorded rows, with the contribution of each feature."""
    return [_predicted(client, model, row) for row in model["rows"]]


def forecast(client: Client, model: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps that a forecast model answers to its recorded question."""
    question = {key: model[key] for key in ("train_id", "preprocess_id")} | model["question"]
    found = client.post("/inference/forecast", json=question)
    assert found.status_code == 200, found.text
    return found.json()["forecast"]


def report(client: Client, model: dict[str, Any]) -> dict[str, Any]:
    """Return the metrics of a model's report, their confidence intervals and the names of the charts."""
    found = _get(client, f"/train/{model['train_id']}/report").json()
    told = found["report"]
    return {
        "metrics": found["summary"]["metrics"],
        "confidence": told["confidence"],
        "charts": sorted(told["charts"]),
    }


def explanation(client: Client, train_id: int) -> dict[str, Any]:
    """Return the main fields of an explanation; every picture that belongs to it must be readable."""
    found = _get(client, f"/train/{train_id}/explanation").json()
    names = ["beeswarm", *(chart["name"] for chart in found["dependence"])]
    for name in names:
        assert _get(client, f"/train/{train_id}/explanation/{name}.png").content.startswith(b"\x89PNG")
    told = {key: found[key] for key in ("feature_importance", "sample_rows", "total_rows", "effect", "classes")}
    return told | {"rows": found["rows"][:5], "charts": names}


def answer(client: Client, path: str) -> Any:
    """Return the JSON that a GET answers, without the specifications of charts."""
    return _without_drawings(_get(client, path).json())


def content_sha256(client: Client, path: str) -> str:
    """Return the hash of the file that a GET answers."""
    return hashlib.sha256(_get(client, path).content).hexdigest()


def outcome(client: Client, kind: str, subject_id: int) -> Any:
    """Return what a finished job has written.

    Args:
        client: A user of the job's tenant.
        kind: The kind of the job.
        subject_id: The row that the job serves: a dataset, a training or a prediction.
    """
    if kind == "validate":
        found = answer(client, f"/dataset/get_dataset_by_id?dataset_id={subject_id}")
        return {key: found[key] for key in ("state", "total_records", "kept_records", "schema", "error_summary")}
    if kind == "describe":
        return answer(client, f"/dataset/statistics?dataset_id={subject_id}")["statistics"]
    if kind == "train":
        found = answer(client, f"/train/{subject_id}")
        return {key: found[key] for key in ("train_status", "algorithm", "version", "is_promoted", "metrics")}
    if kind == "explain":
        return answer(client, f"/train/view-feature-importance?train_id={subject_id}")
    found = answer(client, f"/inference/result?prediction_id={subject_id}")
    if found["result_path"] is None:
        return {"status": found["status"]}
    lines = _get(client, f"/files/download?file_path={found['result_path']}").text
    kept = {key: found[key] for key in ("status", "no_of_records", "failed_records", "result_table")}
    return kept | {"rows": [[_typed(cell) for cell in row] for row in csv.reader(io.StringIO(lines))]}


def differences(found: Any, expected: Any, tolerance: float, where: str = "") -> Iterator[str]:
    """Yield a sentence for every value that is not as expected.

    Args:
        found: JSON of the present version.
        expected: JSON of the old version; fields that only `found` has are ignored.
        tolerance: Largest difference of two numbers, relative to the expected one if that is above 1.
        where: Path of both values in the whole JSON.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            if key in found:
                yield from differences(found[key], value, tolerance, f"{where}/{key}")
            else:
                yield f"{where}/{key} is missing"
    elif isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from differences(one, other, tolerance, f"{where}/{number}")
    elif _is_number(found) and _is_number(expected):
        if abs(found - expected) > tolerance * max(1.0, abs(expected)):
            yield f"{where} is {found!r}, it was {expected!r}"
    elif found != expected:
        yield f"{where} is {found!r}, it was {expected!r}"


def _get(client: Client, path: str) -> Any:
    found = client.get(path)
    assert found.status_code == 200, found.text
    return found


def _predicted(client: Client, model: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    question = {key: model[key] for key in ("train_id", "preprocess_id", "target")}
    found = client.post("/inference", json=question | {"features": row, "explain": True})
    assert found.status_code == 200, found.text
    return {key: value for key, value in found.json().items() if key != "prediction_id"}


def _typed(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _without_drawings(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_drawings(each) for key, each in value.items() if key not in _DRAWINGS}
    if isinstance(value, list):
        return [_without_drawings(each) for each in value]
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
