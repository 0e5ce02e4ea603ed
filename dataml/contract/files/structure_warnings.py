"""Warnings about the structure of files: rows and columns that are left out, and names that a file does not have."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from dataml.contract.files.borders import without_quoted
from dataml.contract.files.csv_columns import FIRST_COLUMN, has_unnamed_first, name_columns
from dataml.contract.files.csv_rows import open_layout
from dataml.contract.files.detection import FileFormat
from dataml.contract.files.layout import DELIMITERS, CsvLayout, CsvOptions
from dataml.contract.files.parquet import find_unnamed_index, open_uploaded_parquet
from dataml.contract.files.structs import list_flat_fields
from dataml.contract.warnings import MAX_EXAMPLES, DataWarning

# With a template a user has said which columns there are.
_ABOUT_ROWS: Final = frozenset({"repeated_header"})


def find_structure_warnings(
    path: Path, format: FileFormat, options: CsvOptions, has_template: bool
) -> tuple[DataWarning, ...]:
    """Return what a user should know about the structure of a file; only its beginning is read.

    Args:
        path: the file.
        format: as `detect_format` returns it.
        options: as `SourceSummary.csv` has them.
        has_template: whether a template says what the columns are; then only rows are warned about.
    """
    warnings = _list_of_parquet(path) if format == "parquet" else _list_of_csv(open_layout(path, options), options)
    return tuple(warning for warning in warnings if not has_template or warning.code in _ABOUT_ROWS)


def join_structure_warnings(by_file: Sequence[tuple[str, Iterable[DataWarning]]]) -> tuple[DataWarning, ...]:
    """Return the warnings about several files, one for each code and column, with the sum of the counts.

    Args:
        by_file: the name of each file, and its warnings.
    """
    joined: dict[tuple[str, str | None], DataWarning] = {}
    for name, warnings in by_file:
        for warning in warnings:
            key = warning.code, warning.column
            named = replace(warning, message=f"{name}: {warning.message}") if len(by_file) > 1 else warning
            known = joined.get(key)
            count = sum(each.count or 0 for each in (known, warning) if each is not None) or None
            joined[key] = replace(known or named, count=count)
    return tuple(joined.values())


def _list_of_csv(layout: CsvLayout, options: CsvOptions) -> list[DataWarning]:
    warnings: list[DataWarning] = []
    if options.repeated_headers:
        lines = "1 line repeats" if options.repeated_headers == 1 else f"{options.repeated_headers:,} lines repeat"
        message = f"{lines} the header among the rows; left out."
        warnings.append(DataWarning("repeated_header", message, None, options.repeated_headers))
    if has_unnamed_first(layout):
        warnings.append(_warn_numbers() if options.has_row_numbers else _warn_unnamed(layout))
    others = [each for each in DELIMITERS if each.encode() in without_quoted(layout.header_line, layout.delimiter)]
    if layout.fields == 1 and others:
        message = (
            f"The delimiter {layout.delimiter!r} is not in the header, but {others[0]!r} is: the file is read as a "
            "single column. If that is wrong, upload with another delimiter, or without one."
        )
        warnings.append(DataWarning("single_column", message, name_columns(layout)[0]))
    return warnings


def _warn_numbers() -> DataWarning:
    message = (
        "The first column has no name in the header and numbers the rows: it is left out. To keep it, give it a name, "
        f"or upload with a template that has a column {FIRST_COLUMN}."
    )
    return DataWarning("unnamed_index_left_out", message)


def _warn_unnamed(layout: CsvLayout) -> DataWarning:
    lacks = "The header has one name less than the rows have fields" if layout.lacks_first_name else ""
    what = f"{lacks}: the first column" if lacks else "The first column has no name in the header, and"
    message = f"{what} is read as `{FIRST_COLUMN}`. If it is an index or row names, give it a name, or leave it out."
    return DataWarning("unnamed_column", message, FIRST_COLUMN)


def _list_of_parquet(path: Path) -> list[DataWarning]:
    schema = open_uploaded_parquet(path).schema_arrow
    warnings: list[DataWarning] = []
    index = sorted(find_unnamed_index(schema))
    if index:
        message = (
            f"The index of pandas has no name ({', '.join(index[:MAX_EXAMPLES])}): it is left out. To keep it, give it "
            "a name (DataFrame.rename_axis), or upload with a template that has a column of this name."
        )
        warnings.append(DataWarning("unnamed_index_left_out", message, None, None, tuple(index[:MAX_EXAMPLES])))
    structs = [field.name for field in schema if pa.types.is_struct(field.type)]
    if structs:
        flat = [name for name, _ in list_flat_fields(schema) if name.startswith(f"{structs[0]}.")]
        columns = ", ".join(f"`{name}`" for name in flat[:MAX_EXAMPLES]) + (", ..." if flat[MAX_EXAMPLES:] else "")
        message = f"Structs are read as a column for each of their fields: `{structs[0]}` as {columns}."
        warnings.append(DataWarning("flattened_struct", message, None, len(structs), tuple(structs[:MAX_EXAMPLES])))
    return warnings
