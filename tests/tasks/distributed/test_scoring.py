"""Batch scoring and explanations by Ray Data on two nodes: to the bit the results of one worker."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Contract
from dataml.errors import DatamlError, Invalid
from dataml.iceberg.writing import LakeTarget
from dataml.jobs.spec import DatasetRows, ExplainSpec, JobContext, ScoreResult, ScoreSpec, SourceFile
from dataml.ml.explanation import shap_values
from dataml.storage.storage import Storage
from dataml.tasks import explain, result_writer, score
from dataml.tasks.distributed.scoring import ScoredBatch
from tests.ml.samples import CHURN_ROLES, churn, churn_contract, contract_of
from tests.tasks.training import train_on

SECTION_BYTES = 100_000
Progress = Callable[[float, str], None]


@pytest.fixture(autouse=True)
def small_sections(second_node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "SECTION_BYTES", SECTION_BYTES)
    monkeypatch.setattr(score, "EXPLAINED_SECTION_BYTES", SECTION_BYTES)
    monkeypatch.setattr(score, "BATCH_ROWS", 1_000)
    monkeypatch.setattr(score, "EXPLAINED_BATCH_ROWS", 300)
    monkeypatch.setattr("dataml.tasks.distributed.cluster.cpu_count", lambda: 3)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def bundle(root: Path) -> str:
    return train_on(root, churn(), roles=CHURN_ROLES, hyperparameters={"n_estimators": 30}).bundle


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the number of rows of each batch that comes from another process."""
    counts: list[int] = []
    original = ScoredBatch.__init__

    def count(self: ScoredBatch, rows: int, *arguments: Any) -> None:
        counts.append(rows)
        original(self, rows, *arguments)

    monkeypatch.setattr(ScoredBatch, "__init__", count)
    return counts


def odd_churn() -> pa.Table:
    """Return the churn rows with wrong cells, unseen texts and numbers outside the range, and two kinds of Ids."""
    table = churn()
    chance = np.random.default_rng(5)
    contract = [chance.choice([text, "never seen", "ü\nx", 'a "b"']) for text in table["contract"].to_pylist()]
    tenure = [chance.choice([str(number), "x", "2.5", "-7", "900"]) for number in table["tenure"].to_pylist()]
    charges = [chance.choice([str(number), "1e9", ""]) for number in table["monthly_charges"].to_pylist()]
    for name, cells in (("contract", contract), ("tenure", tenure), ("monthly_charges", charges)):
        table = table.set_column(table.column_names.index(name), name, pa.array(cells, pa.string()))
    return table


def add_csv(root: Path, name: str, table: pa.Table) -> SourceFile:
    pacsv.write_csv(table, root / name)
    return SourceFile(len(name), name, name, "csv", ",", table.num_rows)


def add_parquet(root: Path, name: str, table: pa.Table, row_group_size: int) -> SourceFile:
    pq.write_table(table, root / name, row_group_size=row_group_size, use_dictionary=False)
    return SourceFile(len(name), name, name, "parquet", None, table.num_rows)


def run(
    root: Path,
    bundle: str,
    files: list[SourceFile],
    distributed: bool,
    *,
    explained: bool = False,
    contract: Contract | None = None,
    progress: Progress = lambda share, message: None,
) -> tuple[ScoreResult, bytes]:
    rows = DatasetRows(tuple(files), contract or churn_contract(), is_whole=False)
    context = JobContext(Storage(root), f"jobs/{distributed}-{explained}", progress)
    result = score.run(ScoreSpec(1, bundle, "", explained, rows=rows, distributed=distributed), context)
    content = (root / result.csv).read_bytes()
    assert [path.name for path in (root / context.directory).iterdir()] == ["predictions.csv"]
    return replace(result, csv=""), content


