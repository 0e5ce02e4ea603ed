"""What a command that calls a platform has: the connection, the output, and errors as exit codes."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec

import typer

from dataml.cli.exit_codes import ExitCode
from dataml.cli.output import Output, OutputFormat, printable
from dataml.client import errors

if TYPE_CHECKING:
    from dataml.client.sync.connection import Client
    from dataml.client.sync.operations import Operations

PANEL: Final = "Connection and output"
# Refusals that another session does not help against.
_NO_SESSION: Final = ("bad_credentials", "invalid_api_key")
P = ParamSpec("P")


@dataclass(frozen=True)
class Options:
    """The options of every command that calls a platform; None where they were not given."""

    url: str | None = None
    profile: str | None = None
    api_key: str | None = field(default=None, repr=False)
    output: OutputFormat | None = None
    quiet: bool = False

    def over(self, other: "Options") -> "Options":
        """Return these options, and those of `other` where these were not given."""
        return Options(
            self.url or other.url,
            self.profile or other.profile,
            self.api_key or other.api_key,
            self.output or other.output,
            self.quiet or other.quiet,
        )


class Session:
    """One command's connection to a platform, and its output."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.output = Output(options.output or OutputFormat.TABLE, options.quiet)

    @cached_property
    def client(self) -> "Client":
        """The client of the platform, which connects at its first call.

        Raises:
            NotSignedIn: nothing says who calls.
        """
        from dataml.client.sync.connection import connect

        return connect(self.options.url, api_key=self.options.api_key, profile=self.options.profile)

    @property
    def api(self) -> "Operations":
        """The calls of the platform."""
        return self.client.api

    @property
    def progress(self) -> bool:
        """Whether the client may show progress; it does so on a terminal only."""
        return not self.output.quiet

    def close(self) -> None:
        """Close the connection, if there is one."""
        if "client" in self.__dict__:
            self.client.close()


Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        rich_help_panel=PANEL,
        help="Address of the platform, in place of DATAML_URL and that of the profile.",
    ),
]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        rich_help_panel=PANEL,
        help="Profile of `dataml login`, in place of DATAML_PROFILE and `default`.",
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        rich_help_panel=PANEL,
        help="API key. Better in DATAML_API_KEY, which other users of this machine cannot see.",
    ),
]
Format = Annotated[
    OutputFormat | None,
    typer.Option("--output", "-o", rich_help_panel=PANEL, metavar="FORMAT", help="`table` (default), `json` or `csv`."),
]
Quiet = Annotated[bool, typer.Option("--quiet", rich_help_panel=PANEL, help="No messages and no progress bars.")]

_OPTIONS: Final[dict[str, tuple[Any, Any]]] = {
    "url": (Url, None),
    "profile": (ProfileName, None),
    "api_key": (ApiKey, None),
    "output": (Format, None),
    "quiet": (Quiet, False),
}
COMMON_OPTIONS: Final = tuple(_OPTIONS)
"""The names of the options that every command which calls a platform has."""


def client_command(
    group: typer.Typer, name: str, *, panel: str | None = None
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[..., None]]:
    """Make a command of a function that gets a `Session`, with the options of every such command.

    Args:
        group: Where the command is added.
        name: The word of the command.
        panel: Its section in the help of the group.
    """

    def decorate(function: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
        @wraps(function)
        def run(context: typer.Context, **arguments: Any) -> None:
            given = Options(**{option: arguments.pop(option) for option in _OPTIONS})
            session = Session(given.over(context.obj or Options()))
            with errors_as_exit_codes():
                try:
                    function(session, **arguments)  # type: ignore[call-arg]
                finally:
                    session.close()

        _add_options(run, function)
        group.command(name, rich_help_panel=panel)(run)
        return run

    return decorate


def _add_options(run: Callable[..., None], function: Callable[..., None]) -> None:
    """Give `run` the parameters of `function` but its session, and the options of every command."""
    signature = inspect.signature(function, eval_str=True)
    own = list(signature.parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    context = inspect.Parameter("context", keyword, annotation=typer.Context)
    shared = [
        inspect.Parameter(name, keyword, default=default, annotation=annotation)
        for name, (annotation, default) in _OPTIONS.items()
    ]
    parameters = [context, *(each.replace(kind=keyword) for each in own), *shared]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """End a command that has failed with one line on stderr and its exit code."""
    try:
        yield
    except errors.ClientError as error:
        raise failure(_line(error), exit_code_of(error)) from error
    except BrokenPipeError:
        # What read the output has ended: typer ends the command.
        raise
    except OSError as error:
        raise failure(f"{error.filename or 'an operation'}: {error.strerror or error}", ExitCode.USAGE) from error


def failure(reason: str, code: ExitCode) -> typer.Exit:
    """Print why a command has failed, and return what ends it."""
    print(f"dataml: {printable(reason)}", file=sys.stderr)
    return typer.Exit(code)


def exit_code_of(error: errors.ClientError) -> ExitCode:
    """Return the exit code of an error of the client."""
    if isinstance(error, errors.NotSignedIn | errors.Unauthorized | errors.Forbidden):
        return ExitCode.FORBIDDEN
    if isinstance(error, errors.NotFound):
        return ExitCode.NOT_FOUND
    if isinstance(error, errors.JobFailed):
        return ExitCode.JOB_FAILED
    is_away = error.status == 429 or (error.status or 0) >= 500
    return ExitCode.UNAVAILABLE if is_away or isinstance(error, errors.NotConnected) else ExitCode.FAILED


def _line(error: errors.ClientError) -> str:
    is_session = isinstance(error, errors.Unauthorized) and error.code not in _NO_SESSION
    hint = " Run `dataml login`." if is_session else ""
    request = f", request {error.request_id}" if (error.status or 0) >= 500 and error.request_id else ""
    return f"{error.detail}{hint} [{error.code}{request}]"
