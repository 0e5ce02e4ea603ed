"""The values of a text column that are of a kind, and the others."""

import pyarrow as pa

from dataml.contract.spelling_counts import SpellingCounts
from dataml.contract.value_format import ValueFormat


class Counts(SpellingCounts):
    """Counts a column in which only digits are of the kind."""

    def select(self, cells: pa.Array) -> list[str]:
        """Return the cells that have a value."""
        return self._select(cells).to_pylist()


def test_cells_with_a_value_are_selected_without_blanks() -> None:
    assert Counts("x").select(pa.array([" 7 ", "NA", "", None, "x"])) == ["7", "x"]
    assert Counts("x", ValueFormat(missing_values=("x",))).select(pa.array(["NA", "x"])) == ["NA"]
    assert Counts("x").select(pa.array(["7", "7"]).dictionary_encode()) == ["7", "7"]


def test_typed_cells_are_not_counted() -> None:
    assert Counts("x").select(pa.array([7])) == []
