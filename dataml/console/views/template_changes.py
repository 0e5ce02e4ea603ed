"""The difference of two versions of a template: columns that were added, removed, moved or changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Column = Mapping[str, Any]


@dataclass(frozen=True)
class ColumnChange:
    """What became of a column; `fields` are (name, before, after) of those that differ."""

    column_name: str
    kind: Literal["added", "removed", "changed", "moved"]
    fields: tuple[tuple[str, Any, Any], ...] = ()


def compare(before: Sequence[Column], after: Sequence[Column]) -> list[ColumnChange]:
    """Return the changes from one version to another: those of the later columns in order, then removed ones.

    A column is moved where its order among the columns that both have is another one.
    """
    earlier = {column["column_name"]: column for column in before}
    later = {column["column_name"]: column for column in after}
    order_before = [name for name in earlier if name in later]
    order_after = [name for name in later if name in earlier]
    moved = {name for name, other in zip(order_after, order_before, strict=True) if name != other}
    changes: list[ColumnChange] = []
    for name, column in later.items():
        fields = _differences(earlier.get(name, {}), column)
        if name not in earlier:
            changes.append(ColumnChange(name, "added", fields))
        elif fields:
            changes.append(ColumnChange(name, "changed", fields))
        elif name in moved:
            changes.append(ColumnChange(name, "moved"))
    removed = [name for name in earlier if name not in later]
    return changes + [ColumnChange(name, "removed", _differences(earlier[name], {})) for name in removed]


def _differences(before: Column, after: Column) -> tuple[tuple[str, Any, Any], ...]:
    names = [name for name in dict.fromkeys((*before, *after)) if name != "column_name"]
    return tuple((name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name))
