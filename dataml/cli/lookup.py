"""Finds a thing by its id or its name, as it stands on a command line."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from dataml.cli.exit_codes import ExitCode
from dataml.cli.session import Session, failure

_PAGE: Final = 1000


def dataset_id(session: Session, reference: str) -> int:
    """Return the id of a dataset; the newest one where the name is not of one alone.

    Raises:
        Exit: there is none.
    """
    return _id(reference, "dataset", session.api.list_datasets, "dataset_name")


def template_id(session: Session, reference: str) -> int:
    """Return the id of a template.

    Raises:
        Exit: there is none.
    """
    return _id(reference, "template", session.api.list_templates, "template_name")


def role_id(session: Session, reference: str) -> int:
    """Return the id of a role.

    Raises:
        Exit: there is none.
    """
    return _id(reference, "role", session.api.list_roles, "name")


def permission_id(session: Session, reference: str) -> int:
    """Return the id of a permission.

    Raises:
        Exit: there is none.
    """
    return _id(reference, "permission", session.api.list_permissions, "name")


def user_id(session: Session, reference: str) -> int:
    """Return the id of a user.

    Raises:
        Exit: there is none.
    """
    return _id(reference, "user", session.api.list_users, "username")


def train_id(session: Session, reference: str) -> int:
    """Return the id of a model: `12`, `churn` (the promoted version, else the newest) or `churn@3`.

    Raises:
        Exit: there is none.
    """
    if reference.isdecimal():
        return int(reference)
    rows = list(_all(session.api.list_trainings))
    found = [row for row in rows if row["predictor_name"] == reference]
    if not found:
        name, _, version = reference.rpartition("@")
        found = [row for row in rows if row["predictor_name"] == name and str(row["version"]) == version]
    usable = [row for row in found if row["is_promoted"]] or found
    if not usable:
        raise _missing("model", reference)
    return max(usable, key=lambda row: row["version"])["id"]


def _id(reference: str, noun: str, list_page: Callable[..., Any], field: str) -> int:
    if reference.isdecimal():
        return int(reference)
    for row in _all(list_page):
        if row[field] == reference:
            return row["id"]
    raise _missing(noun, reference)


def _missing(noun: str, reference: str) -> Exception:
    return failure(f"There is no {noun} {reference!r}.", ExitCode.NOT_FOUND)


def _all(list_page: Callable[..., Any]) -> Iterator[Any]:
    offset = 0
    while rows := list_page(limit=_PAGE, offset=offset)["data"]:
        yield from rows
        offset += len(rows)
        if len(rows) < _PAGE:
            return
