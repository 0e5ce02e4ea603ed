"""Options that several commands have."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from dataml.cli.session import Session

Limit = Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Rows to show, at most 1,000.")]
Offset = Annotated[int, typer.Option(min=0, metavar="N", help="Rows to leave out at the start.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether to do it.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the job; print its id.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")]
DEFAULT_LIMIT: Final = 100


def id_or_name(text: str) -> int | str:
    """Return an id where the text has digits only, else the text, which is a name."""
    return int(text) if text.isdecimal() else text


def print_page(
    session: Session,
    answer: Any,
    columns: Sequence[str],
    offset: int,
    total: str = "total",
    *,
    rows: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Print a page of a list, and say when there are more rows than it has; `rows` are shown in place of its own."""
    shown = answer["data"] if rows is None else rows
    session.output.rows(answer, shown, columns)
    end = offset + len(shown)
    if end < answer[total]:
        session.output.say(f"{offset + 1:,} to {end:,} of {answer[total]:,}; --offset {end} shows the next.")


def check_threshold(value: float | None) -> float | None:
    """Return a decision threshold.

    Raises:
        typer.BadParameter: It is not between 0 and 1.
    """
    if value is not None and not 0 < value < 1:
        raise typer.BadParameter("A threshold is above 0 and below 1.")
    return value


def confirm(yes: bool, question: str) -> None:
    """Ask before something is deleted.

    Raises:
        BadParameter: `--yes` was not given, and there is nobody to ask.
        Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("No terminal to ask: give --yes.")
    typer.confirm(question, abort=True, err=True)
