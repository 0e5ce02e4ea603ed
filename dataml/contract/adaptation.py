"""Reads the rows of a dataset by the contract of a model: types and rules are the model's, spellings the dataset's.

A dataset settles its types and its spellings from its own values. A model has settled its own from the rows it was
trained on. A file of a few rows says little about its types, so that the model's count; but a file in which a number is
written as 1.234,5 has shown how its numbers are spelled.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import FieldError, Invalid, InvalidFields

_NUMBERS: Final = (DataType.INTEGER, DataType.FLOAT)
_DATES: Final = (DataType.DATE, DataType.TIMESTAMP)
# No text that is read as the one is also read as one of the others.
_FOREIGN: Final = {
    DataType.BOOLEAN: (DataType.FLOAT, DataType.INTEGER, *_DATES),
    DataType.DATE: (DataType.BOOLEAN, *_NUMBERS),
    DataType.TIMESTAMP: (DataType.BOOLEAN, *_NUMBERS),
}


def adopt_spellings(needed: Contract, dataset: Contract) -> Contract:
    """Return the columns that a model needs, each with the spelling that the dataset has settled for it.

    A spelling is adopted where the dataset has one, and both read the column as numbers, or both as dates. So is the
    time zone of its local times; what a model makes of the moments, it makes by its own.

    Args:
        needed: the columns of the model.
        dataset: the contract that the dataset was validated with.
    """
    own = {column.name: column for column in dataset.columns}
    return Contract(tuple(_adopt(column, own.get(column.name)) for column in needed.columns))


def _adopt(column: Column, own: Column | None) -> Column:
    if own is None:
        return column
    if column.data_type in _NUMBERS and own.data_type in _NUMBERS:
        return replace(column, number_format=own.number_format or column.number_format)
    if column.data_type.is_temporal and own.data_type.is_temporal:
        return replace(
            column,
            date_order=own.date_order or column.date_order,
            date_format=own.date_format or column.date_format,
            time_zone=own.time_zone or column.time_zone,
        )
    return column


def list_open_decimals(needed: Contract, dataset: Contract) -> list[str]:
    """Return the columns whose numbers the dataset reads plainly, and the model with a decimal comma.

    In these 1.234 has two meanings. The model's holds if it reads all values of the column.
    """
    own = {column.name: column for column in dataset.columns}

    def is_open(column: Column) -> bool:
        other = own.get(column.name)
        is_plain = other is not None and other.data_type in _NUMBERS and other.number_format is None
        return is_plain and column.data_type in _NUMBERS and column.value_format.numbers.decimal == ","

    return [column.name for column in needed.columns if is_open(column)]


def spell_plainly(needed: Contract, names: Iterable[str]) -> Contract:
    """Return the contract in which the numbers of these columns are written plainly."""
    plain = set(names)
    columns = (replace(c, number_format=None) if c.name in plain else c for c in needed.columns)
    return Contract(tuple(columns))


def reads_alike(needed: Contract, dataset: Contract) -> bool:
    """Return whether the typed rows of a dataset have in all columns that are needed what its files have.

    Args:
        needed: the columns of a model, with the spellings of the dataset.
        dataset: the contract that the typed rows were read with.
    """
    own = {column.name: column for column in dataset.columns}
    return all(_reads_alike(column, own.get(column.name)) for column in needed.columns)


def _reads_alike(column: Column, own: Column | None) -> bool:
    if own is None or own.data_type is not column.data_type:
        return False
    # A default has been filled in already; another one would not be.
    if own.default is not None and own.default != column.default:
        return False
    return own.value_format == column.value_format


def refuse_missing(names: Iterable[str]) -> None:
    """Refuse a dataset without these features of a model, which have no default.

    Raises:
        InvalidFields: `missing_feature`, unless there are no names.
    """
    errors = [
        FieldError(("dataset", name), f"Feature '{name}' is not a column of the dataset.", "missing_feature")
        for name in names
    ]
    if errors:
        raise InvalidFields(errors, code="missing_feature")


def refuse_foreign_types(needed: Contract, dataset: Contract) -> None:
    """Refuse a dataset in which columns have a type that no value of the model's column can have.

    Raises:
        Invalid: `schema_mismatch`.
    """
    if mismatches := list_foreign_types(needed, dataset):
        raise Invalid("The dataset does not fit the predictor: " + "; ".join(mismatches) + ".", code="schema_mismatch")


def list_foreign_types(needed: Contract, dataset: Contract) -> list[str]:
    """Return what `refuse_foreign_types` refuses: the columns, with the type in the dataset and the model's."""
    own = {column.name: column.data_type for column in dataset.columns}
    return [
        f"{column.name!r} is {own[column.name]}, it was {column.data_type}"
        for column in needed.columns
        if column.name in own and column.data_type in _FOREIGN.get(own[column.name], ())
    ]
