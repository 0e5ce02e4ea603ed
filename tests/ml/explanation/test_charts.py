"""Charts of SHAP values, drawn by Vega itself: how many points are in the picture, and what is written on it."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import vl_convert

from dataml.ml.explanation import charts
from dataml.ml.explanation.charts import MAX_BYTES, Sample, beeswarm, dependence, draw, dump

ODD = ["a.b", "a[0]", '"x"', "it's", "back\\slash", "<b>&amp;", "datum.rank", "{{x}}", "größe °C", "n" * 255]


class Picture:
    """Colours of the points, and texts, of a chart."""

    def __init__(self, chart: dict[str, Any]) -> None:
        strict = json.loads(json.dumps(chart, allow_nan=False))
        svg = vl_convert.vegalite_to_svg(strict, vl_version=charts._VERSION)
        root = ElementTree.fromstring(svg)
        self.texts = [each.text or "" for each in root.iterfind(".//{*}text")]
        marks = [each for each in root.iterfind(".//{*}g") if "mark-symbol role-mark" in each.get("class", "")]
        self.points = [path for group in marks for path in group.iterfind("{*}path")]
        self.colours = [path.get("fill") for path in self.points]
        self.places = [tuple(map(float, _place(path.get("transform", "")))) for path in self.points]


def _place(transform: str) -> tuple[str, str]:
    found = re.fullmatch(r"translate\(([^,]+),([^)]+)\)", transform)
    assert found, transform
    return found[1], found[2]


def sample(
    columns: dict[str, list[Any]], effects: np.ndarray | None = None, outputs: tuple[str, ...] = (), **numbers: Any
) -> Sample:
    """Effects grow with the place of a row unless they are given."""
    rows = len(next(iter(columns.values())))
    table = np.full((rows, len(columns)), np.nan)
    names = set()
    for i, (name, values) in enumerate(columns.items()):
        if all(isinstance(value, str | bool | None) for value in values):
            names.add(name)
        for row, value in enumerate(values):
            if isinstance(value, int | float):
                table[row, i] = float(value)
    if effects is None:
        shape = (rows, max(1, len(outputs)), len(columns))
        effects = np.broadcast_to(np.linspace(-1, 1, rows)[:, None, None], shape)
    return Sample(tuple(columns), columns, table, effects, frozenset(names), outputs, "SHAP value")


def test_a_beeswarm_has_a_point_for_each_row_and_feature() -> None:
    numbers = [float(n) for n in range(40)]
    picture = Picture(beeswarm(sample(dict.fromkeys(ODD, numbers)), list(range(len(ODD)))))
    assert len(picture.points) == 40 * len(ODD)
    assert set(ODD[:-1]) <= set(picture.texts)
    assert len(set(picture.colours)) > 20


def test_names_and_missing_values_are_grey_and_large_values_red() -> None:
    swarm = sample({"x": [1.0, 2.0, None], "c": ["a", "b", None], "b": [True, False, None]})
    by_feature = Picture(beeswarm(swarm, [0, 1, 2])).colours
    grey, low, high = "#9a9a9a", "rgb(30, 136, 229)", "rgb(255, 13, 87)"
    assert by_feature == [low, high, grey, grey, grey, grey, high, low, grey]


def test_points_in_one_place_lie_side_by_side_and_others_on_the_line() -> None:
    effects = np.concatenate((np.zeros(30), [1.0])).reshape(-1, 1, 1)
    places = Picture(beeswarm(sample({"x": list(range(31))}, effects), [0])).places
    assert len({y for _, y in places[:30]}) == 30
    assert len({round(x, 6) for x, _ in places[:30]}) == 1


@pytest.mark.parametrize(
    "values",
    [
        [1, 5, 2**53, None],
        [0.5, -1e300, 1e300, None],
        ["a", "b", "a", None],
        [True, False, True, None],
        [date(1, 1, 1), date(2024, 1, 1), date(9999, 12, 31), None],
        [
            datetime(2024, 1, 1, tzinfo=UTC),
            datetime(2024, 1, 1, 1, 2, 3, 4, UTC),
            datetime(1969, 1, 1, tzinfo=UTC),
            None,
        ],
    ],
    ids=["integers", "floats", "texts", "booleans", "dates", "moments"],
)
@pytest.mark.parametrize("name", ODD)
def test_every_kind_of_value_has_its_points_but_those_that_are_missing(name: str, values: list[Any]) -> None:
    whole = sample({name: values, "other": values[::-1]})
    picture = Picture(dependence(whole, 0, 1))
    assert len(picture.points) == 3
    assert (name if len(name) <= 60 else name[:59] + "…") in picture.texts
    assert "other" in picture.texts
    assert picture.colours.count("#9a9a9a") == 1
    assert len(Picture(dependence(whole, 0, None)).points) == 3


def test_only_frequent_names_have_a_place_of_their_own() -> None:
    names = [f"name {i}" for i in range(30) for _ in range(30 - i)]
    picture = Picture(dependence(sample({"c": names, "d": names}), 0, 1))
    assert {"name 0", "name 19", "(other)"} <= set(picture.texts)
    assert "name 20" not in picture.texts
    assert len(set(picture.colours)) == 10


def test_classes_have_a_panel_each() -> None:
    three = sample({"x": [1.0, 2.0, 3.0], "y": [1, 2, 3]}, outputs=("red", "green", "b.l[u]e"))
    for chart, points in ((beeswarm(three, [0, 1]), 18), (dependence(three, 0, 1), 9)):
        picture = Picture(chart)
        assert len(picture.points) == points
        assert {"red", "green", "b.l[u]e"} <= set(picture.texts)


@pytest.mark.parametrize("classes", [0, 10])
def test_no_specification_is_longer_than_a_megabyte(classes: int) -> None:
    long = ["\N{GRINNING FACE}" * 300 + str(i) for i in range(2000)]
    days = [date(2000, 1, 1) + timedelta(days=i) for i in range(2000)]
    columns = {f"{'f' * 200}{i}": (long, days)[i % 2] for i in range(20)}
    outputs = tuple(f"{'c' * 200}{i}" for i in range(classes))
    wide = sample(columns, outputs=outputs)
    for chart in (beeswarm(wide, list(range(20))), dependence(wide, 0, 1), dependence(wide, 1, 2)):
        assert 100_000 < len(dump(chart)) <= MAX_BYTES


def test_a_picture_is_a_png() -> None:
    content = draw(beeswarm(sample({"x": [1.0, 2.0]}), [0]))
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(content) > 1_000
