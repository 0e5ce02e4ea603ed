"""Passwords are kept as Argon2id hashes."""

import asyncio
import threading

import pytest

from dataml.access import passwords
from dataml.access.passwords import hash_password, verify_password


def test_a_hash_is_argon2id_and_never_the_same_twice() -> None:
    hashes = [hash_password("a long password") for _ in range(2)]
    assert all(found.startswith("$argon2id$") for found in hashes)
    assert hashes[0] != hashes[1]
    assert "a long password" not in hashes[0]


@pytest.mark.parametrize(
    ("given", "fits"),
    [("größe 数据 🔑", True), ("größe 数据 🔑 ", False), ("GRÖSSE 数据 🔑", False), ("", False), ("größe", False)],
)
def test_only_the_same_password_fits(given: str, fits: bool) -> None:
    assert asyncio.run(verify_password(given, hash_password("größe 数据 🔑"))) is fits


@pytest.mark.parametrize("password", ["no user has this password", ""])
def test_an_unknown_user_has_no_password(password: str) -> None:
    assert asyncio.run(verify_password(password, None)) is False


def test_an_unknown_user_costs_a_hash_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the time of an answer would tell which users there are."""
    real = passwords._hasher()
    asked: list[str] = []

    class Spy:
        def verify(self, password: str, password_hash: str) -> bool:
            asked.append(password_hash)
            return real.verify(password, password_hash)

    known = hash_password("a long password")
    passwords._dummy_hash()
    monkeypatch.setattr(passwords, "_hasher", Spy)
    for password_hash in (known, None):
        asyncio.run(verify_password("another password", password_hash))
    parameters = [found.rsplit("$", 2)[0] for found in asked]
    assert len(parameters) == 2
    assert parameters[0] == parameters[1]


def test_at_most_two_hashes_are_computed_at_once_and_none_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()
    running, most = 0, 0
    lock, both = threading.Lock(), threading.Barrier(2, timeout=10)

    def verify(password: str, password_hash: str | None) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            threads.add(threading.current_thread().name)
        both.wait()
        with lock:
            running -= 1
        return True

    monkeypatch.setattr(passwords, "_verify", verify)

    async def storm() -> list[bool]:
        return await asyncio.gather(*(verify_password("x", "y") for _ in range(8)))

    assert asyncio.run(storm()) == [True] * 8
    assert most == 2
    assert threading.current_thread().name not in threads
