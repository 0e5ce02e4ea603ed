"""Types of Parquet columns: what each is read as, and which are refused with advice."""

import random
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Contract
from dataml.contract.files.detection import FileFormat
from dataml.contract.files.parquet_types import find_type_problem, to_plain
from dataml.contract.files.reading import open_batches, read_column_names, scan_file
from dataml.contract.inference import infer_contract
from dataml.errors import Invalid
from tests.contract.files.uploads import refused_code, write_parquet


def infer(path: Path, format: FileFormat = "parquet") -> Contract:
    return infer_contract(lambda names: open_batches(path, format, columns=names)).contract


def read(path: Path, format: FileFormat = "parquet") -> dict[str, list[object]]:
    """Return the columns of a file as a dataset of it has them."""
    contract = infer(path, format)
    (parsed,) = [contract.parse_batch(batch).table for batch in open_batches(path, format)]
    return parsed.to_pydict()


@pytest.mark.parametrize(
    ("cells", "data_type", "expected"),
    [
        (pa.array([1, 2, 1]).dictionary_encode(), "Integer", [1, 2, 1]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), "String", ["x", "y", "x"]),
        (pa.array([1.5, 2.0]).dictionary_encode(), "Float", [1.5, 2.0]),
        (pa.array(["x", None], pa.string_view()), "String", ["x", None]),
        (pa.array(["x", None], pa.large_string()), "String", ["x", None]),
        (pa.array([1.5, None], pa.float16()), "Float", [1.5, None]),
        (pa.array([2**63 - 1], pa.uint64()), "Integer", [2**63 - 1]),
        (pa.array([2**63, 5], pa.uint64()), "String", [str(2**63), "5"]),
        (pa.array([Decimal("5"), None], pa.decimal32(4, 0)), "Integer", [5, None]),
        (pa.array([Decimal("5.00")], pa.decimal64(12, 2)), "Integer", [5]),
        (pa.array([Decimal(2**63 - 1)], pa.decimal128(38, 0)), "Integer", [2**63 - 1]),
        (pa.array([Decimal(2**63), None], pa.decimal128(38, 0)), "String", [str(2**63), None]),
        (pa.array([Decimal(-(2**63) - 1)], pa.decimal128(38, 0)), "String", [str(-(2**63) - 1)]),
        (pa.array([Decimal("9" * 60)], pa.decimal256(60, 0)), "String", ["9" * 60]),
        (pa.array([Decimal("0.10"), Decimal("2")], pa.decimal128(10, 2)), "Float", [0.1, 2.0]),
        (pa.array([Decimal("1" * 25), Decimal("0.5")], pa.decimal128(38, 2)), "Float", [float("1" * 25), 0.5]),
        (pa.array([time(1, 2, 3), None]), "String", ["01:02:03", None]),
        (pa.array([time(1, 2, 3, 5), time(23, 0)]), "String", ["01:02:03.000005", "23:00:00"]),
        (pa.array([3723001], pa.time32("ms")), "String", ["01:02:03.001000"]),
        (pa.array([3723000001001], pa.time64("ns")), "String", ["01:02:03.000001001"]),
        (pa.array([3723000001000], pa.time64("ns")), "String", ["01:02:03.000001"]),
        (pa.array([timedelta(days=1, microseconds=5), None]), "Float", [86400.000005, None]),
        (pa.array([1_500], pa.duration("ms")), "Float", [1.5]),
        (pa.array([0], pa.timestamp("ns", "Asia/Tokyo")), "Timestamp", [datetime(1970, 1, 1, tzinfo=UTC)]),
        (pa.nulls(2), "String", [None, None]),
    ],
)
def test_type_is_read(tmp_path: Path, cells: pa.Array, data_type: str, expected: list[object]) -> None:
    path = write_parquet(tmp_path / "a.parquet", a=cells)
    assert scan_file(path, "parquet").names == ("a",)
    assert [column.data_type for column in infer(path).columns] == [data_type]
    assert read(path) == {"a": expected}


@pytest.mark.parametrize(
    ("cells", "advice"),
    [
        (pa.array([[1]]), "each element"),
        (pa.array([[1]], pa.large_list(pa.int64())), "each element"),
        (pa.array([[1]], pa.list_(pa.int64(), 1)), "each element"),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), "each key"),
        (pa.array([b"x"]), "base64"),
        (pa.array([b"x"], pa.large_binary()), "base64"),
        (pa.array([b"x"], pa.binary(1)), "base64"),
        (pa.array([b"x"], pa.binary_view()), "base64"),
    ],
)
def test_nested_or_binary_column_is_refused_by_name_with_advice(tmp_path: Path, cells: pa.Array, advice: str) -> None:
    path = write_parquet(tmp_path / "a.parquet", n=pa.array([1]), odd=cells)
    assert refused_code(path, "parquet") == "unsupported_parquet_type"
    with pytest.raises(Invalid, match=f"Column 'odd'.*{advice}"):
        scan_file(path, "parquet")


