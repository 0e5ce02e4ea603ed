"""Passwords are kept as Argon2id hashes."""

import asyncio
import threading

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from dataml.access import passwords
from dataml.access.passwords import PasswordCheck, check_new, hash_password, hashing, verify_password
from dataml.errors import Invalid, TooManyRequests

pytestmark = pytest.mark.usefixtures("product_password_hashes")


def test_hash_is_argon2id_with_a_random_salt() -> None:
    hashes = [hash_password("a long password") for _ in range(2)]
    assert all(found.startswith("$argon2id$") for found in hashes)
    assert hashes[0] != hashes[1]
    assert "a long password" not in hashes[0]


@pytest.mark.parametrize(
    ("given", "fits"),
    [("größe 数据 🔑", True), ("größe 数据 🔑 ", False), ("GRÖSSE 数据 🔑", False), ("", False), ("größe", False)],
)
def test_only_the_same_password_is_verified(given: str, fits: bool) -> None:
    assert asyncio.run(verify_password(given, hash_password("größe 数据 🔑"))).is_match is fits


@pytest.mark.parametrize("password", ["no user has this password", ""])
def test_no_password_fits_an_unknown_user(password: str) -> None:
    assert asyncio.run(verify_password(password, None)) == PasswordCheck(False)


def test_verification_for_an_unknown_user_also_computes_a_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the time of an answer would tell which users there are."""
    real = passwords._hasher()
    asked: list[str] = []

    class Spy:
        def verify_and_update(self, password: bytes, password_hash: str) -> tuple[bool, str | None]:
            asked.append(password_hash)
            return real.verify_and_update(password, password_hash)

    known = hash_password("a long password")
    passwords._dummy_hash()
    monkeypatch.setattr(passwords, "_hasher", Spy)
    for password, password_hash in (("another password", known), ("another password", None), ("x" * 1025, known)):
        asyncio.run(verify_password(password, password_hash))
    parameters = [found.rsplit("$", 2)[0] for found in asked]
    assert len(parameters) == 3
    assert len(set(parameters)) == 1


def test_at_most_two_hashes_are_computed_at_once_outside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()
    running, most = 0, 0
    lock, both = threading.Lock(), threading.Barrier(2, timeout=10)

    def verify(password: str, password_hash: str) -> PasswordCheck:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            threads.add(threading.current_thread().name)
        both.wait()
        with lock:
            running -= 1
        return PasswordCheck(True)

    monkeypatch.setattr(passwords, "_verify", verify)

    async def one() -> PasswordCheck:
        async with hashing():
            return await verify_password("x", "y")

    async def storm() -> list[PasswordCheck]:
        return await asyncio.gather(*(one() for _ in range(8)))

    assert asyncio.run(storm()) == [PasswordCheck(True)] * 8
    assert most == 2
    assert threading.current_thread().name not in threads


def test_request_beyond_the_hash_queue_is_refused_and_later_ones_are_served() -> None:
    async def run() -> list[object]:
        release = asyncio.Event()

        async def hold() -> None:
            async with hashing():
                await release.wait()

        holding = [asyncio.create_task(hold()) for _ in range(passwords._MAX_CONCURRENCY + passwords._MAX_WAITING + 3)]
        await asyncio.wait(holding, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
        refused = [task.exception() for task in holding if task.done()]
        release.set()
        await asyncio.wait(holding)
        async with hashing():
            return list(refused)

    refused = asyncio.run(run())
    assert len(refused) == 3
    for error in refused:
        assert isinstance(error, TooManyRequests)
        assert error.headers == {"Retry-After": "5"}


@pytest.mark.parametrize("password", ["x" * 11, "x" * 1025, "", "é" * 513, "x" * 1_000_000])
def test_password_that_is_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_new(password)
    assert caught.value.code == "bad_password"


@pytest.mark.parametrize("password", ["x" * 12, "x" * 1024, "é" * 6, "Password123!", "\0" * 12, "\ud800" * 4])
def test_password_may_contain_any_other_characters(password: str) -> None:
    check_new(password)
    assert asyncio.run(verify_password(password, hash_password(password))).is_match


def test_unicode_forms_of_a_letter_are_the_same_password() -> None:
    assert asyncio.run(verify_password("cafe\u0301 au lait", hash_password("caf\u00e9 au lait"))).is_match


def test_hash_of_older_parameters_needs_a_rehash() -> None:
    older = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)).hash("a long password")
    check = asyncio.run(verify_password("a long password", older))
    assert check.is_match
    assert check.better_hash is not None
    assert asyncio.run(verify_password("a long password", check.better_hash)) == PasswordCheck(True)
    assert asyncio.run(verify_password("another password", older)) == PasswordCheck(False)
