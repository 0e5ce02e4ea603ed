"""Compares what two preprocessings, or a preprocessing and a dataset, make of their columns."""

from collections.abc import Mapping
from dataclasses import asdict

from dataml.contract.contract import Column, Contract

# Columns of these roles never reach the model.
_UNREAD = ("Id", "Ignore")
_WORDS = {"data_type": "type", "date_order": "order of day and month"}
_SHOWN = 10


def list_layout_differences(
    bound: Contract, bound_roles: Mapping[str, str], other: Contract, other_roles: Mapping[str, str]
) -> list[str]:
    """What keeps a model that reads rows as `bound` says from reading them as `other` says; empty when nothing does.

    The features and the target count, with all that decides how a value is read: type, role, default, constraints, and
    the order of the columns.
    """
    before, after = _read(bound, bound_roles), _read(other, other_roles)
    found = [f"{name!r} is missing" for name in before if name not in other.names]
    found += [f"{name!r} is not among the model's columns" for name in after if name not in bound.names]
    for name in dict.fromkeys([*before, *after]):
        if name in bound.names and name in other.names:
            found += _column_differences(bound.column(name), bound_roles[name], other.column(name), other_roles[name])
    if not found and before != after:
        found = ["the columns stand in another order"]
    return found


def list_schema_changes(parent: Contract, dataset: Contract) -> list[str]:
    """What keeps a dataset from continuing a model: columns it lacks, and types that differ. More columns do not."""
    found = []
    for column in parent.columns:
        if column.name not in dataset.names:
            found.append(f"{column.name!r} is missing")
        elif (actual := dataset.column(column.name).data_type) is not column.data_type:
            found.append(f"{column.name!r} is {actual}, it was {column.data_type}")
    return found


def join_differences(differences: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = f"; and {len(differences) - _SHOWN:,} more" if len(differences) > _SHOWN else ""
    return "; ".join(differences[:_SHOWN]) + more


def _read(contract: Contract, roles: Mapping[str, str]) -> list[str]:
    return [name for name in contract.names if roles.get(name) not in _UNREAD]


def _column_differences(bound: Column, bound_role: str, other: Column, other_role: str) -> list[str]:
    if bound_role != other_role:
        return [f"{bound.name!r} is {other_role}, it was {bound_role}"]
    if bound.data_type is not other.data_type:
        return [f"{bound.name!r} is {other.data_type}, it was {bound.data_type}"]
    before, after = asdict(bound), asdict(other)
    return [f"{bound.name!r} has another {_WORDS.get(key, key)}" for key in before if before[key] != after[key]]
