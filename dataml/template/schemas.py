"""What template calls take and answer."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dataml.ml.contract import Column
from dataml.ml.values import DataType
from dataml.template.models import Template

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class TemplateColumn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    column_name: str = Field(description="Name of the column in files and of the field in JSON.")
    data_type: str = Field(
        description="String, Integer, Float, Boolean, Date or Timestamp, or an alias such as `int`, in any case.",
        examples=["Float"],
    )
    default_value: str | None = Field(
        None, description="Fills a missing value, and the column when a file does not have it.", examples=["0.0"]
    )

    @classmethod
    def of(cls, column: Column) -> "TemplateColumn":
        return cls(column_name=column.name, data_type=column.data_type, default_value=column.default)

    def to_column(self) -> Column:
        return Column(self.column_name, DataType.parse(self.data_type), self.default_value)


class CreateTemplate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    template_name: Name = Field(description="Unique in the tenant.")
    template_schema: list[TemplateColumn] = Field([], description="The columns; a dataset needs at least one.")


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


def describe(template: Template, columns: Iterable[Column]) -> TemplateAnswer:
    """A template with its columns."""
    schema = [TemplateColumn.of(column) for column in columns]
    return TemplateAnswer(**TemplateRow.of(template).model_dump(), template_schema=schema)
