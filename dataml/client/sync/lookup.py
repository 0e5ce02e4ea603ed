# Generated from dataml/client/aio/lookup.py by `make client`: change that file.
"""Finds things by their names: a list is asked for those of one name."""

from collections.abc import Callable
from typing import Any, Final

from dataml.client.errors import Invalid, NotFound
from dataml.client.sync.operations import Operations
from dataml.client.sync.paging import fetch_all

# Gets a name, and returns the page of a list with what has it.
ListNamed = Callable[[str], Any]
_CODES: Final = {"model": "training_not_found"}


def find_by_name(list_named: ListNamed, noun: str, name: str) -> Any:
    """Return the first row of a list that has a name.

    Args:
        list_named: Asks for the list.
        noun: What the list is of, for the message.
        name: The whole name.

    Raises:
        NotFound: `<noun>_not_found`: there is none.
    """
    rows = _rows(list_named, name)
    if not rows:
        raise missing(noun, name)
    return rows[0]


def find_by_id(list_page: Callable[..., Any], noun: str, wanted: int | str) -> Any:
    """Return the row of a list that has an id, of what no call shows by its id.

    Args:
        list_page: Asks for a page of the list, by `limit` and `offset`.
        noun: What the list is of, for the message.
        wanted: The id.

    Raises:
        NotFound: `<noun>_not_found`: there is none.
    """
    for row in fetch_all(list_page):
        if row["id"] == wanted:
            return row
    raise missing(noun, str(wanted))


def find_model_id(api: Operations, name: str, version: int | None = None) -> int:
    """Return the id of a version of a predictor: the one that serves it, else the newest.

    Args:
        api: The calls of the platform.
        name: Name of the predictor, also the one that it has in URLs, or `NAME@VERSION`.
        version: Its version, in place of that.

    Raises:
        NotFound: `training_not_found`: there is none.
    """
    asked = name if version is None else f"{name}@{version}"
    rows = _versions(api, name)
    base, _, suffix = name.rpartition("@")
    # The name of a predictor may hold an `@`.
    if not rows and version is None and base and suffix.isdecimal():
        rows, version = _versions(api, base), int(suffix)
    if version is not None:
        rows = [row for row in rows if row["version"] == version]
    if not rows:
        raise missing("model", asked)
    serving = [row for row in rows if row["endpoint_url"]]
    return max(serving or rows, key=lambda row: row["version"])["id"]


def missing(noun: str, name: str) -> NotFound:
    """Return the error of a name that nothing has."""
    return NotFound(f"There is no {noun} {name!r}.", status=404, code=_CODES.get(noun, f"{noun}_not_found"))


def _versions(api: Operations, name: str) -> list[Any]:
    def all_versions(name: str) -> Any:
        return {"data": fetch_all(api.list_trainings, name=name)}

    return _rows(all_versions, name)


def _rows(list_named: ListNamed, name: str) -> list[Any]:
    try:
        return (list_named(name))["data"]
    except (Invalid, UnicodeEncodeError):
        # Text that no name can be: too long, or not Unicode.
        return []
