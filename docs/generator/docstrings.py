"""Checks that a docstring tool understands every docstring of the platform."""

import ast
import logging
import re
from collections.abc import Iterator
from typing import Final

import griffe

from docs.generator.source import PACKAGES, ROOT

# A section whose title is not on a line of its own is plain text to the tool.
_TITLE: Final = re.compile(r"^\s*(Args|Arguments|Returns|Raises|Yields)\b\s*(:|\w+.*:\s*`)", re.MULTILINE)
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def problems(packages: tuple[str, ...] = PACKAGES) -> list[str]:
    """Return a line for each section of a docstring that is not understood."""
    found = []
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node)):
                    where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"
                    found += [f"{where}: {problem}" for problem in _problems(text)]
    return found


def _problems(text: str) -> Iterator[str]:
    for section in griffe.Docstring(text).parse("google", warnings=False):
        if section.kind is griffe.DocstringSectionKind.text:
            for match in _TITLE.finditer(section.value):
                yield f"the section {match.group(0).strip()!r} is not parsed"


def silence() -> None:
    """Keep griffe from printing what `problems` returns."""
    logging.getLogger("griffe").setLevel(logging.ERROR)
