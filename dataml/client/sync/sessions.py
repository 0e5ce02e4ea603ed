# Generated from dataml/client/aio/sessions.py by `make client`: change that file.
"""The bearer token of each call: logs in, refreshes, and never twice at once."""

import time
from collections.abc import Callable
from typing import Any, Final

from dataml.client import profiles
from dataml.client.credentials import Credentials, Tokens
from dataml.client.errors import NotSignedIn, Unauthorized
from dataml.client.sync.runtime import Lock, run_in_thread

# Refreshed before it ends, so that no call is refused because it took long to arrive.
_MARGIN_S: Final = 20.0
# Sends a form without a token, and returns the JSON of the answer.
SendForm = Callable[[str, dict[str, str]], Any]


class Session:
    """The session of one caller."""

    def __init__(self, credentials: Credentials, send_form: SendForm) -> None:
        self._credentials = credentials
        self._send_form = send_form
        self._tokens = credentials.tokens
        self._lock = Lock()

    @property
    def tokens(self) -> Tokens | None:
        """The tokens as they are now; None before the first call, and with an API key."""
        return self._tokens

    @property
    def profile(self) -> str | None:
        """Name of the profile whose session this is; None for credentials that no profile has."""
        return self._credentials.profile

    def token(self) -> str:
        """Return the bearer token for a call.

        Raises:
            Unauthorized: The session has ended, or the password is wrong.
        """
        if self._credentials.api_key is not None:
            return self._credentials.api_key
        if not _is_fresh(self._tokens):
            self._renew(self._tokens)
        assert self._tokens is not None
        return self._tokens.access_token

    def renew_after(self, refused: str) -> bool:
        """Get another token in place of one that was refused; False where there is no other."""
        if self._credentials.api_key is not None:
            return False
        self._renew(self._tokens if self._tokens and self._tokens.access_token == refused else None)
        return True

    def _renew(self, old: Tokens | None) -> None:
        with self._lock:
            # Another call has renewed them while this one waited.
            if self._tokens is not old and _is_fresh(self._tokens):
                return
            if self._credentials.profile is not None:
                self._renew_of_profile(self._credentials.profile)
            else:
                self._log_in_or_refresh()

    def _log_in_or_refresh(self) -> None:
        if self._tokens is not None:
            try:
                self._tokens = self._refresh(self._tokens)
                return
            except Unauthorized:
                # The session has ended; a password opens another one.
                pass
        form = {"username": self._credentials.username or "", "password": self._credentials.password or ""}
        self._tokens = _read(self._send_form("/api/v1/login/access-token", form))

    def _renew_of_profile(self, name: str) -> None:
        stored = run_in_thread(profiles.load_profile, name)
        if stored is None or not stored.access_token or not stored.refresh_token:
            raise NotSignedIn(f"The profile {name!r} has no session any more: run `dataml login`.")
        tokens = Tokens(stored.access_token, stored.refresh_token, stored.expires_at)
        # Another process has refreshed them.
        if self._tokens is None or tokens.access_token == self._tokens.access_token or not _is_fresh(tokens):
            tokens = self._refresh(tokens)
            run_in_thread(profiles.save_tokens, name, tokens.access_token, tokens.refresh_token, tokens.expires_at)
        self._tokens = tokens

    def _refresh(self, tokens: Tokens) -> Tokens:
        return _read(self._send_form("/api/v1/refresh", {"refresh_token": tokens.refresh_token}))


def _is_fresh(tokens: Tokens | None) -> bool:
    return tokens is not None and time.time() < tokens.expires_at - _MARGIN_S


def _read(answer: Any) -> Tokens:
    return Tokens(answer["access_token"], answer["refresh_token"], time.time() + answer["expires_in"])
