"""Batches: predictions for the rows of a dataset, in a file on the platform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dataml.client import prediction_files
from dataml.client.aio.transport import Transport
from dataml.client.progress import ShowProgress

if TYPE_CHECKING:
    import os

    from dataml.client import schemas

_DOWNLOAD = "/api/v1/inference/result/download"


class Batch:
    """The predictions of a batch; `info` is the answer of the API about it."""

    def __init__(self, transport: Transport, prediction_id: int, info: schemas.ResultAnswer) -> None:
        self._transport = transport
        self.id = prediction_id
        self.info = info

    @property
    def row_count(self) -> int:
        """Number of rows, each of which has a prediction or an error."""
        return self.info["no_of_records"]

    @property
    def error_count(self) -> int:
        """Number of rows that have an error in place of a prediction."""
        return self.info["failed_records"]

    async def download(
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
            format: csv or parquet, by default that of the ending of the name. Parquet has the types of the predictions.
            progress: Whether the progress is shown, or a function that gets it.

        Raises:
            NotFound: The result was deleted, with its dataset.
        """
        target = Path(path)
        query = {"prediction_id": self.id, "format": format or prediction_files.format_of_name(target)}
        return await self._transport.download_to(_DOWNLOAD, target, query=query, progress=progress)

    def __repr__(self) -> str:
        return f"Batch(rows={self.row_count:,}, errors={self.error_count:,})"
