"""`python -m benchmarks [section ...]`: measure, and print the tables that docs/benchmarks.md shows."""

import asyncio
import importlib.util
import json
import os
import platform as machine
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

import dataml
from benchmarks.console import measure_console
from benchmarks.load import Load, drive, require_wrk, resident_mb
from benchmarks.login import compare_failed_logins
from benchmarks.models import many_models
from benchmarks.overload import overload
from benchmarks.peers import compare_peers
from benchmarks.plain import predict_plainly, train_plainly
from benchmarks.platform_run import (
    CHURN,
    HEALTH_PATH,
    PASSWORD,
    UP,
    await_own_deployment,
    churn_request,
    environment,
    latest_bundle,
    process,
    running_platform,
    train_churn,
)
from benchmarks.predictions import compare_predictions
from benchmarks.reading import compare_readers
from benchmarks.scaling import scaling
from benchmarks.steady import steady
from benchmarks.two_hops import compare_two_hops
from benchmarks.waiters import waiters

PORT = 8170
HEALTH = f"http://127.0.0.1:{PORT}{HEALTH_PATH}"
BATCH_ROWS = 1_000_000
_TASK_S = 300
_LONG_TASK_S = 3_600
_SCORING_TASKS = ("alone", "distributed")
_EXPLAINING_TASKS = ("explain_alone", "explain_distributed")


def main(sections: list[str]) -> None:
    """Print the measurements of the named sections, or of all of them if none is named."""
    print(_describe_machine())
    measurements: dict[str, Callable[[Path], None]] = {
        "startup": startup,
        "story": story,
        "predict": compare_predictions,
        "peers": compare_peers,
        "two-hops": compare_two_hops,
        "models": many_models,
        "steady": steady,
        "training": training,
        "forecast": forecast,
        "responsive": responsive,
        "scaling": scaling,
        "overload": overload,
        "waiters": waiters,
        "access": access,
        "login": compare_failed_logins,
        "data": data,
        "large": large,
        "scoring": scoring,
        "lake": lake,
        "reading": compare_readers,
        "console": measure_console,
    }
    for name, run in measurements.items():
        if not sections or name in sections:
            print(f"\n## {name}\n", flush=True)
            with tempfile.TemporaryDirectory(prefix="dataml-bench-") as folder:
                run(Path(folder))


def startup(folder: Path) -> None:
    """Measure `dataml up` in a migrated home until the health check answers, against an empty Serve application."""
    home = folder / "home"
    with process(UP, HEALTH, environment(home, PORT)):
        pass  # The first start creates the database. The starts after it are measured.
    ups, empties = [], []
    for turn in range(3):
        with process(UP, HEALTH, environment(home, PORT)) as seconds:
            ups.append(seconds)
        empty = ["-m", "benchmarks.baselines.empty_serve", str(folder / f"empty{turn}"), str(PORT)]
        with process(empty, f"http://127.0.0.1:{PORT}/", dict(os.environ)) as seconds:
            empties.append(seconds)
    _print_row(
        "start until health-check answers", statistics.median(ups), statistics.median(empties), "s", "empty Serve app"
    )


