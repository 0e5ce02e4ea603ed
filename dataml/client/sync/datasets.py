# Generated from dataml/client/aio/datasets.py by `make client`: change that file.
"""Datasets: upload, validation, rows, wrong cells."""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Unpack, overload

from dataml.client.error_reports import ErrorReport
from dataml.client.errors import ClientError
from dataml.client.progress import ShowProgress, open_progress, report_bytes_to
from dataml.client.sources import Source, default_name, open_sources
from dataml.client.sync.jobs import Job
from dataml.client.sync.lookup import find_by_name
from dataml.client.sync.operations import Operations
from dataml.client.sync.paging import fetch_all
from dataml.client.sync.runtime import run_in_thread
from dataml.client.sync.transport import Transport
from dataml.client.tables import Table
from dataml.client.upload_options import UploadOptions, upload_parameters

if TYPE_CHECKING:
    import pandas as pd

    from dataml.client import schemas

_COLUMNS: Final = ("id", "dataset_name", "usage", "state", "total_records", "kept_records", "created_by", "created_at")
_COLUMN_FIELDS: Final = ("column_name", "data_type", "default_value")


class Dataset:
    """A dataset; `info` is the last answer of the API about it."""

    def __init__(self, transport: Transport, api: Operations, info: schemas.DatasetAnswer) -> None:
        self._transport = transport
        self._api = api
        self.info = info

    @property
    def id(self) -> int:
        """Id of the dataset."""
        return self.info["id"]

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.info["dataset_name"]

    @property
    def state(self) -> str:
        """validating, valid, invalid (too few rows were kept) or failed."""
        return self.info["state"]

    @property
    def is_valid(self) -> bool:
        """Whether trainings and predictions can start from it."""
        return self.info["is_valid"]

    @property
    def columns(self) -> Table:
        """Its columns with their types; empty before the validation."""
        return Table(self.info["schema"] or [], _COLUMN_FIELDS)

    def data_type(self, column: str) -> str | None:
        """Return the data type of a column; None where there is no such column."""
        return next((each["data_type"] for each in self.columns if each["column_name"] == column), None)

    def refresh(self) -> Dataset:
        """Ask for the dataset again, and return this object."""
        self.info = self._api.get_dataset(dataset_id=self.id)
        return self

    def errors(self) -> ErrorReport:
        """Return the wrong cells, whose rows were quarantined."""
        return ErrorReport(self._api.get_dataset_error_report(dataset_id=self.id))

    def wrong_cells(
        self, column: str | None = None, rule: str | None = None, *, limit: int = 100, offset: int = 0
    ) -> Table:
        """Return some of the wrong cells: all, or those of a column or rule."""
        answer = self._api.list_wrong_cells(dataset_id=self.id, column=column, rule=rule, limit=limit, offset=offset)
        return Table(answer["data"])

    def rows(self, limit: int = 100, offset: int = 0, *, quarantined: bool = False, sort: str | None = None) -> Table:
        """Return some of the kept rows, or of the quarantined ones, as text after `file_id` and `row`.

        `sort` is a column, or `-` and a column for the reverse; without it they are in file order.
        """
        rows: Literal["kept", "set_aside"] = "set_aside" if quarantined else "kept"
        answer = self._api.view_dataset(dataset_id=self.id, limit=limit, offset=offset, rows=rows, sort=sort)
        return Table(answer["preview"])

    def download(self, path: str | os.PathLike[str], *, progress: ShowProgress = None) -> Path:
        """Write the kept rows to a Parquet file, and return its path.

        Args:
            path: The file, which is replaced if there is one.
            progress: Whether the progress is shown, or a function that gets it.

        Raises:
            ClientError: `no_rows`: the dataset has not been validated.
        """
        name = self.info["validated_path"]
        if name is None:
            raise ClientError(f"Dataset {self.name!r} has no validated rows.", code="no_rows")
        query = {"file_path": name}
        return self._transport.download_to("/api/v1/files/download", Path(path), query=query, progress=progress)

    def to_pandas(self, limit: int = 1000) -> pd.DataFrame:
        """Return the first kept rows as a DataFrame; `download` writes all of them."""
        return (self.rows(limit)).to_pandas()

    def statistics(self, target: str | None = None, *, progress: ShowProgress = None) -> dict[str, Any]:
        """Return descriptive statistics of the columns; they are computed by a job.

        Args:
            target: A column, to compute the association of each other column with.
            progress: Whether the progress is shown, or a function that gets it.
        """
        return (self.start_statistics(target)).wait(progress=progress)

    def start_statistics(self, target: str | None = None) -> Job[dict[str, Any]]:
        """Start the job that computes the statistics, and return it; see `statistics`."""
        started = self._api.generate_dataset_statistics(dataset_id=self.id, target=target)

        def load() -> dict[str, Any]:
            return (self._api.get_dataset_statistics(dataset_id=self.id))["statistics"] or {}

        return Job(self._api, self._api.get_job(started["job_id"]), load)

    def delete(self) -> None:
        """Delete the dataset, with its files.

        Raises:
            Conflict: A training uses it.
        """
        self._api.delete_dataset(self.id)

    def __repr__(self) -> str:
        kept, total = self.info["kept_records"], self.info["total_records"]
        return f"Dataset({self.name!r}, id={self.id}, state={self.state!r}, rows={kept:,} of {total:,})"

    def _repr_html_(self) -> str:
        import html

        return f"<p><code>{html.escape(repr(self))}</code></p>{self.columns._repr_html_()}"


