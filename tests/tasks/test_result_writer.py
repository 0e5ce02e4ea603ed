"""The result of a batch appears whole under its name, or not at all."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from dataml.errors import Unavailable
from dataml.iceberg.writing import LakeTarget
from dataml.jobs.spec import JobContext
from dataml.storage.storage import Storage
from dataml.tasks import result_writer
from dataml.tasks.result_writer import ResultWriter

TABLE = pa.table({"id": [1, 2], "text": ["a", None]})


@pytest.fixture
def context(tmp_path: Path) -> JobContext:
    return JobContext(Storage(tmp_path), "jobs/1.1")


def files(root: Path) -> set[str]:
    return {path.name for path in (root / "jobs/1.1").iterdir()}


def test_all_tables_are_in_the_file_in_order(tmp_path: Path, context: JobContext) -> None:
    with ResultWriter(context, "result", TABLE.schema, None) as writer:
        writer.write(TABLE)
        writer.write(TABLE.slice(1))
        assert files(tmp_path) == {"result.csv.part"}
    result = writer.finish(failed_records=1)
    content = (tmp_path / result.csv).read_text()
    assert content == '"id","text"\n1,"a"\n2,\n2,\n'
    assert (result.total_records, result.total_fields, result.failed_records) == (3, 2, 1)
    assert (result.csv, result.size_bytes, result.snapshot_id) == ("jobs/1.1/result.csv", len(content), None)
    assert files(tmp_path) == {"result.csv"}


def test_lines_of_other_processes_are_added_as_they_are(context: JobContext, tmp_path: Path) -> None:
    lines = pa.BufferOutputStream()
    pacsv.write_csv(TABLE, lines, pacsv.WriteOptions(include_header=False))
    with ResultWriter(context, "result", TABLE.schema, None) as writer:
        writer.write(TABLE)
        writer.write_lines(2, lines.getvalue(), None)
        writer.write(TABLE)
    result = writer.finish()
    assert (tmp_path / result.csv).read_text() == '"id","text"\n' + '1,"a"\n2,\n' * 3
    assert result.total_records == 6


def test_an_error_leaves_no_file_of_that_name(tmp_path: Path, context: JobContext) -> None:
    def write_and_fail() -> None:
        with ResultWriter(context, "result", TABLE.schema, None) as writer:
            writer.write(TABLE)
            raise Unavailable("The store is away.", code="storage_unavailable")

    with pytest.raises(Unavailable):
        write_and_fail()
    assert files(tmp_path) == {"result.csv.part"}


def test_the_rows_for_the_lake_are_never_published(
    tmp_path: Path, context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def write_parquet(target: LakeTarget, context: JobContext, parquet: str) -> int:
        written.append(parquet)
        assert (tmp_path / parquet).exists()
        return 42

    monkeypatch.setattr(result_writer, "write_parquet", write_parquet)
    target = LakeTarget.__new__(LakeTarget)
    with ResultWriter(context, "result", TABLE.schema, target) as writer:
        writer.write(TABLE)
    assert writer.finish().snapshot_id == 42
    assert written == ["jobs/1.1/result.parquet"]
    assert context.not_to_publish == set(written)
    assert files(tmp_path) == {"result.csv"}