def test_types_of_no_file_have_a_problem_too() -> None:
    assert find_type_problem(pa.month_day_nano_interval()) is not None
    assert find_type_problem(pa.uuid()) is not None
    assert find_type_problem(pa.dictionary(pa.int8(), pa.list_(pa.int8()))) is not None
    assert find_type_problem(pa.decimal128(5, 2)) is None


def test_plain_cells_stay_as_they_are() -> None:
    cells = pa.array([Decimal("1.50")])
    assert to_plain(cells) is cells


@pytest.mark.parametrize(
    ("frame", "names"),
    [
        (pd.DataFrame({"x": [1, 2]}), ("x",)),
        (pd.DataFrame({"x": [1, 2]}, index=["p", "q"]), ("x",)),
        (pd.DataFrame({"x": [1, 2]}, index=pd.Index(["p", "q"], name="k")), ("x", "k")),
        (pd.DataFrame({"x": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, 2), (3, 4)], names=["k", None])), ("x", "k")),
        (pd.DataFrame({"x": [1, 2], "__index_level_0__": [5, 6]}), ("x", "__index_level_0__")),
    ],
)
def test_index_of_pandas_is_a_column_only_with_a_name(
    tmp_path: Path, frame: pd.DataFrame, names: tuple[str, ...]
) -> None:
    path = tmp_path / "a.parquet"
    frame.to_parquet(path)
    assert read_column_names(path, "parquet") == scan_file(path, "parquet").names == names
    (batch,) = open_batches(path, "parquet")
    assert tuple(batch.schema.names) == names


def test_unnamed_index_is_read_for_a_contract_that_has_it(tmp_path: Path) -> None:
    """A model may have been trained on it."""
    path = tmp_path / "a.parquet"
    pd.DataFrame({"x": [1, 2]}, index=[7, 8]).to_parquet(path)
    pd.DataFrame({"__index_level_0__": [7, 8], "x": [1, 2]}).to_parquet(tmp_path / "named.parquet")
    contract = infer(tmp_path / "named.parquet")
    assert set(scan_file(path, "parquet", contract).names) == {"x", "__index_level_0__"}
    (batch,) = open_batches(path, "parquet", columns=contract.names)
    assert batch.to_pydict() == {"x": [1, 2], "__index_level_0__": [7, 8]}


@pytest.mark.parametrize(
    "pandas",
    [b"{", b"[]", b"null", b'{"index_columns": 5, "columns": []}', b'{"index_columns": ["x"], "columns": [{}]}'],
)
def test_odd_metadata_of_pandas_hide_nothing(tmp_path: Path, pandas: bytes) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [1]}).replace_schema_metadata({b"pandas": pandas}), path)
    assert read_column_names(path, "parquet") == ("x",)


def test_metadata_of_pandas_hide_no_named_column(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pandas = b'{"index_columns": ["x"], "columns": [{"name": null, "field_name": "x"}]}'
    pq.write_table(pa.table({"x": [1]}).replace_schema_metadata({b"pandas": pandas}), path)
    assert read_column_names(path, "parquet") == ("x",)


def test_file_with_an_unnamed_index_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame(index=["p", "q"]).to_parquet(path)
    assert refused_code(path, "parquet") == "no_columns"


def test_the_same_values_as_csv_and_as_parquet_give_the_same_dataset(tmp_path: Path) -> None:
    chance = random.Random(11)
    makers = [
        lambda: chance.randint(-(10**15), 10**15),
        lambda: round(chance.uniform(-1e6, 1e6), 3) + 0.0005,
        lambda: chance.choice([True, False]),
        lambda: datetime(2024, 1, 13).date() + timedelta(days=chance.randint(0, 9_000)),
        lambda: datetime(2024, 1, 13, 1, 2, 3, 4) + timedelta(seconds=chance.randint(0, 10**9)),
        lambda: chance.choice(["a", "b c", 'x"y', "1,5 m", "NA", "007", "é"]) + "!",
        lambda: Decimal(chance.randint(-(10**12), 10**12)).scaleb(-4) + Decimal("0.00005"),
        lambda: Decimal(chance.randint(10**20, 10**25)),
        lambda: Decimal(chance.randint(-(10**15), 10**15)),
        lambda: time(chance.randint(0, 23), 1, 2, chance.choice([0, 5])),
    ]
    parquet, csv = tmp_path / "a.parquet", tmp_path / "a.csv"
    for _ in range(60):
        rows = chance.randint(2, 6)
        columns = {
            f"c{number}": [make(), *(make() if chance.random() < 0.8 else None for _ in range(rows))]
            for number, make in enumerate(chance.sample(makers, chance.randint(2, 5)))
        }
        pq.write_table(pa.table(columns), parquet)
        texts = {name: [None if cell is None else str(cell) for cell in cells] for name, cells in columns.items()}
        pa_csv.write_csv(pa.table(texts), csv)
        assert [c.data_type for c in infer(parquet).columns] == [c.data_type for c in infer(csv, "csv").columns], texts
        assert read(parquet) == read(csv, "csv")
