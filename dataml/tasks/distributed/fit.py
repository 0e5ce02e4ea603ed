"""The fit of one booster in several processes, by Ray Train, for data that no single worker can hold.

On a machine with two cores it takes 25 to 40 s until the first round, because half a dozen processes have to start; a
lost worker costs as much again; and each round waits for the slowest worker. On one machine, `ml.boosters.fitting.fit`
with more threads is faster. A distributed fit is worth it where the matrix (four bytes a cell, twice while it is
collected) does not fit into one worker, or where several machines share rounds of seconds each.
"""

import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pyarrow.fs import FileSystem

from dataml.errors import DatamlError, Unavailable
from dataml.ml.boosters.fitting import FittedModel, float32_thresholds
from dataml.ml.boosters.native_model import NativeModel, Task
from dataml.tasks.distributed.encoded_rows import EncodedRows, build_shards

log = logging.getLogger(__name__)

Progress = Callable[[float, str], None]

CHECKPOINT_INTERVAL: Final = 25
"""Rounds between checkpoints, the most that are lost with a worker; a checkpoint takes a fifth of a second."""

MAX_FAILURES: Final = 2
_POLL_INTERVAL_S: Final = 0.5
_STOPPING_PARAMS = ("n_estimators", "early_stopping_rounds")


def fit_distributed(
    algorithm: Literal["XGBoost", "LightGBM"],
    task: Task,
    rows: EncodedRows,
    params: Mapping[str, Any],
    *,
    workers: int,
    folder: Path,
    shared: tuple[FileSystem, str] | None = None,
    seed: int = 0,
    threads: int = 1,
    checkpoint_interval: int = CHECKPOINT_INTERVAL,
    progress: Progress = lambda share, message: None,
) -> FittedModel:
    """Fit on shards of the training rows, stopped by the validation rows; the model is like one of `fitting.fit`.

    When a worker is lost, all of them start again from the last checkpoint, MAX_FAILURES times at most. The workers
    reserve no CPUs of the cluster, because on a small machine the platform reserves them all.

    Args:
        algorithm: of the booster.
        task: the learning task.
        rows: the training and validation rows.
        params: as from `fitting.parameters`.
        workers: number of processes.
        folder: holds the checkpoints during the fit, and is then removed; all nodes must see it.
        shared: a place in an object store for the checkpoints instead; the caller removes it.
        seed: of the booster.
        threads: of each worker.
        checkpoint_interval: rounds between checkpoints.
        progress: is called with the share that is done and a message.

    Raises:
        DatamlError: the error of a worker, if it is one.
        Unavailable: `training_workers_failed`: for any other error of a worker.
    """
    import ray

    if not ray.is_initialized():
        raise RuntimeError("a distributed fit runs on a Ray cluster")
    state = folder / "state.json"
    shutil.rmtree(folder, ignore_errors=True)  # Ray Train would resume a run that it finds there
    folder.mkdir(parents=True)
    group = "1 worker" if workers == 1 else f"{workers:,} workers"
    progress(0.0, f"Starting {group}")
    try:
        with _progress_reported(state, params["n_estimators"], f"Fitting {algorithm} on {group}", progress):
            boosted = _boost(
                algorithm, rows, params, workers, folder.absolute(), shared, seed, threads, checkpoint_interval
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    history = boosted["history"]
    best = int(np.argmin(history)) + 1
    model = _truncate(algorithm, boosted["model"], best)
    native = NativeModel.from_bytes(algorithm, task, model, rows.preprocessing.categorical, threads)
    return FittedModel(native, best, {name: value for name, value in params.items() if name not in _STOPPING_PARAMS})


def _boost(
    algorithm: str,
    rows: EncodedRows,
    params: Mapping[str, Any],
    workers: int,
    folder: Path,
    shared: tuple[FileSystem, str] | None,
    seed: int,
    threads: int,
    checkpoint_interval: int,
) -> dict[str, Any]:
    # Ray Train reads them at its start. The preemption watcher is another process, for machines that are reclaimed.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    os.environ.setdefault("RAY_TRAIN_METRICS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    from ray.data import DataContext, ExecutionOptions
    from ray.train import CheckpointConfig, DataConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.exceptions import TrainingFailedError, WorkerGroupError

    from dataml.tasks.distributed.worker import CONFIG, WorkerConfig, fit_shard

    DataContext.get_current().enable_progress_bars = False
    own = {name: value for name, value in params.items() if name not in _STOPPING_PARAMS}
    fixed = {"nthread": threads, "verbosity": 0} if algorithm == "XGBoost" else _lightgbm_fixed(threads)
    config = WorkerConfig(
        algorithm,
        own | fixed | {"seed": seed},
        own["eval_metric" if algorithm == "XGBoost" else "metric"],
        params["n_estimators"],
        params["early_stopping_rounds"],
        checkpoint_interval,
        rows.preprocessing.width,
        rows.preprocessing.categorical,
        str(folder / "state.json"),
    )
    trainer = _trainer(algorithm)(
        fit_shard,
        train_loop_config={CONFIG: config},
        # A worker must reserve something: a byte of memory is always available.
        scaling_config=ScalingConfig(num_workers=workers, resources_per_worker={"memory": 1}),
        run_config=RunConfig(
            name="run",
            storage_path=shared[1] if shared is not None else str(folder),
            storage_filesystem=shared[0] if shared is not None else None,
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            worker_runtime_env={"env_vars": {"OMP_WAIT_POLICY": "PASSIVE"}},
        ),
        datasets=build_shards(rows, workers),
        dataset_config=DataConfig(datasets_to_split=[], execution_options=ExecutionOptions(preserve_order=True)),
    )
    try:
        return trainer.fit().return_value
    except TrainingFailedError as failed:
        reasons = failed.worker_failures.values() if isinstance(failed, WorkerGroupError) else ()
        for reason in reasons:
            if isinstance(reason, DatamlError):
                raise reason from failed
        log.exception("the workers of a distributed fit failed")
        detail = f"The workers of the training failed {MAX_FAILURES + 1} times; the platform's log has the cause."
        raise Unavailable(detail, code="training_workers_failed") from failed


def _trainer(algorithm: str) -> Any:
    """Return Ray's trainer class, with a cleaner that needs no dashboard."""
    from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback

    from dataml.tasks.distributed.cleaner import FitCleaner

    if algorithm == "XGBoost":
        from ray.train.xgboost import XGBoostTrainer as _Trainer
    else:
        from ray.train.lightgbm import LightGBMTrainer as _Trainer
    base: Any = _Trainer

    class Trainer(base):
        def _create_default_callbacks(self) -> list[Any]:
            callbacks = super()._create_default_callbacks()
            return [FitCleaner() if isinstance(c, PlacementGroupCleanerCallback) else c for c in callbacks]

    return Trainer


def _lightgbm_fixed(threads: int) -> dict[str, Any]:
    return {"num_threads": threads, "deterministic": True, "force_col_wise": True, "verbosity": -1}


def _truncate(algorithm: str, content: bytes, best: int) -> bytes:
    """Return the model up to its best round, like a model of `fitting.fit`."""
    if algorithm == "XGBoost":
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(bytearray(content))
        return bytes(booster[:best].save_raw("ubj"))
    import lightgbm

    text = lightgbm.Booster(model_str=content.decode()).model_to_string(num_iteration=best)
    return float32_thresholds(text).encode()


@contextmanager
def _progress_reported(state: Path, rounds: int, message: str, progress: Progress) -> Iterator[None]:
    """Report the progress that the first worker writes to `state` with each checkpoint."""
    stopped = threading.Event()

    def watch() -> None:
        last = ""
        while not stopped.wait(_POLL_INTERVAL_S):
            text = state.read_text() if state.exists() else last
            if text != last:
                last, status = text, json.loads(text)
                resumed = f", resumed at {status['resumed_at']:,}" if status["resumed_at"] else ""
                progress(status["round"] / rounds, f"{message}, round {status['round']:,}{resumed}")

    watcher = threading.Thread(target=watch, name="distributed-fit", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stopped.set()
        watcher.join()
