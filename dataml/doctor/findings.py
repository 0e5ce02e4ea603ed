"""What an examination finds."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """Something does not work, or is lost."""
    WARNING = "warning"
    """Something is not as it should be, and nothing fails for it now."""


class Check(StrEnum):
    """What is examined."""

    HOME = "home"
    KEY = "key"
    SPACE = "space"
    PLATFORM = "platform"
    DATABASE = "database"
    FILES = "files"
    LAKE = "lake"


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, in words, and what to do about it."""

    severity: Severity
    check: Check
    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.severity:<8} {self.check:<9} {self.message}; {self.advice}"


def error(check: Check, message: str, advice: str) -> Finding:
    """Return the finding of something that does not work, or is lost."""
    return Finding(Severity.ERROR, check, message, advice)


def warning(check: Check, message: str, advice: str) -> Finding:
    """Return the finding of something that nothing fails for now."""
    return Finding(Severity.WARNING, check, message, advice)
