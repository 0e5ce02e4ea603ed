"""The rows of an incremental training: read by the contract of the model that is continued."""

import hashlib
from dataclasses import dataclass, replace
from typing import Final

import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.jobs.spec import JobContext, TrainSpec
from dataml.tasks.model_rows import ModelRows

_USED_ROLES: Final = ("Target", "Feature", "Time", "Exogenous")


def used_columns(spec: TrainSpec) -> Contract:
    """Return the columns that a training reads; those of other roles may be absent.

    The Id of a forecast names its series, and a group keeps rows together.
    """
    roles = (*_USED_ROLES, "Id") if spec.problem_type == "Forecast" else _USED_ROLES
    group = spec.validation.group
    return spec.contract.select(name for name in spec.contract.names if spec.roles[name] in roles or name == group)


@dataclass(frozen=True)
class ContinuedRows:
    """The spec of a training with its rows in one typed file, which `sha256` is the hash of.

    `sha256` is None where that file is the validated copy of the dataset.
    """

    spec: TrainSpec
    sha256: str | None


def prepare_rows(spec: TrainSpec, context: JobContext) -> ContinuedRows:
    """Write the rows as the model reads them to `rows.parquet`, unless the validated copy of the dataset says the same.

    Raises:
        Invalid: `missing_column`: the files do not have a column of the model; what the reading of files raises.
    """
    if spec.rows is None:
        return ContinuedRows(spec, None)
    rows = ModelRows(spec.rows, spec.parquet, used_columns(spec), context)
    if rows.is_copy:
        return ContinuedRows(spec, None)
    context.report_progress(0.01, "Reading the rows by the model's contract")
    name, path = context.output("rows.parquet")
    with pq.ParquetWriter(path, rows.contract.schema, compression="zstd") as writer:
        for batch in rows.parse():
            writer.write_batch(batch)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    warnings = (*spec.dataset_warnings, *rows.left_out.warnings())
    return ContinuedRows(replace(spec, parquet=name, dataset_warnings=warnings), sha256)
