"""Password hashes: Argon2id through pwdlib, off the event loop and at most two at once."""

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

from pwdlib import PasswordHash

from dataml.concurrency import ConcurrencyLimiter, Slot
from dataml.errors import Invalid, TooManyRequests

MIN_BYTES: Final = 12
MAX_BYTES: Final = 1024
_MAX_CONCURRENCY: Final = 2
_MAX_WAITING: Final = 120


@dataclass(frozen=True)
class PasswordCheck:
    """Whether a password matches, and a new hash when the stored one has older parameters."""

    is_match: bool
    better_hash: str | None = None


_limiter: Final = ConcurrencyLimiter(
    max_concurrency=_MAX_CONCURRENCY,
    max_waiting=_MAX_WAITING,
    rejection=partial(
        TooManyRequests,
        "Too many logins are waiting; try again in a moment.",
        code="too_many_logins",
        headers={"Retry-After": "5"},
    ),
)


def hashing() -> AbstractAsyncContextManager[Slot]:
    """Hold one of the two slots for hashing; many logins at once wait here and leave the machine to other calls.

    Raises:
        TooManyRequests: `too_many_logins`: the queue is full.
    """
    return _limiter.acquire()


def check_new(password: str) -> None:
    """Refuse a new password that is too short or too long.

    Raises:
        Invalid: `bad_password`.
    """
    if _is_too_long(password) or len(_bytes(password)) < MIN_BYTES:
        raise Invalid(f"A password has {MIN_BYTES} to {MAX_BYTES:,} bytes.", code="bad_password")


def hash_password(password: str) -> str:
    """Hash a password; blocks for about 50 ms."""
    return _hasher().hash(_bytes(password))


async def hash_new(password: str) -> str:
    """Hash a new password, off the event loop and within `hashing()`.

    Raises:
        Invalid: `bad_password`.
    """
    check_new(password)
    async with hashing():
        return await asyncio.get_running_loop().run_in_executor(_threads(), hash_password, password)


async def verify_password(password: str, password_hash: str | None) -> PasswordCheck:
    """Return whether a password matches a hash; to be called within `hashing()`.

    Without a hash (an unknown user), or for a password that no user can have, it takes as long, and does not match.
    """
    if _is_too_long(password):
        password, password_hash = "", None
    return await asyncio.get_running_loop().run_in_executor(_threads(), _verify, password, password_hash)


def _verify(password: str, password_hash: str | None) -> PasswordCheck:
    # It is hashed once in a process, at the first login, whoever that is.
    dummy = _dummy_hash()
    is_match, better_hash = _hasher().verify_and_update(_bytes(password), password_hash or dummy)
    return PasswordCheck(is_match, better_hash) if password_hash is not None else PasswordCheck(False)


def _is_too_long(password: str) -> bool:
    # Normalising a long text may take minutes, and it shortens none to a quarter.
    return len(password) > 4 * MAX_BYTES or len(_bytes(password)) > MAX_BYTES


def _bytes(password: str) -> bytes:
    # One accented letter has two spellings in Unicode, and keyboards differ in which they send (RFC 8265).
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")


@cache
def _threads() -> ThreadPoolExecutor:
    # One hash takes 64 MiB and a core for some 50 ms.
    return ThreadPoolExecutor(_MAX_CONCURRENCY, thread_name_prefix="password")


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _dummy_hash() -> str:
    return _hasher().hash("no user has this password")
