"""What a command prints: data on stdout in one of three formats, messages on stderr."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from dataml.client import terminal

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH: Final = 10_000


class OutputFormat(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True)
class Output:
    """Prints the data and the messages of one command."""

    format: OutputFormat = OutputFormat.TABLE
    quiet: bool = False

    def rows(self, answer: Any, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Print a list.

        Args:
            answer: The answer of the API, which JSON shows as it is.
            rows: The rows of the answer; CSV has all their fields.
            columns: The fields that a table shows.
        """
        if self.format is OutputFormat.JSON:
            _print_json(answer)
        elif self.format is OutputFormat.CSV:
            _print_csv(rows, _fields(rows) or columns)
        else:
            _print_table([column.replace("_", " ") for column in columns], rows, columns)

    def record(self, answer: Mapping[str, Any], shown: Mapping[str, Any] | None = None) -> None:
        """Print one thing: `shown` is what a table has of it, in place of all fields."""
        if self.format is OutputFormat.JSON:
            _print_json(answer)
        elif self.format is OutputFormat.CSV:
            _print_csv([answer], list(answer))
        else:
            pairs = answer if shown is None else shown
            rows = [{"field": name.replace("_", " "), "value": value} for name, value in pairs.items()]
            _print_table(None, rows, ("field", "value"))

    def text(self, text: str) -> None:
        """Print data that is text already."""
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")

    def say(self, message: str) -> None:
        """Print a message, unless the command is quiet."""
        if not self.quiet:
            print(printable(message), file=sys.stderr, flush=True)

    def warn(self, warnings: Iterable[Mapping[str, Any]]) -> None:
        """Print the warnings of an answer."""
        for warning in warnings:
            self.say(f"warning: {warning['message']}")

    @property
    def has_bars(self) -> bool:
        """Whether the client shows progress by a bar."""
        return not self.quiet and sys.stderr.isatty()


def printable(value: Any) -> str:
    """Return text for a person; control characters, which could change the terminal, are escaped."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else _json(value) if isinstance(value, dict | list) else str(value)
    return terminal.printable(text)


def _print_json(answer: Any) -> None:
    print(json.dumps(answer, indent=2, ensure_ascii=False))


def _json(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)


def _print_csv(rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows([_cell(row.get(field)) for field in fields] for row in rows)


def _cell(value: Any) -> Any:
    if isinstance(value, bool | dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value


def _fields(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(field for row in rows for field in row))


def _print_table(headers: Sequence[str] | None, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD if headers else None, show_header=headers is not None, pad_edge=False)
    for index, column in enumerate(columns):
        is_number = all(isinstance(row.get(column), int | float | None) for row in rows) and bool(rows)
        justify = "right" if is_number and headers else "left"
        table.add_column(headers[index] if headers else "", justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(row.get(column))) for column in columns))
    _console().print(table)


def _console() -> "Console":
    from rich.console import Console

    console = Console(highlight=False)
    # Whatever reads a pipe takes whole lines.
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)
