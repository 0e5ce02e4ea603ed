"""Predictions of a model: in real time for few rows, by a batch job for many."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dataml.client import predictions
from dataml.client.aio.batches import Batch
from dataml.client.aio.jobs import Job
from dataml.client.aio.operations import Operations
from dataml.client.aio.runtime import run_in_thread
from dataml.client.aio.transport import Transport
from dataml.client.errors import Conflict, Forbidden, Invalid, NotFound, WrongRows
from dataml.client.frames import Frame
from dataml.client.multipart import FilePart
from dataml.client.predictions import ModelColumns
from dataml.client.progress import ShowProgress, open_progress
from dataml.client.row_files import to_file

if TYPE_CHECKING:
    from dataml.client import schemas

_MAX_EXPLAINED_ROWS: Final = 5_000


class Answers:
    """The answers of a model in real time, and the reasons of the rows that have none, by the position of the row."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.errors: dict[int, str] = {}


class TooManyWrongRows(Exception):
    """So many rows are wrong that a batch is faster."""


class Scorer:
    """Sends rows to one model."""

    def __init__(
        self,
        transport: Transport,
        api: Operations,
        info: schemas.TrainDetail,
        columns: ModelColumns,
        threshold: float | None = None,
    ) -> None:
        self._transport = transport
        self._api = api
        self._info = info
        self._threshold = threshold
        self.columns = columns

    async def realtime(
        self,
        frame: Frame,
        *,
        explain: bool = False,
        max_wrong: int | None = None,
        progress: ShowProgress = False,
    ) -> Answers:
        """Return the answers to rows in real time.

        Raises:
            TooManyWrongRows: More than `max_wrong` rows are refused.
        """
        rows = await run_in_thread(frame.records, self.columns.inputs)
        answers = Answers()
        chunk_rows = predictions.EXPLAIN_CHUNK_ROWS if explain else predictions.CHUNK_ROWS
        with open_progress(progress, f"predict {self._info['predictor_name']}") as shown:
            for begin, chunk in predictions.split_rows(rows, chunk_rows):
                await self._answer(begin, chunk, answers, explain=explain, max_wrong=max_wrong)
                done = begin + len(chunk)
                shown.update(done / len(rows), f"{done:,} of {len(rows):,} rows")
        return answers

    async def _answer(
        self, begin: int, chunk: list[dict[str, Any]], answers: Answers, *, explain: bool, max_wrong: int | None
    ) -> None:
        """Ask for some rows, without those that are refused, until all others have an answer."""
        positions = list(range(begin, begin + len(chunk)))
        while positions:
            rows = [chunk[position - begin] for position in positions]
            try:
                answered = await (self._ask_one(rows[0], explain) if len(rows) == 1 else self._ask(rows, explain))
            except Invalid as error:
                wrong = predictions.wrong_row(error, len(rows))
                if wrong is None:
                    raise
                index, reason = wrong
                answers.errors[positions.pop(index)] = reason
                if max_wrong is not None and len(answers.errors) > max_wrong:
                    raise TooManyWrongRows from error
            else:
                answers.rows.update(zip(positions, answered, strict=True))
                return

    async def _ask_one(self, row: dict[str, Any], explain: bool) -> Sequence[Any]:
        body: Any = {
            "train_id": self._info["id"],
            "preprocess_id": self._info["preprocess_id"],
            "target": self._info["target"],
            "features": row,
            "explain": explain,
        }
        body |= self._options()
        return [await self._api.predict(body)]

    async def _ask(self, rows: list[dict[str, Any]], explain: bool) -> Sequence[Any]:
        path = self._info.get("version_url") or ""
        body = {"instances": rows, "explain": explain} | self._options()
        return (await self._transport.call("POST", path, body=body))["predictions"]

    def _options(self) -> dict[str, Any]:
        # Platforms of older versions do not know the field.
        return {} if self._threshold is None else {"threshold": self._threshold}

    async def batch(self, frame: Frame, *, progress: ShowProgress = None) -> dict[str, Any]:
        """Return the columns of a result by a batch job; the dataset that it needs is deleted afterwards.

        Raises:
            Forbidden: The caller may not upload.
            JobFailed: The validation or the batch has failed.
        """
        content, ending = await run_in_thread(to_file, frame.source, self.columns.inputs)
        name = f"predict-{uuid.uuid4().hex[:12]}"
        part = FilePart.open(content, f"{name}.{ending}")
        uploaded = await self._api.upload_dataset([part], dataset_name=name, usage="prediction")
        dataset_id = uploaded["dataset_id"]
        try:
            await self._wait(uploaded["job_id"], progress)
            return await self._score(dataset_id, progress)
        finally:
            await self._delete(dataset_id)

    async def _score(self, dataset_id: int, progress: ShowProgress) -> dict[str, Any]:
        body: Any = {"train_id": self._info["id"], "dataset_id": dataset_id} | self._options()
        job = await start_batch(self._transport, self._api, body)
        batch = await job.wait(progress=progress, title=f"predict {self._info['predictor_name']}")
        with tempfile.TemporaryDirectory(prefix="dataml-") as folder:
            path = await batch.download(Path(folder) / "result.csv", progress=progress)
            return await run_in_thread(predictions.read_result, path, self.columns.result_types)

    async def _wait(self, job_id: str, progress: ShowProgress) -> None:
        async def nothing() -> None:
            return None

        await Job(self._api, await self._api.get_job(job_id), nothing).wait(progress=progress)

    async def _delete(self, dataset_id: int) -> None:
        # Who may upload may not always delete, and a batch that was left runs on: the dataset then stays.
        with suppress(Forbidden, NotFound, Conflict):
            await self._api.delete_dataset(dataset_id)


