"""A model's direct route against other model servers that serve the same booster, one worker each.

Each server has a virtual environment of its own in the cache folder (`XDG_CACHE_HOME`), made by uv at the first run.
The servers run side by side and take turns, so that the speed of the machine at the moment is the same for all. The
others get the row encoded, so they read no texts and check nothing; the platform gets the row as the file has it, with
token, contract and prediction log. `ROUNDS` and `SECONDS` are other numbers of rounds and lengths of one measurement.
"""

import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from benchmarks.load import Load, drive, require_wrk
from benchmarks.platform_run import (
    CHURN,
    await_own_deployment,
    await_url,
    churn_request,
    latest_bundle,
    running_platform,
    train_churn,
)
from dataml.ml.bundle.predictor import Predictor
from deployments.platform import private_folder
from deployments.processes import find_processes

PORT: Final = 8176
_PEER_PORT: Final = 8190
_SERVERS: Final = Path(__file__).parent / "peer_servers"
_CONNECTIONS: Final = (1, 16)
_LIGHTGBM: Final = "lightgbm==4.7.0"


@dataclass(frozen=True)
class Peer:
    """A model server of others.

    Attributes:
        name: as it is printed.
        requirements: what its environment has.
        path: where it answers.
        encode: makes the body of a request from an encoded row.
        write: writes what its command needs, from its environment, the booster's file, a folder and a port; returns the
            command and further environment variables.
    """

    name: str
    requirements: tuple[str, ...]
    path: str
    encode: Callable[[list[float]], dict[str, Any]]
    write: Callable[[Path, Path, Path, int], tuple[list[str], dict[str, str]]]


@dataclass(frozen=True)
class Contestant:
    """A server that runs: where it answers, what it is sent, and its processes."""

    name: str
    url: str
    body: dict[str, Any]
    token: str
    list_processes: Callable[[], list[psutil.Process]]


@dataclass(frozen=True)
class Turn:
    """What one measurement has found."""

    load: Load
    cpu_ms: float


def compare_peers(folder: Path) -> None:
    """Print requests per second, p50 and processor time per request of the platform and of each other server."""
    require_wrk()
    rounds, seconds = int(os.environ.get("ROUNDS", "5")), int(os.environ.get("SECONDS", "5"))
    with ExitStack() as running:
        platform, bundle = running.enter_context(_run_platform(folder))
        predictor = Predictor.load(bundle)
        features = platform.body["features"]
        expected = _read_numbers(_ask(platform))
        row = predictor.parse(features)
        contestants = [platform]
        for number, peer in enumerate(PEERS):
            contestant = running.enter_context(
                _run_peer(peer, bundle / "model.txt", row, folder, _PEER_PORT + 5 * number)
            )
            _require_same(contestant, expected)
            contestants.append(contestant)
        turns = _measure(contestants, rounds, seconds)
    for connections in _CONNECTIONS:
        for contestant in contestants:
            _print(contestant.name, connections, turns[contestant.name, connections], turns["dataml", connections])


@contextmanager
def _run_platform(folder: Path) -> Iterator[tuple[Contestant, Path]]:
    home = folder / "home"
    with running_platform(home, PORT) as client:
        model = train_churn(client, client.datasets.upload(CHURN, "churn"), "churn", "LightGBM")
        client.api.request_endpoint(model.id, {"min_replicas": 1, "max_replicas": 1})
        await_own_deployment(model)
        url = f"{client.url}{model.info['endpoint_url']}"
        body = {"features": churn_request(model)["features"]}
        token = client.transport.session.token()
        yield Contestant("dataml", url, body, token, lambda: find_processes(private_folder(home))), latest_bundle(home)


@contextmanager
def _run_peer(peer: Peer, booster: Path, row: list[float], folder: Path, port: int) -> Iterator[Contestant]:
    own = folder / peer.name
    own.mkdir()
    environment = _prepare_environment(peer)
    command, variables = peer.write(environment, booster, own, port)
    # One thread of each, as the platform has: a row is too small for two.
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    # mlflow starts its server by the name of a program.
    variables["PATH"] = f"{environment / 'bin'}:{os.environ['PATH']}"
    with (own / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=own, env=variables, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}{peer.path}"
            body = peer.encode(row)
            await_url(process, lambda: httpx.post(url, json=body, timeout=5))
            root = psutil.Process(process.pid)
            yield Contestant(peer.name, url, body, "", lambda: [root, *root.children(recursive=True)])
        finally:
            children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.terminate()
            _, alive = psutil.wait_procs([psutil.Process(process.pid), *children] if children else [], timeout=20)
            for each in alive:
                each.kill()
            process.wait()


