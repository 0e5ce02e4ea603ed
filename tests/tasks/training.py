"""A training on a small table, run like by a worker."""

from pathlib import Path
from typing import Any, Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq

from dataml.jobs.spec import JobContext, TrainResult, TrainSpec
from dataml.storage.storage import Storage
from dataml.tasks import train
from tests.ml.samples import contract_of


def train_on(
    root: Path,
    table: pa.Table,
    problem_type: Literal["Classification", "Regression"] = "Classification",
    algorithm: str = "LightGBM",
    roles: dict[str, str] | None = None,
    **options: Any,
) -> TrainResult:
    """Train in `root`; columns without a role in `roles` are features, the last one is the target."""
    pq.write_table(table, root / "train.parquet")
    given = dict.fromkeys(table.column_names, "Feature") | {table.column_names[-1]: "Target"} | (roles or {})
    named = cast(Literal["auto", "XGBoost", "LightGBM", "CatBoost", "Linear"], algorithm)
    spec = TrainSpec(1, "train.parquet", contract_of(table), problem_type, named, given, **options)
    return train.run(spec, JobContext(Storage(root), "jobs/1"))
