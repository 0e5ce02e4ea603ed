"""Jobs on datasets of `distributed_bytes` and more may use all CPUs of the cluster, and others may not."""

from typing import Any

import pytest
from sqlalchemy import select

from dataml.db.session import Database
from dataml.jobs.models import Job
from dataml.settings import Settings
from tests.client import Client, wait_for_job
from tests.conftest import NewHome, Platform
from tests.dataset.datasets import create_dataset
from tests.train.training import small_csv, trained

LIMIT = len(small_csv(rows=200, target=False))


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    return new_home(distributed_bytes=LIMIT)


def payloads(platform: Platform, kind: str) -> list[dict[str, Any]]:
    """Return the payloads of the jobs of a kind, in the order in which they were queued."""

    async def read() -> list[dict[str, Any]]:
        database = Database(platform.settings)
        async with database.reading() as session:
            found = (await session.scalars(select(Job.payload).where(Job.kind == kind).order_by(Job.id))).all()
        await database.close()
        return list(found)

    return platform.client.portal.call(read)


def start(client: Client, path: str, job_key: str, **request: Any) -> None:
    answer = client.post(path, **request)
    assert answer.status_code == 202, answer.text
    assert wait_for_job(client, answer.json()[job_key])["state"] == "succeeded"


@pytest.mark.parametrize("shap_enabled", [True, False], ids=["with the training", "on request"])
def test_explanations_of_large_datasets_are_distributed(platform: Platform, shap_enabled: bool) -> None:
    client = platform.client
    for rows in (300, 150):
        dataset = create_dataset(client, ("rows.csv", small_csv(rows)))
        model = trained(client, dataset["id"], shap_enabled=shap_enabled)
        if not shap_enabled:
            start(client, "/train/generate-feature-importance", "shap_job_id", params={"train_id": model["id"]})
    assert [payload["distributed"] for payload in payloads(platform, "explain")[-2:]] == [True, False]


def test_batch_predictions_of_large_datasets_are_distributed(platform: Platform) -> None:
    client = platform.client
    model = trained(client, create_dataset(client, ("rows.csv", small_csv()))["id"])
    for rows in (200, 199):
        content = small_csv(rows, target=False)
        assert (len(content) >= LIMIT) == (rows == 200)
        dataset = create_dataset(client, ("rows.csv", content), usage="p")
        body = {"train_id": model["id"], "dataset_id": dataset["id"]}
        start(client, "/inference/batch-prediction", "job_id", json=body)
    assert [payload["distributed"] for payload in payloads(platform, "score")] == [True, False]
