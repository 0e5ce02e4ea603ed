"""Files of the built-in warehouse: on disk before the catalog names them."""

import os
from types import TracebackType
from typing import Any

from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO


class _Flushed:
    """A stream whose close returns when the file, and the folder's entry for it, are on disk."""

    def __init__(self, stream: Any, path: str) -> None:
        self._stream = stream
        self._path = path

    def close(self) -> None:
        if self._stream.closed:
            return
        self._stream.close()
        for name in (self._path, os.path.dirname(self._path), os.path.dirname(os.path.dirname(self._path))):
            descriptor = os.open(name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> "_Flushed":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _DurableFile(PyArrowFile):
    def create(self, overwrite: bool = False) -> Any:
        return _Flushed(super().create(overwrite), self._path)


class DurableFileIO(PyArrowFileIO):
    """PyIceberg's access to local files; what was written survives a loss of power."""

    def new_output(self, location: str) -> PyArrowFile:
        file = super().new_output(location)
        return _DurableFile(location, file._path, file._filesystem, file._buffer_size)