def actors() -> list[int]:
    """Return the ids of the processes that score, which are below this one."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            title = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if title.startswith("ray::") and "MapWorker" in title:
            found.append(process.pid)
    return found


@pytest.mark.parametrize("explained", [False, True], ids=["plain", "explained"])
def test_sections_of_csv_files_are_scored_like_the_whole(
    root: Path, bundle: str, explained: bool, counted: list[int]
) -> None:
    rows = odd_churn().slice(0, 1_500 if explained else churn().num_rows)
    files = [
        add_csv(root, "a.csv", rows),
        add_csv(root, "bb.csv", rows.slice(0, 40).drop_columns(["churn"])),
        add_csv(root, "ccc.csv", rows.slice(700)),
    ]
    alone, together = (run(root, bundle, files, each, explained=explained) for each in (False, True))
    assert together == alone
    result, _ = alone
    assert sum(counted) == result.total_records == 2 * rows.num_rows + 40 - 700
    assert len(counted) > 5
    assert 0 < result.failed_records < result.total_records
    assert {(each.code, each.column) for each in result.warnings} >= {
        ("unseen_category", "contract"),
        ("out_of_range", "tenure"),
        ("out_of_range", "monthly_charges"),
    }


def test_row_groups_of_parquet_files_are_sections(root: Path, bundle: str, counted: list[int]) -> None:
    table = churn()
    tenure = pa.array([None if row % 7 == 0 else 900.5 if row % 11 == 0 else 12.0 for row in range(len(table))])
    table = table.set_column(table.column_names.index("tenure"), "tenure", tenure)
    files = [add_parquet(root, "a.parquet", table, 500), add_csv(root, "b.csv", churn().slice(0, 900))]
    alone, together = (run(root, bundle, files, each) for each in (False, True))
    assert together == alone
    assert alone[0].failed_records == sum(cell == 900.5 for cell in tenure.to_pylist())
    assert sum(counted) == len(table) + 900


def test_the_validated_copy_is_scored_by_its_row_groups_and_written_to_the_lake(
    root: Path, bundle: str, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables: list[pa.Table] = []

    def keep_table(target: LakeTarget, context: JobContext, parquet: str) -> int:
        tables.append(pq.read_table(root / parquet))
        return 42

    monkeypatch.setattr(result_writer, "write_parquet", keep_table)
    pq.write_table(churn(), root / "copy.parquet", row_group_size=700)
    rows = DatasetRows((add_csv(root, "a.csv", churn()),), churn_contract(), is_whole=True)
    results = []
    for distributed in (False, True):
        spec = ScoreSpec(
            1, bundle, "copy.parquet", lake=LakeTarget.__new__(LakeTarget), rows=rows, distributed=distributed
        )
        result = score.run(spec, JobContext(Storage(root), f"jobs/copy-{distributed}"))
        results.append((replace(result, csv=""), (root / result.csv).read_bytes()))
    assert results[0] == results[1]
    assert tables[0].equals(tables[1])
    assert tables[0].num_rows == sum(counted) == churn().num_rows


def test_a_compressed_file_stays_in_one_worker(root: Path, bundle: str, counted: list[int]) -> None:
    plain = add_csv(root, "a.csv", churn().slice(0, 1_000))
    with pa.output_stream(root / "a.csv.gz", compression="gzip") as stream:
        stream.write((root / "a.csv").read_bytes())
    packed = replace(plain, path="a.csv.gz")
    assert run(root, bundle, [packed], True)[1] == run(root, bundle, [plain], False)[1]
    assert counted == []


@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM", "CatBoost", "Linear", "auto"])
def test_all_models_give_the_same_numbers_in_parts(tmp_path: Path, algorithm: str, counted: list[int]) -> None:
    chance = np.random.default_rng(1)
    x, z = chance.normal(size=(2, 3_000))
    kind = chance.choice(["a", "b", "c"], 3_000)
    y = np.where(x + (kind == "a") > 0.5, "p", np.where(z > 0, "q", "r"))
    table = pa.table({"id": [f"={n}" for n in range(3_000)], "x": x, "z": z, "kind": kind, "y": y})
    options: dict[str, Any] = {"hyperparameters": {"n_estimators": 20}} if algorithm not in ("auto", "Linear") else {}
    bundle = train_on(tmp_path, table, algorithm=algorithm, roles={"id": "Id"}, **options).bundle
    files = [add_csv(tmp_path, "a.csv", pa.concat_tables([table] * 2))]
    contract = contract_of(table)
    alone, together = (run(tmp_path, bundle, files, each, explained=True, contract=contract) for each in (False, True))
    assert together == alone
    assert len(counted) > 3


def test_rows_of_another_type_are_refused_before_any_process_starts(
    root: Path, bundle: str, counted: list[int]
) -> None:
    table = churn()
    wrong = table.set_column(table.column_names.index("tenure"), "tenure", pa.array(["high"] * len(table)))
    refusals = []
    for distributed in (False, True):
        with pytest.raises(Invalid) as caught:
            run(root, bundle, [add_csv(root, "a.csv", wrong)], distributed)
        refusals.append((caught.value.code, caught.value.detail))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] == "schema_mismatch"
    assert counted == []


def test_a_file_that_has_changed_is_refused_like_by_one_worker(root: Path, bundle: str) -> None:
    file = add_csv(root, "a.csv", churn())
    lines = (root / "a.csv").read_bytes().splitlines(keepends=True)
    (root / "a.csv").write_bytes(b"".join([*lines[:5_000], b"1,2\n", *lines[5_000:]]))
    refusals = []
    for distributed in (False, True):
        with pytest.raises(DatamlError) as caught:
            run(root, bundle, [file], distributed)
        refusals.append((caught.value.code, caught.value.detail))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] == "not_a_csv"


def test_the_work_of_a_lost_process_is_done_again_and_none_is_left(root: Path, bundle: str, counted: list[int]) -> None:
    files = [add_csv(root, "a.csv", pa.concat_tables([odd_churn()] * 2))]
    killed: list[int] = []

    def kill_all(share: float, message: str) -> None:
        if message.startswith("Scored") and not killed:
            killed.extend(actors())
            for process in killed:
                os.kill(process, signal.SIGKILL)

    together = run(root, bundle, files, True, explained=True, progress=kill_all)
    assert 0 < len(killed) <= 3
    assert counted[0] < sum(counted)
    deadline = time.monotonic() + 30
    while actors() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert actors() == []
    assert together == run(root, bundle, files, False, explained=True)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_large_sample_is_explained_like_by_one_worker(
    tmp_path: Path, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(1)
    x, z = chance.normal(size=(2, 9_000))
    y = np.where(x + chance.normal(size=9_000) > 0, 1, np.where(z > 0, 0, classes - 1)).astype(str)
    table = pa.table({"x": x, "z": z, "noise": chance.normal(size=9_000), "y": y})
    bundle = train_on(tmp_path, table, hyperparameters={"n_estimators": 20}).bundle
    pq.write_table(table, tmp_path / "train.parquet", row_group_size=1_000)
    monkeypatch.setattr(shap_values, "_MAX_BATCH_ROWS", 700)
    messages: list[str] = []
    results = []
    for distributed in (False, True):
        context = JobContext(
            Storage(tmp_path), f"jobs/explained-{distributed}", lambda share, message: messages.append(message)
        )
        spec = ExplainSpec(1, bundle, "train.parquet", 6_000, seed=2, distributed=distributed)
        result = explain.run(spec, context)
        folder = tmp_path / str(result.explanation)
        contents = {path.name: path.read_bytes() for path in folder.iterdir()}
        results.append((replace(result, explanation=None), contents))
    assert results[0] == results[1]
    assert results[0][0].sample_rows == 6_000
    assert messages.count("Computed SHAP values of 6,000 of 6,000 rows") == 1
