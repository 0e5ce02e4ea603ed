"""The search for hyperparameters on a Ray cluster: its trials, its progress, and its end."""

import fcntl
import os
import time
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataml.errors import Invalid
from dataml.jobs.spec import TuningConfig
from dataml.ml.boosters.hyperparameters import HYPERPARAMETERS
from dataml.tasks.tuning.search import SearchResult, search
from dataml.tasks.tuning.search_space import SPACE, search_space
from tests.tasks.training import train_on

pytestmark = pytest.mark.usefixtures("ray_cluster")
BOTH = search_space(["XGBoost", "LightGBM"], {})
ONE = search_space(["LightGBM"], {})


def run(folder: Path, objective: Any, tuning: TuningConfig, space: Any = ONE, **options: Any) -> SearchResult:
    options = {"seed": 1, "progress": lambda share, message: None, "initial": [{"algorithm": "LightGBM"}]} | options
    return search(objective, space, tuning, folder=folder / "tests", **options)


def far_from_a_tenth(params: dict[str, Any]) -> float:
    """Lowest at a learning rate of 0.1, and one lower for LightGBM."""
    if params.get("max_depth") == 10:
        raise Invalid("Ten is too deep.")
    distance = abs(np.log(params.get("learning_rate", 0.02) / 0.1))
    return float(distance) + (params["algorithm"] == "XGBoost")


def test_a_search_tries_the_initial_trials_improves_and_reports_progress(tmp_path: Path) -> None:
    table = np.random.default_rng(0).random((50_000, 10))
    reports: list[tuple[float, str]] = []
    lock = Lock()  # the progress callback need not be picklable

    def report(share: float, message: str) -> None:
        with lock:
            reports.append((share, message))

    def objective(params: dict[str, Any]) -> float:
        return far_from_a_tenth(params) + float(table[0, 0]) * 0

    result = run(
        tmp_path,
        objective,
        TuningConfig(trials=24),
        BOTH,
        initial=[{"algorithm": "LightGBM"}, {"algorithm": "XGBoost", "learning_rate": 0.1, "max_depth": 6}],
        progress=report,
        metric="log loss",
    )
    assert [trial.number for trial in result.trials] == list(range(1, 25))
    assert result.trials[0].params == {"algorithm": "LightGBM"}
    assert result.trials[1].params == {"algorithm": "XGBoost", "learning_rate": 0.1, "max_depth": 6}
    assert result.best["algorithm"] == "LightGBM"
    assert result.score is not None
    assert result.score == far_from_a_tenth(result.best) < far_from_a_tenth({"algorithm": "LightGBM"})
    assert result.score == min(trial.score for trial in result.trials if trial.score is not None)
    names = {"algorithm", *SPACE["LightGBM"], *SPACE["XGBoost"]}
    assert all(trial.params.keys() <= names for trial in result.trials)
    deep = [trial for trial in result.trials if trial.params.get("max_depth") == 10]
    assert all((trial.state, trial.score, trial.reason) == ("failed", None, "Ten is too deep.") for trial in deep)
    assert reports[0] == (0.0, "Trial 1 of 24")
    assert reports[1] == (1 / 24, "Trial 1 of 24: log loss 1.609, best 1.609")
    assert reports[-1][0] == 1.0
    assert not (tmp_path / "tuning").exists()
    assert not (Path.home() / "ray_results" / "tuning").exists()


def test_a_seed_reproduces_the_trials_in_one_process(tmp_path: Path) -> None:
    def objective(params: dict[str, Any]) -> float:
        with (tmp_path / "processes").open("a") as file:
            file.write(f"{os.getpid()}\n")
        return far_from_a_tenth(params)

    one, same, other = (run(tmp_path, objective, TuningConfig(trials=8), seed=seed) for seed in (3, 3, 4))
    assert [(trial.params, trial.score) for trial in one.trials] == [(t.params, t.score) for t in same.trials]
    assert one.trials[1].params != other.trials[1].params
    assert len(set((tmp_path / "processes").read_text().split())) == 3


