"""Passwords: from a prompt, the environment or stdin, and never from the command line, which others can see."""

import os
import sys

import typer


def read_password(variable: str, prompt: str, *, from_stdin: bool = False, confirm: bool = False) -> str:
    """Return a password: the first line of stdin if asked for, else the environment variable, else of a prompt.

    Raises:
        BadParameter: there is no password, and nobody to ask for one.
    """
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif variable in os.environ:
        password = os.environ[variable]
    elif sys.stdin.isatty():
        return typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    else:
        raise typer.BadParameter(f"No terminal to ask for it: set {variable}, or use --password-stdin.")
    if not password:
        raise typer.BadParameter("The password is empty.")
    return password
