"""Charts of statistics show every column and every pair that has a value."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.jobs.spec import DescribeSpec, JobContext
from dataml.ml.profiling.charts import association_chart, column_chart, correlation_chart
from dataml.storage.storage import Storage
from dataml.tasks import describe
from tests.ml.drawn_charts import TRICKY_NAMES, DrawnBars


def test_a_correlation_is_a_cell_for_each_pair_that_has_one() -> None:
    matrix = np.where(np.eye(len(TRICKY_NAMES)) > 0, 1.0, -0.5).tolist()
    matrix[0][1] = matrix[1][0] = None
    drawn = DrawnBars(correlation_chart(TRICKY_NAMES, matrix))
    assert len(drawn.boxes) == len(TRICKY_NAMES) ** 2 - 2
    assert len({box[:2] for box in drawn.boxes}) == len(drawn.boxes)
    assert len(set(drawn.colours)) == 2
    assert all(drawn.texts.count(name) == 2 for name in TRICKY_NAMES[:-1])


def test_sixty_columns_correlate_in_a_readable_picture() -> None:
    names = [f"column {n}" for n in range(60)]
    drawn = DrawnBars(correlation_chart(names, np.eye(60).tolist()))
    assert len(drawn.boxes) == 3600
    assert set(names) <= set(drawn.texts)


def test_associations_have_a_bar_each_from_zero_to_one() -> None:
    drawn = DrawnBars(association_chart("a.b[0]", {name: 1 - n / 100 for n, name in enumerate(TRICKY_NAMES)}))
    assert drawn.widths == [pytest.approx(480 * (1 - n / 100)) for n in range(len(TRICKY_NAMES))]
    assert "Association with a.b[0]" in drawn.texts
    assert set(TRICKY_NAMES[:-1]) <= set(drawn.texts)


VALUES: dict[DataType, list[Any]] = {
    DataType.STRING: ["a", "b", "a"],
    DataType.INTEGER: [1, 5, 2**53],
    DataType.FLOAT: [-1.5, 2.5, 3.5],
    DataType.BOOLEAN: [True, False, True],
    DataType.DATE: [date(1, 1, 1), date(2024, 1, 1), date(9999, 12, 31)],
    DataType.TIMESTAMP: [datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC), None],
}


def test_every_chart_of_described_data_is_drawn(tmp_path: Path) -> None:
    contract = Contract.build([Column(f"{name}.{name}", name) for name in DataType])
    pq.write_table(pa.table(list(VALUES.values()), contract.schema), tmp_path / "data.parquet")
    target = f"{DataType.FLOAT}.{DataType.FLOAT}"
    statistics = describe.run(
        DescribeSpec(1, "data.parquet", contract, target), JobContext(Storage(tmp_path), "jobs/1/1")
    ).statistics
    for name, summary in statistics["columns"].items():
        drawn = DrawnBars(summary["chart"])
        assert name in drawn.texts
        assert sum(width > 1 and height > 1 for _, _, width, height in drawn.boxes) in (2, 3)
    assert len(DrawnBars(statistics["correlation"]["chart"]).boxes) == 4
    assert DrawnBars(statistics["target"]["chart"]).boxes


@pytest.mark.parametrize("data_type", DataType)
def test_a_column_without_values_has_no_chart(data_type: DataType) -> None:
    assert column_chart("x", {"data_type": data_type.value, "count": 0}) is None