def test_an_unexpected_error_is_reported_by_its_type_only(tmp_path: Path) -> None:
    def objective(params: dict[str, Any]) -> float:
        match len(params):
            case 1:
                raise ValueError("/a/path and a value")
            case _:
                return float("nan")

    with pytest.raises(Invalid) as caught:
        run(tmp_path, objective, TuningConfig(trials=2))
    assert caught.value.code == "tuning_failed"
    assert caught.value.detail == (
        "All 2 trials of the tuning failed. The first one: It failed unexpectedly (ValueError); the platform's log has "
        "the cause."
    )


def test_a_lost_process_fails_only_its_trial(tmp_path: Path) -> None:
    def objective(params: dict[str, Any]) -> float:
        if len(params) == 1:
            os._exit(1)
        return 0.5

    result = run(tmp_path, objective, TuningConfig(trials=2))
    assert [trial.state for trial in result.trials] == ["failed", "finished"]
    assert result.trials[0].reason == "Its process ended; it may have needed more memory than the machine has."
    assert result.score == 0.5


def test_at_the_end_of_the_budget_trials_are_stopped_and_the_defaults_used(tmp_path: Path) -> None:
    def endless(params: dict[str, Any]) -> float:
        while True:
            time.monotonic()

    result = run(tmp_path, endless, TuningConfig(trials=5, time_budget_s=8))
    assert {trial.state for trial in result.trials} <= {"stopped"}
    assert (result.best, result.score) == ({"algorithm": "LightGBM"}, None)
    assert result.note == "No trial finished within the time budget of 8 s; the defaults were used."


def test_the_processes_of_a_search_end_with_a_killed_worker(tmp_path: Path) -> None:
    import ray

    locked = tmp_path / "locked"
    started = tmp_path / "started"
    os.mkfifo(started)

    def endless(params: dict[str, Any]) -> float:
        file = locked.open("w")
        fcntl.flock(file, fcntl.LOCK_EX)
        started.write_text("now")
        while True:
            time.monotonic()

    class Worker:
        def work(self) -> None:
            run(tmp_path, endless, TuningConfig(trials=5))

    worker = ray.remote(Worker).options(name="worker", lifetime="detached", num_cpus=0).remote()
    working = worker.work.remote()
    assert started.read_text() == "now"
    ray.kill(worker)
    with locked.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the system releases the lock when the process that held it has ended
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(working)
    groups = ray.util.placement_group_table().values()
    assert all(group["state"] == "REMOVED" for group in groups)


def test_fixed_parameters_are_not_searched() -> None:
    space = search_space(["XGBoost", "LightGBM"], {"max_depth": 3, "subsample": 1.0})
    assert {"max_depth", "subsample"}.isdisjoint(space["XGBoost"].keys() | space["LightGBM"].keys())
    assert "num_leaves" in space["LightGBM"]


@pytest.mark.parametrize("algorithm", SPACE)
def test_every_range_lies_within_the_permitted_values(algorithm: str) -> None:
    for name, values in SPACE[algorithm].items():
        rule = HYPERPARAMETERS[name]
        assert rule.library_name(algorithm) is not None
        assert rule.minimum <= values.low < values.high <= rule.maximum
        assert values.is_integer == rule.is_integer


def test_a_training_with_tuning_records_every_trial(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x, z = random.normal(size=(2, 400))
    table = pa.table({"x": x, "z": z, "y": np.where(x * z + 0.3 * random.normal(size=400) > 0, "a", "b")})
    result = train_on(tmp_path, table, algorithm="auto", tuning=TuningConfig(trials=5, metric="roc_auc"))
    tuning = result.summary["tuning"]
    assert tuning["metric"] == "roc_auc"
    assert [trial["number"] for trial in tuning["trials"]] == [1, 2, 3, 4, 5]
    assert {trial["params"]["algorithm"] for trial in tuning["trials"][:3]} == {"LightGBM", "XGBoost", "CatBoost"}
    scores = [trial["score"] for trial in tuning["trials"]]
    assert all(0.5 < score <= 1 for score in scores)
    best = tuning["trials"][int(np.argmax(scores))]
    assert tuning["best"] == best["params"]
    assert not (tmp_path / "jobs/1/tuning").exists()
