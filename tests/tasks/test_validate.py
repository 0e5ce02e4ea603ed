"""The validation of a dataset: good rows are kept and typed, bad ones quarantined with their reasons."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.jobs.spec import JobContext, SourceFile, ValidateResult, ValidateSpec
from dataml.storage.storage import Storage
from dataml.tasks import outputs, validate

CHURN = Path(__file__).parents[2] / "examples/data/telecom_churn.csv"
CONTRACT = Contract.build(
    [
        Column("id", DataType.STRING),
        Column("amount", DataType.FLOAT),
        Column("day", DataType.DATE),
        Column("region", DataType.STRING, default="north"),
    ]
)


class Bench:
    """Files in a storage root, and the job run over them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: list[SourceFile] = []
        self.progress: list[tuple[float, str]] = []

    def add(self, name: str, content: str) -> None:
        (self.root / name).write_text(content, encoding="utf-8", newline="")
        records = content.count("\n") - 1
        self.files.append(SourceFile(len(self.files) + 10, name, name, "csv", records=records))

    def run(self, contract: Contract | None = CONTRACT, on_error: str = "quarantine") -> ValidateResult:
        context = JobContext(
            Storage(self.root), "jobs/1/1", lambda fraction, message: self.progress.append((fraction, message))
        )
        spec = ValidateSpec(1, tuple(self.files), contract, "reject" if on_error == "reject" else "quarantine")
        return validate.run(spec, context)

    def read(self, name: str | None) -> list[dict[str, object]]:
        assert name is not None
        return pq.read_table(self.root / name).to_pylist()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_all_rows_of_a_clean_dataset_are_kept_in_file_order(bench: Bench) -> None:
    bench.add("a.csv", "id,amount,day,region,extra\n001,1.5,2024-01-02,south,x\n002,,,,x\n")
    bench.add("b.csv", "day,id,amount\n2024-01-03,003,2\n")
    result = bench.run()
    assert (result.total_records, result.kept_records, result.errors, result.quarantined) == (3, 3, None, None)
    assert [report.error_report for report in result.files] == [None, None]
    assert [(report.file_id, report.total_fields, report.total_records) for report in result.files] == [
        (10, 5, 2),
        (11, 3, 1),
    ]
    assert bench.read(result.parquet) == [
        {"id": "001", "amount": 1.5, "day": date(2024, 1, 2), "region": "south"},
        {"id": "002", "amount": None, "day": None, "region": "north"},
        {"id": "003", "amount": 2.0, "day": date(2024, 1, 3), "region": "north"},
    ]
    assert pq.read_schema(bench.root / result.parquet).equals(CONTRACT.schema)


def test_rows_with_wrong_cells_are_quarantined_and_every_wrong_cell_is_reported(bench: Bench) -> None:
    bench.add("a.csv", "id,amount,day\n1,1,2024-01-01\n\n2,x,never\n3,3,2024-01-03\n4,1_0,2024-01-04\n")
    bench.add("b.csv", "id,amount,day,region\n5,inf,2024-01-05,east\n")
    result = bench.run()
    assert (result.total_records, result.kept_records) == (5, 2)
    assert [row["id"] for row in bench.read(result.parquet)] == ["1", "3"]
    told = [(e["file"], e["row"], e["column"], e["value"], e["rule"]) for e in bench.read(result.errors)]
    assert told == [
        ("a.csv", 2, "amount", "x", "not_a_number"),
        ("a.csv", 2, "day", "never", "not_a_date"),
        ("a.csv", 4, "amount", "1_0", "not_a_number"),
        ("b.csv", 1, "amount", "inf", "not_finite"),
    ]
    assert bench.read(result.quarantined) == [
        {"file_id": 10, "row": 2, "id": "2", "amount": "x", "day": "never", "region": None},
        {"file_id": 10, "row": 4, "id": "4", "amount": "1_0", "day": "2024-01-04", "region": None},
        {"file_id": 11, "row": 1, "id": "5", "amount": "inf", "day": "2024-01-05", "region": "east"},
    ]
    report = result.files[0].error_report
    assert report is not None
    assert (report.total_errors, report.rows_with_errors) == (3, 2)
    assert report.by_column == {"amount": 2, "day": 1}
    assert report.by_rule == {"not_a_number": 2, "not_a_date": 1}
    assert [(error.row, error.column) for error in report.first] == [(2, "amount"), (2, "day"), (4, "amount")]


def test_the_report_lists_the_first_hundred_errors_and_counts_all(bench: Bench) -> None:
    bench.add("a.csv", "id,amount,day\n" + "1,x,\n" * 250)
    result = bench.run()
    report = result.files[0].error_report
    assert report is not None
    assert (len(report.first), report.total_errors, report.first[-1].row) == (100, 250, 100)
    assert (len(bench.read(result.errors)), result.kept_records) == (250, 0)
    assert bench.read(result.parquet) == []


