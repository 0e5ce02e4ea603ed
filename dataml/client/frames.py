"""Rows in memory, of pandas, polars, Arrow or plain Python: read, and made again with other columns.

Each library is imported only where somebody has sent something of it, and pyarrow only where it is installed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from dataml.client.cells import to_json
from dataml.client.errors import WrongRows
from dataml.client.tables import is_installed

FrameKind = Literal["pandas", "polars", "arrow", "records", "record"]
# Columns by name: lists, or arrays of Arrow.
Columns = Mapping[str, Any]
_PANDAS_TYPES: Final = {"Boolean": ("bool", "boolean"), "Integer": ("int64", "Int64"), "Float": ("float64", "float64")}


def kind_of(source: Any) -> FrameKind | None:
    """Return which kind of rows an object is, or None when it is none. Imports nothing."""
    library, name = type(source).__module__.partition(".")[0], type(source).__name__
    if library == "pandas" and name == "DataFrame":
        return "pandas"
    if library == "polars" and name == "DataFrame":
        return "polars"
    if library == "pyarrow" and name == "Table":
        return "arrow"
    if isinstance(source, Mapping):
        return "record"
    if isinstance(source, list | tuple) and all(isinstance(row, Mapping) for row in source) and source:
        return "records"
    return None


def is_frame(source: Any) -> bool:
    """Return whether an object holds rows, rather than being a file or its name."""
    return kind_of(source) is not None


class Frame:
    """Rows of any kind."""

    def __init__(self, source: Any) -> None:
        """Look at rows; they are not copied.

        Raises:
            WrongRows: `source` holds no rows, or two of its columns have one name.
        """
        kind = kind_of(source)
        if kind is None and not (isinstance(source, list) and not source):
            detail = (
                f"{type(source).__name__} is no table: send a DataFrame, an Arrow table, a dict or a list of dicts."
            )
            raise WrongRows(detail, code="no_table")
        self.kind: FrameKind = kind or "records"
        self.source: Any = [source] if kind == "record" else source
        self.names = self._names()
        if len(set(self.names)) != len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise WrongRows(f"Two columns have one name: {', '.join(twice)}.", code="duplicate_column")

    def __len__(self) -> int:
        return len(self.source)

    def _names(self) -> list[str]:
        if self.kind == "pandas":
            return [str(name) for name in self.source.columns]
        if self.kind == "polars":
            return list(self.source.columns)
        if self.kind == "arrow":
            return list(self.source.column_names)
        return [str(name) for name in dict.fromkeys(name for row in self.source for name in row)]

    def part(self, begin: int, end: int) -> "Frame":
        """Return some of the rows, by their position."""
        if self.kind == "pandas":
            return Frame(self.source.iloc[begin:end])
        if self.kind == "arrow":
            return Frame(self.source.slice(begin, end - begin))
        return Frame(self.source[begin:end])

    def records(self, types: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the rows as values for JSON.

        Args:
            types: The columns that are taken, and the data type that each is read as.

        Raises:
            WrongRows: A value has no form in JSON, such as an infinite number.
        """
        names = [name for name in self.names if name in types]
        if self.kind in ("records", "record"):
            # A name that a row does not have stays out: its default is used.
            return [
                {name: to_json(row[name], types[name], name) for name in names if name in row} for row in self.source
            ]
        columns = [[to_json(value, types[name], name) for value in self._values(name)] for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)] or [
            {} for _ in range(len(self))
        ]

    def _values(self, name: str) -> Sequence[Any]:
        if self.kind == "pandas":
            return self.source.iloc[:, self.names.index(name)].tolist()
        if self.kind == "polars":
            return self.source[name].to_list()
        return self.source[name].to_pylist()

    def with_columns(self, columns: Columns, types: Mapping[str, str]) -> Any:
        """Return an object of the kind that was sent, with these columns instead, and the same index.

        Args:
            columns: As many values as there are rows: lists, or arrays of Arrow.
            types: The data type of each column.
        """
        if self.kind == "record":
            return {name: to_list(values)[0] for name, values in columns.items()}
        return build(self.kind, columns, types, index=self.source.index if self.kind == "pandas" else None)


def build(kind: FrameKind, columns: Columns, types: Mapping[str, str], index: Any = None) -> Any:
    """Return columns as an object of a kind: a DataFrame, an Arrow table, or a list of dicts."""
    if kind == "pandas":
        import pandas as pd

        series = {name: _series(values, types.get(name, "String"), index) for name, values in columns.items()}
        return pd.DataFrame(series, index=index)
    if kind == "polars":
        import polars as pl

        return pl.DataFrame({name: _polars(values, types.get(name, "String")) for name, values in columns.items()})
    if kind == "arrow":
        import pyarrow as pa

        return pa.table({name: _arrow(values, types.get(name, "String")) for name, values in columns.items()})
    lists = {name: to_list(values) for name, values in columns.items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def preferred_kind() -> FrameKind:
    """Return the kind of what is made from nothing: pandas where it is installed, else a list of dicts."""
    return "pandas" if is_installed("pandas") else "records"


def to_list(values: Any) -> list[Any]:
    """Return the values of a list, or of an array of Arrow."""
    return values if isinstance(values, list) else values.to_pylist()


def _series(values: Any, data_type: str, index: Any) -> Any:
    import pandas as pd

    whole, with_missing = _PANDAS_TYPES.get(data_type, ("object", "object"))
    if isinstance(values, list):
        has_missing = any(value is None for value in values)
        return pd.Series(values, index=index, dtype=with_missing if has_missing else whole)  # type: ignore[call-overload]
    if values.null_count and with_missing != "float64":
        return pd.Series(values.to_pylist(), index=index, dtype=with_missing)  # type: ignore[call-overload]
    if whole == "object":
        return pd.Series(values.to_pylist(), index=index, dtype="object")
    return pd.Series(values.to_numpy(zero_copy_only=False), index=index).astype(whole)


def _polars(values: Any, data_type: str) -> Any:
    import polars as pl

    kinds: dict[str, Any] = {"Boolean": pl.Boolean, "Integer": pl.Int64, "Float": pl.Float64}
    return pl.Series(to_list(values), dtype=kinds.get(data_type, pl.String))


def _arrow(values: Any, data_type: str) -> Any:
    import pyarrow as pa

    kinds = {"Boolean": pa.bool_(), "Integer": pa.int64(), "Float": pa.float64()}
    return pa.array(values, kinds.get(data_type, pa.string())) if isinstance(values, list) else values
