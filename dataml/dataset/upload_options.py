"""The parameters in the query of an upload."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Query

from dataml.access import names
from dataml.dataset.schemas import OnError
from dataml.errors import Invalid
from dataml.iceberg.writing import WriteMode

MAX_NAME_CHARACTERS: Final = 200
_PATH_SEPARATORS: Final = ("/", "\\")


@dataclass(frozen=True)
class UploadOptions:
    """The parameters about the new dataset itself."""

    dataset_name: Annotated[
        str,
        Query(
            description="Name of the new dataset, unique in the tenant: 1 to 200 printable characters without / and "
            "\\, kept in Unicode form NFKC and without spaces around it."
        ),
    ]
    usage: Annotated[str, Query(description="t (train, training) or p (predict, prediction).", max_length=20)]
    template_id: Annotated[
        int | None, Query(description="Template to validate against; without one the columns are inferred.")
    ] = None
    on_error: Annotated[
        OnError,
        Query(
            description="What happens to a row with a wrong cell. quarantine: the row is quarantined and reported. "
            "reject: the upload fails with 422; the answer waits until every cell is validated, at most a minute. "
            "After a minute the answer is 201 with state validating, and a wrong cell makes the dataset failed."
        ),
    ] = "quarantine"

    def parse_name(self) -> str:
        """Return the name of the dataset as it is stored.

        Raises:
            Invalid: `bad_dataset_name`.
        """
        name = names.printable_display(self.dataset_name, MAX_NAME_CHARACTERS)
        if name is None or any(separator in name for separator in _PATH_SEPARATORS):
            detail = f"dataset_name is 1 to {MAX_NAME_CHARACTERS} printable characters, without / and \\."
            raise Invalid(detail, code="bad_dataset_name")
        return name


@dataclass(frozen=True)
class LakeOptions:
    """The parameters about lake tables."""

    iceberg_table_name: Annotated[
        str | None,
        Query(
            description="With files: the lake table that the validated rows are also written to, in schema `silver` "
            "unless the name begins with another of the tenant's own (`gold.visits`). Without files: the table that "
            "the dataset is made from, in any schema that the tenant may read.",
            max_length=255,
        ),
    ] = None
    raw_table_name: Annotated[
        str | None,
        Query(
            description="With files: the lake table that all rows are written to as they were uploaded, in schema "
            "`bronze` unless the name begins with another. They are written once the structure of the files is valid: "
            "every cell as text, wrong ones too, after the columns `file_id` and `row`.",
            max_length=255,
        ),
    ] = None
    lake_mode: Annotated[
        WriteMode,
        Query(
            description="For `iceberg_table_name` and `raw_table_name` of an upload with files. append: the rows of "
            "other datasets stay in the tables, whose columns must be those of the rows. replace: they are deleted, "
            "and the columns become those of the rows. In both, rows that this dataset wrote before are replaced."
        ),
    ] = "append"
    snapshot_id: Annotated[
        int | None,
        Query(description="Snapshot of the table to make the dataset from; by default the newest.", ge=1, lt=2**63),
    ] = None

    def check(self, *, has_files: bool) -> None:
        """Check that the parameters fit an upload with or without files.

        Raises:
            Invalid: `snapshot_with_files`, `raw_without_files`.
        """
        if has_files and self.snapshot_id is not None:
            detail = "snapshot_id is for datasets that are made from a lake table; leave it out, or send no files."
            raise Invalid(detail, code="snapshot_with_files")
        if not has_files and self.raw_table_name:
            detail = "raw_table_name is for the rows of uploaded files; leave it out, or send files."
            raise Invalid(detail, code="raw_without_files")
