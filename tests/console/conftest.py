from typing import Any

import pytest

from tests.client import Client
from tests.console.browser import Browser, signed_in
from tests.dataset.datasets import create_dataset
from tests.train.training import small_csv, trained


@pytest.fixture
def visitor(anonymous: Client) -> Browser:
    """A browser in which nobody has signed in."""
    return Browser(anonymous)


@pytest.fixture(scope="module")
def admin(anonymous: Client) -> Browser:
    """A browser of the administrator of the tenant `default`."""
    return signed_in(anonymous, "admin")


@pytest.fixture(scope="module")
def dataset(client: Client) -> dict[str, Any]:
    """A dataset with a name that is HTML, and one value that is."""
    content = small_csv().replace(b"A0,", b"<i>A0</i>,", 1)
    return create_dataset(client, ("small.csv", content), name="<script>alert(1)<")


@pytest.fixture(scope="module")
def model(client: Client, dataset: dict[str, Any]) -> dict[str, Any]:
    """A completed training."""
    return trained(client, dataset["id"])
