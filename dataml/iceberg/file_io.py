"""Access of PyIceberg to a warehouse on this disk: files are durable before the catalog names them."""

import os
from pathlib import Path
from types import TracebackType
from typing import Any

from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from dataml.storage import disk


class DurableFileIO(PyArrowFileIO):
    """Access to local files that survive a loss of power once they are closed."""

    def new_output(self, location: str) -> PyArrowFile:
        """Return a file to be written."""
        file = super().new_output(location)
        return _DurableFile(location, file._path, file._filesystem, file._buffer_size)


class _DurableFile(PyArrowFile):
    def create(self, overwrite: bool = False) -> Any:
        return _DurableStream(super().create(overwrite), self._path)


class _DurableStream:
    """A stream whose `close` returns when the file, and the folders' entries for it, are on disk."""

    def __init__(self, stream: Any, path: str) -> None:
        self._stream = stream
        self._path = path

    def close(self) -> None:
        """Flush and close the file, once."""
        if self._stream.closed:
            return
        self._stream.close()
        for name in (self._path, os.path.dirname(self._path), os.path.dirname(os.path.dirname(self._path))):
            disk.sync(Path(name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> "_DurableStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
