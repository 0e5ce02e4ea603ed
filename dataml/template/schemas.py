"""What template calls take and answer."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from dataml.contract.constraints import MAX_ALLOWED_VALUES
from dataml.contract.contract import Column, UnseenValuePolicy
from dataml.contract.types import DataType
from dataml.template.models import Template, TemplateVersion

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]


def _as_text(value: object) -> object:
    """A bound may be sent as the number that it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return repr(value)


Bound = Annotated[str, BeforeValidator(_as_text), Field(max_length=1_000)]


def _optional(default: Any, description: str, **more: Any) -> Any:
    """A field beyond the documented ones: answers have it where it says something."""
    return Field(default, description=description, exclude_if=lambda value: value == default, **more)


class TemplateColumn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    # With a constraint pydantic refuses lone surrogates too, which no answer could carry.
    column_name: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        description="Name of the column in files and of the field in JSON."
    )
    data_type: str = Field(
        description="String, Integer, Float, Boolean, Date or Timestamp, or an alias such as `int`, in any case.",
        examples=["Float"],
    )
    default_value: str | None = Field(
        None, description="Fills a missing value, and the column when a file does not have it.", examples=["0.0"]
    )
    nullable: bool = _optional(True, "Whether a value may be missing where no default fills it.")
    minimum: Bound | None = _optional(None, "Least value of a number, date or timestamp, itself allowed.")
    maximum: Bound | None = _optional(None, "Greatest value, itself allowed.")
    allowed_values: list[Bound] | None = _optional(
        None, "The only values there may be.", min_length=1, max_length=MAX_ALLOWED_VALUES
    )
    pattern: str | None = _optional(
        None, "Regular expression (RE2) that the whole of a text fits, e.g. `[A-Z]{2}[0-9]+`."
    )
    unique: bool = _optional(False, "Whether no two rows of a dataset may have the same value.")
    unseen: UnseenValuePolicy = _optional(
        "missing",
        "What a prediction does with a text that its training has not seen: take it as missing, or refuse the row.",
    )

    @classmethod
    def of(cls, column: Column) -> "TemplateColumn":
        return cls(
            column_name=column.name,
            data_type=column.data_type,
            default_value=column.default,
            nullable=column.nullable,
            minimum=column.minimum,
            maximum=column.maximum,
            allowed_values=list(column.allowed_values) if column.allowed_values is not None else None,
            pattern=column.pattern,
            unique=column.unique,
            unseen=column.unseen,
        )

    def to_column(self) -> Column:
        return Column(
            self.column_name,
            DataType.parse(self.data_type),
            self.default_value,
            nullable=self.nullable,
            minimum=self.minimum,
            maximum=self.maximum,
            allowed_values=tuple(self.allowed_values) if self.allowed_values is not None else None,
            pattern=self.pattern,
            unique=self.unique,
            unseen=self.unseen,
        )


class CreateTemplate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    template_name: Name = Field(description="Unique in the tenant.")
    template_schema: list[TemplateColumn] = Field([], description="The columns; a dataset needs at least one.")


class UpdateTemplate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    template_name: Name = Field(description="Unique in the tenant.")
    template_schema: list[TemplateColumn] | None = Field(
        None, description="The columns of the new version; those of the last one when not given."
    )


class Created(BaseModel):
    status: int = 201
    message: str
    id: int


class TemplateRow(BaseModel):
    template_name: str
    id: int
    tenant_id: str
    no_of_columns: int
    version: int
    created_by: str
    created_at: datetime
    modified_at: datetime
    modified_by: str

    @classmethod
    def of(cls, template: Template) -> "TemplateRow":
        return cls(
            template_name=template.name,
            id=template.id,
            tenant_id=template.tenant_id,
            no_of_columns=len(template.contract["columns"]),
            version=template.version,
            created_by=template.created_by,
            created_at=template.created_at,
            modified_at=template.modified_at,
            modified_by=template.modified_by,
        )


class TemplateList(BaseModel):
    total: int
    data: list[TemplateRow]


class TemplateAnswer(TemplateRow):
    template_schema: list[TemplateColumn]


class Deleted(BaseModel):
    status_code: int = 200
    message: str


class VersionAnswer(BaseModel):
    version: int
    template_name: str
    template_schema: list[TemplateColumn]
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, version: TemplateVersion, columns: Iterable[Column]) -> "VersionAnswer":
        return cls(
            version=version.version,
            template_name=version.name,
            template_schema=[TemplateColumn.of(column) for column in columns],
            created_by=version.created_by,
            created_at=version.created_at,
        )


class VersionList(BaseModel):
    total: int
    data: list[VersionAnswer]


class InferredTemplate(BaseModel):
    template_schema: list[TemplateColumn] = Field(description="Ready to be sent to `POST /template/`.")
    rows_read: int = Field(description="Rows of the sample.")
    delimiter: str | None = Field(description="What separates the fields of the sample; null for Parquet.")


def describe(template: Template, columns: Iterable[Column]) -> TemplateAnswer:
    """A template with its columns."""
    schema = [TemplateColumn.of(column) for column in columns]
    return TemplateAnswer(**TemplateRow.of(template).model_dump(), template_schema=schema)
