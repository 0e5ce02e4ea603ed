"""Models: what a training has made, its quality, its predictions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

from dataml.client import reports
from dataml.client.aio import forecasting, prediction
from dataml.client.aio.batches import Batch
from dataml.client.aio.datasets import Dataset
from dataml.client.aio.jobs import Job
from dataml.client.aio.lookup import find_model_id
from dataml.client.aio.operations import Operations
from dataml.client.aio.paging import fetch_all
from dataml.client.aio.prediction import Scorer
from dataml.client.aio.transport import Transport
from dataml.client.charts import Picture
from dataml.client.predictions import How, ModelColumns
from dataml.client.progress import ShowProgress
from dataml.client.tables import Fields, Table

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from dataml.client import schemas

Rows = TypeVar("Rows", "pd.DataFrame", "pl.DataFrame", "pa.Table", dict[str, Any], list[dict[str, Any]])
_COLUMNS: Final = (
    *("id", "predictor_name", "version", "problem_type", "algorithm", "metric", "metric_value"),
    *("state", "is_promoted"),
)


class Model:
    """A training and its model; `info` is the last answer of the API about it."""

    def __init__(self, transport: Transport, api: Operations, info: schemas.TrainDetail) -> None:
        self._transport = transport
        self._api = api
        self._columns: ModelColumns | None = None
        self.info = info

    @property
    def id(self) -> int:
        """Id of the training."""
        return self.info["id"]

    @property
    def name(self) -> str:
        """Name of the predictor."""
        return self.info["predictor_name"]

    @property
    def version(self) -> int:
        """Version of the predictor."""
        return self.info["version"]

    @property
    def problem_type(self) -> str:
        """Classification, Regression or Forecast."""
        return self.info["problem_type"]

    @property
    def target(self) -> str:
        """The column that is predicted."""
        return self.info["target"]

    @property
    def state(self) -> schemas.TrainingState:
        """State of the training: queued, running, succeeded, failed, cancelled or deleted; `refresh` asks again."""
        return self.info["state"]

    @property
    def metrics(self) -> Fields:
        """Metrics on rows that the model has not seen; empty until the training has completed."""
        return reports.metrics_of(self.info["metrics"])

    @property
    def warnings(self) -> Table:
        """What to know about the data of the training."""
        return Table(self.info["warnings"])

    @property
    def threshold(self) -> float | None:
        """The probability of the positive one of two classes from which on it is predicted; None for other models.

        0.5 is the more probable class, the default.
        """
        return self.info.get("threshold")

    def leaderboard(self) -> Table:
        """Return the candidates that the training has tried, the best first: their errors, so less is better."""
        return reports.leaderboard_of(self.info["summary"] or {})

    async def refresh(self) -> Model:
        """Ask for the training again, and return this object."""
        self.info = await self._api.get_training(self.id)
        self._columns = None
        return self

    async def set_threshold(self, threshold: float | Literal["best_f1", "best_youden", "default"] | None) -> Model:
        """Keep a decision threshold with the model, and return this object.

        It is in force everywhere after a second.

        Args:
            threshold: A number between 0 and 1, the `best_f1` or `best_youden` of the report, or `default`, as is
                None: the more probable class.

        Raises:
            Invalid: The number is not between 0 and 1, or the model has not two classes.
            Conflict: The training has not completed, or the report has no such threshold.
        """
        is_named = isinstance(threshold, str)
        await self._api.set_threshold(self.id, {"criterion": threshold} if is_named else {"threshold": threshold})
        return await self.refresh()

    async def report(self) -> reports.Report:
        """Return the report: a page with charts in a notebook, the metrics in a terminal."""
        page = await self._api.get_training_report_html(self.id)
        return reports.Report(await self._api.get_training_report(self.id), page)

    async def importance(self, *, progress: ShowProgress = None) -> reports.Importance:
        """Return the share of each feature in the predictions; a job computes it where that was not done yet.

        Raises:
            JobFailed: The job has failed.
        """
        answer = await self._api.get_feature_importance(train_id=self.id)
        if answer["feature_importance"]:
            return reports.Importance(answer)
        return await (await self.start_importance()).wait(progress=progress)

    async def start_importance(self) -> Job[reports.Importance]:
        """Start the job that computes the importance, or return the one that did; see `importance`."""
        started = await self._api.generate_feature_importance(train_id=self.id)

        async def load() -> reports.Importance:
            return reports.Importance(await self._api.get_feature_importance(train_id=self.id))

        return Job(self._api, await self._api.get_job(started["shap_job_id"]), load)

    async def chart(self, name: str = "beeswarm") -> Picture:
        """Return a picture of the explanation: `beeswarm`, `dependence-1` and so on.

        Raises:
            NotFound: There is no explanation yet, or no such picture.
        """
        return Picture(await self._api.get_explanation_chart(self.id, name))

    async def predict(
        self, rows: Rows, *, threshold: float | None = None, how: How = "auto", progress: ShowProgress = None
    ) -> Rows:
        """Return a prediction for each row, as an object of the kind that was sent, with the same index.

        The columns are `prediction`, `probability_<class>` for each class, and `error`, the reason why a row has no
        prediction. They are the same by every way: up to 5,000 rows are answered in real time, in calls of 1,000 rows
        at most; more rows are scored by a batch job, which needs the permission to upload.

        Args:
            rows: A DataFrame of pandas or polars, an Arrow table, a dict (one row) or a list of dicts. Columns that
                the model does not read are not sent; the target may be among them.
            threshold: Of two classes, the probability of the positive one from which on it is predicted; by default
                that of the model.
            how: realtime or batch, in place of what the number of rows says.
            progress: Whether the progress is shown, or a function that gets it.

        Raises:
            WrongRows: A column that the model reads is missing, or a value cannot be sent.
            Invalid: The threshold is not between 0 and 1, or the model has not two classes.
            JobFailed: The batch has failed.
        """
        return await prediction.predict(await self._scorer(threshold), rows, how, progress)

    @overload
    async def predict_dataset(
        self,
        data: Dataset | int,
        *,
        explain: bool = False,
        threshold: float | None = None,
        wait: Literal[True] = True,
        timeout_s: float | None = None,
        progress: ShowProgress = None,
    ) -> Batch: ...

    @overload
    async def predict_dataset(
        self,
        data: Dataset | int,
        *,
        explain: bool = False,
        threshold: float | None = None,
        wait: Literal[False],
        timeout_s: float | None = None,
        progress: ShowProgress = None,
    ) -> Job[Batch]: ...

    async def predict_dataset(
        self,
        data: Dataset | int,
        *,
        explain: bool = False,
        threshold: float | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
        progress: ShowProgress = None,
    ) -> Batch | Job[Batch]:
        """Predict every row of a dataset by a batch job, and return the batch, or the job that makes it.

        Args:
            data: A dataset or its id.
            explain: Whether the result has the features with the largest effects on each prediction.
            threshold: Of two classes, the probability of the positive one from which on it is predicted; by default
                that of the model.
            wait: Whether to wait until the batch is done. False returns the job, which can be waited for.
            timeout_s: How long to wait at most, in seconds.
            progress: Whether the progress is shown, or a function that gets it.

        Raises:
            Invalid: The dataset lacks a feature, or has one of another type.
            JobFailed: The batch has failed.
            WaitTimeout: It has not ended in time; it goes on.
        """
        dataset_id = data if isinstance(data, int) else data.id
        body: schemas.BatchRequest = {"train_id": self.id, "dataset_id": dataset_id, "explain": explain}
        if threshold is not None:
            body["threshold"] = threshold
        job = await prediction.start_batch(self._transport, self._api, body)
        return await job.wait(timeout_s=timeout_s, progress=progress) if wait else job

    async def columns(self) -> ModelColumns:
        """Return the columns that the model reads, and those that its predictions have."""
        return (await self._scorer()).columns

    async def explain(self, rows: Rows) -> Rows:
        """Return the contribution of each feature to the prediction of each row, a column for each feature.

        Args:
            rows: As for `predict`; at most 5,000 of them.

        Raises:
            WrongRows: A column is missing, a value cannot be sent, or there are too many rows.
        """
        return await prediction.explain(await self._scorer(), rows)

    async def forecast(
        self,
        steps: int | None = None,
        *,
        future: Any = None,
        ids: list[str] | str | None = None,
        dataset: int | None = None,
        frequency: str | None = None,
        level: float = 95.0,
        aggregate: Literal["sum", "mean"] = "sum",
        round: bool = False,
    ) -> Any:
        """Return the next steps of the series, a row for each series and step.

        The columns are the Id and the Time column of the training, `value`, `lower`, `upper` and `confidence`. The
        rows are of the kind of `future`; without it a DataFrame of pandas where that is installed, else a list.
        `confidence` is the accuracy in the backtest, 1 - WAPE at that number of steps ahead, and no probability.

        Args:
            steps: How many steps; by default as many as the model was trained for.
            future: The exogenous values of the steps: a row for each series and step, with the Time column and, where
                there are several series, the Id column.
            ids: The series, by default all.
            dataset: Id of a dataset with values observed since the training, or with the exogenous values.
            frequency: A coarser frequency than the model's own, such as `Week`.
            level: Share of values that lie in the interval, in percent.
            aggregate: How steps are combined into one of a coarser frequency.
            round: Round the answers for an Integer target.

        Raises:
            Invalid: Rows of the future are missing or wrong.
            Conflict: The model is no Forecast, or is not ready.
        """
        options = {
            "unique_ids": [ids] if isinstance(ids, str) else ids,
            "dataset_id": dataset,
            "frequency": frequency,
            "level": level,
            "aggregate": aggregate,
            "round": round,
        }
        return await forecasting.forecast(self._api, self.info, steps, future, options)

    async def export(self, path: str | os.PathLike[str], *, progress: ShowProgress = None) -> Path:
        """Write the model with all that it needs to a ZIP file, and return its path.

        Args:
            path: The file, which is replaced if there is one.
            progress: Whether the progress is shown, or a function that gets it.
        """
        return await self._transport.download_to(f"/api/v1/train/{self.id}/export", Path(path), progress=progress)

    async def delete(self) -> None:
        """Delete the training and its model.

        Raises:
            Conflict: A batch uses it, or it is training.
        """
        await self._api.delete_training(self.id)

    async def _scorer(self, threshold: float | None = None) -> Scorer:
        if self._columns is None:
            form = await self._api.get_prediction_form(id=self.id)
            self._columns = ModelColumns.of(self.info, form)
        return Scorer(self._transport, self._api, self.info, self._columns, threshold)

    def __repr__(self) -> str:
        return f"Model({self.name!r}, version={self.version}, {self.problem_type}, {self.state})"

    def _repr_html_(self) -> str:
        import html

        return f"<p><code>{html.escape(repr(self))}</code></p>{self.metrics._repr_html_()}"


class Models:
    """All models of the tenant."""

    def __init__(self, transport: Transport, api: Operations) -> None:
        self._transport = transport
        self._api = api

    async def list(self, *, limit: int | None = None) -> Table:
        """Return the trainings, newest first: all of them, or at most `limit`."""
        return Table(await fetch_all(self._api.list_trainings, limit), _COLUMNS)

    async def get(self, model: int | str, version: int | None = None) -> Model:
        """Return a model by its id, or by the name of its predictor.

        Args:
            model: Id of the training, or name of the predictor, or `NAME@VERSION`.
            version: Of a name, its version; by default the one that serves, else the newest.

        Raises:
            NotFound: There is none.
        """
        if isinstance(model, str):
            model = await find_model_id(self._api, model, version)
        return Model(self._transport, self._api, await self._api.get_training(model))
