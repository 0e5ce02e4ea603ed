"""Objects of a tenant whose files a test damages, and ways to damage them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from dataml.settings import Settings
from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.database import execute_sql
from tests.dataset.datasets import create_dataset, create_template
from tests.train.training import small_csv, trained

COLUMNS = {"id": "String", "age": "Integer", "colour": "String", "price": "Float", "bought": "String"}


class Objects(NamedTuple):
    """A dataset with wrong cells, a training with an explanation, and rows to score."""

    client: Client
    dataset_id: int
    training: dict[str, Any]
    scored_id: int
    settings: Settings

    def path(self, column: str) -> Path:
        """Return where the file is that a column of the dataset, the training or the file names."""
        table, row_id = {
            "path": ("file WHERE dataset_id =", self.dataset_id),
            "bundle": ("training WHERE id =", self.training["id"]),
            "explanation": ("training WHERE id =", self.training["id"]),
        }.get(column, ("dataset WHERE id =", self.dataset_id))
        ((name,),) = execute_sql(self.settings, f"SELECT {column} FROM {table} {row_id}")
        return self.settings.storage_root / name


def create_objects(platform: Platform) -> Objects:
    """Create the objects, in the tenant `default`."""
    client = platform.client
    content = small_csv() + b"A1000,old,red,1.5,yes\n"
    dataset = create_dataset(client, ("small.csv", content), template_id=create_template(client, **COLUMNS))
    training = trained(client, dataset["id"])
    job = client.post("/train/generate-feature-importance", params={"train_id": training["id"]}).json()["shap_job_id"]
    assert wait_for_job(client, job)["state"] == "succeeded"
    scored = create_dataset(client, ("rows.csv", small_csv(target=False)), usage="p")
    return Objects(client, dataset["id"], training, scored["id"], platform.settings)


@contextmanager
def kept(path: Path) -> Iterator[Path]:
    """Put a file or a folder back at the end of the block."""
    copy = path.with_name(f"copy-{path.name}")
    (shutil.copytree if path.is_dir() else shutil.copy)(path, copy)
    try:
        yield path
    finally:
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        copy.rename(path)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def flip_bytes(path: Path) -> None:
    """Change bytes in the middle of a file, or of every file of a folder but its manifest."""
    for each in path.iterdir() if path.is_dir() else [path]:
        if each.name != "manifest.json":
            content = bytearray(each.read_bytes())
            middle = len(content) // 2
            content[middle : middle + 8] = bytes(255 - byte for byte in content[middle : middle + 8])
            each.write_bytes(content)


def truncate(path: Path) -> None:
    for each in path.iterdir() if path.is_dir() else [path]:
        each.write_bytes(each.read_bytes()[:10])
