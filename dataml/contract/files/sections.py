"""Parts of a file that can be read by themselves."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Section:
    """A part of a file that can be read by itself: whole rows from `start` up to `stop`, or to the end.

    In an uncompressed CSV these are byte positions, in a Parquet file numbers of row groups.
    """

    start: int = 0
    stop: int | None = None


WHOLE_FILE: Final = Section()