def test_with_reject_the_first_bad_cell_fails_the_job(bench: Bench) -> None:
    bench.add("a.csv", "id,amount,day\n1,1,\n2,many,\n")
    with pytest.raises(Invalid, match=r"a\.csv, row 2, column 'amount': 'many'") as caught:
        bench.run(on_error="reject")
    assert caught.value.code == "bad_cell"


def test_a_structural_error_names_its_file(bench: Bench) -> None:
    bench.add("a.csv", "id,amount,day\n1,1,\n")
    bench.add("b.csv", "id,amount,day\n1,1\n")
    with pytest.raises(Invalid, match=r"b\.csv: Line 2") as caught:
        bench.run()
    assert caught.value.code == "ragged_row"


def test_a_missing_column_without_a_default_is_refused(bench: Bench) -> None:
    bench.add("a.csv", "id,amount\n1,1\n")
    with pytest.raises(Invalid, match="day") as caught:
        bench.run()
    assert caught.value.code == "missing_column"


def test_the_date_order_is_resolved_over_all_files(bench: Bench) -> None:
    bench.add("a.csv", "id,amount,day\n1,1,02/03/2024\n")
    bench.add("b.csv", "id,amount,day\n2,1,31/03/2024\n")
    result = bench.run()
    assert result.contract.column("day").date_order == "dmy"
    assert [row["day"] for row in bench.read(result.parquet)] == [date(2024, 3, 2), date(2024, 3, 31)]


def test_ambiguous_dates_are_quarantined(bench: Bench) -> None:
    bench.add("a.csv", "id,amount,day\n1,1,02/03/2024\n2,1,2024-03-02\n")
    result = bench.run()
    report = result.files[0].error_report
    assert report is not None
    assert report.by_rule == {"ambiguous_date": 1}


def test_a_missing_contract_is_inferred_from_every_value(bench: Bench) -> None:
    bench.add("a.csv", "zip,n,flag\n00123,1,yes\n")
    bench.add("b.csv", "zip,n,flag\n99,2.5,no\n")
    result = bench.run(None)
    assert [column.data_type for column in result.contract.columns] == [
        DataType.STRING,
        DataType.FLOAT,
        DataType.BOOLEAN,
    ]
    assert bench.read(result.parquet)[0] == {"zip": "00123", "n": 1.0, "flag": True}


def test_parquet_files_are_validated_like_csv_files(bench: Bench) -> None:
    table = pa.table({"id": [1, 2], "amount": [1.0, float("inf")], "day": ["2024-01-01", "2024-01-02"]})
    pq.write_table(table, bench.root / "a.parquet")
    bench.files.append(SourceFile(10, "a.parquet", "a.parquet", "parquet"))
    result = bench.run()
    assert [(row["id"], row["amount"]) for row in bench.read(result.parquet)] == [("1", 1.0)]
    assert bench.read(result.quarantined)[0]["amount"] == "inf"


def test_columns_named_like_origin_columns_keep_their_values(bench: Bench) -> None:
    bench.add("a.csv", "row,n\nfirst,x\n")
    result = bench.run(Contract.build([Column("row", DataType.STRING), Column("n", DataType.INTEGER)]))
    assert bench.read(result.quarantined) == [{"file_id": 10, "row": 1, "row_": "first", "n": "x"}]


def test_many_rows_make_even_row_groups_and_steady_progress(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "ROW_GROUP_ROWS", 1000)
    bench.add("a.csv", "id,amount,day\n" + "".join(f"{i},{i},\n" for i in range(2500)))
    bench.add("b.csv", "id,amount,day\n" + "".join(f"{i},{i},\n" for i in range(700)))
    result = bench.run()
    metadata = pq.ParquetFile(bench.root / result.parquet).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [1000, 1000, 1000, 200]
    fractions = [fraction for fraction, _ in bench.progress]
    assert fractions == sorted(fractions)
    assert fractions[0] < 1
    assert bench.progress[-1] == (1.0, "3,200 of 3,200 rows checked")


def test_all_rows_of_the_churn_example_are_valid_with_an_inferred_contract(bench: Bench) -> None:
    bench.add("telecom_churn.csv", CHURN.read_text(encoding="utf-8"))
    result = bench.run(None)
    assert (result.total_records, result.kept_records, result.errors) == (7043, 7043, None)
    table = pq.read_table(bench.root / result.parquet)
    assert table.column("total_charges").null_count == 11
    assert result.contract.column("total_charges").data_type is DataType.FLOAT
    assert result.contract.column("churn").data_type is DataType.BOOLEAN
    assert result.contract.column("senior_citizen").data_type is DataType.INTEGER
