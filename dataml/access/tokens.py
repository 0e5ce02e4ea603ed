"""Access tokens: HS256 JWTs signed with the platform's own key, and the key file itself."""

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import jwt

from dataml.errors import StartupError, Unauthorized

ISSUER = "dataml"
AUDIENCE = "dataml-api"
_KEY_BYTES = 32
_REQUIRED = ["iss", "aud", "sub", "sid", "jti", "typ", "iat", "exp"]


@dataclass(frozen=True)
class Claims:
    """What a good access token says: user and session, by id."""

    user_id: int
    session_id: int
    expires_at: int


def write_secret(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600, whole or not at all: a crash half-way leaves no damaged secret.

    Raises:
        FileExistsError: there is one already.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(unfinished, path)
    finally:
        unfinished.unlink()


class TokenKey:
    """Signs and reads access tokens with one symmetric key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path) -> "TokenKey":
        """Raises:
        StartupError: the file is missing or damaged. A new key is never made silently: it would end every session.
        """
        try:
            key = path.read_bytes()
        except OSError as error:
            raise StartupError(f"the token key {path.name} cannot be read: {error.strerror}") from error
        if len(key) != _KEY_BYTES:
            raise StartupError(f"the token key {path.name} is damaged: {len(key)} bytes instead of {_KEY_BYTES}")
        return cls(key)

    @staticmethod
    def create(path: Path) -> None:
        """Make the key file, readable by its owner only."""
        write_secret(path, secrets.token_bytes(_KEY_BYTES))

    def sign(self, user_id: int, session_id: int, lifetime_s: int) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": secrets.token_hex(8),
            "typ": "access",
            "iat": now,
            "exp": now + lifetime_s,
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def read(self, token: str) -> Claims:
        """Raises:
        Unauthorized: `token_expired` or `invalid_token`, whatever else is wrong with it.
        """
        try:
            claims = jwt.decode(
                token, self._key, algorithms=["HS256"], audience=AUDIENCE, issuer=ISSUER, options={"require": _REQUIRED}
            )
            if claims["typ"] != "access":
                raise jwt.InvalidTokenError("not an access token")
            return Claims(int(claims["sub"]), int(claims["sid"]), int(claims["exp"]))
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized("The token has expired; log in again.", code="token_expired") from error
        except (jwt.InvalidTokenError, ValueError, TypeError) as error:
            raise Unauthorized("The token is not valid.", code="invalid_token") from error
