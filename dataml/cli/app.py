"""All commands, put together."""

from typing import Annotated

import typer

from dataml import __version__
from dataml.cli import platform

app = typer.Typer(
    help="Work with dataml, a machine-learning platform for tabular data: datasets, models, predictions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
platform.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"dataml {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Work with dataml, a machine-learning platform for tabular data: datasets, models, predictions."""
