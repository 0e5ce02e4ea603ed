"""The options of an upload."""

from typing import Any, Final, Literal, TypedDict


class UploadOptions(TypedDict, total=False):
    """The options of an upload.

    Attributes:
        usage: training (the default), or prediction for rows that a batch scores.
        template: Id of a template to validate against; without one the types are inferred.
        on_error: quarantine (the default): rows with a wrong cell are left out and reported; reject: they fail the
            upload.
        encoding: Encoding of CSV files, by default utf-8.
        delimiter: Delimiter of CSV files, by default detected.
        header_row: Line of the header of CSV files, counted from 1.
        lake_table: Lake table that the validated rows are also written to.
        raw_lake_table: Lake table that all rows are also written to, as they were uploaded.
        lake_mode: append (the default) or replace: whether the rows are added to those of the lake tables.
        idempotency_key: Two uploads with the same key make one dataset; a new key by default.
    """

    usage: Literal["training", "prediction", "t", "p"]
    template: int | None
    on_error: Literal["quarantine", "reject"]
    encoding: str
    delimiter: str | None
    header_row: int | None
    lake_table: str | None
    raw_lake_table: str | None
    lake_mode: Literal["append", "replace"]
    idempotency_key: str


_NAMES: Final = {"template": "template_id", "lake_table": "iceberg_table_name", "raw_lake_table": "raw_table_name"}


def upload_parameters(options: UploadOptions) -> dict[str, Any]:
    """Return the options by the names that the API gives them."""
    given = {_NAMES.get(name, name): value for name, value in options.items() if value is not None}
    return {"usage": "training", **given}
