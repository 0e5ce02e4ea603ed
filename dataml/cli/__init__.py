"""The `dataml` command: works with a platform over HTTP, and runs one on this machine."""

from collections.abc import Sequence

from dataml.cli.app import app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code, one of `exit_codes`."""
    try:
        app(arguments, prog_name="dataml")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0