class Datasets:
    """All datasets of the tenant."""

    def __init__(self, transport: Transport, api: Operations) -> None:
        self._transport = transport
        self._api = api

    @overload
    def upload(
        self,
        source: Source,
        name: str | None = None,
        *,
        wait: Literal[True] = True,
        timeout_s: float | None = None,
        progress: ShowProgress = None,
        **options: Unpack[UploadOptions],
    ) -> Dataset: ...

    @overload
    def upload(
        self,
        source: Source,
        name: str | None = None,
        *,
        wait: Literal[False],
        timeout_s: float | None = None,
        progress: ShowProgress = None,
        **options: Unpack[UploadOptions],
    ) -> Job[Dataset]: ...

    def upload(
        self,
        source: Source,
        name: str | None = None,
        *,
        wait: bool = True,
        timeout_s: float | None = None,
        progress: ShowProgress = None,
        **options: Unpack[UploadOptions],
    ) -> Dataset | Job[Dataset]:
        """Upload rows, and return the dataset, or the job that validates every cell.

        A dataset of which too few rows were kept is returned too, with a warning: `errors()` shows why.

        Args:
            source: A path or several, an open file, bytes, a DataFrame of pandas or polars, an Arrow table, or a list
                of dicts. An index of pandas is not uploaded.
            name: Name of the dataset; by default that of the file.
            wait: Whether to wait for the validation. False returns the job, which can be waited for.
            timeout_s: How long to wait for the validation at most, in seconds.
            progress: Whether the progress is shown, or a function that gets it.
            **options: `usage`, `template`, `encoding`, ...: see `UploadOptions`.

        Raises:
            Invalid: The file has a broken structure, or a parameter is wrong.
            Conflict: There is a dataset of this name.
            JobFailed: The validation has failed.
            WaitTimeout: It has not ended in time; it goes on.
        """
        dataset_name = name or default_name(source)
        if dataset_name is None:
            raise ClientError("Give the dataset a name.", code="no_name")
        with ExitStack() as stack:
            parts = run_in_thread(lambda: stack.enter_context(open_sources(source, dataset_name)))
            shown = stack.enter_context(open_progress(progress, f"upload {dataset_name}"))
            answer = self._api.upload_dataset(
                parts,
                dataset_name=dataset_name,
                report_bytes=report_bytes_to(shown, "sent"),
                **upload_parameters(options),
            )
        job = self._validation(answer["dataset_id"], answer["job_id"])
        if not wait:
            return job
        dataset = job.wait(timeout_s=timeout_s, progress=progress)
        if dataset.state == "invalid":
            warnings.warn(_invalid_text(dataset), stacklevel=2)
        return dataset

    def list(self, *, limit: int | None = None) -> Table:
        """Return the datasets, newest first: all of them, or at most `limit`."""
        return Table(fetch_all(self._api.list_datasets, limit), _COLUMNS)

    def get(self, dataset: int | str) -> Dataset:
        """Return a dataset by its id or its name.

        Raises:
            NotFound: There is none.
        """
        if isinstance(dataset, str):
            dataset = self._find(dataset)
        return Dataset(self._transport, self._api, self._api.get_dataset(dataset_id=dataset))

    def from_lake(
        self,
        table: str,
        name: str,
        *,
        usage: Literal["training", "prediction"] = "training",
        template: int | None = None,
        snapshot: int | None = None,
        timeout_s: float | None = None,
        progress: ShowProgress = None,
    ) -> Dataset:
        """Make a dataset of a lake table, wait until every value is validated, and return it.

        Args:
            table: Name of the table, with its schema in front: `silver.visits`.
            name: Name of the dataset.
            usage: training, or prediction for rows that a batch scores.
            template: Id of a template to validate against.
            snapshot: A snapshot of the table; by default the newest.
            timeout_s: How long to wait at most, in seconds.
            progress: Whether the progress is shown, or a function that gets it.
        """
        answer = self._api.upload_dataset(
            [],
            dataset_name=name,
            usage=usage,
            template_id=template,
            iceberg_table_name=table,
            snapshot_id=snapshot,
        )
        job = self._validation(answer["dataset_id"], answer["job_id"])
        return job.wait(timeout_s=timeout_s, progress=progress)

    def _find(self, name: str) -> int:
        return (find_by_name(lambda name: self._api.list_datasets(name=name, limit=1), "dataset", name))["id"]

    def _validation(self, dataset_id: int, job_id: str) -> Job[Dataset]:
        def load() -> Dataset:
            return self.get(dataset_id)

        return Job(self._api, self._api.get_job(job_id), load)


def _invalid_text(dataset: Dataset) -> str:
    kept, total = dataset.info["kept_records"], dataset.info["total_records"]
    return f"Dataset {dataset.name!r} is invalid: {kept:,} of {total:,} rows were kept. errors() shows why."
