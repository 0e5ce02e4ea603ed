"""Describing a dataset: numbers a user can trust, as strict JSON."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.jobs.spec import DescribeSpec, JobContext
from dataml.ml.profiling import accumulators
from dataml.storage.storage import Storage
from dataml.tasks import describe


def describe_table(root: Path, table: pa.Table, **types: DataType) -> dict[str, Any]:
    contract = Contract.build([Column(name, data_type) for name, data_type in types.items()])
    pq.write_table(table.cast(contract.schema), root / "data.parquet")
    result = describe.run(DescribeSpec(1, "data.parquet", contract), JobContext(Storage(root), "jobs/1/1")).statistics
    return json.loads(json.dumps(result, allow_nan=False))


def describe_column(root: Path, values: list[Any], data_type: DataType) -> dict[str, Any]:
    found = describe_table(root, pa.table({"x": pa.array(values, data_type.arrow)}), x=data_type)["columns"]["x"]
    return {name: value for name, value in found.items() if name != "chart"}


def test_numbers(tmp_path: Path) -> None:
    assert describe_column(tmp_path, [1.0, 2.0, 3.0, 4.0, None], DataType.FLOAT) == {
        "data_type": "Float",
        "count": 4,
        "missing": 1,
        "distinct": 4,
        "distinct_is_exact": True,
        "min": 1.0,
        "max": 4.0,
        "mean": 2.5,
        "std": pytest.approx(np.std([1, 2, 3, 4], ddof=1)),
        "quartiles": [1.75, 2.5, 3.25],
        "approximate": False,
        "histogram": {
            "edges": pytest.approx(np.linspace(1, 4, 21).tolist()),
            "counts": np.histogram([1, 2, 3, 4], 20)[0].tolist(),
        },
    }


def test_large_integers_keep_their_digits(tmp_path: Path) -> None:
    summary = describe_column(tmp_path, [2**63 - 1, 2**63 - 3], DataType.INTEGER)
    assert (summary["min"], summary["max"], summary["histogram"]) == (
        2**63 - 3,
        2**63 - 1,
        {"edges": [2.0**63] * 2, "counts": [2]},
    )


def test_text_and_booleans_show_their_most_frequent_values(tmp_path: Path) -> None:
    text = describe_column(tmp_path, ["b", "a", "b", None], DataType.STRING)
    assert text["top_values"] == [{"value": "b", "count": 2}, {"value": "a", "count": 1}]
    flags = describe_column(tmp_path, [True, True, False], DataType.BOOLEAN)
    assert flags["top_values"] == [{"value": True, "count": 2}, {"value": False, "count": 1}]


def test_dates_and_timestamps_show_their_range(tmp_path: Path) -> None:
    days = describe_column(tmp_path, [date(2024, 1, 2), date(2023, 1, 2), None], DataType.DATE)
    assert (days["min"], days["max"], days["missing"]) == ("2023-01-02", "2024-01-02", 1)
    moments = describe_column(tmp_path, [datetime(2024, 1, 2, 3, 4, 5)], DataType.TIMESTAMP)
    assert (moments["min"], moments["max"]) == ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z")


@pytest.mark.parametrize("data_type", DataType)
def test_a_column_without_values_is_described(tmp_path: Path, data_type: DataType) -> None:
    summary = describe_column(tmp_path, [None, None], data_type)
    assert (summary["count"], summary["missing"], summary["distinct"]) == (0, 2, 0)


@pytest.mark.parametrize("values", [[1.7e308, -1.7e308, 1.7e308], [1e200, -1e200], [5e-324, 0.0], [3.5]])
def test_extreme_floats_stay_strict_json(tmp_path: Path, values: list[float]) -> None:
    summary = describe_column(tmp_path, values, DataType.FLOAT)
    assert (summary["min"], summary["max"]) == (min(values), max(values))


def test_moments_do_not_depend_on_the_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).normal(1e6, 1, 5000)
    monkeypatch.setattr(describe, "_BATCH_ROWS", 37)
    summary = describe_column(tmp_path, values.tolist(), DataType.FLOAT)
    assert summary["mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert summary["std"] == pytest.approx(values.std(ddof=1), rel=1e-6)
    assert sum(summary["histogram"]["counts"]) == 5000


@pytest.mark.parametrize("data_type", [DataType.INTEGER, DataType.FLOAT, DataType.DATE, DataType.TIMESTAMP])
def test_a_footer_without_extremes_gives_the_same_statistics(tmp_path: Path, data_type: DataType) -> None:
    values = pa.array([3, None, -4, 10, 7], pa.int32()).cast(pa.int64())
    column = values.cast(pa.int32()).cast(pa.date32()) if data_type is DataType.DATE else values.cast(data_type.arrow)
    contract = Contract.build([Column("x", data_type)])
    # A row group of missing values only has no extremes in any case.
    table = pa.concat_tables([pa.table({"x": column}), pa.table({"x": pa.nulls(5, column.type)})])
    found: list[dict[str, Any]] = []
    for has_extremes in (True, False):
        pq.write_table(table, tmp_path / "data.parquet", row_group_size=5, write_statistics=has_extremes)
        spec = DescribeSpec(1, "data.parquet", contract)
        found.append(describe.run(spec, JobContext(Storage(tmp_path), "jobs/1/1")).statistics)
    assert found[0] == found[1]
    assert sum(found[0]["columns"]["x"]["histogram"]["counts"]) == 4


def test_many_distinct_values_are_estimated_and_marked(tmp_path: Path) -> None:
    summary = describe_column(tmp_path, [f"v{i}" for i in range(50_000)] + ["often"] * 500, DataType.STRING)
    assert summary["distinct_is_exact"] is False
    assert summary["distinct"] == pytest.approx(50_001, rel=0.08)


def test_quartiles_of_a_sample_are_close_and_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accumulators, "MAX_SAMPLE", 2000)
    summary = describe_column(tmp_path, list(range(100_000)), DataType.INTEGER)
    assert summary["approximate"] is True
    assert summary["quartiles"] == pytest.approx([25_000, 50_000, 75_000], rel=0.1)
    assert sum(summary["histogram"]["counts"]) == 100_000


def test_suspicious_columns_have_warnings(tmp_path: Path) -> None:
    table = pa.table(
        {
            "same": ["a"] * 30,
            "key": [f"k{i}" for i in range(30)],
            "sparse": [1.5, 2.5] + [None] * 28,
            "fine": [float(i) for i in range(30)],
        }
    )
    statistics = describe_table(
        tmp_path, table, same=DataType.STRING, key=DataType.STRING, sparse=DataType.FLOAT, fine=DataType.FLOAT
    )
    assert [(warning["column"], warning["code"]) for warning in statistics["warnings"]] == [
        ("same", "constant"),
        ("key", "id_like"),
        ("sparse", "many_missing"),
    ]


def test_a_column_name_with_a_dot_is_not_a_path(tmp_path: Path) -> None:
    table = pa.table({"a": ["x", "y"], "a.b": ["z", "z"]})
    columns = describe_table(tmp_path, table, **{"a": DataType.STRING, "a.b": DataType.STRING})["columns"]
    assert (columns["a"]["distinct"], columns["a.b"]["distinct"]) == (2, 1)


def test_a_dataset_without_rows(tmp_path: Path) -> None:
    result = describe_table(tmp_path, pa.table({"x": pa.array([], pa.int64())}), x=DataType.INTEGER)
    assert (result["rows"], result["warnings"]) == (0, [])