async def start_batch(transport: Transport, api: Operations, body: schemas.BatchRequest) -> Job[Batch]:
    """Start a batch, and return its job, which loads the batch when it has succeeded."""
    started = await api.start_batch_prediction(body)

    async def load() -> Batch:
        prediction_id = started["prediction_id"]
        return Batch(transport, prediction_id, await api.get_batch_result(prediction_id=prediction_id))

    return Job(api, await api.get_job(started["job_id"]), load)


async def predict(scorer: Scorer, source: Any, how: predictions.How, progress: ShowProgress) -> Any:
    """Return the predictions of rows as an object of their kind."""
    frame = Frame(source)
    scorer.columns.check(frame)
    types = scorer.columns.result_types
    if not len(frame):
        return frame.with_columns({name: [] for name in types}, types)
    is_small = len(frame) <= predictions.MAX_REALTIME_ROWS
    if how == "realtime" or (how == "auto" and is_small):
        try:
            max_wrong = None if how == "realtime" or len(frame) == 1 else predictions.MAX_WRONG_ROWS
            answers = await scorer.realtime(frame, max_wrong=max_wrong, progress=progress)
            columns = predictions.result_columns(scorer.columns, answers.rows, answers.errors, len(frame))
            return frame.with_columns(columns, types)
        except TooManyWrongRows:
            pass
    return frame.with_columns(await scorer.batch(frame, progress=progress), types)


async def explain(scorer: Scorer, source: Any) -> Any:
    """Return the contribution of each feature to the prediction of each row."""
    frame = Frame(source)
    scorer.columns.check(frame)
    if len(frame) > _MAX_EXPLAINED_ROWS:
        detail = f"At most {_MAX_EXPLAINED_ROWS:,} rows are explained at a time; a batch explains more of them."
        raise WrongRows(detail, code="too_many_rows")
    answers = await scorer.realtime(frame, explain=True)
    columns = predictions.explanation_columns(list(scorer.columns.inputs), answers.rows, answers.errors, len(frame))
    types = dict.fromkeys(columns, "Float") | {"error": "String"}
    return frame.with_columns(columns, types)
