"""Where the address and the credentials of a client come from."""

import os
from dataclasses import dataclass, field
from typing import Final

from dataml.client import profiles
from dataml.client.errors import NotSignedIn

DEFAULT_URL: Final = "http://127.0.0.1:8000"


@dataclass
class Tokens:
    """The tokens of a session; `expires_at` is in seconds since 1970."""

    access_token: str
    refresh_token: str
    expires_at: float


@dataclass
class Credentials:
    """Who calls which platform: one of an API key, a name with a password, or the session of a profile."""

    url: str
    api_key: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    profile: str | None = None
    tokens: Tokens | None = field(default=None, repr=False)
    verify: bool | str | None = None


def resolve(
    url: str | None = None,
    username: str | None = None,
    password: str | None = None,
    api_key: str | None = None,
    profile: str | None = None,
) -> Credentials:
    """Return the credentials that the arguments name, else the environment, else the profile.

    A profile is used for its own platform only: its secrets are never sent to another address.

    Raises:
        NotSignedIn: Nothing says who calls, or the arguments are not whole.
    """
    if (username is None) != (password is None):
        raise NotSignedIn("Give both a username and a password.", code="incomplete_credentials")
    if username is not None and api_key is not None:
        raise NotSignedIn("Give either a username with its password or an API key.", code="ambiguous_credentials")
    named_url = url or (os.environ.get("DATAML_URL") if profile is None else None)
    if username is not None or api_key is not None:
        return Credentials(_clean(named_url or DEFAULT_URL), api_key, username, password)
    if profile is None and (key := os.environ.get("DATAML_API_KEY")):
        return Credentials(_clean(named_url or _profile_url() or DEFAULT_URL), key)
    return _from_profile(named_url, profile)


def _from_profile(url: str | None, name: str | None) -> Credentials:
    stored = profiles.load_profile(name)
    used = profiles.profile_name(name)
    if stored is None:
        detail = f"There is no profile {used!r}: run `dataml login`, or give credentials to `connect`."
        raise NotSignedIn(detail)
    if url is not None and _clean(url) != _clean(stored.url):
        detail = f"The profile {used!r} is of {stored.url}, not of {url}: run `dataml login`, or give credentials."
        raise NotSignedIn(detail, code="other_platform")
    tokens = None
    if stored.access_token and stored.refresh_token:
        tokens = Tokens(stored.access_token, stored.refresh_token, stored.expires_at)
    if tokens is None and not stored.api_key:
        raise NotSignedIn(f"The profile {used!r} has no session: run `dataml login`.")
    return Credentials(
        _clean(stored.url), stored.api_key, stored.username, profile=used, tokens=tokens, verify=stored.verify
    )


def _profile_url() -> str | None:
    stored = profiles.load_profile()
    return stored.url if stored else None


def _clean(url: str) -> str:
    url = url.strip().rstrip("/")
    return url if "://" in url else f"http://{url}"