def _prepare_environment(peer: Peer) -> Path:
    """Return the virtual environment of a server, which is made at the first time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dataml-bench" / "peers"
    folder, wanted = cache / peer.name, "\n".join(peer.requirements)
    mark = folder / "requirements.txt"
    if not mark.exists() or mark.read_text() != wanted:
        uv = [sys.executable, "-m", "uv"]
        print(f"installing {peer.name} into {folder}", file=sys.stderr, flush=True)
        subprocess.run([*uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)], check=True)
        python = str(folder / "bin" / "python")
        subprocess.run([*uv, "pip", "install", "-q", "--python", python, *peer.requirements], check=True)
        mark.write_text(wanted)
    return folder


def _measure(contestants: list[Contestant], rounds: int, seconds: int) -> dict[tuple[str, int], list[Turn]]:
    turns: dict[tuple[str, int], list[Turn]] = {
        (each.name, count): [] for each in contestants for count in _CONNECTIONS
    }
    for each in contestants:
        drive(each.url, each.body, each.token, connections=16, seconds=min(seconds, 3))
    for number in range(rounds):
        for connections in _CONNECTIONS:
            for each in contestants[:: -1 if number % 2 else 1]:
                before = _cpu_s(each)
                load = drive(each.url, each.body, each.token, connections=connections, seconds=seconds)
                used_s = _cpu_s(each) - before
                turns[each.name, connections].append(Turn(load, 1000 * used_s / max(load.per_second * seconds, 1)))
    return turns


def _cpu_s(contestant: Contestant) -> float:
    """Return the processor time that the processes of a server have had so far."""
    total = 0.0
    for process in contestant.list_processes():
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _print(name: str, connections: int, turns: list[Turn], ours: list[Turn]) -> None:
    per_second, p50_ms, cpu_ms = _medians(turns)
    own_per_second, own_p50_ms, own_cpu_ms = _medians(ours)
    errors = sum(turn.load.errors for turn in turns)
    ratios = ""
    if turns is not ours:
        ratios = (
            f"; dataml has {own_per_second / per_second:.2f} x the requests, {own_p50_ms / p50_ms:.2f} x the p50, "
            f"{own_cpu_ms / cpu_ms:.2f} x the processor time"
        )
    print(
        f"{connections:2} connections, {name}: {per_second:.0f} requests/s, p50 {p50_ms:.2f} ms, {cpu_ms:.2f} ms of "
        f"the processor a request{f', {errors} errors' if errors else ''}{ratios}",
        flush=True,
    )


def _medians(turns: list[Turn]) -> tuple[float, float, float]:
    return (
        statistics.median(turn.load.per_second for turn in turns),
        statistics.median(turn.load.p50_ms for turn in turns),
        statistics.median(turn.cpu_ms for turn in turns),
    )


def _ask(contestant: Contestant) -> str:
    headers = {"Authorization": f"Bearer {contestant.token}"} if contestant.token else {}
    return httpx.post(contestant.url, json=contestant.body, headers=headers, timeout=30).raise_for_status().text


def _require_same(contestant: Contestant, expected: list[float]) -> None:
    """Refuse a server that answers the probability of no class that the platform answers."""
    if not any(abs(number - wanted) < 1e-6 for number in _read_numbers(_ask(contestant)) for wanted in expected):
        raise RuntimeError(f"{contestant.name} answers another probability: {_ask(contestant)}")


def _read_numbers(answer: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d\.\d{4,}(?:[eE]-?\d+)?", answer)]


def _write_mlserver(environment: Path, booster: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    settings = {
        "debug": False,
        "parallel_workers": 0,
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": port + 1,
        "metrics_port": port + 2,
    }
    model = {
        "name": "booster",
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": str(booster)},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    return [str(environment / "bin" / "mlserver"), "start", str(folder)], {}


def _write_bentoml(environment: Path, booster: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    command = [str(environment / "bin" / "bentoml"), "serve", "bentoml_app:Booster", "--port", str(port)]
    command += ["--host", "127.0.0.1", "--working-dir", str(_SERVERS)]
    return command, {"MODEL": str(booster), "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(folder / "bentoml")}


def _write_litserve(environment: Path, booster: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    return [str(environment / "bin" / "python"), str(_SERVERS / "litserve_app.py"), str(booster), str(port)], {}


def _write_mlflow(environment: Path, booster: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    python, model = str(environment / "bin" / "python"), folder / "model"
    save = [python, str(_SERVERS / "mlflow_save.py"), str(booster), str(model)]
    subprocess.run(save, check=True, cwd=folder, env={**os.environ, **quiet}, capture_output=True)
    command = [str(environment / "bin" / "mlflow"), "models", "serve", "-m", str(model), "-p", str(port)]
    return [*command, "-h", "127.0.0.1", "--env-manager", "local", "-w", "1"], quiet


PEERS: Final = (
    Peer(
        "mlserver",
        ("mlserver==1.7.1", "mlserver-lightgbm==1.7.1", _LIGHTGBM),
        "/v2/models/booster/infer",
        lambda row: {"inputs": [{"name": "row", "shape": [1, len(row)], "datatype": "FP64", "data": row}]},
        _write_mlserver,
    ),
    Peer("bentoml", ("bentoml==1.4.40", _LIGHTGBM), "/predict", lambda row: {"row": row}, _write_bentoml),
    Peer("litserve", ("litserve==0.2.19", _LIGHTGBM), "/predict", lambda row: {"row": row}, _write_litserve),
    Peer("mlflow", ("mlflow==3.17.2", _LIGHTGBM), "/invocations", lambda row: {"inputs": [row]}, _write_mlflow),
)
