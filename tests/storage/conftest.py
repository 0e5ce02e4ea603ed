"""A node's storage, and another node's, behind which a folder is the object store."""

from dataclasses import replace
from pathlib import Path

import pytest

from dataml.storage.objects import ObjectStore
from dataml.storage.storage import Storage


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Provide the folder that is the store."""
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def storage(tmp_path: Path, store: Path) -> Storage:
    """Provide the storage of one node."""
    return Storage(tmp_path / "here", ObjectStore(f"file://{store}/prefix"))


@pytest.fixture
def elsewhere(tmp_path: Path, storage: Storage) -> Storage:
    """Provide the storage of another node, whose disk is empty."""
    return replace(storage, root=tmp_path / "elsewhere")
