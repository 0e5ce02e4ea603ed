"""What lake calls take and answer."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dataml.datalake.lake import ColumnInfo, SnapshotInfo, TableInfo
from dataml.datalake.models import LakeShare
from dataml.datalake.service import NewShare, Source
from dataml.db.scope import Page
from dataml.ml.profiling.exact_statistics import DistinctEstimate, NumericStatistics

SchemaName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
SharedName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f.]+$"),
]


class TableColumn(BaseModel):
    column_name: str = Field(description="Name of the column.")
    data_type: str = Field(description="Its type, as Trino calls it.", examples=["varchar", "bigint", "timestamp(6)"])

    @classmethod
    def of(cls, column: ColumnInfo) -> "TableColumn":
        return cls(column_name=column.name, data_type=column.data_type)


class TableSnapshot(BaseModel):
    snapshot_id: int = Field(description="Id that `dataset/upload` takes.")
    created_time: datetime = Field(description="When it was committed.")
    operation: str | None = Field(description="append, overwrite, delete or replace.")
    made_by: dict[str, str] = Field(
        description="What made it, by the platform's ids: job-id, dataset-id, train-id, ..."
    )

    @classmethod
    def of(cls, snapshot: SnapshotInfo) -> "TableSnapshot":
        return cls(
            snapshot_id=snapshot.snapshot_id,
            created_time=snapshot.created_at,
            operation=snapshot.operation,
            made_by=snapshot.made_by,
        )


class TableMetadata(BaseModel):
    schema_name: str = Field(serialization_alias="schema", description="The schema.")
    table: str = Field(description="The table.")
    owner: str | None = Field(description="Who made it.")
    created_time: datetime | None = Field(description="When it was made.")
    last_access_time: datetime | None = Field(description="When its newest snapshot was made.")
    location: str | None = Field(description="Where its files lie.")
    format: str = Field(description="iceberg, or what Trino has behind it.")
    row_count: int | None = Field(description="Rows.")
    size_bytes: int | None = Field(description="Size of its data files.")
    snapshot_count: int = Field(description="Snapshots that there are.")
    snapshots: list[TableSnapshot] = Field(description="A page of them, newest first.")

    @classmethod
    def of(cls, schema: str, table: str, info: TableInfo, page: Page) -> "TableMetadata":
        return cls(
            schema_name=schema,
            table=table,
            owner=info.owner,
            created_time=info.created_at,
            last_access_time=info.last_access_at,
            location=info.location,
            format=info.format,
            row_count=info.row_count,
            size_bytes=info.size_bytes,
            snapshot_count=len(info.snapshots),
            snapshots=[TableSnapshot.of(s) for s in info.snapshots[page.offset : page.offset + page.limit]],
        )


class NumericStats(BaseModel):
    column: str = Field(description="The column.")
    count: int = Field(description="Numbers in it: neither null nor NaN.")
    mean: float | None = Field(description="Their mean; null when there is none.")
    std_dev: float | None = Field(description="Standard deviation of a sample (n - 1).")
    min: int | float | None = Field(description="The smallest.")
    max: int | float | None = Field(description="The largest.")
    median: float | None = Field(description="The median; on Trino an approximation.")

    @classmethod
    def of(cls, column: str, found: NumericStatistics) -> "NumericStats":
        return cls(
            column=column,
            count=found.count,
            mean=found.mean,
            std_dev=found.std_dev,
            min=found.minimum,
            max=found.maximum,
            median=found.median,
        )


class DistinctCount(BaseModel):
    column: str = Field(description="The column.")
    distinct_count: int = Field(description="Different values in it, null aside.")
    is_exact: bool = Field(description="false: an estimate of very many, with a standard error of 1.6%.")

    @classmethod
    def of(cls, column: str, found: DistinctEstimate) -> "DistinctCount":
        return cls(column=column, distinct_count=found.distinct, is_exact=found.is_exact)


class ShareRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tenant_id: str = Field(max_length=36, description="Tenant that may read the schema.")
    schema_name: SchemaName = Field(description="The schema: of its owner, of the Iceberg catalog, or of Trino.")
    source: Source = Field("iceberg", description="iceberg (the platform's catalog) or trino.")
    owner_tenant_id: str | None = Field(
        None, max_length=36, description="Tenant whose bronze, silver, gold or default schema it is."
    )
    name: SharedName | None = Field(
        None, description="What the tenant calls it; `schema_name` when not given, its dots underscores."
    )

    def share(self) -> NewShare:
        name = self.name or self.schema_name.replace(".", "_")
        return NewShare(self.tenant_id, self.source, self.schema_name, self.owner_tenant_id, name)


class ShareAnswer(BaseModel):
    id: int = Field(description="Id of the share.")
    tenant_id: str = Field(description="Tenant that may read the schema.")
    name: str = Field(description="What the tenant calls it.")
    source: Source = Field(description="iceberg or trino.")
    schema_name: str = Field(description="What it is called at its source.")
    owner_tenant_id: str | None = Field(description="Tenant whose schema it is; null for one of the catalog's own.")
    created_by: str = Field(description="Who has shared it.")
    created_at: datetime = Field(description="When.")

    @classmethod
    def of(cls, share: LakeShare) -> "ShareAnswer":
        return cls(
            id=share.id,
            tenant_id=share.tenant_id,
            name=share.name,
            source="trino" if share.source == "trino" else "iceberg",
            schema_name=share.schema,
            owner_tenant_id=share.owner_tenant_id,
            created_by=share.created_by,
            created_at=share.created_at,
        )


class ShareList(BaseModel):
    total: int = Field(description="Shares of all tenants, on this page or not.")
    data: list[ShareAnswer] = Field(description="The page, in the order in which they were made.")
