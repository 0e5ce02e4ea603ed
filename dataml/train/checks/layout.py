"""Compares how two preprocessings read their columns."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from dataml.contract.contract import Column, Contract

# Columns of these roles never reach the model.
_UNUSED_ROLES: Final = ("Id", "Ignore")
_ATTRIBUTE_NAMES: Final = {
    "data_type": "type",
    "date_order": "order of day and month",
    "date_format": "meaning of digits",
    "number_format": "spelling of numbers",
    "missing_values": "markers of missing values",
    "time_zone": "time zone",
    "strip": "treatment of blanks",
}
_MAX_SHOWN: Final = 10


def list_layout_differences(
    bound: Contract, bound_roles: Mapping[str, str], other: Contract, other_roles: Mapping[str, str]
) -> list[str]:
    """Return what keeps a model that reads rows by `bound` from reading them by `other`; empty when nothing does.

    The features and the target are compared by all that decides how a value is read: type, role, default, constraints,
    and the order of the columns.
    """
    before, after = _used_columns(bound, bound_roles), _used_columns(other, other_roles)
    bound_names, other_names = set(bound.names), set(other.names)
    differences = [f"{name!r} is missing" for name in before if name not in other_names]
    differences += [f"{name!r} is not among the model's columns" for name in after if name not in bound_names]
    for name in dict.fromkeys([*before, *after]):
        if name in bound_names and name in other_names:
            differences += _compare_columns(
                bound.column(name), bound_roles[name], other.column(name), other_roles[name]
            )
    if not differences and before != after:
        differences = ["the columns are in another order"]
    return differences


def find_series_time(roles: Mapping[str, str]) -> str:
    """Return the Time column of a forecast, which has one."""
    return next(name for name, role in roles.items() if role == "Time")


def join_differences(differences: list[str]) -> str:
    """Return the first differences as one sentence, with the number of the others."""
    more = f"; and {len(differences) - _MAX_SHOWN:,} more" if len(differences) > _MAX_SHOWN else ""
    return "; ".join(differences[:_MAX_SHOWN]) + more


def _used_columns(contract: Contract, roles: Mapping[str, str]) -> list[str]:
    return [name for name in contract.names if roles.get(name) not in _UNUSED_ROLES]


def _compare_columns(bound: Column, bound_role: str, other: Column, other_role: str) -> list[str]:
    if bound_role != other_role:
        return [f"{bound.name!r} is {other_role}, it was {bound_role}"]
    if bound.data_type is not other.data_type:
        return [f"{bound.name!r} is {other.data_type}, it was {bound.data_type}"]
    before, after = asdict(bound), asdict(other)
    return [
        f"{bound.name!r} has another {_ATTRIBUTE_NAMES.get(key, key)}" for key in before if before[key] != after[key]
    ]
