"""What an upload says of the lake."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from dataml.errors import Invalid
from dataml.iceberg.writing import WriteMode


@dataclass(frozen=True)
class LakeOptions:
    """Parameters of the query."""

    iceberg_table_name: Annotated[
        str | None,
        Query(
            description="With files: the lake table that the validated rows also go to, in schema `silver` unless "
            "another of the own ones stands before it (`gold.visits`). Without files: the table that the dataset is "
            "made from, of any schema that the tenant may read.",
            max_length=255,
        ),
    ] = None
    raw_table_name: Annotated[
        str | None,
        Query(
            description="With files: the lake table, in schema `bronze` unless another stands before it, that all rows "
            "go to as they were uploaded, once the structure of the files is found sound: every cell as text, wrong "
            "ones too, behind `file_id` and `row`.",
            max_length=255,
        ),
    ] = None
    lake_mode: Annotated[
        WriteMode,
        Query(description="append leaves the rows of others in the lake tables; replace leaves none of them."),
    ] = "append"
    snapshot_id: Annotated[
        int | None,
        Query(description="Snapshot of the table to make the dataset from; the newest when not given.", ge=1, lt=2**63),
    ] = None

    def check(self, *, has_files: bool) -> None:
        """Raises:
        Invalid: `snapshot_with_files`, `raw_without_files`.
        """
        if has_files and self.snapshot_id is not None:
            detail = "snapshot_id is for datasets that are made from a lake table; leave it out, or the files."
            raise Invalid(detail, code="snapshot_with_files")
        if not has_files and self.raw_table_name:
            detail = "raw_table_name is for files, as they were uploaded; there are none."
            raise Invalid(detail, code="raw_without_files")
