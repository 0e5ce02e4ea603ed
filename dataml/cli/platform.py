"""The commands that run a platform on this machine: start, stop, prepare its database, examine it.

They need the packages of the extra `server`. Each one imports what it needs itself: `dataml down` must not import Ray,
nor `dataml up` the demo.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dataml import __version__, redaction
from dataml.cli.exit_codes import ExitCode
from dataml.errors import StartupError

if TYPE_CHECKING:
    from dataml.settings import Settings
    from deployments.platform import Application

PANEL: Final = "A platform on this machine"
_OWN_PACKAGES: Final = ("dataml", "deployments")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for name, command in (
        ("up", _up),
        ("down", _down),
        ("demo", _demo),
        ("migrate", _migrate),
        ("admin", _admin),
        ("doctor", _doctor),
        ("rotate-key", _rotate_key),
    ):
        app.command(name, rich_help_panel=PANEL)(command)


@contextmanager
def _settings() -> Iterator["Settings"]:
    """Give a command the settings of the environment, and end it with one line when the platform cannot start."""
    try:
        redaction.install()
        from dataml.settings import load_settings

        yield load_settings()
    except StartupError as error:
        raise _refused(str(error)) from error
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in _OWN_PACKAGES:
            raise
        raise _refused(f'this command needs the platform ({error.name}): pip install "dataml[server]"') from error
    except OSError as error:
        # A disk that is full, or read-only, at a file that a command writes.
        raise _refused(f"{error.filename or 'an operation'}: {error.strerror or error}") from error


def _refused(reason: str) -> typer.Exit:
    print(f"dataml: {reason}", file=sys.stderr)
    return typer.Exit(ExitCode.USAGE)


def _up(
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Start Ray's dashboard too, on 127.0.0.1.", show_default=False)
    ] = False,
) -> None:
    """Start a platform in the foreground; Ctrl-C stops it."""
    with _settings() as settings:
        _run_platform(settings, dashboard)


def _run_platform(settings: "Settings", dashboard: bool) -> None:
    from deployments import platform
    from deployments.restarts import keep_running

    def application() -> "Application":
        from deployments.app import build

        # The platform's own HAProxy forwards the client's address to the replicas.
        return build(settings.model_copy(update={"forwarded_hops": settings.forwarded_hops + 1}))

    def run(report_ready: Callable[[], None]) -> None:
        def ready() -> None:
            # Not in the process that waits for the platform: it needs none of the application.
            from dataml.installation import password_hint

            report_ready()
            print(f"dataml {__version__} is up: http://{settings.host}:{settings.port}/docs")
            if settings.grpc_port is not None:
                print(f"Open Inference Protocol over gRPC: {settings.host}:{settings.grpc_port}")
            print(password_hint(settings), flush=True)

        platform.run(
            settings.root,
            settings.port,
            application,
            host=settings.host,
            grpc_port=settings.grpc_port,
            dashboard=dashboard,
            on_ready=ready,
        )

    keep_running(settings.root, settings.host, settings.port, run, settings.max_restarts)


def _down() -> None:
    """Stop a platform that was left running."""
    with _settings() as settings:
        from deployments import platform

        print("stopped" if platform.stop(settings.root) else f"no platform runs in {settings.root}")


def _demo(
    once: Annotated[bool, typer.Option("--once", help="Stop the platform at the end.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print the curl call of each step.")] = False,
) -> None:
    """Start a platform and run its main steps on real data."""
    with _settings() as settings:
        from dataml.demo.run import run_demo

        raise typer.Exit(run_demo(settings, once=once, verbose=verbose))


def _migrate(
    to: Annotated[
        str | None, typer.Option(metavar="URL", help="Move an SQLite database to this empty PostgreSQL, whole.")
    ] = None,
) -> None:
    """Bring the database to this version's schema."""
    with _settings() as settings:
        if to is not None:
            _move(settings, to)
            return
        from dataml.db import schema
        from dataml.installation import prepare

        prepare(settings)
        print(f"the database is at schema {schema.VERSION}")


def _move(settings: "Settings", url: str) -> None:
    from dataml.db.transfer import transfer
    from dataml.settings import load_settings
    from dataml.tables import METADATA
    from deployments import platform

    # The lock prevents that a platform starts in this home meanwhile.
    with platform.lock_home(settings.root):
        counts = transfer(settings, load_settings(database_url=url), METADATA)
    print(f"moved {sum(counts.values()):,} rows of {len(counts)} tables; the database here is as it was")
    print("start the platform with DATAML_DATABASE_URL set to the new one")


def _admin(
    new_password: Annotated[
        bool, typer.Option("--new-password", help="Give the administrator a new random one.")
    ] = False,
) -> None:
    """Print where the administrator's first password is."""
    with _settings() as settings:
        from dataml.installation import password_hint, renew_admin_password

        if new_password:
            renew_admin_password(settings)
        print(password_hint(settings))


def _doctor(
    hashes: Annotated[
        bool, typer.Option("--hash", help="Compare the content of files with their hashes, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look for what is wrong with an installation; nothing is changed."""
    with _settings() as settings:
        from dataml.doctor.examination import examine, to_json, to_text
        from dataml.doctor.findings import Severity

        findings = examine(settings, hashes=hashes)
        print(to_json(settings, findings) if as_json else to_text(findings))
        if any(each.severity is Severity.ERROR for each in findings):
            raise typer.Exit(ExitCode.FAILED)


def _rotate_key() -> None:
    """Sign tokens with a new key; the last key is still accepted."""
    with _settings() as settings:
        from dataml.access.tokens import TokenKeys

        TokenKeys.rotate(settings.key_file)
        print("tokens are signed with a new key; those of the last key stay valid, those of older keys do not")
