"""All commands, put together."""

from typing import Annotated, Final

import typer

from dataml import __version__
from dataml.cli import platform
from dataml.cli.commands import (
    account,
    audit,
    datasets,
    jobs,
    keys,
    lake,
    models,
    prediction,
    predictors,
    roles,
    sessions,
    templates,
    tenants,
    training,
    users,
)
from dataml.cli.session import ApiKey, Format, Options, ProfileName, Quiet, Url

_WORK: Final = "Data and models"
_ACCESS: Final = "Users and permissions"

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
account.add_to(app)
datasets.add_to(app, _WORK)
templates.add_to(app, _WORK)
training.add_to(app, _WORK)
models.add_to(app, _WORK)
predictors.add_to(app, _WORK)
prediction.add_to(app, _WORK)
jobs.add_to(app, _WORK)
lake.add_to(app, _WORK)
users.add_to(app, _ACCESS)
roles.add_to(app, _ACCESS)
keys.add_to(app, _ACCESS)
sessions.add_to(app, _ACCESS)
tenants.add_to(app, _ACCESS)
audit.add_to(app, _ACCESS)
platform.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"dataml {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    url: Url = None,
    profile: ProfileName = None,
    api_key: ApiKey = None,
    output: Format = None,
    quiet: Quiet = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Work with dataml, a machine-learning platform for tabular data: datasets, models, predictions."""
    context.obj = Options(url, profile, api_key, output, quiet)
