"""Files that are lost or damaged: each is a clear error of the calls and jobs that need it, and of no other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.damage import Objects, create_objects, flip_bytes, kept, remove, truncate
from tests.storage.nodes import ROW
from tests.train.training import train

MISSING, DAMAGED, BUNDLE = (404, "file_missing"), (503, "file_damaged"), (503, "bundle_damaged")


@pytest.fixture(scope="module")
def objects(platform: Platform) -> Objects:
    return create_objects(platform)


def result_of(client: Client, answer: Response) -> tuple[int, str]:
    """Return the status and code of a refusal, or (0, code) of the job that was started; (0, "") when all is well."""
    body = answer.json() if answer.headers["content-type"].startswith("application/json") else {}
    if answer.status_code >= 400:
        return answer.status_code, body["code"]
    job_id = body.get("job_id") or body.get("shap_job_id") if isinstance(body, dict) else None
    error = wait_for_job(client, job_id)["error"] if job_id else None
    return 0, error["code"] if error else ""


CALLS: dict[str, Callable[[Objects], Response]] = {
    "view": lambda o: o.client.get("/dataset/view", params={"dataset_id": o.dataset_id}),
    "view set aside": lambda o: o.client.get("/dataset/view", params={"dataset_id": o.dataset_id, "rows": "set_aside"}),
    "errors": lambda o: o.client.get("/dataset/error-report", params={"dataset_id": o.dataset_id, "format": "csv"}),
    "file": lambda o: o.client.get("/files/view", params={"file_id": _file_id(o)}),
    "statistics": lambda o: o.client.post("/dataset/generate_statistics", params={"dataset_id": o.dataset_id}),
    "train": lambda o: train(o.client, o.dataset_id),
    "batch": lambda o: o.client.post(
        "/inference/batch-prediction", json={"train_id": o.training["id"], "dataset_id": o.scored_id}
    ),
    "predict": lambda o: o.client.post("/inference/", json=_features(o)),
    "report": lambda o: o.client.get(f"/train/{o.training['id']}/report"),
    "export": lambda o: o.client.get(f"/train/{o.training['id']}/export"),
    "explanation": lambda o: o.client.get(f"/train/{o.training['id']}/explanation"),
    "chart": lambda o: o.client.get(f"/train/{o.training['id']}/explanation/beeswarm.png"),
    # It replaces the explanation.
    "importance": lambda o: o.client.post("/train/generate-feature-importance", params={"train_id": o.training["id"]}),
}


def _file_id(o: Objects) -> int:
    return o.client.get("/files/list", params={"dataset_id": o.dataset_id}).json()["data"][0]["id"]


def _features(o: Objects) -> dict[str, Any]:
    ids = {"train_id": o.training["id"], "preprocess_id": o.training["preprocess_id"]}
    return ids | {"target": "bought", "features": ROW}


@pytest.mark.parametrize(
    ("what", "damage", "expected"),
    [
        (
            "parquet",
            remove,
            {"view": MISSING, "train": MISSING, "statistics": (0, MISSING[1]), "importance": (0, MISSING[1])},
        ),
        (
            "parquet",
            truncate,
            {"view": DAMAGED, "train": DAMAGED, "statistics": (0, DAMAGED[1]), "importance": (0, DAMAGED[1])},
        ),
        (
            "parquet",
            flip_bytes,
            {"view": DAMAGED, "train": DAMAGED, "statistics": (0, DAMAGED[1]), "importance": (0, DAMAGED[1])},
        ),
        ("errors", remove, {"errors": MISSING}),
        ("errors", truncate, {"errors": DAMAGED}),
        ("set_aside", remove, {"view set aside": MISSING}),
        ("set_aside", truncate, {"view set aside": DAMAGED}),
        ("path", remove, {"file": MISSING}),
        (
            "bundle",
            flip_bytes,
            {"report": BUNDLE, "export": BUNDLE, "batch": (0, BUNDLE[1]), "importance": (0, BUNDLE[1])},
        ),
        (
            "bundle",
            truncate,
            {"report": BUNDLE, "export": BUNDLE, "batch": (0, BUNDLE[1]), "importance": (0, BUNDLE[1])},
        ),
        (
            "bundle",
            remove,
            {"report": MISSING, "export": MISSING, "batch": (0, MISSING[1]), "importance": (0, MISSING[1])},
        ),
        ("explanation", remove, {"explanation": MISSING, "chart": MISSING}),
        ("explanation", truncate, {"explanation": DAMAGED, "chart": DAMAGED}),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
def test_lost_or_damaged_file_is_an_error_of_what_needs_it_alone(
    objects: Objects, what: str, damage: Callable[[Path], None], expected: dict[str, tuple[int, str]]
) -> None:
    with kept(objects.path(what)) as path:
        damage(path)
        found = {name: result_of(objects.client, call(objects)) for name, call in CALLS.items()}
    # A model that is loaded answers whatever has become of its files.
    assert found | {"predict": (0, "")} == dict.fromkeys(CALLS, (0, "")) | expected