def story(folder: Path) -> None:
    """Measure upload, training and prediction, each against a plain way to do the same."""
    require_wrk()
    home = folder / "home"
    with running_platform(home, PORT) as client:
        client.datasets.upload(CHURN, "warm-up")
        uploads = [_time(lambda turn=turn: client.datasets.upload(CHURN, f"churn-{turn}")) for turn in range(3)]
        print(f"upload of the churn file until valid: {statistics.median(uploads):.2f} s (at most 2 s)")
        token = client.transport.session.token()
        model = train_churn(client, client.datasets.upload(CHURN, "churn"), "churn-1", "LightGBM")
        body = churn_request(model)
        features = body["features"]
        first = _time(lambda: client.api.predict(body))
        print(f"first prediction after Completed: {first * 1000:.0f} ms (at most 100 ms)")
        pool = drive(f"http://127.0.0.1:{PORT}/api/v1/inference/", body, token)
        await_own_deployment(model)
        own = drive(f"http://127.0.0.1:{PORT}/api/v1/inference/", body, token)
        own_alone = drive(f"http://127.0.0.1:{PORT}/api/v1/inference/", body, token, connections=1)
        route = model.info["endpoint_url"]
        # The autoscaler adds the second replica under load. The measurement begins after that.
        drive(f"http://127.0.0.1:{PORT}{route}", {"features": features}, token, seconds=30)
        direct = drive(f"http://127.0.0.1:{PORT}{route}", {"features": features}, token)
        direct_alone = drive(f"http://127.0.0.1:{PORT}{route}", {"features": features}, token, connections=1)
        replica = client.api.get_endpoint(model.id)["replica_urls"][0]
        replica_load = drive(replica, {"features": features}, token)
        replica_alone = drive(replica, {"features": features}, token, connections=1)
        _measure_batch(client, model, folder, home)
        _print_memory(home)
        bundle = latest_bundle(home)
        fields = {
            each["column_name"]: each["data_type"] for each in client.api.get_prediction_form(id=model.id)["headers"]
        }
    two_hop = _two_hop_baseline(bundle, {"features": features})
    plain, plain_alone = _uvicorn_baseline(bundle, {"features": features}, fields)
    _print_load_row("POST /inference/ by the pool, 16 connections", pool, two_hop, "two-hop app, Serve's defaults")
    _print_load_row(
        "POST /inference/ by the own deployment, 16 connections", own, two_hop, "two-hop app, Serve's defaults"
    )
    _print_load_row("direct route, 16 connections", direct, plain, "uvicorn + FastAPI + booster")
    _print_load_row("the same at one replica's own port", replica_load, plain, "uvicorn + FastAPI + booster")
    print(
        f"at 1 connection, p50: /inference/ {own_alone.p50_ms:.2f} ms, direct {direct_alone.p50_ms:.2f} ms, "
        f"at the replica's own port {replica_alone.p50_ms:.2f} ms, uvicorn + FastAPI + booster "
        f"{plain_alone.p50_ms:.2f} ms"
    )


def responsive(folder: Path) -> None:
    """Measure the latency of the health check while a training runs."""
    with running_platform(folder / "home", PORT) as client:
        big = _write_repeated_churn(folder, 200_000, with_target=True)
        dataset = client.datasets.upload(big, "big")
        job = client.train(dataset, "churn", id="customer_id", problem_type="Classification", wait=False)
        latencies = []
        while not job.refresh().is_done:
            latencies.append(_time(client.api.check_health))
            time.sleep(0.01)
        latencies.sort()
        p99 = latencies[int(len(latencies) * 0.99)] * 1000
        print(
            f"health-check while a training of 200,000 rows runs: p99 {p99:.1f} ms of {len(latencies)} (below 100 ms)"
        )


def access(folder: Path) -> None:
    """Measure the cost of authorisation, and the latency of the health check during many simultaneous logins."""
    require_wrk()
    with running_platform(folder / "home", PORT) as client:
        authorised, public = f"http://127.0.0.1:{PORT}/api/v1/validate-token", HEALTH.rstrip("/")
        token = client.transport.session.token()
        drive(authorised, None, token, connections=1, seconds=3)
        # The two calls take turns, since the speed of the machine changes from one second to the next.
        pairs = [[drive(url, None, token, connections=1, seconds=4) for url in (authorised, public)] for _ in range(5)]
        costs = [with_token.p50_ms - without.p50_ms for with_token, without in pairs]
        with_token, without = (statistics.median(pair[side].p50_ms for pair in pairs) for side in (0, 1))
        print(
            f"authorisation: p50 {with_token:.2f} ms with it, {without:.2f} ms without; it adds "
            f"{statistics.median(costs):.2f} ms ({min(costs):.2f} to {max(costs):.2f}; at most 1 ms)"
        )
        asyncio.run(_login_storm(100))


