"""Tables of datasets and their files."""

from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import ForeignKeyConstraint, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from dataml.contract.contract import Contract
from dataml.contract.files.layout import CsvOptions
from dataml.db.base import Base, BigId, TenantOwned, Timestamped


class Dataset(TenantOwned, Timestamped, Base):
    """Files that are validated together against one contract.

    - `state` is validating, valid, invalid (too few rows kept) or failed.
    - `contract`, `parquet` (the kept rows, typed), `errors` (the wrong cells) and `set_aside` (the quarantined rows)
      are set when a validation has ended; the last three are storage names. `parquet_sha256` is the hash of the second.
    - `warnings` are those of the last validation.
    - When files are added or deleted, all of them are validated again. The results of the last validation stay until
      those of the new one replace them, all at once; `version` then increases by one.
    - `settled` is what the dataset goes back to when the validation that runs is cancelled; see `dataset.restoration`.
    - `iceberg_table_name` is `schema.table`: where the rows came from (`data_source` is `iceberg`), or where they are
      written to, with `lake_mode`. `iceberg_snapshot_id` is the snapshot that has them.
    - `raw_table_name` is the table that all rows are written to as they were uploaded, in the same mode.
    """

    __tablename__ = "dataset"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "name"),
        ForeignKeyConstraint(["tenant_id", "template_id"], ["template.tenant_id", "template.id"]),
        {"sqlite_autoincrement": True},
    )

    name: Mapped[str] = mapped_column(String(200))
    usage: Mapped[str] = mapped_column(String(1))
    template_id: Mapped[int | None] = mapped_column(BigId)
    template_version: Mapped[int | None]
    data_source: Mapped[str] = mapped_column(String(20))
    iceberg_table_name: Mapped[str | None] = mapped_column(String(200))
    iceberg_snapshot_id: Mapped[int | None] = mapped_column(BigId)
    raw_table_name: Mapped[str | None] = mapped_column(String(200))
    raw_snapshot_id: Mapped[int | None] = mapped_column(BigId)
    lake_mode: Mapped[str | None] = mapped_column(String(10))
    on_error: Mapped[str] = mapped_column(String(20), default="quarantine")
    state: Mapped[str] = mapped_column(String(20), default="validating")
    contract: Mapped[dict[str, Any] | None]
    parquet: Mapped[str | None] = mapped_column(String(500))
    parquet_sha256: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(default=0)
    errors: Mapped[str | None] = mapped_column(String(500))
    set_aside: Mapped[str | None] = mapped_column(String(500))
    total_records: Mapped[int] = mapped_column(BigId, default=0)
    kept_records: Mapped[int] = mapped_column(BigId, default=0)
    # Of a wide dataset it has megabytes, which only the calls about statistics read.
    statistics: Mapped[dict[str, Any] | None] = mapped_column(deferred=True, deferred_raiseload=True)
    failure: Mapped[str | None]
    warnings: Mapped[list[dict[str, Any]] | None]
    settled: Mapped[dict[str, Any] | None]
    created_by: Mapped[str] = mapped_column(String(150))

    @property
    def usability(self) -> str | None:
        """The share of kept rows as a whole percentage, rounded down: 100% means all; None before validation."""
        if self.parquet is None:
            return None
        return f"{100 * self.kept_records // self.total_records if self.total_records else 0}%"

    def validated(self) -> tuple[Contract, str]:
        """Return the contract of the kept rows, and the storage name of their Parquet file.

        Raises:
            ValueError: no validation has ended yet.
        """
        if self.contract is None or self.parquet is None:
            raise ValueError(f"dataset {self.id} is {self.state}")
        return Contract.from_json(self.contract), self.parquet


class File(TenantOwned, Timestamped, Base):
    """A file of a dataset, uploaded or made by a batch prediction; `path` is its storage name.

    With `deleted_at` the file is gone for everybody; its row stays until the validation of its dataset has ended, which
    brings it back when it is cancelled.

    `delimiter`, `encoding`, `header_row`, `has_row_numbers` and `repeated_headers` are what is known about a CSV; see
    `CsvOptions`.
    """

    __tablename__ = "file"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id", "dataset_id"], ["dataset.tenant_id", "dataset.id"]),
        {"sqlite_autoincrement": True},
    )

    dataset_id: Mapped[int] = mapped_column(BigId, index=True)
    name: Mapped[str] = mapped_column(String(255))
    path: Mapped[str] = mapped_column(String(500), unique=True)
    format: Mapped[str] = mapped_column(String(20))
    delimiter: Mapped[str] = mapped_column(String(1), default=",")
    encoding: Mapped[str] = mapped_column(String(20), default="utf-8", server_default="utf-8")
    header_row: Mapped[int | None]
    has_row_numbers: Mapped[bool] = mapped_column(default=False, server_default=false())
    repeated_headers: Mapped[int] = mapped_column(default=0, server_default="0")
    purpose: Mapped[str] = mapped_column(String(20), default="source")
    size_bytes: Mapped[int] = mapped_column(BigId)
    total_fields: Mapped[int]
    total_records: Mapped[int] = mapped_column(BigId)
    error_report: Mapped[dict[str, Any] | None]
    deleted_at: Mapped[datetime | None]

    @property
    def csv_options(self) -> CsvOptions:
        """What is known about a CSV."""
        return CsvOptions(self.encoding, self.header_row, self.delimiter, self.has_row_numbers, self.repeated_headers)

    @property
    def csv_delimiter(self) -> str | None:
        """The delimiter of a CSV; None for other formats."""
        return self.delimiter if self.format == "csv" else None

    @property
    def hdf_path(self) -> str:
        """The storage name of the HDF5 copy, whether or not there is one yet."""
        return str(PurePosixPath(self.path).with_suffix(".hdf"))
