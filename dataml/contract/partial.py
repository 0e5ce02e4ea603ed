"""Prediction data that has not all columns of its template: what a model needs of it is the model's to say."""

from collections.abc import Collection, Sequence

from dataml.contract.contract import Contract
from dataml.contract.warnings import MAX_EXAMPLES, DataWarning


def select_present(contract: Contract, files: Sequence[Collection[str]]) -> Contract:
    """Return the columns that every file has, or that have a default.

    Args:
        contract: the columns of a template.
        files: the column names of each file.
    """
    missing = set(_list_missing(contract, files))
    return contract.select(name for name in contract.names if name not in missing)


def find_missing_columns(contract: Contract, files: Sequence[Collection[str]]) -> tuple[DataWarning, ...]:
    """Return a warning that names the columns which `select_present` leaves out; none where there are none."""
    missing = _list_missing(contract, files)
    if not missing:
        return ()
    shown = ", ".join(repr(name) for name in missing[:MAX_EXAMPLES])
    more = f" and {len(missing) - MAX_EXAMPLES:,} more" if len(missing) > MAX_EXAMPLES else ""
    message = (
        f"The rows have no column {shown}{more} of the template. For a prediction the features of the model are "
        "enough: its target, its Ignore columns and others may be left out."
    )
    return (DataWarning("missing_columns", message, None, len(missing), tuple(missing[:MAX_EXAMPLES])),)


def _list_missing(contract: Contract, files: Sequence[Collection[str]]) -> list[str]:
    present = set(contract.names).intersection(*files)
    return [column.name for column in contract.columns if column.name not in present and column.default is None]
