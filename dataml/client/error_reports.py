"""The wrong cells of a dataset, as a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataml.client.tables import Table

if TYPE_CHECKING:
    from dataml.client import schemas

_CELL_FIELDS: Final = ("file", "row", "column", "value", "rule", "reason")


class ErrorReport(Table):
    """The first wrong cells of each file, one a row; `info` is the whole answer, with all counts."""

    def __init__(self, info: schemas.ErrorReportAnswer) -> None:
        cells = [dict(cell) for file in info["files"] for cell in file["first"]]
        super().__init__(cells, _CELL_FIELDS, _title(info))
        self.info = info

    @property
    def by_column(self) -> dict[str, int]:
        """The number of wrong cells of each column."""
        return self.info["by_column"]

    @property
    def by_rule(self) -> dict[str, int]:
        """The number of wrong cells by the rule that they break."""
        return self.info["by_rule"]


def _title(info: schemas.ErrorReportAnswer) -> str:
    wrong, rows = info["total_errors"], info["rows_with_errors"]
    kept, total = info["kept_records"], info["total_records"]
    return f"{wrong:,} wrong cells in {rows:,} rows; {kept:,} of {total:,} rows kept"
