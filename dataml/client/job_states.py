"""The states of a job."""

from typing import Final

ENDED: Final = ("succeeded", "failed", "cancelled")
"""Those of a job that has ended."""
