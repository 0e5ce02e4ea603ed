"""The positive class is the one that is named, that the labels say, or the rarer one."""

from typing import Any

import pytest

from dataml.contract.types import DataType
from dataml.ml.positive_class import choose_positive_class, find_class, resolve_positive_code


@pytest.mark.parametrize(
    ("classes", "positive"),
    [
        ((False, True), True),
        (("No", "Yes"), "Yes"),
        ((0, 1), 1),
        ((-1, 1), 1),
        (("negative", "positive"), "positive"),
        (("NEG", "POS"), "POS"),
        (("churned", "stayed"), "churned"),
        (("fraud", "legit"), "fraud"),
        (("churn", "no churn"), "churn"),
        (("fraud", "non-fraud"), "fraud"),
        (("paid", "unpaid"), "paid"),
        (("Ja", "Nein"), "Ja"),
        (("no", "sí"), "sí"),
        (("non", "oui"), "oui"),
        (("FAŁSZ", "PRAWDA"), "PRAWDA"),
        (("HAYIR", "EVET"), "EVET"),
    ],
)
@pytest.mark.parametrize("counts", [(5, 95), (95, 5)])
def test_labels_that_say_it_themselves_are_believed(classes: tuple[Any, Any], positive: Any, counts: Any) -> None:
    assert classes[choose_positive_class(classes, counts)] == positive


@pytest.mark.parametrize("classes", [("a", "b"), (1, 2), ("ham", "eggs"), ("fraud", "spam")])
def test_of_other_labels_the_rarer_class_is_positive(classes: tuple[Any, Any]) -> None:
    assert choose_positive_class(classes, (5, 95)) == 0
    assert choose_positive_class(classes, (95, 5)) == 1
    assert choose_positive_class(classes, (50, 50)) == 1


def test_a_class_is_found_by_its_label_or_by_another_spelling() -> None:
    assert find_class((False, True), "yes", DataType.BOOLEAN) == 1
    assert find_class((False, True), True, DataType.BOOLEAN) == 1
    assert find_class((1, 2), 2.0, DataType.INTEGER) == 1
    assert find_class(("1", "2"), 2, DataType.STRING) == 1
    assert find_class(("a", "b"), "c", DataType.STRING) is None
    assert find_class((1, 2), "x", DataType.INTEGER) is None
    assert find_class((1, 2), "", DataType.INTEGER) is None


def test_without_a_record_the_second_class_is_positive() -> None:
    assert resolve_positive_code(("fraud", "legit"), None) == 1
    assert resolve_positive_code(("fraud", "legit"), "fraud") == 0
    assert resolve_positive_code(None, None) == 1
