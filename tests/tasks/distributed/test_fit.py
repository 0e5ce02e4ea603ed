"""A distributed fit by Ray Train: as good as in one process, and resumed when a worker is lost."""

import fcntl
import itertools
import os
import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.ml.boosters import fitting
from dataml.ml.boosters.fitting import FitConfig, FittedModel, library_parameters
from dataml.ml.boosters.native_model import LabeledRows, NativeModel, Task
from dataml.ml.evaluation.evaluate import evaluate
from dataml.ml.preprocessing import Preprocessing
from dataml.storage.objects import ObjectStore
from dataml.storage.storage import Storage
from dataml.tasks.distributed.encoded_rows import EncodedRows, SplitPart, encode, shard_row_groups
from dataml.tasks.distributed.fit import fit_distributed
from tests.ml.samples import contract_of

ROWS = 5_000
BINARY = Task(2)


def rows_in(folder: Path, row_group_size: int = 1_000) -> EncodedRows:
    chance = np.random.default_rng(0)
    one, two = chance.normal(size=(2, ROWS))
    text = chance.choice(["x", "y", "z"], ROWS)
    log_odds = 1.5 * one - two + 2 * (text == "y") * one
    y = (chance.random(ROWS) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)
    table = pa.table({"one": one, "two": two, "text": text})
    pq.write_table(table, folder / "rows.parquet", row_group_size=row_group_size)
    parts = [SplitPart.NONE, SplitPart.TRAIN, SplitPart.VALIDATION]
    part = chance.choice(parts, ROWS, p=[0.2, 0.68, 0.12]).astype(np.int8)
    contract = contract_of(table)
    return EncodedRows(
        Storage(folder), "rows.parquet", contract, Preprocessing.fit(contract, contract.names, table), y, part
    )


def samples(rows: EncodedRows, part: SplitPart) -> LabeledRows:
    chosen = rows.part == part
    matrix = rows.preprocessing.transform(pq.read_table(rows.path))
    return LabeledRows(matrix[chosen], rows.y[chosen])


def fit_locally(algorithm: str, rows: EncodedRows) -> FittedModel:
    return fitting.fit(fit_config(algorithm, rows), samples(rows, SplitPart.TRAIN), samples(rows, SplitPart.VALIDATION))


def fit_config(algorithm: str, rows: EncodedRows) -> FitConfig:
    # XGBoost runs to its end, beyond the checkpoint at which a worker is killed.
    rounds = {"n_estimators": 80, "early_stopping_rounds": 80} if algorithm == "XGBoost" else {}
    return FitConfig(algorithm, BINARY, rows.preprocessing.categorical, {"early_stopping_rounds": 20} | rounds)


def fit_on_two_workers(algorithm: Literal["XGBoost", "LightGBM"], rows: EncodedRows, **options: Any) -> FittedModel:
    """Fit in a thread, as a job does."""
    params = library_parameters(fit_config(algorithm, rows), int((rows.part == SplitPart.TRAIN).sum()))
    with ThreadPoolExecutor(1) as job:
        folder = rows.path.parent / "checkpoints"
        return job.submit(
            fit_distributed, algorithm, BINARY, rows, params, workers=2, folder=folder, **options
        ).result()


def check_equivalent(rows: EncodedRows, fitted: FittedModel, expected: FittedModel) -> None:
    """Check that scores differ by noise only, and that the model is like that of a single process."""
    held_out = samples(rows, SplitPart.NONE)
    loss, expected_loss = (
        evaluate(BINARY, held_out.y, model.predict(held_out.x)).metrics["log_loss"] for model in (fitted, expected)
    )
    assert loss == pytest.approx(expected_loss, abs=0.02)
    assert fitted.params == expected.params
    read = NativeModel.from_bytes(fitted.algorithm, BINARY, fitted.model.to_bytes(), fitted.model.categorical)
    np.testing.assert_array_equal(read.predict(held_out.x), fitted.predict(held_out.x))
    assert not (rows.path.parent / "checkpoints").exists()


