"""The batch prediction task: the rows of a dataset in, a CSV file with one line a row out, in Arrow batches."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice

import pyarrow as pa

from dataml.contract.adaptation import refuse_missing
from dataml.contract.contract import Column, Contract
from dataml.errors import Invalid
from dataml.jobs.spec import DatasetRows, JobContext, ScoreResult, ScoreSpec
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.input_checks import InputCounter
from dataml.tasks.distributed.cluster import is_worth_distributing
from dataml.tasks.distributed.scoring import EXPLAINED_SECTION_BYTES, SECTION_BYTES, ScoringConfig, score_sections
from dataml.tasks.model_rows import ModelRows
from dataml.tasks.result_writer import ResultWriter
from dataml.tasks.row_sections import RowSection
from dataml.tasks.scorer import Scorer

BATCH_ROWS = 65_536
# Explained rows take a thousand times as long: with smaller batches, the progress is reported more often.
EXPLAINED_BATCH_ROWS = 4_096


def run(spec: ScoreSpec, context: JobContext) -> ScoreResult:
    """Predict every row, in order; a large dataset by Ray Data on all CPUs of the cluster, with the same result.

    The rows are those of the uploaded files, read by the predictor's own contract: what a value means does not depend
    on the other rows of its file. Their spelling is that of the dataset; see `contract.adaptation`.

    The columns of the result are the Id columns, `prediction`, `probability_<class>`..., `error` (empty when there is
    none). With `explain`, ten more columns come before `error`: `explanation_1_feature`, `explanation_1_effect`, ... to
    5, the features with the largest SHAP values of this prediction, largest first, empty when the model has fewer. An
    effect is what the feature adds to the number, to the log-odds of the second of two classes, or to the score of the
    predicted one of several; see `ml.explanation.shap_values` for blends.

    A row whose values the predictor's contract refuses has the reason instead of a prediction. Id columns have the
    types of the dataset and are written unchanged: a text that starts with = + - or @ stays as it is, since the file is
    data for programs and changing an id would break their joins; import it as text into a spreadsheet. An Id column
    with the name of a result column becomes `input_<name>`.

    Of two classes the spec's `threshold` decides the prediction, where it has one.

    Raises:
        BundleDamaged: the bundle cannot be loaded.
        InvalidFields: `missing_feature`.
        Invalid: `schema_mismatch`.
        DatamlError: what `tasks.lake.write` raises, with a lake table.
        Unavailable: `distributed_workers_failed`.
    """
    context.report_progress(0.02, "Loading the model")
    predictor = Predictor.load(context.fetch(spec.bundle), threads=len(os.sched_getaffinity(0)))
    rows = ModelRows(spec.rows, spec.parquet, predictor.contract, context)
    refuse_missing(rows.missing())
    return replace(_Scoring(spec, context, predictor, rows).run(), positive_class=predictor.positive_label)


class _Scoring:
    """One run over the rows of a dataset."""

    def __init__(self, spec: ScoreSpec, context: JobContext, predictor: Predictor, rows: ModelRows) -> None:
        self._spec = spec
        self._context = context
        self._rows = rows
        self._ids = _id_contract(predictor, rows, spec.rows)
        self._scorer = Scorer(predictor, rows.contract, self._ids, spec.explain, spec.threshold)
        self._counter = InputCounter(predictor.input_checks)
        self._columns = {*self._ids.names, *rows.contract.names}
        self._batch_rows = EXPLAINED_BATCH_ROWS if spec.explain else BATCH_ROWS
        self._done = self._failed = 0

    def run(self) -> ScoreResult:
        """Score all rows, by Ray Data where that is worth it."""
        sections = self._split()
        with ResultWriter(self._context, "predictions", self._scorer.schema, self._spec.lake) as writer:
            if len(sections) > 1:
                self._score_parallel(writer, sections)
            else:
                self._score_serial(writer)
        return writer.finish(self._failed, self._counter.warnings())

    def _split(self) -> list[RowSection]:
        if not self._spec.distributed or not is_worth_distributing():
            return []
        return self._rows.split(EXPLAINED_SECTION_BYTES if self._spec.explain else SECTION_BYTES)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        return self._rows.batches(self._columns, self._batch_rows)

    def _score_serial(self, writer: ResultWriter) -> None:
        for batch in self._batches():
            if not self._done:
                self._scorer.check_types(batch)
            table, failed = self._scorer.score(batch, self._counter)
            writer.write(table)
            self._advance(table.num_rows, failed)

    def _score_parallel(self, writer: ResultWriter, sections: Sequence[RowSection]) -> None:
        spec = self._spec
        for batch in islice(self._batches(), 1):
            self._scorer.check_types(batch)
        config = ScoringConfig(
            self._context.storage,
            spec.bundle,
            tuple(sections),
            self._rows.contract,
            self._ids,
            tuple(name for name in self._rows.names if name in self._columns),
            spec.explain,
            self._batch_rows,
            has_table=spec.lake is not None,
            threshold=spec.threshold,
        )
        self._context.report_progress(0.05, f"Starting to score {len(sections):,} sections")
        try:
            with closing(score_sections(config)) as scored:
                for batch in scored:
                    self._counter.merge(batch.counts)
                    writer.write_lines(batch.rows, batch.csv, batch.table)
                    self._advance(batch.rows, batch.failed)
        except Invalid:
            for _ in self._batches():
                pass  # raises it again, with the number of the row in its file, which a section does not know
            raise

    def _advance(self, rows: int, failed: int) -> None:
        self._done += rows
        self._failed += failed
        total = max(self._rows.total, 1)
        message = f"Scored {self._done:,} of {self._rows.total:,} rows"
        self._context.report_progress(min(0.05 + 0.9 * self._done / total, 0.95), message)


def _id_contract(predictor: Predictor, rows: ModelRows, dataset: DatasetRows | None) -> Contract:
    """Return the Id columns that the rows have, in the types of the dataset; none of their values is refused."""
    names = [name for name in predictor.id_columns if name in rows.names]
    if dataset is None:
        types = {name: rows.copied_type(name) for name in names}
        return Contract(tuple(Column(name, data_type) for name, data_type in types.items()))
    known = [name for name in names if name in dataset.contract.names]
    return Contract(tuple(replace(dataset.contract.column(name), nullable=True) for name in known))
