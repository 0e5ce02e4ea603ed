"""The home: who may write and read it, the keys that sign tokens, and the free space."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dataml.access.tokens import TokenKeys, previous_of
from dataml.doctor.findings import Check, Finding, error, warning
from dataml.errors import StartupError
from dataml.settings import Settings
from dataml.storage.space import DiskSpace, format_bytes

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SECRETS: Final = ("token.key", "token.key.previous", "admin-password", "dataml.db", "run/ray.token")


def check_home(settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with the folder of the installation."""
    home = settings.root
    status = home.stat()
    if not home.is_dir():
        yield error(Check.HOME, f"{home} is no folder", "set DATAML_HOME to a folder")
        return
    if os.statvfs(home).f_flag & os.ST_RDONLY:
        yield error(Check.HOME, f"{home} is on a file system that can only be read", "mount it for writing")
    elif not os.access(home, os.W_OK | os.X_OK):
        yield error(Check.HOME, f"{home} cannot be written by this user", f"chown -R {os.geteuid()} {home}")
    yield from _check_owners(home)
    if stat.S_IMODE(status.st_mode) & _OTHERS:
        yield warning(Check.HOME, f"{home} can be entered by other users", f"chmod 700 {home}")


def _check_owners(home: Path) -> Iterator[Finding]:
    owner = home.stat().st_uid
    if owner != os.geteuid():
        advice = "start the platform as that user, or give the home to this one by chown -R"
        yield warning(Check.HOME, f"{home} belongs to user {owner}, and this is user {os.geteuid()}", advice)
    for name in ("dataml.db", "token.key", "storage", "lake", "run"):
        path = home / name
        if path.exists() and path.stat().st_uid != owner:
            message = f"{path} belongs to user {path.stat().st_uid}, and the home to user {owner}"
            yield warning(Check.HOME, message, f"chown -R {owner} {home}")


def check_keys(settings: Settings, *, has_users: bool) -> Iterator[Finding]:
    """Yield what is wrong with the keys that sign tokens, and with the modes of files that hold secrets."""
    if settings.key_file.exists() or has_users:
        try:
            TokenKeys.load(settings.key_file)
        except StartupError as refusal:
            yield error(Check.KEY, str(refusal), _key_advice(str(refusal), settings.key_file))
    for name in _SECRETS:
        path = settings.root / name
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & _OTHERS and name != "dataml.db":
            yield warning(Check.KEY, f"{path} can be read by other users", f"chmod 600 {path}")


def _key_advice(refusal: str, key_file: Path) -> str:
    if previous_of(key_file).name in refusal:
        return f"restore {previous_of(key_file).name} from a backup, or remove it: tokens of the last key end then"
    return (
        f"restore {key_file.name} from a backup; without one remove it, write 32 random bytes to it with mode 600, and "
        "let all users log in again"
    )


def check_space(settings: Settings) -> Iterator[Finding]:
    """Yield a finding when less than the reserve is free."""
    space = DiskSpace.from_settings(settings)
    if space.is_low():
        free, reserve = format_bytes(space.free_bytes()), format_bytes(space.reserve_bytes)
        message = f"{free} are free, less than the reserve of {reserve}: uploads and new jobs are refused"
        advice = "delete datasets and trainings, make the disk larger, or lower DATAML_STORAGE_RESERVE_BYTES"
        yield error(Check.SPACE, message, advice)
