"""Batch scoring of the sections of a dataset in parallel, on all CPUs of the cluster."""

import json
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.csv as pacsv

from dataml.contract.contract import Contract
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.input_checks import InputCounter, InputCounts
from dataml.storage.storage import Storage
from dataml.tasks.distributed.actors import work_in_order
from dataml.tasks.row_sections import RowSection, read_section
from dataml.tasks.scorer import Scorer

SECTION_BYTES: Final = 32 << 20
EXPLAINED_SECTION_BYTES: Final = 2 << 20
"""Explained rows take a thousand times as long; a part of the work should take a minute at most."""


@dataclass(frozen=True)
class ScoringConfig:
    """What each process needs.

    Attributes:
        storage: has the bundle and the rows.
        bundle: storage name of the bundle.
        sections: the rows.
        contract: reads the features, in the spelling of the rows.
        ids: reads the Id columns.
        columns: those that are read.
        explain: as for `Scorer`, as is `threshold`.
        batch_rows: rows that are scored at a time.
        has_table: whether the rows of the result are wanted as a table, too.
    """

    storage: Storage
    bundle: str
    sections: tuple[RowSection, ...]
    contract: Contract
    ids: Contract
    columns: tuple[str, ...]
    explain: bool
    batch_rows: int
    has_table: bool
    threshold: float | None = None


@dataclass(frozen=True)
class ScoredBatch:
    """The result of a batch: `csv` without a header, and the counts of values that the training has not seen."""

    rows: int
    failed: int
    counts: InputCounts
    csv: pa.Buffer
    table: pa.Table | None


def score_sections(config: ScoringConfig) -> Generator[ScoredBatch, None, None]:
    """Yield the result of each batch, in the order of the rows.

    The processes go on until the generator is closed: a caller that does not want all results must close it.

    Raises:
        Invalid: as `tasks.row_sections.read_section`, but rows are counted from the first of a section.
        DatamlError: as `work_in_order`.
    """
    with closing(work_in_order(_SectionScorer, config, len(config.sections))) as results:
        for result in results:
            yield _unpack(result)


class _SectionScorer:
    def __init__(self, config: ScoringConfig) -> None:
        self._config = config
        # One thread: there are as many processes as CPUs.
        self._predictor = Predictor.load(config.storage.fetch(config.bundle))
        self._scorer = Scorer(self._predictor, config.contract, config.ids, config.explain, config.threshold)

    def work(self, part: int) -> Iterator[pa.Table]:
        config = self._config
        section = config.sections[part]
        for batch in read_section(config.storage, section, config.contract, config.columns, config.batch_rows):
            counter = InputCounter(self._predictor.input_checks)
            table, failed = self._scorer.score(batch, counter)
            yield _pack(table, failed, counter, config.has_table)


def _pack(table: pa.Table, failed: int, counter: InputCounter, has_table: bool) -> pa.Table:
    lines = pa.BufferOutputStream()
    pacsv.write_csv(table, lines, pacsv.WriteOptions(include_header=False))
    content = None
    if has_table:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        content = sink.getvalue().to_pybytes()
    return pa.table(
        {
            "rows": [table.num_rows],
            "failed": [failed],
            "counts": [json.dumps(counter.counts())],
            "csv": pa.array([lines.getvalue().to_pybytes()], pa.large_binary()),
            "table": pa.array([content], pa.large_binary()),
        }
    )


def _unpack(row: pa.Table) -> ScoredBatch:
    content = row.column("table")[0].as_buffer()
    return ScoredBatch(
        row.column("rows")[0].as_py(),
        row.column("failed")[0].as_py(),
        json.loads(row.column("counts")[0].as_py()),
        row.column("csv")[0].as_buffer(),
        None if content is None else pa.ipc.open_stream(content).read_all(),
    )
