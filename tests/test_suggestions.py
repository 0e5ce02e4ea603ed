"""A name that does not exist is answered with the one that was probably meant."""

import time

import pytest

from dataml.suggestions import (
    MAX_SUGGESTIONS,
    describe_all_unknown,
    describe_unknown,
    join_names,
    suggest,
)

COLUMNS = ("tenure", "monthly_charges", "Plan")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("tenur", "tenure"),
        ("Tenure", "tenure"),
        ("plan", "Plan"),
        ("monthlycharges", "monthly_charges"),
        ("MONTHLY_CHARGE", "monthly_charges"),
        ("age", None),
        ("", None),
        ("t" * 10_000, None),
    ],
)
def test_a_similar_name_is_found(name: str, meant: str | None) -> None:
    assert suggest(name, COLUMNS) == meant


def test_a_name_of_another_case_goes_before_a_similar_one() -> None:
    assert suggest("AGES", ("age", "ages_", "ages")) == "ages"


def test_sentence_names_what_is_unknown_and_what_was_meant() -> None:
    assert describe_unknown("feature", "tenur", COLUMNS) == "There is no feature 'tenur'; did you mean 'tenure'?"
    assert describe_unknown("feature", "age", COLUMNS) == "There is no feature 'age'."
    assert describe_unknown("type", "c", ("a", "b"), is_listed=True) == "There is no type 'c'. Use a or b."
    assert describe_unknown("type", "c", iter(("a",)), is_listed=True) == "There is no type 'c'. Use a."


def test_long_name_is_not_repeated_in_full() -> None:
    assert len(describe_unknown("feature", "x" * 10_000, COLUMNS)) < 150


def test_names_are_joined_as_in_a_sentence() -> None:
    assert [join_names("a"), join_names("ab"), join_names("abc")] == ["a", "a or b", "a, b or c"]


def test_many_unknown_names_cost_a_bounded_time() -> None:
    known = [f"column_{i}" for i in range(2_000)]
    start = time.process_time()
    sentences = describe_all_unknown("feature", [f"colum_{i}" for i in range(20_000)], known)
    assert time.process_time() - start < 5
    assert sum("did you mean" in sentence for sentence in sentences) == MAX_SUGGESTIONS
    assert len(sentences) == 20_000
