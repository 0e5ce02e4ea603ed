"""Ids in chunks: one statement takes a limited number of parameters."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")
_SIZE: Final = 500


def chunks(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """Return the ids in their order, as many at a time as one statement takes."""
    for start in range(0, len(ids), _SIZE):
        yield ids[start : start + _SIZE]
