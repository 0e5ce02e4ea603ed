"""The JSON of warnings, in the answers of all calls that have them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dataml.contract.warnings import DataWarning, warnings_from_json


class WarningAnswer(BaseModel):
    """What a user should know about data that was accepted."""

    model_config = ConfigDict(from_attributes=True)

    code: str = Field(description="Stable word for the kind of warning.", examples=["nearly_numeric"])
    column: str | None = Field(description="Column that it is about; null for all rows.")
    message: str = Field(description="What was noticed, and what to do about it.")
    count: int | None = Field(description="Number of values or rows that it is about.")
    examples: list[str] = Field(description="Some of these values, five at most.")


def list_warnings(warnings: Iterable[DataWarning]) -> list[WarningAnswer]:
    """Return the JSON of warnings."""
    return [WarningAnswer.model_validate(warning) for warning in warnings]


def list_stored_warnings(stored: Sequence[Mapping[str, Any] | str] | None) -> list[WarningAnswer]:
    """Return the JSON of warnings as they are stored; none for None."""
    return list_warnings(warnings_from_json(stored))
