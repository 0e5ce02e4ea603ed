"""The rows of a training as Ray Data hands them to several workers: encoded where they are read, a row group at a time,
so that no process holds more than its own share of the matrix."""

from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.ml.features import Preprocessing
from dataml.storage.storage import Storage

_GROUPS_A_WORKER: Final = 8
"""With so many row groups for each worker they are dealt out whole. With fewer, rows are: every worker then reads all
of the file, but all have the same number of rows, and of all its regions, which LightGBM's bins are made from."""

TASKS: Final = 2
"""Row groups that are encoded at a time, for all workers together."""


class Part(IntEnum):
    """What a row of the file is for."""

    NONE = 0
    TRAIN = 1
    VALIDATION = 2


@dataclass(frozen=True)
class EncodedRows:
    """Rows of a typed Parquet file, by its storage name, and how they become numbers. Crosses to other nodes.

    `contract` has the features, in the file's types; `y` (rows of the file,) are the targets, as `Samples.y`, and
    `part` (rows of the file,) is a `Part` each, as int8. Both are by the row's position in the file: a row without a
    target is in no part.
    """

    storage: Storage
    name: str
    contract: Contract
    preprocessing: Preprocessing
    y: np.ndarray
    part: np.ndarray

    @property
    def path(self) -> Path:
        """Where the file is on the node that asks, which may have to fetch it."""
        return self.storage.fetch(self.name)


@dataclass(frozen=True)
class Piece:
    """Of row group `group`, which begins at row `start`, every `step`-th row of a part from the `first` on."""

    group: int
    start: int
    first: int
    step: int


def shares(rows: EncodedRows, workers: int) -> dict[str, Any]:
    """A Ray dataset of training rows for each worker, `train-0` and so on, and `validation`, with columns `x` (float32,
    width) and `y`.

    The shares are of a fixed making, unlike those of a split at run time: a seed gives the same model each time.
    """
    import ray

    shared = ray.put(rows)
    training = {
        f"train-{worker}": _dataset(shared, pieces_of(rows.path, worker, workers), Part.TRAIN)
        for worker in range(workers)
    }
    return training | {"validation": _dataset(shared, pieces_of(rows.path, 0, 1), Part.VALIDATION)}


def pieces_of(path: Path, worker: int, workers: int) -> list[Piece]:
    """What of a file is one worker's share."""
    groups = pq.ParquetFile(path).metadata
    lengths = [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]
    starts = np.cumsum([0, *lengths]).tolist()
    if len(lengths) >= _GROUPS_A_WORKER * workers:
        return [Piece(number, starts[number], 0, 1) for number in range(worker, len(lengths), workers)]
    return [Piece(number, starts[number], worker, workers) for number in range(len(lengths))]


def _dataset(shared: Any, pieces: list[Piece], part: Part) -> Any:
    import ray
    from ray.data import TaskPoolStrategy

    numbers = ray.data.from_items([{"piece": number} for number in range(len(pieces))], override_num_blocks=len(pieces))
    return numbers.map_batches(
        partial(_encode_piece, shared=shared, pieces=pieces, part=part),
        batch_size=1,
        batch_format="numpy",
        num_cpus=0,  # the platform itself holds most CPUs of a small machine: the number of tasks is limited instead
        compute=TaskPoolStrategy(TASKS),
    )


def _encode_piece(numbers: Any, shared: Any, pieces: list[Piece], part: Part) -> dict[str, Any]:
    import ray

    x, y = encode(ray.get(shared), pieces[int(numbers["piece"][0])], part)
    return {"x": x, "y": y}


def encode(rows: EncodedRows, piece: Piece, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """The matrix (rows, width) and the targets (rows,) of one piece."""
    table = pq.ParquetFile(rows.path).read_row_group(piece.group, columns=rows.contract.names)
    here = slice(piece.start, piece.start + table.num_rows)
    chosen = np.flatnonzero(rows.part[here] == part)[piece.first :: piece.step]
    picked = table.take(pa.array(chosen)).cast(rows.contract.schema)
    return rows.preprocessing.matrix(picked), rows.y[here][chosen]
