"""Access tokens and refresh tokens, and the two keys behind them.

An access token is an HS256 JWT that names a session. A refresh token is opaque and stored as a hash; its successor is
computed from it with the key (HMAC-SHA256), so that a repeated request gives the same successor, and nobody without the
key can predict it.

The current key signs; tokens of both keys are accepted. Keys are files: `token.key`, and `token.key.previous` after a
rotation.
"""

import hashlib
import hmac
import json
import logging
import os
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jwt
from jwt.utils import base64url_decode

from dataml.errors import StartupError, Unauthorized

ISSUER: Final = "dataml"
AUDIENCE: Final = "dataml-api"
CALLBACK_AUDIENCE: Final = "dataml-callback"
KEY_BYTES: Final = 32
MAX_TOKEN_CHARACTERS: Final = 2048
_REQUIRED: Final = ["iss", "aud", "sub", "jti", "typ", "iat", "exp"]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claims:
    """The claims of a valid access token: ids of user and session; `expires_at` in seconds since 1970."""

    user_id: int
    session_id: int
    expires_at: int


@dataclass(frozen=True)
class CallbackClaims:
    """The claims of a valid callback token: one attempt at one job, and the user who asked for the token."""

    user_id: int
    job_id: int
    attempt: int


def write_secret(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file of mode 0600 atomically: a crash leaves no damaged secret.

    Raises:
        FileExistsError: there is one already, and it is not to be replaced.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if replace:
        unfinished.rename(path)
        return
    try:
        os.link(unfinished, path)
    finally:
        unfinished.unlink()


def hash_of(secret: str) -> str:
    """Return the SHA-256 under which an opaque secret of 32 random bytes is stored; such a secret cannot be guessed."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def new_secret() -> str:
    """Return a new opaque secret of 32 random bytes."""
    return secrets.token_urlsafe(KEY_BYTES)


class TokenKeys:
    """The keys that sign and verify tokens: the current one and its predecessor, reloaded when their files change."""

    def __init__(self, current: bytes, previous: bytes | None = None) -> None:
        self._path: Path | None = None
        self._stamp: object = None
        self._reported_stamp: object = ()
        self._set(current, previous)

    @classmethod
    def load(cls, path: Path) -> "TokenKeys":
        """Read the keys from their files.

        Raises:
            StartupError: a file is missing or damaged. No new key is made then: it would end every session.
        """
        # Before the files: a rotation in between is then noticed at the next use.
        stamp = _stamp(path)
        keys = cls(*_read(path))
        keys._path, keys._stamp = path, stamp
        return keys

    @staticmethod
    def create(path: Path) -> None:
        """Make the key file, readable by its owner only."""
        write_secret(path, secrets.token_bytes(KEY_BYTES))

    @staticmethod
    def rotate(path: Path) -> None:
        """Replace the current key by a new one; the current one becomes the previous, and the previous one is gone.

        Running replicas reload the keys by themselves.

        Raises:
            StartupError: a file is missing or damaged.
        """
        current, _ = _read(path)
        # In this order, a crash between the two leaves the current key in both files.
        write_secret(previous_of(path), current, replace=True)
        write_secret(path, secrets.token_bytes(KEY_BYTES), replace=True)

    def sign(self, user_id: int, session_id: int, lifetime_s: int) -> str:
        """Return a new access token."""
        claims = {"sub": str(user_id), "sid": str(session_id), "typ": "access"}
        return self._encode(AUDIENCE, claims, int(time.time()) + lifetime_s)

    def sign_callback(self, claims: CallbackClaims, expires_at: int) -> str:
        """Return a token with which a worker outside the cluster can report one attempt at one job, and nothing else.

        Its audience differs: it is never accepted as an access token, and no access token is accepted in its place.
        """
        named = {"sub": str(claims.user_id), "job": str(claims.job_id), "attempt": str(claims.attempt)}
        return self._encode(CALLBACK_AUDIENCE, {**named, "typ": "callback"}, expires_at)

    def read(self, token: str) -> Claims:
        """Verify an access token and return its claims.

        Raises:
            Unauthorized: `token_expired`, or `invalid_token` for any other reason.
        """
        user_id, session_id, expires_at = self._decode(token, AUDIENCE, "access", ("sub", "sid", "exp"))
        return Claims(user_id, session_id, expires_at)

    def read_callback(self, token: str) -> CallbackClaims:
        """Verify a callback token and return its claims.

        Raises:
            Unauthorized: as `read`.
        """
        return CallbackClaims(*self._decode(token, CALLBACK_AUDIENCE, "callback", ("sub", "job", "attempt")))

    def successors(self, refresh_token: str) -> list[str]:
        """Return the successor of a refresh token under each key, the current key first."""
        self._reload_if_changed()
        return [_successor(key, refresh_token) for key in self._keys.values()]

    def digests(self, content: bytes) -> list[str]:
        """Return a digest of `content` under each key, the current key first: nobody else can tell what it is of."""
        self._reload_if_changed()
        return [hmac.new(key, b"digest" + content, "sha256").hexdigest() for key in self._keys.values()]

    def _encode(self, audience: str, claims: dict[str, str], expires_at: int) -> str:
        self._reload_if_changed()
        times = {"iat": int(time.time()), "exp": expires_at}
        whole = {"iss": ISSUER, "aud": audience, "jti": secrets.token_hex(8), **claims, **times}
        return jwt.encode(whole, self._current, algorithm="HS256", headers={"kid": self._kid})

    def _decode(self, token: str, audience: str, kind: str, names: tuple[str, ...]) -> list[int]:
        """Verify a token and return these claims of it, each an id or a time."""
        try:
            claims = jwt.decode(
                token,
                self._key_of(token),
                algorithms=["HS256"],
                audience=audience,
                issuer=ISSUER,
                # A clock that was set back makes no token of the minutes before it invalid.
                options={"require": [*_REQUIRED, *names], "verify_iat": False},
            )
            numbers = [int(claims[name]) for name in names]
            if claims["typ"] != kind or not all(0 < number < 2**63 for number in numbers):
                raise jwt.InvalidTokenError(f"not of the kind {kind}")
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized("The token has expired; refresh it or log in again.", code="token_expired") from error
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Unauthorized("The token is not valid.", code="invalid_token") from error
        return numbers

    def _key_of(self, token: str) -> bytes:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise jwt.InvalidTokenError("too long")
        # PyJWT's function for the header decodes the whole token a second time.
        header = json.loads(base64url_decode(token.partition(".")[0]))
        if not isinstance(header, dict):
            raise jwt.InvalidTokenError("no header")
        # No extension is implemented, so a token that requires one is refused (RFC 7515, 4.1.11).
        if "crit" in header:
            raise jwt.InvalidTokenError("an unknown critical header")
        kid = header.get("kid")
        # A key that was rotated away may have leaked: it must be dropped at once.
        self._reload_if_changed()
        if not isinstance(kid, str) or kid not in self._keys:
            raise jwt.InvalidTokenError("another key")
        return self._keys[kid]

    def _reload_if_changed(self) -> None:
        """Reload the keys if their files have changed."""
        if self._path is None or (stamp := _stamp(self._path)) == self._stamp:
            return
        try:
            self._set(*_read(self._path))
            self._stamp = stamp
        except StartupError as error:
            if stamp != self._reported_stamp:
                log.error("%s; the loaded keys stay in use", error)
            self._reported_stamp = stamp

    def _set(self, current: bytes, previous: bytes | None) -> None:
        self._current, self._kid = current, _kid(current)
        self._keys = {_kid(key): key for key in (current, previous) if key is not None}


def previous_of(path: Path) -> Path:
    """Return the path of the previous key."""
    return path.with_name(f"{path.name}.previous")


def _read(path: Path) -> tuple[bytes, bytes | None]:
    previous = previous_of(path)
    return _read_key(path), _read_key(previous) if previous.exists() else None


def _read_key(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except OSError as error:
        raise StartupError(f"the token key {path.name} cannot be read: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        raise StartupError(f"the token key {path.name} is damaged: {len(key)} bytes instead of {KEY_BYTES}")
    return key


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _kid(key: bytes) -> str:
    return hashlib.sha256(b"kid" + key).hexdigest()[:16]


def _successor(key: bytes, refresh_token: str) -> str:
    digest = hmac.digest(key, b"refresh" + refresh_token.encode(errors="replace"), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
