"""Charts as Vega draws them: assertions are about the picture, not about its specification."""

import json
import re
from typing import Any
from xml.etree import ElementTree

import vl_convert

from dataml.ml.vega_lite import RENDERER_VERSION

# Names that look like a path of fields, an expression, an escape, mark-up or a template.
TRICKY_NAMES = [
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


class DrawnChart:
    """A chart as SVG: its texts, the accessible names of its marks, their opacities, and the points of its lines."""

    def __init__(self, chart: dict[str, Any]) -> None:
        assert chart["$schema"].endswith("/vega-lite/v5.json")
        strict = json.loads(json.dumps(chart, allow_nan=False))
        self.root = ElementTree.fromstring(vl_convert.vegalite_to_svg(strict, vl_version=RENDERER_VERSION))
        self.texts = [each.text or "" for each in self.root.iterfind(".//{*}text")]
        named = [each for each in self.root.iter() if each.get("role") == "graphics-symbol"]
        frame = ("axis", "legend", "title")
        marks = [each for each in named if each.get("aria-roledescription") not in frame]
        self.marks = [each.get("aria-label", "") for each in marks]
        self.opacities = [float(each.get("fill-opacity", 1)) for each in marks if each.get("fill-opacity")]
        self.lines = [_points(path.get("d", "")) for path in self.paths("mark-line")]

    def paths(self, mark: str) -> list[ElementTree.Element]:
        """Return the paths of one kind of mark."""
        groups = [each for each in self.root.iterfind(".//{*}g") if mark in each.get("class", "")]
        return [path for group in groups for path in group.iterfind("{*}path")]


class DrawnBars(DrawnChart):
    """Bars or cells: `boxes` as (x, y, width, height), and their colours."""

    def __init__(self, chart: dict[str, Any]) -> None:
        super().__init__(chart)
        drawn = [path for path in self.paths("mark-rect") if path.get("role") == "graphics-symbol"]
        self.boxes = [_box(path.get("d", "")) for path in drawn]
        self.colours = [path.get("fill") for path in drawn]

    @property
    def heights(self) -> list[float]:
        return [height for *_, height in self.boxes]

    @property
    def widths(self) -> list[float]:
        return [width for _, _, width, _ in self.boxes]


class DrawnPoints(DrawnChart):
    """Points: their places as (x, y), and their colours."""

    def __init__(self, chart: dict[str, Any]) -> None:
        super().__init__(chart)
        points = self.paths("mark-symbol role-mark")
        self.colours = [path.get("fill") for path in points]
        self.places = [_place(path.get("transform", "")) for path in points]


def _points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.e]+),([-\d.e]+)", path)]


def _box(path: str) -> tuple[float, float, float, float]:
    """Read `M x,y h width v height …`, as Vega writes a rectangle."""
    match = re.fullmatch(r"M(.+),(.+)h(.+)v(.+)h(.+)Z", path)
    assert match, path
    x, y, width, height, _ = map(float, match.groups())
    return x, y, width, height


def _place(transform: str) -> tuple[float, float]:
    match = re.fullmatch(r"translate\(([^,]+),([^)]+)\)", transform)
    assert match, transform
    return float(match[1]), float(match[2])
