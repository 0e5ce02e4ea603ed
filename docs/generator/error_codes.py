"""Collects every error code of the platform from its source, with its status and its sentences."""

import ast
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from dataml import errors
from docs.generator.source import Site, Source, parameters, sentence

# What carries a code: an error's own, the rule that a cell breaks, the noun of `<noun>_not_found`.
_PARAMETERS: Final = frozenset({"code", "rule", "noun"})
_ERRORS: Final = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.DatamlError)
}
_MAX_SENTENCES: Final = 3


@dataclass
class CodeRow:
    """One code: its HTTP statuses (none for what is only told of a job or a cell), and what its errors say."""

    code: str
    statuses: set[int] = field(default_factory=set)
    sentences: list[str] = field(default_factory=list)
    packages: set[str] = field(default_factory=set)
    is_rule: bool = False


@cache
def collect() -> tuple[CodeRow, ...]:
    """Return all codes in alphabetical order.

    Raises:
        LookupError: A place in the source makes a code of parts that cannot be read from the source.
    """
    source = Source(_PARAMETERS)
    rows: dict[str, CodeRow] = {}
    for kind in _ERRORS.values():
        row = rows.setdefault(kind.default_code, CodeRow(kind.default_code))
        row.statuses.add(kind.status)
    for site in source.sites:
        node = source.argument(site)
        if node is None or (site.function is not None and "noun" in parameters(site.function)):
            continue  # What gets a noun passes it on: it is read where that is called.
        codes = source.values(node, site)
        if not codes and isinstance(node, ast.JoinedStr):
            raise LookupError(f"{site.package}, line {site.call.lineno}: no code in {ast.unparse(site.call)}")
        for code in codes:
            _add(rows, code, node, site, source)
    for code, text, package in source.pairs:
        rows.setdefault(code, CodeRow(code, sentences=[text], packages={package}, is_rule=True))
    return tuple(rows[code] for code in sorted(rows))


def _add(rows: dict[str, CodeRow], code: str, node: ast.expr, site: Site, source: Source) -> None:
    parameter = source.parameter(site)
    # The noun of a row that is looked up by its id; other calls of the same names pass none.
    text = sentence(site, node)
    if parameter == "noun":
        text = f"There is no {code} with this id."
        code = f"{code.replace(' ', '_')}_not_found"
    row = rows.setdefault(code, CodeRow(code))
    row.packages.add(site.package)
    row.is_rule |= parameter == "rule"
    status = _status(site, parameter, source)
    if status is not None:
        row.statuses.add(status)
    if text and text not in row.sentences and len(row.sentences) < _MAX_SENTENCES:
        row.sentences.append(text)


def _status(site: Site, parameter: str | None, source: Source) -> int | None:
    """Return the status of the error that a call makes, itself or in the function that it calls."""
    if parameter == "rule" or site.callee == "JobFailure":
        return None
    if parameter == "noun":
        return errors.NotFound.status
    kind = _ERRORS.get(site.callee)
    if kind is not None:
        return kind.status
    for function in source.functions(site.callee):
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            if name in _ERRORS:
                return _ERRORS[name].status
    # One field of several: they are answered together.
    return errors.InvalidFields.status


def page() -> str:
    """Return the tables of codes as Markdown."""
    rows = collect()
    answers = [row for row in rows if row.statuses]
    others = [row for row in rows if not row.statuses and not row.is_rule]
    lines = ["| code | status | what it says | raised in |", "|---|---|---|---|"]
    for row in answers:
        statuses = ", ".join(str(status) for status in sorted(row.statuses))
        lines.append(f"| `{row.code}` | {statuses} | {_cell(row)} | {_packages(row)} |")
    lines += ["", "## Codes of a job alone", "", "A job fails with these; no call is answered with them.", ""]
    lines += ["| code | what it says | raised in |", "|---|---|---|"]
    lines += [f"| `{row.code}` | {_cell(row)} | {_packages(row)} |" for row in others]
    lines += [
        "",
        "## Rules of a cell",
        "",
        "`GET /dataset/error-report` names these as `rule`, and a prediction as the",
    ]
    lines += ["`type` of a wrong feature.", "", "| rule | what it says |", "|---|---|"]
    lines += [f"| `{row.code}` | {_cell(row)} |" for row in rows if row.is_rule]
    return "\n".join(lines)


def _cell(row: CodeRow) -> str:
    # A sentence that is made when the program runs has no words here.
    texts = [text for text in row.sentences if re.search(r"\w", text)]
    fallback = row.code.replace("_", " ") if row.is_rule else "The sentence names the case."
    return "<br>".join(" ".join(text.split()).replace("|", "\\|").replace("<", "&lt;") for text in texts or [fallback])


def _packages(row: CodeRow) -> str:
    return ", ".join(f"`{name.removeprefix('dataml.')}`" for name in sorted(row.packages))
