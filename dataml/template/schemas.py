"""The JSON of the template calls."""

from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from dataml.contract.constraints import MAX_ALLOWED_VALUES
from dataml.contract.contract import Column, UnseenValuePolicy
from dataml.contract.dates import DateOrder
from dataml.contract.types import DataType
from dataml.contract.value_format import DateFormat
from dataml.http.answers import build_answer
from dataml.http.requests import request_config
from dataml.http.warnings import WarningAnswer
from dataml.template.models import Template, TemplateVersion

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]


def _to_text(value: object) -> object:
    """Return a bound as text; it may be sent as a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return repr(value)


# Fields of a column that the API calls otherwise.
_API_NAMES: Final = {"name": "column_name", "default": "default_value"}
_COLUMN_NAMES: Final = {api_name: name for name, api_name in _API_NAMES.items()}

Bound = Annotated[str, BeforeValidator(_to_text), Field(max_length=1_000)]


def _optional(default: Any, description: str, **more: Any) -> Any:
    """Return a field that answers leave out where it has its default."""
    return Field(default, description=description, exclude_if=lambda value: value == default, **more)


class TemplateColumn(BaseModel):
    """A column of a template: its name, its type, and the rules for its values."""

    model_config = ConfigDict(extra="forbid")

    # With a constraint, Pydantic also refuses lone surrogates, which no answer could carry.
    column_name: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        description="Name of the column in files and of the field in JSON."
    )
    data_type: str = Field(
        description="String, Integer, Float, Boolean, Date or Timestamp, or an alias such as `int`, in any case.",
        examples=["Float"],
    )
    default_value: str | None = Field(
        None,
        description="Replaces a missing value, and the whole column when a file does not have it.",
        examples=["0.0"],
    )
    nullable: bool = _optional(True, "Whether a value may be missing where no default replaces it.")
    minimum: Bound | None = _optional(None, "Smallest value that is allowed, of a number, date or timestamp.")
    maximum: Bound | None = _optional(None, "Largest value that is allowed.")
    allowed_values: list[Bound] | None = _optional(
        None, "The only values that are allowed.", min_length=1, max_length=MAX_ALLOWED_VALUES
    )
    pattern: str | None = _optional(
        None, "Regular expression (RE2) that the whole text has to match, e.g. `[A-Z]{2}[0-9]+`."
    )
    unique: bool = _optional(False, "Whether every row of a dataset has to have another value.")
    unseen: UnseenValuePolicy = _optional(
        "missing",
        "What a prediction does with a text that is not in its training data: take it as missing, or refuse the row.",
    )
    number_format: str | None = _optional(
        None,
        "How numbers are written: the number 1234.5 in that spelling, such as `1.234,5`, `1 234,5`, `$1,234.5` or "
        "`1234.5%`. By default plainly, or as all values of the column show.",
        max_length=30,
    )
    date_format: DateFormat | None = _optional(
        None, "What digits mean in a Date or Timestamp. By default as all values of the column show."
    )
    date_order: DateOrder | None = _optional(
        None, "How 08/09/2024 is read. By default as all values of the column show."
    )
    time_zone: str | None = _optional(
        None,
        "Zone of a Timestamp: a name of the IANA database such as `Europe/Berlin`, or an offset from UTC such as "
        "`+02:00`. Values without an offset are local times of it, and days, weekdays and hours are those of its "
        "clock. By default the zone that all values name, else UTC.",
        max_length=60,
    )
    missing_values: list[Annotated[str, Field(max_length=200)]] | None = _optional(
        None,
        "Texts that stand for a missing value. By default NA, null, NaN, -, ? and others, and none in a String.",
        max_length=100,
    )
    strip: bool = _optional(False, "Whether the blanks around a text are left out.")

    @classmethod
    def from_column(cls, column: Column) -> Self:
        """Return the JSON of a column."""
        fields = {_API_NAMES.get(name, name): value for name, value in vars(column).items()}
        return cls.model_validate({name: fields[name] for name in cls.model_fields})

    def to_column(self) -> Column:
        """Return the column, its type parsed.

        Raises:
            Invalid: `unknown_data_type`.
        """
        fields: dict[str, Any] = {_COLUMN_NAMES.get(name, name): value for name, value in vars(self).items()}
        fields |= {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        fields["data_type"] = DataType.parse(self.data_type)
        return Column(**fields)


class CreateTemplate(BaseModel):
    """A new template."""

    model_config = request_config(
        {
            "template_name": "customers",
            "template_schema": [
                {"column_name": "customer_id", "data_type": "String"},
                {"column_name": "tenure", "data_type": "Integer", "minimum": "0"},
                {"column_name": "plan", "data_type": "String", "allowed_values": ["basic", "premium"]},
                {"column_name": "left", "data_type": "Boolean"},
            ],
        }
    )

    template_name: Name = Field(description="Unique in the tenant.")
    template_schema: list[TemplateColumn] = Field([], description="The columns; a dataset needs at least one.")


class UpdateTemplate(BaseModel):
    """The next version of a template."""

    model_config = request_config(
        {
            "template_name": "customers",
            "template_schema": [
                {"column_name": "customer_id", "data_type": "String"},
                {"column_name": "tenure", "data_type": "Float", "default_value": "0"},
            ],
        }
    )

    template_name: Name = Field(description="Unique in the tenant.")
    template_schema: list[TemplateColumn] | None = Field(
        None, description="The columns of the new version; by default those of the last one."
    )


class TemplateCreated(BaseModel):
    """The answer when a template was created."""

    status: int = 201
    message: str
    id: int = Field(description="Id of the template.")


class TemplateRow(BaseModel):
    """A template in a list, without its columns."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    template_name: str = Field(validation_alias="name", description="Unique in the tenant.")
    id: int = Field(description="Id of the template.")
    tenant_id: str = Field(description="Tenant that owns the template.")
    no_of_columns: int = Field(validation_alias="column_count", description="Number of its columns.")
    version: int = Field(description="Number of the newest version; the first is 1.")
    created_by: str = Field(description="Who created the template.")
    created_at: datetime = Field(description="When it was created.")
    modified_at: datetime = Field(description="When it was last updated.")
    modified_by: str = Field(description="Who updated it last.")


