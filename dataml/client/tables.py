"""Lists of the API's answers, shown as a table in a notebook and in a terminal."""

import html
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

_MAX_SHOWN_ROWS: Final = 100
_MAX_CELL_CHARACTERS: Final = 80


class Table(list[dict[str, Any]]):
    """Rows as the API has answered them; `columns` are those that are shown, and all rows have all fields."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = (), title: str = "") -> None:
        super().__init__(dict(row) for row in rows)
        self.columns = tuple(columns) or tuple(dict.fromkeys(name for row in self for name in row))
        self.title = title

    def to_pandas(self) -> "pd.DataFrame":
        """Return all fields as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(list(self))

    def shown(self) -> list[list[str]]:
        """Return the cells of the shown columns as text, of at most 100 rows."""
        return [[format_cell(row.get(name)) for name in self.columns] for row in self[:_MAX_SHOWN_ROWS]]

    def __str__(self) -> str:
        cells = [list(self.columns), *self.shown()]
        widths = [max(len(row[index]) for row in cells) for index in range(len(self.columns))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        return "\n".join([*([self.title] if self.title else []), *lines, *self._left_out()])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in self.shown()
        )
        caption = f"<caption>{html.escape(self.title)}</caption>" if self.title else ""
        more = "".join(f"<p>{line}</p>" for line in self._left_out())
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"

    def _left_out(self) -> list[str]:
        return [f"... {len(self) - _MAX_SHOWN_ROWS:,} more"] if len(self) > _MAX_SHOWN_ROWS else []


class Fields(dict[str, Any]):
    """Named values, such as metrics, shown one a line."""

    def __str__(self) -> str:
        width = max((len(name) for name in self), default=0)
        return "\n".join(f"{name.ljust(width)}  {format_cell(value)}" for name, value in self.items())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{html.escape(format_cell(value))}</td></tr>"
            for name, value in self.items()
        )
        return f"<table><tbody>{rows}</tbody></table>"


def format_cell(value: Any) -> str:
    """Return a value as a short text."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= _MAX_CELL_CHARACTERS else text[: _MAX_CELL_CHARACTERS - 1] + "…"


def is_installed(module: str) -> bool:
    """Return whether a module can be imported, without importing it."""
    return importlib.util.find_spec(module) is not None
