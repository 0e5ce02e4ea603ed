"""A whole platform without Ray, served over HTTP to a real browser."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dataml.settings import Settings
from tests.conftest import Platform, run_platform
from tests.fuzz.__main__ import served

T = TypeVar("T")


@dataclass(frozen=True)
class Site:
    """A platform and its address."""

    platform: Platform
    url: str


@contextmanager
def open_site(settings: Settings, migrated_database: Path) -> Iterator[Site]:
    """Serve a new platform until the block ends."""
    with run_platform(settings, migrated_database) as platform, served(platform) as (url, _):
        yield Site(platform, url)


@contextmanager
def in_thread(context: AbstractContextManager[T]) -> Iterator[T]:
    """Enter and leave a context in a thread of its own.

    Playwright runs an event loop in the thread of the tests, where a platform cannot start one.
    """
    with ThreadPoolExecutor(1) as thread:
        value = thread.submit(context.__enter__).result()
        try:
            yield value
        finally:
            thread.submit(context.__exit__, None, None, None).result()
