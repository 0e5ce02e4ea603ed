"""A CSV that a test writes."""

from pathlib import Path

import pytest

from tests.contract.files.uploads import WriteFile


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    def write_file(content: bytes | str) -> Path:
        path = tmp_path / "data.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file
