"""Checks of the names of the columns of a file."""

from collections.abc import Iterable

from dataml.contract.contract import MAX_COLUMNS, Contract, find_name_problem
from dataml.errors import Invalid


def check_columns(header: Iterable[str], contract: Contract | None = None, *, partial: bool = False) -> tuple[str, ...]:
    """Check column names from anywhere as `scan_file` does, and return those that the contract does not have.

    With `partial`, as for prediction data, one column of the contract is enough.

    Raises:
        Invalid: the codes of `scan_file` for columns.
    """
    names = trim_names(header)
    check_names(names)
    return find_ignored(names, contract, partial=partial)


def trim_names(header: Iterable[str]) -> tuple[str, ...]:
    """Return the names without blanks around them."""
    return tuple(name.strip() for name in header)


def check_names(names: tuple[str, ...], first_position: int = 1) -> None:
    """Check the trimmed names of a file, of which the first has this position.

    Raises:
        Invalid: `too_many_columns`, `empty_column_name`, `bad_column_name`, `duplicate_column`.
    """
    if len(names) > MAX_COLUMNS:
        raise Invalid(f"The file has {len(names):,} columns; at most {MAX_COLUMNS:,} fit.", code="too_many_columns")
    seen: set[str] = set()
    for position, name in enumerate(names, first_position):
        if not name:
            hint = "; if it is an index, name it or leave it out (pandas: index=False, R: row.names = FALSE)"
            problem = f"Column {position:,} has no name in the header{hint if position == 1 else ''}."
            raise Invalid(problem, code="empty_column_name")
        problem = find_name_problem(name)
        if problem:
            raise Invalid(f"Header, column {position:,}: {problem}.", code="bad_column_name")
        if name in seen:
            raise Invalid(f"Column {name!r} occurs twice in the header.", code="duplicate_column")
        seen.add(name)


def find_ignored(names: tuple[str, ...], contract: Contract | None, *, partial: bool = False) -> tuple[str, ...]:
    """Return the names that the contract does not have.

    Raises:
        Invalid: `missing_column`: one without a default is not among the names; with `partial`, all of them.
    """
    if contract is None:
        return ()
    present = set(names)
    missing = [column.name for column in contract.columns if column.name not in present and column.default is None]
    if missing and not (partial and present.intersection(contract.names)):
        listed = ", ".join(repr(name) for name in missing[:10])
        raise Invalid(f"The file lacks columns that have no default: {listed}.", code="missing_column")
    return tuple(name for name in names if name not in contract.names)
