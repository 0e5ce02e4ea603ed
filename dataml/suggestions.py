"""Sentences about names that do not exist, with the name that was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Final

_MAX_NAME_CHARACTERS: Final = 100
_MIN_SIMILARITY: Final = 0.7
# The search compares with each name: it ends in some milliseconds whatever exists.
_MAX_FOLDED_NAMES: Final = 100_000
MAX_COMPARED_NAMES: Final = 2_000
MAX_SUGGESTIONS: Final = 10
"""Names in one request for which a known one is looked up; the others are only said to be unknown."""


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant: one that differs by case only, else a similar one, or None."""
    if not name or len(name) > _MAX_NAME_CHARACTERS:
        return None
    folded = name.casefold()
    by_folded: dict[str, str] = {}
    for other in islice(known, _MAX_FOLDED_NAMES):
        by_folded.setdefault(other.casefold(), other)
    if folded in by_folded:
        return by_folded[folded]
    near = get_close_matches(folded, islice(by_folded, MAX_COMPARED_NAMES), n=1, cutoff=_MIN_SIMILARITY)
    return by_folded[near[0]] if near else None


def describe_all_unknown(kind: str, names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return what `describe_unknown` does for several names."""
    known = list(known)
    return [describe_unknown(kind, name, known if i < MAX_SUGGESTIONS else ()) for i, name in enumerate(names)]


def describe_unknown(kind: str, name: str, known: Iterable[str], *, is_listed: bool = False) -> str:
    """Return that there is nothing of this name among the known ones, as a sentence.

    Args:
        kind: what the name should stand for: `feature`, `column`.
        name: the name that was sent.
        known: the names that exist.
        is_listed: whether to add a sentence that lists the known names; for few of them.
    """
    names = list(known)
    meant = suggest(name, names)
    end = "." if meant is None else f"; did you mean '{meant}'?"
    return f"There is no {kind} '{shorten(name)}'{end}" + (f" Use {join_names(names)}." if is_listed else "")


def add_suggestion(sentence: str, name: str, known: Iterable[str]) -> str:
    """Return a sentence about a name that does not exist, with the known name that was probably meant if any."""
    meant = suggest(name, known)
    return sentence if meant is None else f"{sentence.removesuffix('.')}; did you mean '{meant}'?"


def join_names(names: Iterable[str]) -> str:
    """Return names as a list in a sentence: `a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def shorten(name: str) -> str:
    """Return a name that a caller has sent as messages repeat it: cut where it is long."""
    return name if len(name) <= _MAX_NAME_CHARACTERS else f"{name[:_MAX_NAME_CHARACTERS]}..."
