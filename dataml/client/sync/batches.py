# Generated from dataml/client/aio/batches.py by `make client`: change that file.
"""Batches: predictions for the rows of a dataset, in a file on the platform."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataml.client import prediction_files
from dataml.client.errors import ClientError
from dataml.client.progress import ShowProgress
from dataml.client.sync.runtime import run_in_thread
from dataml.client.sync.transport import Transport

if TYPE_CHECKING:
    import os

    from dataml.client import schemas

_DOWNLOAD = "/api/v1/files/download"


class Batch:
    """The predictions of a batch; `info` is the answer of the API about it."""

    def __init__(self, transport: Transport, info: schemas.ResultAnswer, model: schemas.TrainDetail) -> None:
        self._transport = transport
        self._model = model
        self.info = info

    @property
    def row_count(self) -> int:
        """Number of rows, each of which has a prediction or an error."""
        return self.info["no_of_records"]

    @property
    def error_count(self) -> int:
        """Number of rows that have an error in place of a prediction."""
        return self.info["failed_records"]

    def download(
        self,
        path: str | os.PathLike[str],
        *,
        format: prediction_files.FileFormat | None = None,
        progress: ShowProgress = None,
    ) -> Path:
        """Write the predictions to a file, and return its path.

        The rows have the order of the dataset's files: the Id columns, `prediction`, `probability_<class>`, and
        `error`; of a Forecast a row for each series and step.

        Args:
            path: The file, which is replaced if there is one.
            format: csv or parquet, by default that of the ending of the name. Parquet needs pyarrow.
            progress: Whether the progress is shown, or a function that gets it.

        Raises:
            ClientError: `no_pyarrow`: Parquet was asked for, and pyarrow is not installed.
            NotFound: The result was deleted, with its dataset.
        """
        target = Path(path)
        query: dict[str, Any] = {"file_path": self.info["result_path"]}
        if self.info["result_path"] is None:
            raise ClientError("The batch has no result.", code="no_result")
        if prediction_files.format_of(target, format) == "csv":
            return self._transport.download_to(_DOWNLOAD, target, query=query, progress=progress)
        with tempfile.TemporaryDirectory(prefix="dataml-") as folder:
            file = Path(folder) / "result.csv"
            self._transport.download_to(_DOWNLOAD, file, query=query, progress=progress)
            run_in_thread(prediction_files.to_parquet, file, target, self._model)
        return target

    def __repr__(self) -> str:
        return f"Batch(rows={self.row_count:,}, errors={self.error_count:,})"
