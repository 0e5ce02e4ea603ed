"""Names of columns that differ by case only: one name for SQL engines and for most readers of lake tables."""

from collections.abc import Collection, Iterable, Sequence
from itertools import count

from dataml.contract.warnings import DataWarning


def find_differing_by_case(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return each name that an earlier one differs from by case only, behind that earlier one."""
    first_by_folded: dict[str, str] = {}
    pairs = [(first_by_folded.setdefault(name.casefold(), name), name) for name in names]
    return [(first, name) for first, name in pairs if first != name]


def warn_of_case(names: Sequence[str]) -> list[DataWarning]:
    """Return a warning for each column whose name differs from that of an earlier one by case only."""
    renamed = dict(zip(names, distinguish_by_case(names), strict=True))
    return [
        DataWarning(
            "names_differ_by_case",
            f"'{first}' and '{name}' differ by case only: SQL engines take them for one column. In lake tables the "
            f"second one is '{renamed[name]}'; rename one of them in the file.",
            name,
        )
        for first, name in find_differing_by_case(names)
    ]


def distinguish_by_case(names: Sequence[str], table: Sequence[str] = (), *, widens: bool = False) -> tuple[str, ...]:
    """Return a name for each column by which an SQL engine tells all columns of a table apart.

    A name stays as it is, unless another one differs from it by case only; then the later one gets a number: `id_2`.

    Args:
        names: different names of columns.
        table: the columns that the table has; a name that is one of them stays.
        widens: whether a name that differs by case only from a column of the table, which no other has, stands for it.
    """
    mapped = {name: name for name in names if name in table}
    by_folded = {column.casefold(): column for column in table} if widens else {}
    taken = {name.casefold() for name in mapped}
    for name in names:
        if name in mapped:
            continue
        folded = name.casefold()
        chosen = by_folded.get(folded, name) if folded not in taken else _number(name, taken, names)
        mapped[name] = by_folded.get(chosen.casefold(), chosen)
        taken.add(chosen.casefold())
    return tuple(mapped[name] for name in names)


def _number(name: str, taken: Collection[str], names: Sequence[str]) -> str:
    others = {other.casefold() for other in names}
    candidates = (f"{name}_{number}" for number in count(2))
    return next(each for each in candidates if each.casefold() not in taken and each.casefold() not in others)
