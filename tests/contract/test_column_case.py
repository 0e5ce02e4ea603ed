"""Columns whose names differ by case only have names that SQL engines tell apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataml.contract.column_case import distinguish_by_case, find_differing_by_case, warn_of_case


def test_each_name_is_found_behind_the_first_of_its_kind() -> None:
    assert find_differing_by_case(["Id", "a", "ID", "id"]) == [("Id", "ID"), ("Id", "id")]
    assert find_differing_by_case(["Straße", "STRASSE", "x"]) == [("Straße", "STRASSE")]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Id", "a"], ["Id", "a"]),
        (["Id", "id"], ["Id", "id_2"]),
        (["Id", "id", "ID"], ["Id", "id_2", "ID_3"]),
        (["Id", "id", "ID_2"], ["Id", "id_3", "ID_2"]),
    ],
)
def test_later_names_get_a_number(names: list[str], expected: list[str]) -> None:
    assert list(distinguish_by_case(names)) == expected


@pytest.mark.parametrize(
    ("names", "table", "expected"),
    [
        (["id", "Id"], ["Id", "id_2"], ["id_2", "Id"]),
        (["Id", "id"], ["Id", "id"], ["Id", "id"]),
        (["id"], ["ID", "x"], ["ID"]),
        (["id", "ID"], ["iD"], ["iD", "ID_2"]),
    ],
)
def test_columns_of_a_table_keep_their_names(names: list[str], table: list[str], expected: list[str]) -> None:
    assert list(distinguish_by_case(names, table, widens=True)) == expected


def test_a_table_that_does_not_widen_is_not_matched_by_case() -> None:
    assert distinguish_by_case(["id"], ["ID"]) == ("id",)


@given(st.lists(st.text("aAbBßẞ_2", min_size=1, max_size=4), unique=True, max_size=8))
def test_no_two_columns_differ_by_case_only(names: list[str]) -> None:
    mapped = distinguish_by_case(names)
    assert len({name.casefold() for name in mapped}) == len(names)


@given(st.lists(st.sampled_from(["a", "A", "b", "B", "a_2", "A_2"]), unique=True), st.permutations(["a", "A", "b"]))
def test_a_table_stays_readable_whatever_is_appended(names: list[str], first: list[str]) -> None:
    table = [*distinguish_by_case(first)]
    mapped = distinguish_by_case(names, table, widens=True)
    columns = {*table, *mapped}
    assert len({name.casefold() for name in columns}) == len(columns)
    assert len({*mapped}) == len(names)


def test_the_warning_says_both_names() -> None:
    (warning,) = warn_of_case(["Id", "x", "id"])
    assert (warning.code, warning.column) == ("names_differ_by_case", "id")
    assert "'Id' and 'id'" in warning.message
    assert "'id_2'" in warning.message