class TemplateList(BaseModel):
    """A page of templates."""

    total: int = Field(description="Number of templates of the tenant.")
    data: list[TemplateRow] = Field(description="The page, newest first.")


class TemplateAnswer(TemplateRow):
    """A template with the columns of its newest version."""

    template_schema: list[TemplateColumn] = Field(description="The columns, in their order.")

    @classmethod
    def from_template(cls, template: Template) -> Self:
        """Return the JSON of a template with its columns."""
        row = TemplateRow.model_validate(template)
        return cls(**row.model_dump(), template_schema=_columns(template))


class TemplateDeleted(BaseModel):
    """The answer when a template was deleted."""

    status_code: int = 200
    message: str


class VersionAnswer(BaseModel):
    """One version of a template."""

    version: int = Field(description="Number of the version; the first is 1.")
    template_name: str = Field(description="Name of the template in this version.")
    template_schema: list[TemplateColumn] = Field(description="The columns, in their order.")
    created_by: str = Field(description="Who made this version.")
    created_at: datetime = Field(description="When it was made.")

    @classmethod
    def from_version(cls, version: TemplateVersion) -> Self:
        """Return the JSON of a version with its columns."""
        return build_answer(cls, version, template_name=version.name, template_schema=_columns(version))


class VersionList(BaseModel):
    """A page of the versions of a template."""

    total: int = Field(description="Number of its versions.")
    data: list[VersionAnswer] = Field(description="The page, newest first.")


class InferredTemplate(BaseModel):
    """Columns that were inferred from sample files."""

    template_schema: list[TemplateColumn] = Field(description="The columns, as `POST /template` takes them.")
    warnings: list[WarningAnswer] = Field(description="What to know about the columns.")
    rows_read: int = Field(description="Number of rows that were read.")
    delimiter: str | None = Field(description="Delimiter of the fields of the first file; null for Parquet.")


def _columns(template: Template | TemplateVersion) -> list[TemplateColumn]:
    return [TemplateColumn.from_column(column) for column in template.columns]
