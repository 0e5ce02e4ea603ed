"""Charts of SHAP values as Vega draws them: the points in the picture, and its texts."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from dataml.ml.explanation.charts import MAX_BYTES, ShapSample, beeswarm, dependence, draw_png, to_compact_json
from tests.ml.drawn_charts import TRICKY_NAMES, DrawnPoints


def make_sample(
    columns: dict[str, list[Any]], effects: np.ndarray | None = None, outputs: tuple[str, ...] = (), **numbers: Any
) -> ShapSample:
    """Return a sample whose effects grow with the number of the row, unless `effects` has them."""
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
    return ShapSample(tuple(columns), columns, table, effects, frozenset(names), outputs, "SHAP value")


def test_a_beeswarm_has_a_point_for_each_row_and_feature() -> None:
    numbers = [float(n) for n in range(40)]
    picture = DrawnPoints(beeswarm(make_sample(dict.fromkeys(TRICKY_NAMES, numbers)), list(range(len(TRICKY_NAMES)))))
    assert len(picture.places) == 40 * len(TRICKY_NAMES)
    assert set(TRICKY_NAMES[:-1]) <= set(picture.texts)
    assert len(set(picture.colours)) > 20


def test_names_and_missing_values_are_grey_and_large_values_red() -> None:
    swarm = make_sample({"x": [1.0, 2.0, None], "c": ["a", "b", None], "b": [True, False, None]})
    by_feature = DrawnPoints(beeswarm(swarm, [0, 1, 2])).colours
    grey, low, high = "#9a9a9a", "rgb(30, 136, 229)", "rgb(255, 13, 87)"
    assert by_feature == [low, high, grey, grey, grey, grey, high, low, grey]


def test_points_of_one_effect_are_heaped_up() -> None:
    effects = np.concatenate((np.zeros(30), [1.0])).reshape(-1, 1, 1)
    places = DrawnPoints(beeswarm(make_sample({"x": list(range(31))}, effects), [0])).places
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
@pytest.mark.parametrize("name", TRICKY_NAMES)
def test_values_of_every_type_have_points_except_missing_ones(name: str, values: list[Any]) -> None:
    whole = make_sample({name: values, "other": values[::-1]})
    picture = DrawnPoints(dependence(whole, 0, 1))
    assert len(picture.places) == 3
    assert (name if len(name) <= 60 else name[:59] + "…") in picture.texts
    assert "other" in picture.texts
    assert picture.colours.count("#9a9a9a") == 1
    assert len(DrawnPoints(dependence(whole, 0, None)).places) == 3


def test_rare_names_share_one_position() -> None:
    names = [f"name {i}" for i in range(30) for _ in range(30 - i)]
    picture = DrawnPoints(dependence(make_sample({"c": names, "d": names}), 0, 1))
    assert {"name 0", "name 19", "(other)"} <= set(picture.texts)
    assert "name 20" not in picture.texts
    assert len(set(picture.colours)) == 10


def test_classes_have_a_panel_each() -> None:
    three = make_sample({"x": [1.0, 2.0, 3.0], "y": [1, 2, 3]}, outputs=("red", "green", "b.l[u]e"))
    for chart, points in ((beeswarm(three, [0, 1]), 18), (dependence(three, 0, 1), 9)):
        picture = DrawnPoints(chart)
        assert len(picture.places) == points
        assert {"red", "green", "b.l[u]e"} <= set(picture.texts)


@pytest.mark.parametrize("classes", [0, 10])
def test_no_specification_is_longer_than_a_megabyte(classes: int) -> None:
    long = ["\N{GRINNING FACE}" * 300 + str(i) for i in range(2000)]
    days = [date(2000, 1, 1) + timedelta(days=i) for i in range(2000)]
    columns = {f"{'f' * 200}{i}": (long, days)[i % 2] for i in range(20)}
    outputs = tuple(f"{'c' * 200}{i}" for i in range(classes))
    wide = make_sample(columns, outputs=outputs)
    for chart in (beeswarm(wide, list(range(20))), dependence(wide, 0, 1), dependence(wide, 1, 2)):
        assert 100_000 < len(to_compact_json(chart)) <= MAX_BYTES


def test_a_picture_is_a_png() -> None:
    content = draw_png(beeswarm(make_sample({"x": [1.0, 2.0]}), [0]))
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(content) > 1_000
