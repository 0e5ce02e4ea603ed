"""Builds the answer of a call from the row that it shows."""

from typing import Any, TypeVar

from pydantic import BaseModel

Answer = TypeVar("Answer", bound=BaseModel)


def build_answer(schema: type[Answer], source: object, **fields: Any) -> Answer:
    """Return an answer whose required fields are attributes of `source`, but for those that `fields` has.

    Raises:
        AttributeError: `source` has no attribute for a required field, and `fields` does not have it either.
    """
    names = [name for name, field in schema.model_fields.items() if field.is_required() and name not in fields]
    return schema.model_validate({name: getattr(source, name) for name in names} | fields)
