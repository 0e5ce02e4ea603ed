"""The JSON of the lake calls."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from math import isfinite
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dataml.datalake.lake import TableInfo
from dataml.datalake.service import LakeSource, NewShare
from dataml.db.scope import Page
from dataml.http.answers import build_answer
from dataml.http.requests import request_config
from dataml.ml.profiling.exact_statistics import NumericStatistics

_MAX_TEXT: Final = 4096

SchemaName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
SharedName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f.]+$"),
]


class TableColumn(BaseModel):
    """A column of a lake table."""

    model_config = ConfigDict(from_attributes=True)

    column_name: str = Field(validation_alias="name", description="Name of the column.")
    data_type: str = Field(description="Trino's name of its type.", examples=["varchar", "bigint", "timestamp(6)"])


class TableDeleted(BaseModel):
    """The answer when a lake table was deleted."""

    message: str = Field(description="What was done.")


class TableSnapshot(BaseModel):
    """A snapshot of a lake table."""

    model_config = ConfigDict(from_attributes=True)

    snapshot_id: int = Field(description="Id that `POST /dataset/upload` takes.")
    created_time: datetime = Field(validation_alias="created_at", description="When it was committed.")
    operation: str | None = Field(description="append, overwrite, delete or replace.")
    made_by: dict[str, str] = Field(
        description="What made it, by the platform's ids: job-id, dataset-id, train-id, ..."
    )


class TablePreview(BaseModel):
    """Some rows of a lake table."""

    preview: list[dict[str, Any]] = Field(
        description="Rows in no given order. Dates and times as ISO 8601; text cut after 4,096 characters; values of "
        "other types as text. Columns of nested or binary types may be left out."
    )

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Self:
        """Return the JSON of rows of a lake."""
        return cls(preview=[{name: _to_json(value) for name, value in row.items()} for row in rows])


def _to_json(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


class TableMetadata(BaseModel):
    """The metadata of a lake table, with a page of its snapshots."""

    schema_name: str = Field(serialization_alias="schema", description="Name of the schema.")
    table: str = Field(description="Name of the table.")
    owner: str | None = Field(description="Who created it.")
    created_time: datetime | None = Field(description="When it was created.")
    last_access_time: datetime | None = Field(
        description="When its rows were last read through the platform, or last written after it was created; null "
        "when neither has happened."
    )
    location: str | None = Field(description="Where its files are.")
    format: str = Field(description="iceberg, or the name of Trino's connector.")
    row_count: int | None = Field(description="Number of rows.")
    size_bytes: int | None = Field(description="Size of its data files.")
    snapshot_count: int = Field(description="Number of its snapshots.")
    snapshots: list[TableSnapshot] = Field(description="A page of its snapshots, newest first.")

    @classmethod
    def from_info(
        cls, schema_name: str, table: str, info: TableInfo, last_access_at: datetime | None, page: Page
    ) -> Self:
        """Return the metadata of a table, with this page of its snapshots."""
        snapshots = info.snapshots[page.offset : page.offset + page.limit]
        return build_answer(
            cls,
            info,
            schema_name=schema_name,
            table=table,
            created_time=info.created_at,
            last_access_time=last_access_at,
            snapshot_count=len(info.snapshots),
            snapshots=[TableSnapshot.model_validate(snapshot) for snapshot in snapshots],
        )


class NumericStats(BaseModel):
    """Statistics of a numeric column."""

    column: str = Field(description="Name of the column.")
    count: int = Field(description="Values that are neither null nor NaN; the others are about these.")
    mean: float | None = Field(description="Mean; null when there is no value.")
    std_dev: float | None = Field(description="Standard deviation of a sample (n - 1).")
    min: int | float | None = Field(description="Smallest value.")
    max: int | float | None = Field(description="Largest value.")
    median: float | None = Field(description="Median; on Trino an approximation.")

    @classmethod
    def from_statistics(cls, column: str, statistics: NumericStatistics) -> Self:
        """Return the statistics of a column."""
        return build_answer(cls, statistics, column=column, min=statistics.minimum, max=statistics.maximum)


class DistinctCount(BaseModel):
    """The number of distinct values of a column."""

    column: str = Field(description="Name of the column.")
    distinct_count: int = Field(description="Number of distinct values; null does not count.")
    is_exact: bool = Field(description="false: an estimate of many values, with a standard error of 1.6%.")


class ShareRequest(BaseModel):
    """A schema to share with a tenant."""

    model_config = request_config(
        {
            "tenant_id": "4f9c2a1e-7d30-4b58-9c61-2f0a8e5d7b13",
            "schema_name": "gold",
            "owner_tenant_id": "0b7d51c2-96ae-4f0b-8a37-c5e2149fd860",
            "name": "partner_gold",
        }
    )

    tenant_id: str = Field(max_length=36, description="Tenant that may read the schema.")
    schema_name: SchemaName = Field(description="Name of the schema: its owner's, the Iceberg catalog's, or Trino's.")
    source: LakeSource = Field("iceberg", description="iceberg (the platform's catalog) or trino.")
    owner_tenant_id: str | None = Field(
        None, max_length=36, description="Tenant whose bronze, silver, gold or default schema it is."
    )
    name: SharedName | None = Field(
        None, description="Name for the tenant that reads it; by default `schema_name` with underscores for dots."
    )

    def to_share(self) -> NewShare:
        """Return the share, its name filled in."""
        name = self.name or self.schema_name.replace(".", "_")
        return NewShare(self.tenant_id, self.source, self.schema_name, self.owner_tenant_id, name)


class ShareAnswer(BaseModel):
    """A schema that is shared with a tenant."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Id of the share.")
    tenant_id: str = Field(description="Tenant that may read the schema.")
    name: str = Field(description="Name of the schema for this tenant.")
    source: LakeSource = Field(description="iceberg or trino.")
    schema_name: str = Field(validation_alias="schema", description="Name of the schema at its source.")
    owner_tenant_id: str | None = Field(description="Tenant whose schema it is; null for one of the catalog's own.")
    created_by: str = Field(description="Who has shared it.")
    created_at: datetime = Field(description="When it was shared.")


class ShareList(BaseModel):
    """A page of shares."""

    total: int = Field(description="Number of shares of all tenants.")
    data: list[ShareAnswer] = Field(description="The page, in the order of their creation.")
