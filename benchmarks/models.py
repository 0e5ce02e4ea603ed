"""Many models in one replica of the pool, asked at random by Zipf's law: errors, latency, memory, and loading times.

The models are copies of one that was trained, each with a row and files of its own. The pool keeps nine tenths of them,
so that the rest has been evicted. `MODELS` and `SECONDS` are another number of models and length of each load.
"""

import os
import random
import shutil
import sqlite3
import statistics
import time
from pathlib import Path
from typing import Any, Final

import dataml
from benchmarks.load import Load, drive, drive_many, require_wrk, resident_mb
from benchmarks.platform_run import CHURN, churn_request, running_platform, train_churn
from deployments.platform import private_folder

PORT: Final = 8177
_ORDER: Final = 50_000
"""Requests until the order of the models repeats itself."""


def many_models(folder: Path) -> None:
    """Print what many models cost beside one, in latency, memory and loading."""
    require_wrk()
    count, seconds = int(os.environ.get("MODELS", "1000")), int(os.environ.get("SECONDS", "30"))
    home = folder / "home"
    kept = max(1, count * 9 // 10)
    pool = {"DATAML_POOL_MAX_REPLICAS": "1", "DATAML_POOL_MODELS": str(kept), "DATAML_OWN_ENDPOINTS": "0"}
    with running_platform(home, PORT, **pool) as client:
        model = train_churn(client, client.datasets.upload(CHURN, "churn"), "churn", "LightGBM")
        body = churn_request(model)
        url, token = f"{client.url}/api/v1/inference/", client.transport.session.token()
        _ask(client, body)
        ids = _copy(home, model.id, count)
        bodies = [{"train_id": train_id, "features": body["features"]} for train_id in ids]
        one = drive(url, body, token, seconds=seconds)
        before_mb = sum(resident_mb(private_folder(home)).values())
        warm = [_ask(client, body) for _ in range(200)]
        first = [_ask(client, each) for each in bodies]
        back = [_ask(client, each) for each in bodies[: count - kept]]
        many = drive_many(url, bodies, _draw(count), token, seconds=seconds)
        after_mb = resident_mb(private_folder(home))
        loads = _read_load_times(client)
    print(f"{count} models, {kept} of them kept in one replica of the pool; 16 connections")
    _print_load("one model", one)
    _print_load("models by Zipf's law", many)
    print(f"p99 {many.p99_ms / one.p99_ms:.1f} x that of one model (at most 10)")
    usual_ms = statistics.median(warm)
    _print_times("a model's first request", first, usual_ms)
    _print_times("the first one after it was evicted", back, usual_ms)
    print(f"loading a model: {loads} (at most 20 ms)")
    total_mb = sum(after_mb.values())
    pool_mb = sum(size for name, size in after_mb.items() if "PredictorPool" in name)
    print(
        f"memory: {before_mb:.0f} MB with one model, {total_mb:.0f} MB with all (at most 4096), the pool {pool_mb:.0f}"
    )


def _copy(home: Path, train_id: int, count: int) -> list[int]:
    """Add so many copies of a training, each with a predictor and a bundle of its own; return their ids."""
    ids: list[int] = []
    with sqlite3.connect(home / "dataml.db", timeout=60) as connection:
        connection.row_factory = sqlite3.Row
        training = dict(connection.execute("SELECT * FROM training WHERE id = ?", (train_id,)).fetchone())
        predictor = dict(connection.execute("SELECT * FROM predictor WHERE champion_id = ?", (train_id,)).fetchone())
        source = home / "storage" / training["bundle"]
        for number in range(count):
            own = train_id + 1 + number
            named = {"predictor_name": f"copy-{number}", "url_name": f"copy-{number}"}
            bundle = f"jobs/copy-{number}.1/bundle"
            shutil.copytree(source, home / "storage" / bundle)
            _insert(connection, "training", {**training, **named, "id": own, "bundle": bundle})
            _insert(
                connection, "predictor", {**predictor, **named, "id": predictor["id"] + 1 + number, "champion_id": own}
            )
            ids.append(own)
    return ids


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))


def _draw(count: int) -> list[int]:
    """Return which model each request asks: the second one half as often as the first, the third one a third."""
    models = list(range(count))
    dice = random.Random(20)
    dice.shuffle(models)
    return dice.choices(models, [1 / rank for rank in range(1, count + 1)], k=_ORDER)


def _ask(client: dataml.Client, body: Any) -> float:
    """Return the milliseconds of one prediction."""
    started = time.perf_counter()
    client.api.predict(body)
    return 1000 * (time.perf_counter() - started)


def _read_load_times(client: dataml.Client) -> str:
    """Return the mean time of loading a model in the pool, as the metrics of the platform have it."""
    time.sleep(6)  # They are some seconds behind.
    values = {}
    for line in client.api.get_metrics().splitlines():
        for kind in ("sum", "count"):
            if line.startswith(f"dataml_model_load_duration_seconds_{kind}") and 'host="pool"' in line:
                values[kind] = float(line.rpartition(" ")[2])
    if not values.get("count"):
        return "not measured"
    return f"mean {1000 * values['sum'] / values['count']:.1f} ms of {values['count']:.0f}"


def _print_load(label: str, load: Load) -> None:
    print(
        f"{label}: {load.per_second:.0f} requests/s, p50 {load.p50_ms:.2f} ms, p99 {load.p99_ms:.2f} ms, "
        f"{load.errors} errors",
        flush=True,
    )


def _print_times(label: str, times_ms: list[float], usual_ms: float) -> None:
    times_ms = sorted(times_ms)
    median, p99 = statistics.median(times_ms), times_ms[int(len(times_ms) * 0.99)]
    print(
        f"{label}: p50 {median:.1f} ms, p99 {p99:.1f} ms of {len(times_ms)}; a loaded one takes {usual_ms:.1f} ms, "
        f"so it takes {median - usual_ms:.1f} ms more"
    )
