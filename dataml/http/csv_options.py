"""The parameters in a query about the CSV files that are sent with it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from dataml.contract.files.delimiters import parse_delimiter
from dataml.contract.files.layout import MAX_HEADER_ROW, CsvOptions
from dataml.contract.files.text import ENCODINGS, parse_encoding


@dataclass(frozen=True)
class _CsvParameters:
    """The parameters as they are sent; they hold for every CSV file of the request."""

    encoding: Annotated[
        str,
        Query(
            description=f"Encoding of the CSV files: {', '.join(ENCODINGS)}, or an alias that Python knows, such as "
            "windows-1252. Nothing is guessed: a file that is not in it is refused.",
            max_length=40,
        ),
    ] = "utf-8"
    header_row: Annotated[
        int | None,
        Query(
            description="Number of the line with the column names of the CSV files, counted from 1. Lines before it, "
            "such as titles and comments, are left out. By default the first line that is not blank.",
            ge=1,
            le=MAX_HEADER_ROW,
        ),
    ] = None
    delimiter: Annotated[
        str | None,
        Query(
            description="What stands between two fields of the CSV files: comma, semicolon, tab, pipe, space, or one "
            "ASCII character that is no letter, digit, quote or line break. By default the most frequent of comma, "
            "semicolon, tab and | in the header.",
            max_length=40,
        ),
    ] = None


def read_csv_options(parameters: Annotated[_CsvParameters, Depends()]) -> CsvOptions:
    """Return what the query says about CSV files.

    Raises:
        Invalid: `unknown_encoding`, `unknown_delimiter`.
    """
    delimiter = parse_delimiter(parameters.delimiter) if parameters.delimiter is not None else None
    return CsvOptions(parse_encoding(parameters.encoding), parameters.header_row, delimiter)


SentCsvOptions = Annotated[CsvOptions, Depends(read_csv_options)]
"""What the query says about CSV files, for the signature of a route."""
