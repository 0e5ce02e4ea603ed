"""Who the client is where no argument says it: profiles in a file that only its owner may read.

`dataml login` writes a profile, and every later call of the client or the command line reads it.
"""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from dataml.client.errors import NotSignedIn

DEFAULT_PROFILE: Final = "default"
_FILE: Final = "profiles.json"


@dataclass(frozen=True)
class Profile:
    """A platform, and the credentials of one user of it: an API key, or the tokens of a session.

    `expires_at` is when the access token expires, in seconds since 1970.
    """

    url: str
    username: str | None = None
    api_key: str | None = None
    access_token: str | None = None
    refresh_token: str | None = None
    expires_at: float = 0.0
    verify: bool | str = True

    def __repr__(self) -> str:
        return f"Profile(url={self.url!r}, username={self.username!r})"


def profiles_file() -> Path:
    """Return the file of all profiles: `$XDG_CONFIG_HOME/dataml/profiles.json`, by default under `~/.config`."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "dataml" / _FILE


def profile_name(name: str | None = None) -> str:
    """Return the name of the profile to use: the argument, else `DATAML_PROFILE`, else `default`."""
    return name or os.environ.get("DATAML_PROFILE") or DEFAULT_PROFILE


def list_profiles() -> dict[str, Profile]:
    """Return all profiles by name.

    Raises:
        NotSignedIn: `bad_profiles`: the file cannot be read.
    """
    try:
        stored: dict[str, dict[str, Any]] = json.loads(profiles_file().read_text())
        known = {field.name for field in fields(Profile)}
        return {name: Profile(**{k: v for k, v in each.items() if k in known}) for name, each in stored.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        detail = f"{profiles_file()} cannot be read ({error}); remove it, and run `dataml login`."
        raise NotSignedIn(detail, code="bad_profiles") from error


def load_profile(name: str | None = None) -> Profile | None:
    """Return a profile, or None where there is none of this name."""
    return list_profiles().get(profile_name(name))


def save_profile(profile: Profile, name: str | None = None) -> Path:
    """Write a profile, in place of the one that had the name, and return the file."""
    return _write({**list_profiles(), profile_name(name): profile})


def save_tokens(name: str, access_token: str, refresh_token: str, expires_at: float) -> None:
    """Keep the new tokens of the session of a profile; of one that was deleted meanwhile they are not kept."""
    profile = load_profile(name)
    if profile is not None:
        tokens = {"access_token": access_token, "refresh_token": refresh_token, "expires_at": expires_at}
        save_profile(replace(profile, **tokens), name)


def delete_profile(name: str | None = None) -> bool:
    """Delete a profile, and return whether there was one."""
    profiles = list_profiles()
    found = profiles.pop(profile_name(name), None)
    if found is not None:
        _write(profiles)
    return found is not None


def _write(profiles: dict[str, Profile]) -> Path:
    path = profiles_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A reader sees the old file or the new one, and a temporary file has the mode 0600 from its begin.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_FILE)
    try:
        with os.fdopen(handle, "w") as file:
            json.dump({name: asdict(profile) for name, profile in profiles.items()}, file, indent=1)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
