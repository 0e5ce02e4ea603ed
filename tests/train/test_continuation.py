"""A predictor is continued on new data with the same schema, roles and classes; anything else is refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.database import execute_sql
from tests.dataset.datasets import create_dataset
from tests.test_every_route import read_stored_rows, refusal
from tests.train.training import SMALL_COLUMNS, new_predictor, row_of, small_csv, small_dataset, train, trained


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


@pytest.fixture(scope="module")
def parent(client: Client, dataset_id: int) -> dict[str, Any]:
    return trained(client, dataset_id, predictor_name="continued", algorithm="LightGBM")


@pytest.fixture(scope="module")
def newer(client: Client) -> int:
    """More rows, and a column that the model does not know."""
    lines = small_csv(400).decode().splitlines()
    content = "\n".join([lines[0] + ",note", *(f"{line},x" for line in lines[1:])])
    return create_dataset(client, ("newer.csv", content.encode()))["id"]


def continue_predictor(client: Client, dataset: int, **changes: Any) -> Any:
    usual = {"predictor_name": "continued", "is_incremental": True, "columns": []}
    return train(client, dataset, **usual | changes)


def parent_of(platform: Platform, job_id: str) -> str:
    """Storage name of the bundle that a job was given to go on from."""
    number = int(job_id.removeprefix("train-job-"))
    ((found,),) = execute_sql(platform.settings, "SELECT payload FROM job WHERE id = ?", number)
    # SQLite has it as text.
    return (json.loads(found) if isinstance(found, str) else found)["parent"]


def change(platform: Platform, statement: str, *values: Any) -> None:
    execute_sql(platform.settings, statement, *values)


@pytest.mark.parametrize("columns", [[], SMALL_COLUMNS], ids=["left out", "the parent's"])
def test_continuation_is_the_next_version_with_the_same_preprocessing(
    platform: Platform, client: Client, dataset_id: int, newer: int, columns: list[dict[str, str]]
) -> None:
    name = new_predictor()
    parent = trained(client, dataset_id, predictor_name=name, algorithm="LightGBM")
    answer = continue_predictor(client, newer, predictor_name=name, columns=columns)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["version"], made["dataset_id"]) == (2, newer)
    number = parent["job_id"].removeprefix("train-job-")
    assert parent_of(platform, made["job_id"]) == f"jobs/{number}.1/bundle"
    wait_for_job(client, made["job_id"])
    found, before = client.get(f"/train/{made['id']}").json(), client.get(f"/train/{parent['id']}").json()
    assert found["roles"] == before["roles"]
    assert (found["lineage"]["parent"]["id"], found["lineage"]["parent"]["version"]) == (parent["id"], 1)
    assert [child["id"] for child in before["lineage"]["children"]] == [made["id"]]
    schemas = [client.get(f"/train/download-schema/{row}").json()["schema"] for row in (made["id"], parent["id"])]
    assert schemas[0] == schemas[1]
    assert found["requested"]["is_incremental"] is True


def test_unknown_predictor_is_not_continued(client: Client, dataset_id: int) -> None:
    assert refusal(continue_predictor(client, dataset_id, predictor_name="nothing")) == (404, "predictor_not_found")


def test_another_tenants_predictor_is_not_continued(client: Client, stranger: Client, parent: dict[str, Any]) -> None:
    own = small_dataset(stranger)
    answers = [continue_predictor(stranger, own, predictor_name=name) for name in ("continued", "nothing")]
    assert {refusal(answer) for answer in answers} == {(404, "predictor_not_found")}


def typed(old: bytes, new: bytes) -> bytes:
    return small_csv().replace(old, new)


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (typed(b"colour", b"paint"), "schema_changed", "'colour' is missing"),
        (typed(b",price,", b",cost,"), "schema_changed", "'price' is missing"),
        (b"id,age,colour,price,bought\n" + b"".join(b"A%d,4.5,red,2.5,yes\nB%d,7,red,1.5,no\n" % (n, n)
         for n in range(30)), "schema_changed", "'age' is Float, it was Integer"),
    ],
    ids=["renamed", "missing", "type"],
)  # fmt: skip
def test_changed_schema_is_refused_before_any_compute(
    platform: Platform, client: Client, parent: dict[str, Any], content: bytes, code: str, message: str
) -> None:
    other = create_dataset(client, ("other.csv", content))["id"]
    before = read_stored_rows(platform)
    answer = continue_predictor(client, other)
    assert refusal(answer) == (409, code)
    assert message in answer.json()["detail"]
    assert read_stored_rows(platform) == before


def bought(*words: bytes) -> bytes:
    """Return the small table with these words instead of yes and no."""
    return small_csv().replace(b",yes\n", b",%s\n" % words[0]).replace(b",no\n", b",%s\n" % words[1])


def test_new_class_is_refused_before_any_compute(platform: Platform, client: Client) -> None:
    name = new_predictor()
    trained(client, create_dataset(client, ("a.csv", bought(b"often", b"seldom")))["id"], predictor_name=name)
    rare = bought(b"often", b"seldom").replace(b",seldom\n", b",never\n", 1)
    for content, refused in (
        (rare, (409, "new_class")),
        (bought(b"always", b"never"), (409, "new_class")),
        (bought(b"often", b"often"), (422, "constant_target")),
    ):
        other = create_dataset(client, ("b.csv", content))["id"]
        before = read_stored_rows(platform)
        answer = continue_predictor(client, other, predictor_name=name)
        assert refusal(answer) == refused
        assert ("'never'" in answer.json()["detail"]) == (refused[1] == "new_class")
        assert read_stored_rows(platform) == before


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"columns": SMALL_COLUMNS[1:]}, "roles_changed", "'id' is Feature, it was Id"),
        ({"columns": [*SMALL_COLUMNS, {"column_name": "price", "attribute_name": "Ignore"}]}, "roles_changed", "price"),
        ({"columns": [*SMALL_COLUMNS, {"column_name": "note", "attribute_name": "Feature"}]}, "roles_changed", "note"),
        ({"algorithm": "XGBoost"}, "algorithm_changed", "LightGBM"),
    ],
)
def test_continuation_as_another_model_is_refused(
    client: Client, newer: int, parent: dict[str, Any], changes: dict[str, Any], code: str, message: str
) -> None:
    answer = continue_predictor(client, newer, **changes)
    assert refusal(answer) == (409, code)
    assert message in answer.json()["detail"]


def test_a_regression_is_not_continued_as_a_classification(client: Client, dataset_id: int) -> None:
    columns = [{"column_name": "price", "attribute_name": "Target"}, {"column_name": "id", "attribute_name": "Id"}]
    name = new_predictor()
    trained(client, dataset_id, predictor_name=name, problem_type="Regression", columns=columns, algorithm="LightGBM")
    assert refusal(continue_predictor(client, dataset_id, predictor_name=name)) == (409, "problem_type_changed")


def test_only_a_finished_predictor_is_continued(platform: Platform, client: Client, dataset_id: int) -> None:
    name = new_predictor()
    row = trained(client, dataset_id, predictor_name=name)
    change(platform, "UPDATE training SET status = 'submitted_to_ray' WHERE id = ?", row["id"])
    assert refusal(continue_predictor(client, dataset_id, predictor_name=name)) == (409, "training_in_progress")
    change(platform, "UPDATE training SET status = 'failed' WHERE id = ?", row["id"])
    change(platform, "UPDATE predictor SET champion_id = NULL WHERE champion_id = ?", row["id"])
    assert refusal(continue_predictor(client, dataset_id, predictor_name=name)) == (404, "predictor_not_found")


def test_continued_version_is_not_deleted_and_its_child_outlives_it(
    platform: Platform, client: Client, dataset_id: int
) -> None:
    name = new_predictor()
    first = trained(client, dataset_id, predictor_name=name)
    made = continue_predictor(client, dataset_id, predictor_name=name).json()
    wait_for_job(client, made["job_id"])
    state = "UPDATE training SET status = ? WHERE id = ?"
    ended = row_of(client, made["id"])["train_status"]
    change(platform, state, "submitted_to_ray", made["id"])
    assert refusal(client.request("DELETE", f"/train/delete/{first['id']}")) == (409, "training_in_use")
    change(platform, state, ended, made["id"])
    assert client.request("DELETE", f"/train/delete/{first['id']}").status_code == 200
    relative = client.get(f"/train/{made['id']}").json()["lineage"]["parent"]
    assert (relative["id"], relative["status"], relative["version"]) == (first["id"], "deleted", 1)


def test_one_of_many_concurrent_continuations_is_accepted(client: Client, dataset_id: int) -> None:
    name = new_predictor()
    trained(client, dataset_id, predictor_name=name)
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: continue_predictor(client, dataset_id, predictor_name=name), range(10)))
    made = [answer.json()["version"] for answer in answers if answer.status_code == 201]
    refused = {answer.json()["code"] for answer in answers if answer.status_code != 201}
    # One that comes when the first has ended continues that.
    assert min(made) == 2
    assert len(set(made)) == len(made)
    assert refused <= {"training_in_progress", "predictor_changed"}
    assert len(made) + sum(answer.status_code == 409 for answer in answers) == 10


def test_continuation_starts_from_the_version_that_answers(client: Client, dataset_id: int) -> None:
    name = new_predictor()
    first = trained(client, dataset_id, predictor_name=name)
    made = continue_predictor(client, dataset_id, predictor_name=name).json()
    assert wait_for_job(client, made["job_id"])["state"] == "succeeded"
    assert client.post(f"/predictors/{name}/rollback").status_code == 200
    third = continue_predictor(client, dataset_id, predictor_name=name).json()
    wait_for_job(client, third["job_id"])
    assert third["version"] == 3
    assert client.get(f"/train/{third['id']}").json()["lineage"]["parent"]["id"] == first["id"]
