"""A lake of its own for each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dataml.lake.catalog import LakeConfig, open_catalog
from dataml.settings import load_settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@pytest.fixture
def config(tmp_path: Path) -> LakeConfig:
    return LakeConfig.of(load_settings(home=tmp_path))


@pytest.fixture
def catalog(config: LakeConfig) -> "Iterator[Catalog]":
    catalog = open_catalog(config)
    yield catalog
    catalog.close()