def data(folder: Path) -> None:
    """Measure validation and statistics of 1,000,000 rows x 20 columns, each task in a process of its own.

    The baselines are pyarrow without any check, and other tools that check the same: DuckDB and pandera, where they
    are installed.
    """
    from benchmarks.data_tasks import write_csv

    rows = int(os.environ.get("ROWS", "1000000"))
    write_csv(folder / "clean.csv", rows, 0)
    write_csv(folder / "bad.csv", rows, 0.01)
    print(f"{rows:,} rows x 20 columns, {(folder / 'clean.csv').stat().st_size / 1e6:.0f} MB of CSV")
    plain, clean, bad = (
        _run_task(folder, *task)
        for task in (("plain", "clean.csv"), ("platform", "clean.csv"), ("platform", "bad.csv"))
    )
    _print_row("validate clean", clean["seconds"], plain["seconds"], "s", "pyarrow read_csv + write")
    _print_row(
        f"validate with 1% bad cells ({bad['kept']:,} rows kept)", bad["seconds"], clean["seconds"], "s", "clean"
    )
    print(f"peak memory: clean {clean['peak_mb']:.0f} MB, 1% bad {bad['peak_mb']:.0f} MB (below 700 MB)")
    for other in ("duckdb", "pandera"):
        if importlib.util.find_spec(other) is None:
            print(f"{other} is not installed")
            continue
        for name, measured in (("clean.csv", clean), ("bad.csv", bad)):
            try:
                theirs = _run_task(folder, other, name, times=1)
            except subprocess.TimeoutExpired:
                print(f"validate {name}: {measured['seconds']:.2f} s; {other} was not done after {_TASK_S} s")
                continue
            _print_row(
                f"validate {name}",
                measured["seconds"],
                theirs["seconds"],
                "s",
                f"{other}, {theirs['kept']:,} rows kept",
            )
    with running_platform(folder / "home", PORT) as client:
        write_csv(folder / "small.csv", 10_000, 0)
        times = [
            _time(lambda turn=turn: client.datasets.upload(folder / "small.csv", f"small-{turn}")) for turn in range(6)
        ]
    print(f"upload of 10,000 rows x 20 columns until valid: {statistics.median(times[1:]):.2f} s (at most 1 s)")
    described, aggregated = (_run_task(folder, task, clean["parquet"]) for task in ("statistics", "aggregates"))
    _print_row("statistics", described["seconds"], aggregated["seconds"], "s", "one pass of pyarrow aggregates")
    print(f"peak memory of statistics: {described['peak_mb']:.0f} MB")


def large(folder: Path) -> None:
    """Measure validation of 10,000,000 rows x 20 columns by one worker, and by Ray Data on the same machine."""
    from benchmarks.data_tasks import write_csv

    write_csv(folder / "large.csv", 10_000_000, 0)
    single, distributed = (_run_task(folder, task, "large.csv", times=1) for task in ("platform", "distributed"))
    print(f"one worker: {single['seconds']:.1f} s, peak memory {single['peak_mb']:.0f} MB (below 700 MB)")
    _print_row("Ray Data", distributed["seconds"], single["seconds"], "s", "one worker")


