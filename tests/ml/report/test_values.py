"""Values of a model's JSON files, as a page shows them."""

import pytest

from dataml.ml.report.page import get_environment


def show(value: object) -> str:
    """Return the markup of a value as the page shows it."""
    source = '{% from "macros/values.html" import show %}{{ show(value|display) }}'
    return get_environment().from_string(source).render(value=value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "—"),
        (True, "yes"),
        (3, "3"),
        (12_345, "12,345"),
        (0.123456, "0.1235"),
        (1e-7, "1e-07"),
        (1_234_567.8, "1,234,568"),
        (2.5e12, "2,500,000,000,000"),
        ("<b>", "&lt;b&gt;"),
        ([], "—"),
        (["a", 1], "a, 1"),
        ([[1, 2], [3]], "[[1, 2], [3]]"),
    ],
)
def test_a_value_is_shown_for_readers(value: object, expected: str) -> None:
    assert show(value) == expected


def test_many_values_are_cut_and_counted() -> None:
    assert show([str(n) for n in range(100)]).endswith("59, and 40 more")
    assert "and 40 more" in show({str(n): n for n in range(100)})
    assert len(show("x" * 10_000)) == 2_000
