"""Fitting one booster in several processes, by Ray Train: for data that no single worker can hold.

On a machine of two cores it costs 25 to 40 s before the first round, for half a dozen processes have to start; a lost
worker costs as much again; and each round waits for the slowest worker. On one machine, `ml.boosters.fitting.fit` with
more threads is faster. This pays where the matrix (four bytes a cell, twice while it is gathered) does not fit into
one worker, or where several machines share rounds of seconds each.
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
from dataml.ml.boosters.fitting import Fitted, float32_thresholds
from dataml.ml.boosters.native import NativeModel, Task
from dataml.tasks.distributed.encoded_rows import EncodedRows, shares

log = logging.getLogger(__name__)

Progress = Callable[[float, str], None]

CHECKPOINT_EVERY: Final = 25
"""Rounds. So many are lost with a worker; at each checkpoint all of them wait for a fifth of a second."""

MAX_FAILURES: Final = 2
_LOOK_EVERY_S: Final = 0.5
_STOPPING = ("n_estimators", "early_stopping_rounds")


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
    every: int = CHECKPOINT_EVERY,
    progress: Progress = lambda share, message: None,
) -> Fitted:
    """Fit on shares of the training rows, stopped by the validation rows; the model is like one of `estimators.fit`.

    `params` are those of `estimators.parameters`, `threads` those of each worker. `folder`, which all nodes see, holds
    the checkpoints meanwhile and is then removed; with `shared`, a place in an object store, that has them, and is the
    caller's to remove. When a worker is lost, all of them start again from the last
    checkpoint, twice at most. The workers take no CPU of the cluster's account, for on a small machine the platform
    holds them all.

    Raises what a worker raises, if it is a DatamlError, and else Unavailable (`training_workers_failed`).
    """
    import ray

    if not ray.is_initialized():
        raise RuntimeError("a distributed fit runs on a Ray cluster")
    state = folder / "state.json"
    shutil.rmtree(folder, ignore_errors=True)  # Ray Train would go on with the run that it finds there
    folder.mkdir(parents=True)
    group = "1 worker" if workers == 1 else f"{workers:,} workers"
    progress(0.0, f"Starting {group}")
    try:
        with _watched(state, params["n_estimators"], f"Fitting {algorithm} on {group}", progress):
            boosted = _boosted(algorithm, rows, params, workers, folder.absolute(), shared, seed, threads, every)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    history = boosted["history"]
    best = int(np.argmin(history)) + 1
    model = _cut(algorithm, boosted["model"], best)
    native = NativeModel.from_bytes(algorithm, task, model, rows.preprocessing.categorical, threads)
    return Fitted(native, best, {name: value for name, value in params.items() if name not in _STOPPING})


def _boosted(
    algorithm: str,
    rows: EncodedRows,
    params: Mapping[str, Any],
    workers: int,
    folder: Path,
    shared: tuple[FileSystem, str] | None,
    seed: int,
    threads: int,
    every: int,
) -> dict[str, Any]:
    # Ray Train reads them where it starts. The watcher is a process more, for machines that are about to be taken away.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    os.environ.setdefault("RAY_TRAIN_METRICS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    from ray.data import DataContext, ExecutionOptions
    from ray.train import CheckpointConfig, DataConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.exceptions import TrainingFailedError, WorkerGroupError

    from dataml.tasks.distributed.worker import ORDER, FitOrder, fit_share

    DataContext.get_current().enable_progress_bars = False
    own = {name: value for name, value in params.items() if name not in _STOPPING}
    fixed = {"nthread": threads, "verbosity": 0} if algorithm == "XGBoost" else _lightgbm_fixed(threads)
    order = FitOrder(
        algorithm,
        own | fixed | {"seed": seed},
        own["eval_metric" if algorithm == "XGBoost" else "metric"],
        params["n_estimators"],
        params["early_stopping_rounds"],
        every,
        rows.preprocessing.width,
        rows.preprocessing.categorical,
        str(folder / "state.json"),
    )
    trainer = _trainer(algorithm)(
        fit_share,
        train_loop_config={ORDER: order},
        # A share has to ask for something: a byte of memory, of which there always is one.
        scaling_config=ScalingConfig(num_workers=workers, resources_per_worker={"memory": 1}),
        run_config=RunConfig(
            name="run",
            storage_path=shared[1] if shared is not None else str(folder),
            storage_filesystem=shared[0] if shared is not None else None,
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            worker_runtime_env={"env_vars": {"OMP_WAIT_POLICY": "PASSIVE"}},
        ),
        datasets=shares(rows, workers),
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
    """Ray's trainer, with a cleaner that needs no dashboard."""
    from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback

    from dataml.tasks.distributed.cleaner import FitCleaner

    if algorithm == "XGBoost":
        from ray.train.xgboost import XGBoostTrainer as _Trainer
    else:
        from ray.train.lightgbm import LightGBMTrainer as _Trainer
    base: Any = _Trainer

    class Trainer(base):
        def _create_default_callbacks(self) -> list[Any]:
            found = super()._create_default_callbacks()
            return [FitCleaner() if isinstance(one, PlacementGroupCleanerCallback) else one for one in found]

    return Trainer


def _lightgbm_fixed(threads: int) -> dict[str, Any]:
    return {"num_threads": threads, "deterministic": True, "force_col_wise": True, "verbosity": -1}


def _cut(algorithm: str, content: bytes, best: int) -> bytes:
    """The model up to its best round, as `estimators.fit` leaves it."""
    if algorithm == "XGBoost":
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(bytearray(content))
        return bytes(booster[:best].save_raw("ubj"))
    import lightgbm

    text = lightgbm.Booster(model_str=content.decode()).model_to_string(num_iteration=best)
    return float32_thresholds(text).encode()


@contextmanager
def _watched(state: Path, rounds: int, message: str, progress: Progress) -> Iterator[None]:
    """Tells how far the workers are, which write it to `state` with each checkpoint."""
    over = threading.Event()

    def watch() -> None:
        last = ""
        while not over.wait(_LOOK_EVERY_S):
            text = state.read_text() if state.exists() else last
            if text != last:
                last, found = text, json.loads(text)
                resumed = f", resumed at {found['resumed_at']:,}" if found["resumed_at"] else ""
                progress(found["round"] / rounds, f"{message}, round {found['round']:,}{resumed}")

    watcher = threading.Thread(target=watch, name="distributed-fit", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
