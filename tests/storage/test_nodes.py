"""A platform whose files live in an object store, here another folder; `tests/services/test_s3.py` does it on S3."""

from pathlib import Path

import pytest

from dataml.settings import Settings
from tests.conftest import NewHome, Platform
from tests.storage.nodes import everything


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def settings(new_home: NewHome, store: Path) -> Settings:
    return new_home(storage_url=f"file://{store}", storage_timeout_s=0)


def test_a_node_with_an_empty_disk_does_all_that_the_first_one_does(
    platform: Platform, store: Path, tmp_path: Path
) -> None:
    def stored() -> set[str]:
        return {path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()}

    everything(platform, tmp_path, stored)
