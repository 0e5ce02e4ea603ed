"""Writes the commands and exit codes from the command line itself."""

from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from dataml.cli.app import app
from dataml.cli.exit_codes import ExitCode
from dataml.cli.session import COMMON_OPTIONS


def exit_codes() -> str:
    """Return the table of exit codes."""
    lines = ["| exit code | meaning |", "|---|---|"]
    return "\n".join(lines + [f"| {code.value} | {code.meaning} |" for code in ExitCode])


def page() -> str:
    """Return a section for each command, in the order of `dataml --help`."""
    return "\n".join(line for name, command in leaves() for line in _section(name, command))


def common_options() -> str:
    """Return the list of the options that every command which calls a platform has."""
    _, login = next(each for each in leaves() if each[0] == "dataml login")
    return "\n".join(_item(each) for each in login.params if each.name in COMMON_OPTIONS)


def leaves() -> list[tuple[str, Any]]:
    """Return every command that does something, with its words: ("dataml datasets list", command)."""
    return list(_leaves("dataml", get_command(app)))


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(command, TyperGroup):
        for word, child in command.commands.items():
            yield from _leaves(f"{name} {word}", child)
    else:
        yield name, command


def _section(name: str, command: Any) -> list[str]:
    own = [each for each in command.params if each.name not in COMMON_OPTIONS]
    arguments = [each for each in own if each.param_type_name == "argument"]
    options = [each for each in own if each.param_type_name == "option"]
    usage = " ".join([name, *map(_usage, (*arguments, *options))])
    lines = [f"### `{name}`", "", command.help, "", "```", usage, "```", ""]
    return [*lines, *map(_item, (*arguments, *options)), ""]


def _item(parameter: Any) -> str:
    return f"- `{_spelling(parameter)}`: {parameter.help}"


def _usage(parameter: Any) -> str:
    spelling = _spelling(parameter) + ("..." if parameter.multiple or parameter.nargs != 1 else "")
    return spelling if parameter.required else f"[{spelling}]"


def _spelling(parameter: Any) -> str:
    metavar = parameter.metavar or parameter.name.upper()
    if parameter.param_type_name == "argument":
        return metavar
    names = " | ".join([*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {metavar}"
