"""An answer takes its fields from a row, except for those that are given by name."""

from types import SimpleNamespace

import pytest
from pydantic import BaseModel, ValidationError

from dataml.http.answers import build_answer


class Row(BaseModel):
    """An answer with two required fields and one that has a default."""

    id: int
    name: str
    status_code: int = 200


def test_required_fields_come_from_the_row_in_the_order_of_the_schema() -> None:
    answer = build_answer(Row, SimpleNamespace(name="churn", id=7, other=1, status_code=500))
    assert answer.model_dump_json() == '{"id":7,"name":"churn","status_code":200}'


def test_named_field_replaces_that_of_the_row() -> None:
    assert build_answer(Row, SimpleNamespace(id=7, name="churn"), name="price").name == "price"


def test_missing_attribute_is_an_error() -> None:
    with pytest.raises(AttributeError):
        build_answer(Row, SimpleNamespace(id=7))
    assert build_answer(Row, SimpleNamespace(id=7), name="churn").name == "churn"


def test_value_of_another_type_is_an_error() -> None:
    with pytest.raises(ValidationError):
        build_answer(Row, SimpleNamespace(id="x", name="churn"))
