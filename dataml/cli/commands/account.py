"""`dataml login`, `logout`, `status`: who calls which platform."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dataml.cli.options import PasswordStdin
from dataml.cli.secrets import read_password
from dataml.cli.session import Session, client_command
from dataml.client import errors

if TYPE_CHECKING:
    from dataml.client.sync.connection import Client

PANEL: Final = "Account"


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    client_command(app, "login", panel=PANEL)(_login)
    client_command(app, "logout", panel=PANEL)(_logout)
    client_command(app, "status", panel=PANEL)(_status)


def _login(
    session: Session,
    username: Annotated[
        str | None, typer.Option("--username", "-u", metavar="NAME", help="Who signs in; asked for if not given.")
    ] = None,
    password_stdin: PasswordStdin = False,
    ca_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Certificates to trust, of a platform with its own authority.")
    ] = None,
) -> None:
    """Sign in, and keep the session in a profile for later commands and for `dataml.connect()`.

    The password comes from DATAML_PASSWORD, from stdin or from a prompt. With --api-key the profile keeps the key.
    Only the owner can read the file of the profiles, and it never holds a password.
    """
    from dataml.client import profiles

    name = session.options.profile
    session.client = client = _connect(session, username, password_stdin, ca_file)
    caller = client.whoami()
    tokens = client.transport.session.tokens
    profile = profiles.Profile(
        url=client.url,
        username=caller["username"],
        api_key=session.options.api_key,
        access_token=tokens.access_token if tokens else None,
        refresh_token=tokens.refresh_token if tokens else None,
        expires_at=tokens.expires_at if tokens else 0.0,
        verify=ca_file or True,
    )
    path = profiles.save_profile(profile, name)
    used = profiles.profile_name(name)
    session.output.say(f"Signed in to {profile.url} as {profile.username}; the profile {used!r} is in {path}.")


def _connect(session: Session, username: str | None, password_stdin: bool, ca_file: str | None) -> "Client":
    from dataml.client import profiles
    from dataml.client.sync.connection import connect

    given = session.options
    stored = profiles.load_profile(given.profile)
    url = given.url or os.environ.get("DATAML_URL") or (stored.url if stored else None)
    if given.api_key:
        return connect(url, api_key=given.api_key, verify=ca_file)
    if username is None:
        username = _ask_for_username()
    password = read_password("DATAML_PASSWORD", "Password", from_stdin=password_stdin)
    return connect(url, username=username, password=password, verify=ca_file)


def _ask_for_username() -> str:
    import sys

    if not sys.stdin.isatty():
        raise typer.BadParameter("No terminal to ask for it: give --username or --api-key.")
    return typer.prompt("Username", err=True)


def _logout(session: Session) -> None:
    """End the session of a profile, and delete the profile."""
    from dataml.client import profiles

    name = session.options.profile
    used = profiles.profile_name(name)
    stored = profiles.load_profile(name)
    if stored is None:
        raise errors.NotSignedIn(f"There is no profile {used!r}.")
    try:
        if stored.refresh_token:
            session.api.log_out({"refresh_token": stored.refresh_token})
    except errors.ClientError as error:
        # The profile goes in any case; its session ends by itself in time.
        session.output.say(f"The platform has not ended the session: {error.detail}")
    profiles.delete_profile(name)
    session.output.say(f"The profile {used!r} is deleted.")


def _status(
    session: Session,
    platform: Annotated[
        bool,
        typer.Option(
            "--platform",
            help="Show space, the queue of jobs, the supervisor and who stores most, as an administrator of the "
            "platform.",
        ),
    ] = False,
) -> None:
    """Show the platform, whether it is healthy, and who is signed in with which permissions."""
    client = session.client
    if platform:
        found = client.api.get_platform_status()
        session.output.record(found, _flatten(found))
        return
    health = client.api.check_health()
    caller = client.whoami()
    shown: dict[str, Any] = {
        "url": client.url,
        "profile": client.profile,
        "status": health["status"],
        "message": health["message"],
        "username": caller["username"],
        "tenant_id": caller["tenant_id"],
        "roles": caller.get("roles", []),
        "permissions": caller.get("permissions", []),
    }
    session.output.record(shown)


def _flatten(answer: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the fields of an answer, those of its parts too, by names with the part in front."""
    fields: dict[str, Any] = {}
    for name, value in answer.items():
        fields |= _flatten(value, f"{prefix}{name} ") if isinstance(value, Mapping) else {prefix + name: value}
    return fields
