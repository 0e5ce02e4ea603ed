"""The lineage of a predictor as a drawing: template, datasets, versions, and what a version has predicted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_WIDTH: Final = 190
_HEIGHT: Final = 46
_GAP_X: Final = 70
_GAP_Y: Final = 16
_MARGIN: Final = 8
_MAX_CHARACTERS: Final = 25


@dataclass(frozen=True)
class Node:
    """A box of the drawing; `x` and `y` are its upper left corner."""

    title: str
    note: str
    href: str | None
    x: int
    y: int
    look: str = ""
    width: int = _WIDTH
    height: int = _HEIGHT

    @property
    def shown(self) -> str:
        """The title, cut to the width of the box."""
        return self.title if len(self.title) <= _MAX_CHARACTERS else f"{self.title[: _MAX_CHARACTERS - 1]}…"


@dataclass(frozen=True)
class Edge:
    """A line of the drawing, as the path of an SVG."""

    path: str
    look: str = ""


@dataclass(frozen=True)
class Drawing:
    """Boxes and lines, and the size that they need."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]
    width: int
    height: int


def draw(
    versions: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]]
) -> Drawing:
    """Return the drawing.

    Args:
        versions: rows of `GET /train/list`, newest first.
        chosen: the answer of `GET /train/{train_id}` for one of them.
        predictions: rows of the prediction log of that one.
    """
    origin = chosen["lineage"]["dataset"]
    # Without a template the drawing has a column less.
    first = 0 if origin["template_id"] is None else 1
    datasets = {row["dataset_id"]: row["dataset_name"] for row in versions} | {origin["id"]: origin["name"]}
    sources = {
        key: _place(first, row, name, f"dataset {key}", f"/datasets/{key}")
        for row, (key, name) in enumerate(datasets.items())
    }
    boxes = {row["id"]: _place(first + 1, place, *_describe(row, chosen)) for place, row in enumerate(versions)}
    edges = [Edge(_join(sources[row["dataset_id"]], boxes[row["id"]])) for row in versions]
    edges += [
        Edge(_continue(boxes[row["parent_id"]], boxes[row["id"]]), "continues")
        for row in versions
        if row["parent_id"] in boxes
    ]
    nodes = [*sources.values(), *boxes.values()]
    if origin["template_id"] is not None:
        note = f"template, version {origin['template_version']}"
        template = _place(0, 0, f"Template {origin['template_id']}", note, f"/templates/{origin['template_id']}")
        nodes.append(template)
        edges.append(Edge(_join(template, sources[origin["id"]])))
    for place, row in enumerate(predictions):
        node = _place(first + 2, place, _kind(row), f"{row['no_of_records']:,} rows, {row['status']}", None)
        nodes.append(node)
        if chosen["id"] in boxes:
            edges.append(Edge(_join(boxes[chosen["id"]], node)))
    width = max(node.x for node in nodes) + _WIDTH + _GAP_X // 2 + _MARGIN
    return Drawing(nodes, edges, width, max(node.y for node in nodes) + _HEIGHT + _MARGIN)


def _place(column: int, row: int, title: str, note: str, href: str | None, look: str = "") -> Node:
    x, y = _MARGIN + column * (_WIDTH + _GAP_X), _MARGIN + row * (_HEIGHT + _GAP_Y)
    return Node(title, note, href, x, y, look)


def _describe(row: Mapping[str, Any], chosen: Mapping[str, Any]) -> tuple[str, str, str, str]:
    value = row["metric_value"]
    note = row["state"] if value is None else f"{row['metric']} {value:.4g}"
    look = "chosen" if row["id"] == chosen["id"] else ""
    return f"Version {row['version']}", note, f"/predictors/{row['id']}", look


def _kind(row: Mapping[str, Any]) -> str:
    names = {"realtime": "Real-time prediction", "batch": "Batch prediction", "shadow": "Copy of a request"}
    return names.get(row["prediction_type"], "Forecast")


def _join(left: Node, right: Node) -> str:
    x1, y1, x2, y2 = left.x + _WIDTH, left.y + _HEIGHT // 2, right.x, right.y + _HEIGHT // 2
    return f"M{x1} {y1}C{x1 + _GAP_X // 2} {y1} {x2 - _GAP_X // 2} {y2} {x2} {y2}"


def _continue(parent: Node, child: Node) -> str:
    """Return a curve on the right of the column of versions, from a version to the one that continues it."""
    x, y1, y2 = parent.x + _WIDTH, parent.y + _HEIGHT // 2 - 8, child.y + _HEIGHT // 2 + 8
    return f"M{x} {y1}C{x + _GAP_X // 2} {y1} {x + _GAP_X // 2} {y2} {x} {y2}"
