"""Charts, drawn by Vega itself: what is in the picture, not what was meant to be."""

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import vl_convert

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.jobs.spec import DescribeSpec, JobContext
from dataml.ml import vega_lite
from dataml.storage.storage import Storage
from dataml.tasks import describe

# What a path of fields, an expression, an escape, mark-up or a template would look like.
NAMES = [
    "a.b",
    "a[0]",
    '"x"',
    "it's",
    "back\\slash",
    "\\n",
    "<b>&amp;",
    "datum.rows",
    "{{x}}",
    "größe °C",
    "two  spaces",
    "n" * 255,
]
VEGA_LITE = max(
    (version for version in vl_convert.get_vegalite_versions() if version.startswith("5.")),
    key=lambda version: int(version.split(".")[1]),
)


class Picture:
    """What a chart looks like: its marks (bars or cells) as `x y width height` and colour, and its texts."""

    def __init__(self, chart: dict[str, Any]) -> None:
        assert chart["$schema"].endswith("/vega-lite/v5.json")
        strict = json.loads(json.dumps(chart, allow_nan=False))
        root = ElementTree.fromstring(vl_convert.vegalite_to_svg(strict, vl_version=VEGA_LITE))
        self.texts = [each.text or "" for each in root.iterfind(".//{*}text")]
        marks = [each for each in root.iterfind(".//{*}g") if "mark-rect" in each.get("class", "")]
        drawn = [path for group in marks for path in group.iterfind("{*}path") if path.get("role") == "graphics-symbol"]
        self.marks = [_box(path.get("d", "")) for path in drawn]
        self.colours = [path.get("fill") for path in drawn]

    @property
    def heights(self) -> list[float]:
        return [height for *_, height in self.marks]

    @property
    def widths(self) -> list[float]:
        return [width for _, _, width, _ in self.marks]


def _box(path: str) -> tuple[float, float, float, float]:
    """`M x,y h width v height …`, as Vega writes a rectangle."""
    found = re.fullmatch(r"M(.+),(.+)h(.+)v(.+)h(.+)Z", path)
    assert found, path
    x, y, width, height, _ = map(float, found.groups())
    return x, y, width, height


def shown(name: str) -> str:
    """A name as a picture has it: no longer than a title."""
    return name if len(name) <= 60 else name[:59] + "…"


@pytest.mark.parametrize("name", NAMES)
def test_a_histogram_has_a_bar_for_each_bin_and_is_named_after_its_column(name: str) -> None:
    picture = Picture(vega_lite.histogram(name, [0.0, 1.0, 2.0, 3.0], [4, 0, 2]))
    assert picture.heights == [260, 0, 130]
    assert shown(name) in picture.texts
    assert "rows" in picture.texts


def test_numbers_far_from_zero_fill_the_width() -> None:
    picture = Picture(vega_lite.histogram("x", np.linspace(1e9, 1e9 + 5, 6).tolist(), [1, 2, 3, 2, 1]))
    assert sum(picture.widths) == pytest.approx(480, abs=10)


def test_few_rows_are_not_divided() -> None:
    few = [text for text in Picture(vega_lite.histogram("x", [0.0, 5.0, 10.0], [1, 1])).texts if text.startswith("0.")]
    assert few == []


@pytest.mark.parametrize(("value", "text"), [(3.5, "3.5"), (4.0, "4"), ("2024-01-01", "2024-01-01")])
def test_a_constant_is_a_bar_that_can_be_seen(value: float | str, text: str) -> None:
    picture = Picture(vega_lite.histogram("x", [value, value], [7]))
    assert picture.widths[0] > 100
    assert {"x", text} <= set(picture.texts)


@pytest.mark.parametrize(
    ("edges", "texts"),
    [
        (["2022-01-01", "2023-01-01", "2024-01-01"], {"2022", "2023", "2024"}),
        (["2024-01-01T00:00:00.000000Z", "2024-01-01T12:00:00.000000Z", "2024-01-02T00:00:00.000000Z"], {"UTC"}),
    ],
    ids=["dates", "moments"],
)
def test_a_histogram_of_dates_stands_on_a_time_axis(edges: list[str], texts: set[str]) -> None:
    picture = Picture(vega_lite.histogram("when", edges, [1, 2]))
    assert picture.heights == [130, 260]
    assert sum(picture.widths) == pytest.approx(480, abs=5)
    assert texts <= set(picture.texts)


@pytest.mark.parametrize("name", NAMES)
def test_frequent_values_have_a_bar_each_most_frequent_first(name: str) -> None:
    top = [{"value": name, "count": 30}, {"value": "other", "count": 15}, {"value": True, "count": 15}]
    picture = Picture(vega_lite.frequencies(name, top, 60))
    assert picture.widths == [480, 240, 240]
    assert shown(name) in picture.texts
    assert picture.texts.index("other") < picture.texts.index("True")


def test_long_values_that_begin_alike_keep_a_bar_each() -> None:
    top = [{"value": "z" * 200 + end, "count": 5} for end in "abc"]
    picture = Picture(vega_lite.frequencies("x", top, 15))
    assert len({y for _, y, *_ in picture.marks}) == 3


def test_it_is_said_when_values_are_left_out() -> None:
    top = [{"value": "a", "count": 5}, {"value": "b", "count": 4}]
    assert "x: the 2 most frequent values" in Picture(vega_lite.frequencies("x", top, 12)).texts


def test_a_correlation_is_a_cell_for_each_pair_that_has_one() -> None:
    matrix = np.where(np.eye(len(NAMES)) > 0, 1.0, -0.5).tolist()
    matrix[0][1] = matrix[1][0] = None
    picture = Picture(vega_lite.correlation(NAMES, matrix))
    assert len(picture.marks) == len(NAMES) ** 2 - 2
    assert len({box[:2] for box in picture.marks}) == len(picture.marks)
    assert len(set(picture.colours)) == 2
    assert all(picture.texts.count(name) == 2 for name in NAMES[:-1])


def test_sixty_columns_correlate_in_a_readable_picture() -> None:
    names = [f"column {n}" for n in range(60)]
    picture = Picture(vega_lite.correlation(names, np.eye(60).tolist()))
    assert len(picture.marks) == 3600
    assert set(names) <= set(picture.texts)


def test_associations_have_a_bar_each_from_zero_to_one() -> None:
    picture = Picture(vega_lite.association("a.b[0]", {name: 1 - n / 100 for n, name in enumerate(NAMES)}))
    assert picture.widths == [pytest.approx(480 * (1 - n / 100)) for n in range(len(NAMES))]
    assert "Association with a.b[0]" in picture.texts
    assert set(NAMES[:-1]) <= set(picture.texts)


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
    found = describe.run(
        DescribeSpec(1, "data.parquet", contract, target), JobContext(Storage(tmp_path), "jobs/1/1")
    ).statistics
    for name, summary in found["columns"].items():
        picture = Picture(summary["chart"])
        assert name in picture.texts
        assert sum(width > 1 and height > 1 for _, _, width, height in picture.marks) in (2, 3)
    assert len(Picture(found["correlation"]["chart"]).marks) == 4
    assert Picture(found["target"]["chart"]).marks


@pytest.mark.parametrize("data_type", DataType)
def test_a_column_without_values_has_no_chart(data_type: DataType) -> None:
    assert vega_lite.column("x", {"data_type": data_type.value, "count": 0}) is None
