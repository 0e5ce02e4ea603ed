"""Access tokens and refresh tokens, and the two keys behind them.

An access token is an HS256 JWT that names a session. A refresh token is opaque and stored as a hash; its successor is
computed from it with the key (HMAC-SHA256), so that asking twice gives the same successor, and nobody without the key
can foresee it.

The newer key signs, both are read. Keys are files: `token.key`, and `token.key.previous` after a rotation.
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
    """What a good access token says: user and session, by id."""

    user_id: int
    session_id: int
    expires_at: int


@dataclass(frozen=True)
class CallbackClaims:
    """What a good callback token says: one attempt at one job, and the user who has answered for it."""

    user_id: int
    job_id: int
    attempt: int


def write_secret(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file of mode 0600, whole or not at all: a crash half-way leaves no damaged secret.

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
    """How an opaque secret of 32 random bytes is stored: SHA-256, for there is nothing to guess."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def new_secret() -> str:
    return secrets.token_urlsafe(KEY_BYTES)


class TokenKeys:
    """Signs with the current key, reads with the current and the previous one, and follows a rotation of the files."""

    def __init__(self, current: bytes, previous: bytes | None = None) -> None:
        self._path: Path | None = None
        self._stamp: object = None
        self._complained: object = ()
        self._take(current, previous)

    @classmethod
    def load(cls, path: Path) -> "TokenKeys":
        """Raises:
        StartupError: a file is missing or damaged. A new key is never made silently: it would end every session.
        """
        # Before the files: a rotation meanwhile is then noticed later.
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
        """Put a new key in the place of the current one, which becomes the previous; the previous one is gone. Running
        replicas follow by themselves.

        Raises:
            StartupError: a file is missing or damaged.
        """
        current, _ = _read(path)
        # In this order a crash between the two leaves one key twice.
        write_secret(previous_of(path), current, replace=True)
        write_secret(path, secrets.token_bytes(KEY_BYTES), replace=True)

    def sign(self, user_id: int, session_id: int, lifetime_s: int) -> str:
        """A new access token."""
        claims = {"sub": str(user_id), "sid": str(session_id), "typ": "access"}
        return self._encode(AUDIENCE, claims, int(time.time()) + lifetime_s)

    def sign_callback(self, claims: CallbackClaims, expires_at: int) -> str:
        """A token that lets a worker outside the cluster report one attempt at one job, and do nothing else. Its
        audience is another one: it is never an access token, and no access token is one of these."""
        named = {"sub": str(claims.user_id), "job": str(claims.job_id), "attempt": str(claims.attempt)}
        return self._encode(CALLBACK_AUDIENCE, {**named, "typ": "callback"}, expires_at)

    def read(self, token: str) -> Claims:
        """Raises:
        Unauthorized: `token_expired`, or `invalid_token` whatever else is wrong with it.
        """
        user_id, session_id, expires_at = self._decode(token, AUDIENCE, "access", ("sub", "sid", "exp"))
        return Claims(user_id, session_id, expires_at)

    def read_callback(self, token: str) -> CallbackClaims:
        """Raises:
        Unauthorized: as `read`.
        """
        return CallbackClaims(*self._decode(token, CALLBACK_AUDIENCE, "callback", ("sub", "job", "attempt")))

    def successors(self, refresh_token: str) -> list[str]:
        """The refresh token that follows this one; with each key, the current first."""
        self._follow()
        return [_successor(key, refresh_token) for key in self._keys.values()]

    def _encode(self, audience: str, claims: dict[str, str], expires_at: int) -> str:
        self._follow()
        times = {"iat": int(time.time()), "exp": expires_at}
        whole = {"iss": ISSUER, "aud": audience, "jti": secrets.token_hex(8), **claims, **times}
        return jwt.encode(whole, self._current, algorithm="HS256", headers={"kid": self._kid})

    def _decode(self, token: str, audience: str, kind: str, names: tuple[str, ...]) -> list[int]:
        """The numbers that these claims of a good token hold, each of them an id or a time."""
        try:
            claims = jwt.decode(
                token,
                self._key_of(token),
                algorithms=["HS256"],
                audience=audience,
                issuer=ISSUER,
                options={"require": [*_REQUIRED, *names]},
            )
            found = [int(claims[name]) for name in names]
            if claims["typ"] != kind or not all(0 < number < 2**63 for number in found):
                raise jwt.InvalidTokenError(f"not of the kind {kind}")
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized("The token has expired; refresh it or log in again.", code="token_expired") from error
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Unauthorized("The token is not valid.", code="invalid_token") from error
        return found

    def _key_of(self, token: str) -> bytes:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise jwt.InvalidTokenError("too long")
        # PyJWT's own way to the header decodes the whole token, a second time.
        header = json.loads(base64url_decode(token.partition(".")[0]))
        if not isinstance(header, dict):
            raise jwt.InvalidTokenError("no header")
        # No extension is understood here, so none that must be understood is accepted (RFC 7515, 4.1.11).
        if "crit" in header:
            raise jwt.InvalidTokenError("an unknown critical header")
        kid = header.get("kid")
        # A key that was rotated away may be one that has leaked: it must not be read for a moment longer.
        self._follow()
        if not isinstance(kid, str) or kid not in self._keys:
            raise jwt.InvalidTokenError("another key")
        return self._keys[kid]

    def _follow(self) -> None:
        """Take the keys from their files again, if these have changed."""
        if self._path is None or (stamp := _stamp(self._path)) == self._stamp:
            return
        try:
            self._take(*_read(self._path))
            self._stamp = stamp
        except StartupError as error:
            if stamp != self._complained:
                log.error("%s; the keys of before stay in use", error)
            self._complained = stamp

    def _take(self, current: bytes, previous: bytes | None) -> None:
        self._current, self._kid = current, _kid(current)
        self._keys = {_kid(key): key for key in (current, previous) if key is not None}


def previous_of(path: Path) -> Path:
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
