"""Password hashes: Argon2id through pwdlib, off the event loop and at most two at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from pwdlib import PasswordHash


@cache
def _threads() -> ThreadPoolExecutor:
    # One hash takes 64 MiB and a core for some 50 ms: a storm of logins must not take the machine.
    return ThreadPoolExecutor(2, thread_name_prefix="password")


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _dummy_hash() -> str:
    return _hasher().hash("no user has this password")


def hash_password(password: str) -> str:
    return _hasher().hash(password)


async def verify_password(password: str, password_hash: str | None) -> bool:
    """True when `password` fits; with no hash (an unknown user) it takes the same time and says False."""
    matches = await asyncio.get_running_loop().run_in_executor(_threads(), _verify, password, password_hash)
    return matches and password_hash is not None


def _verify(password: str, password_hash: str | None) -> bool:
    return _hasher().verify(password, password_hash or _dummy_hash())
