"""`model.predict` of the Python client against the same calls written by hand with httpx."""

import io
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

import dataml
from benchmarks.platform_run import CHURN, await_own_deployment, running_platform, train_churn

PORT = 8173
_ROUNDS = {1: 200, 1_000: 20}
_BATCH_ROUNDS = 3


def compare_predictions(folder: Path) -> None:
    """Print the times of 1, 1,000 and 1,000,000 rows by both ways, which take turns, and their ratios.

    `ROWS` is another number of rows for the batch than 1,000,000.
    """
    batch_rows = int(os.environ.get("ROWS", "1000000"))
    with running_platform(folder / "home", PORT) as client:
        model = train_churn(client, client.datasets.upload(CHURN, "churn"), "churn", "LightGBM")
        await_own_deployment(model)
        with httpx.Client(base_url=client.url, timeout=600) as http:
            http.headers["Authorization"] = f"Bearer {client.transport.session.token()}"
            plain = PlainCalls(http, model)
            for rows, rounds in _ROUNDS.items():
                _compare(_read_churn(rows), rounds, model.predict, plain.predict_one if rows == 1 else plain.predict)
            frame = _read_churn(batch_rows)
            _compare(frame, _BATCH_ROUNDS, lambda rows: model.predict(rows, how="batch"), plain.predict_batch)


class PlainCalls:
    """What a user writes by hand who has no client: the requests of a prediction, and the answers as columns."""

    def __init__(self, http: httpx.Client, model: dataml.Model) -> None:
        self._http = http
        self._model = model

    def predict_one(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict one row by `POST /inference/`."""
        body = {
            "train_id": self._model.id,
            "preprocess_id": self._model.info["preprocess_id"],
            "target": "churn",
            "features": _to_records(frame)[0],
        }
        return _join(frame, [self._post("/api/v1/inference/", json=body)])

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict some rows by the direct route, in one request."""
        answer = self._post(str(self._model.info["endpoint_url"]), json={"instances": _to_records(frame)})
        return _join(frame, answer["predictions"])

    def predict_batch(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Upload the rows as Parquet, score them by a batch job, download the result, and delete the dataset."""
        content = io.BytesIO()
        frame.to_parquet(content)
        query = {"dataset_name": f"plain-{time.monotonic_ns()}", "usage": "prediction"}
        files = {"files": ("rows.parquet", content.getvalue())}
        uploaded = self._post("/api/v1/dataset/upload", params=query, files=files)
        self._wait(uploaded["job_id"])
        body = {"train_id": self._model.id, "dataset_id": uploaded["dataset_id"]}
        started = self._post("/api/v1/inference/batchPrediction", json=body)
        self._wait(started["job_id"])
        result = self._get("/api/v1/inference/result", prediction_id=started["prediction_id"]).json()
        scored = pd.read_csv(io.BytesIO(self._get("/api/v1/files/download", file_path=result["result_path"]).content))
        self._http.delete(f"/api/v1/dataset/delete/{uploaded['dataset_id']}").raise_for_status()
        columns = [name for name in scored.columns if name == "prediction" or name.startswith("probability_")]
        return frame.assign(**{name: scored[name] for name in columns})

    def _wait(self, job_id: str) -> None:
        while (job := self._get(f"/api/v1/jobs/{job_id}", wait=60).json())["state"] in ("queued", "running"):
            pass
        if job["state"] != "succeeded":
            raise RuntimeError(f"{job_id}: {job['error']}")

    def _get(self, path: str, **query: Any) -> httpx.Response:
        return self._http.get(path, params=query).raise_for_status()

    def _post(self, path: str, **request: Any) -> Any:
        return self._http.post(path, **request).raise_for_status().json()


def _compare(
    frame: pd.DataFrame,
    rounds: int,
    by_client: Callable[[pd.DataFrame], pd.DataFrame],
    by_hand: Callable[[pd.DataFrame], pd.DataFrame],
) -> None:
    ways = [by_client, by_hand]
    # Once before: connections, and what the client reads about the model. Both must return the same.
    ours, theirs = (way(frame) for way in ways)
    for name in ("prediction", "probability_true"):
        # `read_csv` of pandas may change the last digit of a number.
        if not np.allclose(ours[name].astype(float), theirs[name].astype(float)):
            raise RuntimeError(f"the two ways return another {name}")
    times: dict[Any, list[float]] = {way: [] for way in ways}
    for turn in range(rounds):
        for way in ways[:: 1 if turn % 2 else -1]:
            started = time.perf_counter()
            way(frame)
            times[way].append(time.perf_counter() - started)
    client_ms, hand_ms = (statistics.median(times[way]) * 1000 for way in ways)
    print(
        f"predict {len(frame):,} rows: client {client_ms:.1f} ms, httpx by hand {hand_ms:.1f} ms, "
        f"ratio {client_ms / hand_ms:.2f} (at most 1.2; medians of {rounds})",
        flush=True,
    )


def _read_churn(rows: int) -> pd.DataFrame:
    """Return the features of the churn file, repeated up to so many rows."""
    frame = pd.read_csv(CHURN).drop(columns=["customer_id", "churn"])
    return frame.iloc[np.resize(np.arange(len(frame)), rows)].reset_index(drop=True)


def _to_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return json.loads(str(frame.to_json(orient="records")))


def _join(frame: pd.DataFrame, answers: list[dict[str, Any]]) -> pd.DataFrame:
    probabilities = pd.DataFrame([each["probabilities"] for each in answers]).add_prefix("probability_")
    return frame.assign(prediction=[each["prediction"] for each in answers]).join(probabilities)