def test_lightgbm_on_two_workers_is_as_good_as_in_one_process(tmp_path: Path, ray_cluster: None) -> None:
    rows = rows_in(tmp_path)
    expected = fit_locally("LightGBM", rows)
    fitted = fit_on_two_workers("LightGBM", rows)
    check_equivalent(rows, fitted, expected)
    assert fitted.model.booster.current_iteration() == fitted.best_iteration
    lines = re.findall(r"^threshold=(.*)$", fitted.model.to_bytes().decode(), re.MULTILINE)
    thresholds = np.array(" ".join(lines).split(), dtype=np.float64)
    np.testing.assert_array_equal(thresholds, thresholds.astype(np.float32))


def test_checkpoints_can_be_in_an_object_store(tmp_path: Path, ray_cluster: None) -> None:
    rows = rows_in(tmp_path)
    place = ObjectStore(f"file://{tmp_path}/store").resolve("jobs/1.1/checkpoints")
    fitted = fit_on_two_workers("LightGBM", rows, shared=place, checkpoint_interval=5)
    check_equivalent(rows, fitted, fit_locally("LightGBM", rows))
    assert list((tmp_path / "store" / "jobs" / "1.1" / "checkpoints").rglob("history*"))


def test_xgboost_resumes_from_its_checkpoint_when_a_worker_is_killed(
    tmp_path: Path, ray_cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_in(tmp_path)
    expected = fit_locally("XGBoost", rows)
    messages: list[str] = []
    killed: list[int] = []
    until_killed = (tmp_path / "until-killed").open("w")
    fcntl.flock(until_killed, fcntl.LOCK_EX)
    monkeypatch.setattr("dataml.tasks.distributed.worker.fit_shard", wait_at_checkpoint(3, until_killed.name))

    def kill_one(share: float, message: str) -> None:
        messages.append(message)
        if message.endswith("round 15") and not killed:
            killed.append(processes("ray::RayTrainWorker")[-1])
            os.kill(killed[0], signal.SIGKILL)
            fcntl.flock(until_killed, fcntl.LOCK_UN)

    fitted = fit_on_two_workers("XGBoost", rows, checkpoint_interval=5, progress=kill_one)
    until_killed.close()
    check_equivalent(rows, fitted, expected)
    assert len(killed) == 1
    assert fitted.model.booster.num_boosted_rounds() == fitted.best_iteration
    assert messages[0] == "Starting 2 workers"
    assert "resumed at" in messages[-1]


def wait_at_checkpoint(number: int, lock: str) -> Callable[[dict[str, Any]], Any]:
    """Return a `fit_shard` that waits after its checkpoint with this number until the file `lock` is not locked.

    Workers wait for each other at a checkpoint, and each sends the next one when its last has been taken: after the
    third one, the first is certainly known.
    """

    def fit(config: dict[str, Any]) -> Any:
        # Sent to the worker by value; there the module is the product's own.
        from dataml.tasks.distributed import worker

        keep, count = worker.BoostingState._checkpoint, itertools.count(1)

        def keep_and_wait(self: Any, model: Any) -> None:
            keep(self, model)
            if next(count) == number:
                with Path(lock).open() as file:
                    fcntl.flock(file, fcntl.LOCK_SH)

        worker.BoostingState._checkpoint = keep_and_wait
        return worker.fit_shard(config)

    return fit


def processes(title: str) -> list[int]:
    """Return the ids of descendants of this process with this title, the youngest last."""
    children = sorted(psutil.Process().children(recursive=True), key=psutil.Process.create_time)
    return [child.pid for child in children if _title(child).startswith(title)]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.mark.parametrize("row_group_size", [100, 1_000, ROWS], ids=["whole row groups", "single rows", "one row group"])
def test_the_shards_of_all_workers_are_all_training_rows(tmp_path: Path, row_group_size: int) -> None:
    rows = rows_in(tmp_path, row_group_size)
    by_worker = [
        [encode(rows, shard, SplitPart.TRAIN) for shard in shard_row_groups(rows.path, worker, 3)]
        for worker in range(3)
    ]
    counts = [sum(len(y) for _, y in shards) for shards in by_worker]
    expected = samples(rows, SplitPart.TRAIN)
    assert max(counts) - min(counts) < 100
    found = np.concatenate([np.column_stack((x, y)) for shards in by_worker for x, y in shards])
    wanted = np.column_stack((expected.x, expected.y))
    np.testing.assert_array_equal(found[np.lexsort(found.T)], wanted[np.lexsort(wanted.T)])
