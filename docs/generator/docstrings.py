"""Checks that a docstring tool understands every docstring of the platform."""

import logging
import re
from collections.abc import Iterator
from typing import Final

import griffe

from docs.generator.source import PACKAGES, ROOT

# A section whose title does not stand on a line of its own above an indented block is plain text to the tool.
_TITLE: Final = re.compile(r"^\s*(Args|Arguments|Returns|Raises|Yields)\b\s*(:|\w+.*:\s*`)", re.MULTILINE)


def problems() -> list[str]:
    """Return a line for each section of a docstring that is not understood, or does not fit what it describes."""
    complaints = _Complaints()
    logging.getLogger("griffe").handlers = [complaints]
    for package in PACKAGES:
        module = griffe.load(package, search_paths=[ROOT], docstring_parser="google")
        assert isinstance(module, griffe.Module)
        complaints.lines += [line for member in _members(module) for line in _unparsed(member)]
    return sorted(set(complaints.lines))


class _Complaints(logging.Handler):
    """Keeps what griffe says of docstrings instead of printing it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _members(member: griffe.Object) -> Iterator[griffe.Object]:
    yield member
    for inner in member.members.values():
        if isinstance(inner, griffe.Object):
            yield from _members(inner)


def _unparsed(member: griffe.Object) -> Iterator[str]:
    docstring = member.docstring
    for section in docstring.parse("google", warn_missing_types=False) if docstring else ():
        if section.kind is griffe.DocstringSectionKind.text:
            for match in _TITLE.finditer(section.value):
                where = f"{member.relative_filepath}:{member.lineno}"
                yield f"{where}: the section {match.group(0).strip()!r} of {member.path} is not parsed"