def scoring(folder: Path) -> None:
    """Measure batch scoring and SHAP values of 10,000,000 rows by one worker, and by Ray Data on the same machine.

    `ROWS` is another number of rows. A hundredth of them is scored with explanations, and a tenth is explained.
    """
    rows = int(os.environ.get("ROWS", "10000000"))
    run_task = partial(_run_task, folder, times=1, module="score_tasks", timeout_s=_LONG_TASK_S)
    prepared = run_task("prepare", str(rows))
    bundle = prepared["bundle"]
    print(f"{rows:,} rows x 19 columns, {prepared['bytes'] / 1e6:.0f} MB of CSV")
    _print_comparison("batch scoring", "sha256", *(run_task(t, bundle, "rows.csv", "") for t in _SCORING_TASKS))
    lines = (folder / "rows.csv").open().readlines(prepared["bytes"] // 100)
    (folder / "part.csv").write_text("".join(lines))
    label = f"batch scoring of {len(lines) - 1:,} rows with explanations"
    _print_comparison(label, "sha256", *(run_task(t, bundle, "part.csv", "explained") for t in _SCORING_TASKS))
    label = f"SHAP values of {rows // 10:,} rows"
    _print_comparison(label, "importance", *(run_task(t, bundle, str(rows // 10)) for t in _EXPLAINING_TASKS))


def _print_comparison(label: str, output: str, alone: dict[str, Any], distributed: dict[str, Any]) -> None:
    """Print the time of Ray Data and of one worker, and whether their `output` is the same."""
    _print_row(f"{label} by Ray Data", distributed["seconds"], alone["seconds"], "s", "one worker")
    same = "the same" if alone[output] == distributed[output] else "ANOTHER"
    print(
        f"  {same} result; peak memory of the worker {distributed['peak_mb']:.0f} MB, alone {alone['peak_mb']:.0f} MB"
    )


def _run_task(
    folder: Path, task: str, *arguments: str, times: int = 2, module: str = "data_tasks", timeout_s: float = _TASK_S
) -> dict[str, Any]:
    """Return the JSON of the fastest of several runs of a task, each in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.{module}", task, str(folder), *arguments]
    runs = [
        json.loads(subprocess.run(command, capture_output=True, check=True, timeout=timeout_s).stdout)
        for _ in range(times)
    ]
    return min(runs, key=lambda run: run["seconds"])


def lake(folder: Path) -> None:
    """Measure appends to a lake table, statistics of a column, and lists of 1,000 tables over HTTP.

    Appends are compared with pyarrow writing the same Parquet, statistics with pyarrow reading the column. Each task
    runs in a process of its own.
    """
    from benchmarks.lake_tasks import create_many_tables

    for rows in (1_000_000, int(os.environ.get("ROWS", "10000000"))):
        rows_folder = folder / str(rows)
        rows_folder.mkdir()
        run_task = partial(_run_lake_task, rows_folder, rows)
        run_task("write_source")
        plain, ours = run_task("plain_write"), run_task("append")
        _print_row(f"append {rows:,} rows", ours["seconds"], plain["seconds"], "s", "the same Parquet by pyarrow")
        column, statistic = run_task("plain_read"), run_task("compute_statistics")
        _print_row(
            f"numeric_stats of {rows:,} rows",
            statistic["seconds"],
            column["seconds"],
            "s",
            "pyarrow reading the column",
        )
        distinct = run_task("count_distinct")
        print(f"distinct count of {rows:,} different numbers: {distinct['seconds']:.2f} s")
        peaks = {
            name: task["peak_mb"] for name, task in (("append", ours), ("stats", statistic), ("distinct", distinct))
        }
        print("peak memory (below 500 MB): " + ", ".join(f"{name} {peak:.0f} MB" for name, peak in peaks.items()))
    with running_platform(folder / "home", PORT) as client:
        create_many_tables(folder / "home", client.whoami()["tenant_id"], 1_000)
        list_tables = partial(client.api.list_lake_tables, schema_name="silver", limit=1000)
        for name, call in (("schemas", client.api.list_lake_schemas), ("schemas/tables", list_tables)):
            times = [_time(call) for _ in range(50)]
            print(f"{name} with 1,000 tables: p50 {statistics.median(times) * 1000:.1f} ms (below 50 ms)")


def _run_lake_task(folder: Path, rows: int, task: str) -> dict[str, Any]:
    return _run_task(folder, task, str(rows), times=1, module="lake_tasks")


async def _login_storm(count: int) -> None:
    """Send `count` logins at once, and measure the health check repeatedly until the last of them is answered."""
    form = {"username": "admin", "password": PASSWORD}
    limits = httpx.Limits(max_connections=count + 1)
    async with httpx.AsyncClient(timeout=120, limits=limits) as http:
        url = f"http://127.0.0.1:{PORT}/api/v1/login/access-token"
        started = time.perf_counter()
        logins = asyncio.gather(*(http.post(url, data=form) for _ in range(count)))
        latencies = []
        while not logins.done():
            sent = time.perf_counter()
            (await http.get(HEALTH)).raise_for_status()
            latencies.append(time.perf_counter() - sent)
        seconds = time.perf_counter() - started
        successes = sum(answer.status_code == 200 for answer in await logins)
    latencies.sort()
    print(
        f"{count} logins at once: {successes} answered 200 within {seconds:.1f} s; health-check meanwhile p50 "
        f"{latencies[len(latencies) // 2] * 1000:.0f} ms, slowest {latencies[-1] * 1000:.0f} ms of {len(latencies)} "
        "(below 1 s)"
    )


def training(folder: Path) -> None:
    """Measure training with `auto` against the same fits in a plain script, and SHAP values.

    The churn data is trained through the platform, 1,000,000 rows x 20 columns in one process. SHAP values are compared
    with the contributions that the boosters compute themselves.
    """
    from benchmarks.train_tasks import write_rows

    home = folder / "home"
    with running_platform(home, PORT) as client:
        dataset = client.datasets.upload(CHURN, "churn")
        _await_idle(train_churn(client, dataset, "warm-up"))
        times = []
        for turn in range(3):
            started = time.perf_counter()
            model = train_churn(client, dataset, f"churn-{turn}")
            times.append(time.perf_counter() - started)
            _await_idle(model)
    parquet = next((home / "storage" / "jobs").glob("*/data.parquet"))
    plain = [train_plainly(latest_bundle(home), parquet, "churn", 1, {}) for _ in range(3)][1:]
    _print_row(
        "train request until Completed, auto",
        statistics.median(times),
        statistics.median(plain),
        "s",
        "the same fits in a plain script, one thread",
    )
    write_rows(folder / "rows.parquet", 1_000_000)
    auto = _run_task(folder, "auto", "rows.parquet", times=1, module="train_tasks")
    plain_script = _run_task(folder, "plain", "rows.parquet", times=1, module="train_tasks")
    _print_row(
        "auto, 1,000,000 rows x 20 columns, 100 rounds", auto["seconds"], plain_script["seconds"], "s", "the same fits"
    )
    print(
        f"peak memory: {auto['peak_mb']:.0f} MB, of which {auto['before_mb']:.0f} MB before; the Arrow table has "
        f"{auto['table_mb']:.0f} MB: {(auto['peak_mb'] - auto['before_mb']) / auto['table_mb']:.1f} x (at most 3 x)"
    )
    ours, theirs = (task["peak_mb"] - task["before_mb"] for task in (auto, plain_script))
    _print_row("peak memory above the start", ours, theirs, "MB", "the same fits")
    shap = _run_task(folder, "explanation", "rows.parquet", times=1, module="train_tasks")
    _print_row(
        "SHAP values of 2,000 rows", shap["seconds"], shap["own_seconds"], "s", "the booster's own contributions"
    )


def forecast(folder: Path) -> None:
    """Measure forecasts of 1,000 daily series of three years with LightGBM, and the memory of 10,000 series.

    Training and backtest are compared with plain mlforecast that does the same. A forecast is measured over HTTP.
    """
    _run_task(folder, "write", times=1, module="forecast_tasks")
    ours, plain = (_run_task(folder, task, times=1, module="forecast_tasks") for task in ("platform", "mlforecast"))
    _print_row("train and backtest 1,000 daily series", ours["seconds"], plain["seconds"], "s", "mlforecast, the same")
    print(f"peak memory: {ours['peak_mb']:.0f} MB, of mlforecast {plain['peak_mb']:.0f} MB")
    with running_platform(folder / "home", PORT) as client:
        dataset = client.datasets.upload(folder / "series.parquet", "series")
        model = client.train(
            dataset,
            "sold",
            id="id",
            time="day",
            algorithm="LightGBM",
            horizon=14,
            forecast={"windows": 3},
        )
        request: Any = {"train_id": model.id, "preprocess_id": model.info["preprocess_id"], "steps": 14}
        first = _time(lambda: client.api.forecast(request | {"unique_id": "series 0"}))
        times = sorted(
            _time(lambda n=n: client.api.forecast(request | {"unique_id": f"series {n}"})) for n in range(200)
        )
    print(
        f"14 steps of one series over HTTP: p50 {times[100] * 1000:.1f} ms, p99 {times[198] * 1000:.1f} ms "
        f"(at most 30 ms at p50); the first one {first * 1000:.0f} ms"
    )
    _run_task(folder, "write", "10000", times=1, module="forecast_tasks")
    many = _run_task(folder, "platform", times=1, module="forecast_tasks")
    print(
        f"10,000 series: {many['seconds']:.0f} s, peak memory {many['peak_mb']:,.0f} MB, of which "
        f"{many['before_mb']:.0f} MB before"
    )


def _await_idle(model: dataml.Model) -> None:
    """Return when the last training is deployed: a starting deployment would take a core of the next measurement."""
    await_own_deployment(model)
    time.sleep(2)


def _measure_batch(client: dataml.Client, model: dataml.Model, folder: Path, home: Path) -> None:
    source = _write_repeated_churn(folder, BATCH_ROWS, with_target=False)
    dataset = client.datasets.upload(source, "batch", usage="prediction")

    def score() -> None:
        started = client.api.start_batch_prediction({"train_id": model.id, "dataset_id": dataset.id})
        client.jobs.wait(started["job_id"])

    times = [_time(score) for _ in range(2)]
    parquet = max((home / "storage" / "jobs").glob("*/data.parquet"), key=lambda path: path.stat().st_size)
    plain = predict_plainly(latest_bundle(home), parquet, folder / "plain.csv")
    _print_row(
        f"batch of {BATCH_ROWS:,} rows, request until completed",
        min(times),
        plain,
        "s",
        "plain pyarrow + booster script",
    )


def _print_memory(home: Path) -> None:
    from deployments.platform import private_folder

    time.sleep(5)
    sizes = resident_mb(private_folder(home))
    parts = ", ".join(f"{name} {size:.0f}" for name, size in sizes.items())
    print(f"memory of the idle platform: {sum(sizes.values()):.0f} MB (proportional set size): {parts}")


def _two_hop_baseline(bundle: Path, body: dict[str, object]) -> Load:
    command = ["-m", "benchmarks.baselines.two_hop_serve", str(bundle), str(PORT)]
    with process(command, "ready"):
        drive(f"http://127.0.0.1:{PORT}/predict", body, seconds=3)
        return drive(f"http://127.0.0.1:{PORT}/predict", body)


def _uvicorn_baseline(bundle: Path, body: dict[str, object], fields: dict[str, str]) -> tuple[Load, Load]:
    command = ["-m", "benchmarks.baselines.uvicorn_app", str(bundle), str(PORT)]
    env = {**os.environ, "FIELDS": json.dumps(fields)}
    with process(command, f"http://127.0.0.1:{PORT}/docs", env):
        drive(f"http://127.0.0.1:{PORT}/predict", body, seconds=3)
        url = f"http://127.0.0.1:{PORT}/predict"
        return drive(url, body), drive(url, body, connections=1)


def _write_repeated_churn(folder: Path, rows: int, *, with_target: bool) -> Path:
    """Write the churn rows repeatedly, up to `rows` rows, and return the path of the CSV."""
    lines = CHURN.read_text().splitlines()
    if not with_target:
        lines = [line.rpartition(",")[0] for line in lines]
    body = lines[1:]
    repeated = (body * (rows // len(body) + 1))[:rows]
    path = folder / f"rows-{rows}.csv"
    path.write_text("\n".join([lines[0], *repeated]) + "\n")
    return path


def _time(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _print_row(label: str, ours: float, theirs: float, unit: str, baseline: str) -> None:
    print(f"{label}: {ours:.2f} {unit}, {baseline}: {theirs:.2f} {unit}, ratio {ours / theirs:.2f}", flush=True)


def _print_load_row(label: str, ours: Load, theirs: Load, baseline: str) -> None:
    errors = f", {ours.errors} errors" if ours.errors else ""
    print(
        f"{label}: {ours.per_second:.0f} requests/s, p50 {ours.p50_ms:.2f} ms, p99 {ours.p99_ms:.2f} ms{errors}; "
        f"{baseline}: {theirs.per_second:.0f} requests/s, p50 {theirs.p50_ms:.2f} ms; "
        f"ratio {ours.per_second / theirs.per_second:.2f}",
        flush=True,
    )


def _describe_machine() -> str:
    packages = ("ray", "fastapi", "uvicorn", "xgboost", "lightgbm", "onnxruntime", "pyarrow")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{os.cpu_count()} cores, {machine.machine()}, Python {machine.python_version()}; {versions}"


if __name__ == "__main__":
    main(sys.argv[1:])
