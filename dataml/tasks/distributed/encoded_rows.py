"""The rows of a distributed training, as shards for the workers.

Ray Data encodes the rows where they are read, a row group at a time, so that no process holds more than its own shard
of the matrix.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.ml.preprocessing import Preprocessing
from dataml.storage.storage import Storage

_MIN_ROW_GROUPS_PER_WORKER: Final = 8
"""With this many row groups for each worker, whole row groups are distributed. With fewer, single rows are: then every
worker reads the whole file, but all have the same number of rows, from all regions of the file, which LightGBM's bins
are made from."""

MAX_TASKS: Final = 2
"""Row groups that are encoded at a time, for all workers together."""


class SplitPart(IntEnum):
    """The part of the split that a row of the file belongs to."""

    NONE = 0
    TRAIN = 1
    VALIDATION = 2


@dataclass(frozen=True)
class EncodedRows:
    """Rows of a typed Parquet file and their encoding; is sent to other nodes.

    Attributes:
        storage: has the file.
        name: storage name of the file.
        contract: the features, in the file's types.
        preprocessing: encodes rows as numbers.
        y: (rows of the file,) the targets, as `Samples.y`, by the row's position in the file.
        part: (rows of the file,) a `SplitPart` each, as int8; a row without a target is in no part.
    """

    storage: Storage
    name: str
    contract: Contract
    preprocessing: Preprocessing
    y: np.ndarray
    part: np.ndarray

    @property
    def path(self) -> Path:
        """The local path of the file on this node, which may have to fetch it."""
        return self.storage.fetch(self.name)


@dataclass(frozen=True)
class RowGroupShard:
    """Every `step`-th row of a part from the `first` on, of row group `group`, which begins at row `start`."""

    group: int
    start: int
    first: int
    step: int


def build_shards(rows: EncodedRows, workers: int) -> dict[str, Any]:
    """Return a Ray dataset of training rows for each worker, `train-0` and so on, and the dataset `validation`.

    Their columns are `x` (float32, width) and `y`. The shards depend only on the file, unlike those of a split at run
    time: so a seed reproduces the model.
    """
    import ray

    shared = ray.put(rows)
    training = {
        f"train-{worker}": _dataset(shared, shard_row_groups(rows.path, worker, workers), SplitPart.TRAIN)
        for worker in range(workers)
    }
    return training | {"validation": _dataset(shared, shard_row_groups(rows.path, 0, 1), SplitPart.VALIDATION)}


def shard_row_groups(path: Path, worker: int, workers: int) -> list[RowGroupShard]:
    """Return one worker's shards of the row groups of a file."""
    groups = pq.ParquetFile(path).metadata
    lengths = [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]
    starts = np.cumsum([0, *lengths]).tolist()
    if len(lengths) >= _MIN_ROW_GROUPS_PER_WORKER * workers:
        return [RowGroupShard(number, starts[number], 0, 1) for number in range(worker, len(lengths), workers)]
    return [RowGroupShard(number, starts[number], worker, workers) for number in range(len(lengths))]


def _dataset(shared: Any, shards: list[RowGroupShard], part: SplitPart) -> Any:
    import ray
    from ray.data import TaskPoolStrategy

    numbers = ray.data.from_items([{"shard": number} for number in range(len(shards))], override_num_blocks=len(shards))
    return numbers.map_batches(
        partial(_encode_shard, shared=shared, shards=shards, part=part),
        batch_size=1,
        batch_format="numpy",
        num_cpus=0,  # the platform itself holds most CPUs of a small machine: the number of tasks is limited instead
        compute=TaskPoolStrategy(MAX_TASKS),
    )


def _encode_shard(numbers: Any, shared: Any, shards: list[RowGroupShard], part: SplitPart) -> dict[str, Any]:
    import ray

    x, y = encode(ray.get(shared), shards[int(numbers["shard"][0])], part)
    return {"x": x, "y": y}


def encode(rows: EncodedRows, shard: RowGroupShard, part: SplitPart) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix (rows, width) and the targets (rows,) of one shard."""
    table = pq.ParquetFile(rows.path).read_row_group(shard.group, columns=rows.contract.names)
    here = slice(shard.start, shard.start + table.num_rows)
    chosen = np.flatnonzero(rows.part[here] == part)[shard.first :: shard.step]
    picked = table.take(pa.array(chosen)).cast(rows.contract.schema)
    return rows.preprocessing.transform(picked), rows.y[here][chosen]
