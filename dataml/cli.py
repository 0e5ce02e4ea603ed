"""The `dataml` command: start and stop a platform, prepare its database, run the demo."""

import argparse
import sys
from collections.abc import Callable, Sequence

from dataml import __version__, redaction
from dataml.errors import EXIT_CANNOT_START, StartupError
from dataml.settings import Settings, load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code.

    Returns:
        0 for success, 1 for a demo that failed or an installation with errors, 2 (with one line on stderr) when the
        platform cannot start.
    """
    redaction.install()
    options = _parser().parse_args(arguments)
    try:
        return options.run(load_settings(), options)
    except StartupError as error:
        print(f"dataml: {error}", file=sys.stderr)
        return EXIT_CANNOT_START
    except OSError as error:
        # A disk that is full, or read-only, at a file that a command writes.
        print(f"dataml: {error.filename or 'an operation'}: {error.strerror or error}", file=sys.stderr)
        return EXIT_CANNOT_START


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dataml", description="A machine-learning platform for tabular data, on Ray.")
    parser.add_argument("--version", action="version", version=f"dataml {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start a platform in the foreground; Ctrl-C stops it")
    up.add_argument("--dashboard", action="store_true", help="start Ray's dashboard too, on 127.0.0.1")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="stop a platform that was left running")
    down.set_defaults(run=_down)
    demo = commands.add_parser("demo", help="start a platform and run its main steps on real data")
    demo.add_argument("--once", action="store_true", help="stop the platform at the end")
    demo.add_argument("--verbose", action="store_true", help="print the curl call of each step")
    demo.set_defaults(run=_demo)
    migrate = commands.add_parser("migrate", help="bring the database to this version's schema")
    migrate.add_argument("--to", metavar="URL", help="move an SQLite database to this empty PostgreSQL, whole")
    migrate.set_defaults(run=_migrate)
    admin = commands.add_parser("admin", help="print where the administrator's first password is")
    admin.add_argument("--new-password", action="store_true", help="give the administrator a new random one")
    admin.set_defaults(run=_admin)
    doctor = commands.add_parser("doctor", help="look for what is wrong with an installation; nothing is changed")
    doctor.add_argument("--hash", action="store_true", help="compare the content of files with their hashes, too")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.set_defaults(run=_doctor)
    rotate = commands.add_parser("rotate-key", help="sign tokens with a new key; the last key is still accepted")
    rotate.set_defaults(run=_rotate_key)
    return parser


# Each command imports what it needs: `dataml down` must not import Ray, nor `dataml up` the demo.


def _up(settings: Settings, options: argparse.Namespace) -> int:
    from dataml.installation import password_hint
    from deployments import platform
    from deployments.restarts import keep_running

    def application() -> "platform.Application":
        from deployments.app import build

        # The platform's own HAProxy forwards the client's address to the replicas.
        return build(settings.model_copy(update={"forwarded_hops": settings.forwarded_hops + 1}))

    def run(report_ready: Callable[[], None]) -> None:
        def ready() -> None:
            report_ready()
            print(f"dataml {__version__} is up: http://{settings.host}:{settings.port}/docs")
            print(password_hint(settings), flush=True)

        platform.run(
            settings.root,
            settings.port,
            application,
            host=settings.host,
            dashboard=options.dashboard,
            on_ready=ready,
        )

    keep_running(settings.root, settings.host, settings.port, run, settings.max_restarts)
    return 0


def _down(settings: Settings, options: argparse.Namespace) -> int:
    from deployments import platform

    print("stopped" if platform.stop(settings.root) else f"no platform runs in {settings.root}")
    return 0


def _demo(settings: Settings, options: argparse.Namespace) -> int:
    from dataml.demo.run import run_demo

    return run_demo(settings, once=options.once, verbose=options.verbose)


def _migrate(settings: Settings, options: argparse.Namespace) -> int:
    from dataml.db import schema
    from dataml.installation import prepare

    if options.to is not None:
        return _move(settings, options.to)
    prepare(settings)
    print(f"the database is at schema {schema.VERSION}")
    return 0


def _move(settings: Settings, url: str) -> int:
    from dataml.db.transfer import transfer
    from dataml.tables import METADATA
    from deployments import platform

    # The lock prevents that a platform starts in this home meanwhile.
    with platform.lock_home(settings.root):
        counts = transfer(settings, load_settings(database_url=url), METADATA)
    print(f"moved {sum(counts.values()):,} rows of {len(counts)} tables; the database here is as it was")
    print("start the platform with DATAML_DATABASE_URL set to the new one")
    return 0


def _admin(settings: Settings, options: argparse.Namespace) -> int:
    from dataml.installation import password_hint, renew_admin_password

    if options.new_password:
        renew_admin_password(settings)
    print(password_hint(settings))
    return 0


def _rotate_key(settings: Settings, options: argparse.Namespace) -> int:
    from dataml.access.tokens import TokenKeys

    TokenKeys.rotate(settings.key_file)
    print("tokens are signed with a new key; those of the last key stay valid, those of older keys do not")
    return 0


def _doctor(settings: Settings, options: argparse.Namespace) -> int:
    from dataml.doctor.examination import examine, to_json, to_text
    from dataml.doctor.findings import Severity

    findings = examine(settings, hashes=options.hash)
    print(to_json(settings, findings) if options.json else to_text(findings))
    return int(any(each.severity is Severity.ERROR for each in findings))


if __name__ == "__main__":
    sys.exit(main())
