"""Rows of datasets and batches are written to lake tables, and datasets are made from lake tables."""

import io
import shutil
from typing import Any

import pyarrow.parquet as pq
import pytest

from dataml.iceberg.catalog import LakeConfig, open_catalog
from dataml.iceberg.reading import read_batches
from dataml.settings import Settings
from dataml.tasks import validate
from tests.client import Client, wait_for_job
from tests.conftest import NewHome, Platform, log_in, needs_builtin_lake
from tests.datalake.lake import VISITS, call_lake, create_from_table, create_in_lake, new_table_name
from tests.dataset.datasets import create_dataset, create_template, get_dataset, new_name, upload
from tests.sample_tenant import create_role, create_user
from tests.train.training import small_dataset, trained


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    return new_home(storage_timeout_s=0)


def count_values(client: Client, table: str, schema: str = "silver", column: str = "id") -> int:
    return call_lake(client, "numeric_stats", schema=schema, table=table, column_name=column)["count"]


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_valid_rows_are_written_to_silver_and_the_dataset_names_the_table(client: Client) -> None:
    table = new_table_name()
    made = create_in_lake(client, table)
    assert (made["iceberg_table_name"], made["state"]) == (f"silver.{table}", "valid")
    assert count_values(client, table) == 3
    row = next(row for row in client.get("/dataset/list").json()["data"] if row["id"] == made["id"])
    assert row["iceberg_table_name"] == f"silver.{table}"


def test_another_own_schema_can_be_named(client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, f"bronze.{table}")
    assert count_values(client, table, "bronze") == 3


def test_quarantined_rows_are_not_written(client: Client) -> None:
    table = new_table_name()
    template = create_template(client, id="Integer", place="String", spent="Float", first="Date")
    good = b"".join(b"%d,Rome,1,2024-01-01\n" % number for number in range(10, 30))
    create_in_lake(client, table, VISITS + b"x,Rome,1,2024-01-01\n" + good, template_id=template)
    assert count_values(client, table) == 23


def read_table(platform: Platform, schema: str, table: str) -> list[dict[str, Any]]:
    catalog = open_catalog(LakeConfig.from_settings(platform.settings))
    named = ((name[0], table) for name in catalog.list_namespaces() if name[0].endswith(f"_{schema}"))
    (found,) = (name for name in named if catalog.table_exists(name))
    rows = [row for batch in read_batches(catalog.load_table(found)) for row in batch.to_pylist()]
    catalog.close()
    return rows


def test_all_uploaded_rows_are_written_to_bronze_valid_or_not(platform: Platform, client: Client) -> None:
    table = new_table_name()
    template = create_template(client, id="Integer", place="String", spent="Integer", first="Date")
    extra = b"place,id,row,spent,first\n, 4 ,z,1,2024-01-04\n"
    answer = upload(client, ("a.csv", VISITS), ("b.csv", extra), raw_table_name=table, template_id=template).json()
    wait_for_job(client, answer["job_id"])
    made = get_dataset(client, answer["dataset_id"])
    assert (made["state"], made["raw_table_name"]) == ("invalid", f"bronze.{table}")
    a, b = (file["id"] for file in answer["files"])
    columns = ["file_id", "row", "id", "place", "spent", "first", "row_"]
    assert [list(row.items()) for row in read_table(platform, "bronze", table)] == [
        list(zip(columns, values, strict=True))
        for values in (
            (a, 1, "1", "Rome", "10.5", "2024-01-01", None),
            (a, 2, "2", "Oslo", "20", "2024-01-02", None),
            (a, 3, "3", "Rome", None, "2024-01-03", None),
            (b, 1, " 4 ", None, "1", "2024-01-04", "z"),
        )
    ]
    more = client.post("/files/add", params={"dataset_id": made["id"]}, files=[("files", ("c.csv", VISITS))])
    assert wait_for_job(client, more.json()["job_id"])["state"] == "succeeded"
    assert count_values(client, table, "bronze", "row") == 7
    assert (
        call_lake(client, "table_metadata", schema="bronze", table=table)["snapshots"][0]["made_by"].items()
        >= {
            "dataset-id": str(made["id"]),
            "dataset-version": "2",
        }.items()
    )


def test_raw_rows_with_other_columns_widen_the_table(platform: Platform, client: Client) -> None:
    table = new_table_name()
    template = create_template(client, a="Integer", b="String")
    files = ("a.csv", b"a,b,extra\n1,x,e\n"), ("b.csv", b"b,a\ny,2\n")
    answer = upload(client, *files, raw_table_name=table, template_id=template).json()
    wait_for_job(client, answer["job_id"])
    create_dataset(client, ("c.csv", b"a,note\n3,n\n"), raw_table_name=table)
    assert [
        {key: row[key] for key in ("a", "b", "extra", "note")} for row in read_table(platform, "bronze", table)
    ] == [
        {"a": "1", "b": "x", "extra": "e", "note": None},
        {"a": "2", "b": "y", "extra": None, "note": None},
        {"a": "3", "b": None, "extra": None, "note": "n"},
    ]
    gone = client.request("DELETE", f"/files/delete/{answer['files'][0]['id']}")
    assert wait_for_job(client, gone.json()["job_id"])["state"] == "succeeded"
    assert [row["a"] for row in read_table(platform, "bronze", table)] == ["2", "3"]
    replaced = create_dataset(client, ("a.csv", b"id,other\n1,2\n"), raw_table_name=table, lake_mode="replace")
    assert (replaced["state"], len(read_table(platform, "bronze", table))) == ("valid", 1)


def test_raw_rows_do_not_become_numbers(client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, f"bronze.{table}", b"row,file_id\n1,2\n")
    made = create_dataset(client, ("a.csv", b"file_id_,x\n1,2\n"), raw_table_name=table)
    assert made["state"] == "valid", "columns that are not there are null, whatever they are"
    create_in_lake(client, f"bronze.{table}_2", b"x\n1\n")
    made = create_dataset(client, ("a.csv", b"x\n1\n"), raw_table_name=f"{table}_2")
    assert (made["state"], made["raw_table_name"]) == ("failed", None)
    assert "'x' is int64 there" in made["failure"]


def test_nothing_of_a_refused_upload_is_written_to_the_lake(platform: Platform, client: Client) -> None:
    raw, silver = new_table_name("raw"), new_table_name()
    create_in_lake(client, silver, b"a,b\n1,2\n")
    to = {"iceberg_table_name": silver, "raw_table_name": raw, "on_error": "reject"}
    assert refusal(upload(client, ("a.csv", b"x,y\n1,2\n"), **to)) == (409, "table_differs")
    assert call_lake(client, "table_metadata", schema="bronze", table=raw) == (404, "table_not_found")
    made = upload(client, ("a.csv", b"a,b\n3,4\n"), **to).json()
    refused = client.post(
        "/files/add", params={"dataset_id": made["dataset_id"]}, files=[("files", ("b.csv", b"a,b\nfoo,8\n"))]
    )
    assert refusal(refused) == (409, "table_differs")
    assert [row["a"] for row in read_table(platform, "bronze", raw)] == ["3"]
    assert count_values(client, silver, column="a") == 2


def test_rows_of_a_dataset_that_becomes_invalid_are_removed_from_silver(client: Client) -> None:
    table = new_table_name()
    template = create_template(client, id="Integer")
    files = ("good.csv", b"id\n" + b"1\n" * 50), ("bad.csv", b"id\n1\nx\ny\n")
    create_in_lake(client, table, b"id\n7\n")
    answer = upload(client, *files, template_id=template, iceberg_table_name=table).json()
    wait_for_job(client, answer["job_id"])
    assert count_values(client, table) == 52
    gone = client.request("DELETE", f"/files/delete/{answer['files'][0]['id']}")
    wait_for_job(client, gone.json()["job_id"])
    assert get_dataset(client, answer["dataset_id"])["iceberg_table_name"] is None
    assert count_values(client, table) == 1


@pytest.mark.parametrize("header", [b"x.y,x_x2Ey", b"a b,a_x20b", b"0,_0"])
def test_columns_whose_avro_names_are_the_same_stay_two(client: Client, header: bytes) -> None:
    table = new_table_name()
    made = create_in_lake(client, table, header + b"\n1,2\n", raw_table_name=table)
    assert made["state"] == "valid"
    first, second = header.decode().split(",")
    means = [call_lake(client, "numeric_stats", table=table, column_name=name)["mean"] for name in (first, second)]
    assert means == [1, 2]
    assert create_from_table(client, f"bronze.{table}")["state"] == "valid"


def test_an_invalid_dataset_leaves_no_table(client: Client) -> None:
    table = new_table_name()
    template = create_template(client, id="Integer", place="String", spent="Integer", first="Date")
    made = create_in_lake(client, table, VISITS.replace(b"20,", b"x,"), template_id=template)
    assert (made["state"], made["iceberg_table_name"]) == ("invalid", None)
    assert call_lake(client, "table_metadata", table=table) == (404, "table_not_found")


def test_two_datasets_append_and_one_replaces(client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    create_in_lake(client, table)
    assert count_values(client, table) == 6
    create_in_lake(client, table, lake_mode="replace")
    assert count_values(client, table) == 3


def test_a_dataset_that_grows_replaces_its_own_rows(client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    made = create_in_lake(client, table)
    files = {"files": ("more.csv", VISITS.replace(b"1,Rome", b"9,Rome"))}
    answer = client.post("/files/add", params={"dataset_id": made["id"]}, files=files)
    wait_for_job(client, answer.json()["job_id"])
    assert count_values(client, table) == 3 + 6
    newest = call_lake(client, "table_metadata", table=table)["snapshots"][0]
    assert newest["snapshot_id"] == get_dataset(client, made["id"])["iceberg_snapshot_id"]
    assert newest["made_by"]["dataset-version"] == "2"


@pytest.mark.parametrize(
    "name", ["a b", "a;b", 'a"b', "É", "Visits", "1a", "a.b", "information_schema.a", "a" * 129, "."]
)
def test_a_table_name_that_not_every_engine_accepts_is_refused(client: Client, name: str) -> None:
    answer = upload(client, ("a.csv", VISITS), iceberg_table_name=name)
    assert refusal(answer) == (422, "bad_table_name")


def test_a_template_that_does_not_fit_the_table_is_refused_at_once(client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    template = create_template(client, id="Integer", place="String")
    answer = upload(client, ("a.csv", VISITS), iceberg_table_name=table, template_id=template)
    assert refusal(answer) == (409, "table_differs")


def test_inferred_columns_that_do_not_fit_fail_the_dataset_and_it_names_no_table(client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    made = create_in_lake(client, table, b"id,other\n1,2\n")
    assert (made["state"], made["iceberg_table_name"]) == ("failed", None)
    assert "'other' is missing there" in made["failure"]
    assert count_values(client, table) == 3


@needs_builtin_lake
def test_a_lake_that_cannot_be_written_leaves_a_failed_dataset_and_no_table(platform: Platform, client: Client) -> None:
    """Datasets without a lake table become valid meanwhile."""
    table, warehouse = new_table_name(), platform.settings.lake_root / "warehouse"
    moved = warehouse.with_name("moved")
    warehouse.mkdir(parents=True, exist_ok=True)
    warehouse.rename(moved)
    warehouse.write_text("no folder")
    try:
        made = create_in_lake(client, table)
        other = create_dataset(client, ("a.csv", VISITS))
        to = {"iceberg_table_name": table, "raw_table_name": table, "on_error": "reject"}
        refused = refusal(upload(client, ("a.csv", VISITS), **to))
    finally:
        warehouse.unlink()
        moved.rename(warehouse)
    assert (made["state"], made["iceberg_table_name"], other["state"]) == ("failed", None, "valid")
    assert refused == (503, "lake_unavailable")
    assert call_lake(client, "table_metadata", table=table) == (404, "table_not_found")


def test_a_report_that_is_lost_does_not_double_the_rows(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second attempt at the job finds the rows that the first has committed."""
    written = []
    write = validate.write

    def write_twice(*args: Any) -> list[int]:
        written.extend([*write(*args), *write(*args)])
        return written[-1:]

    monkeypatch.setattr(validate, "write", write_twice)
    table = new_table_name()
    made = create_in_lake(client, table)
    assert written == [made["iceberg_snapshot_id"]] * 2
    assert count_values(client, table) == 3


def test_columns_that_differ_by_case_have_another_name_in_the_lake(client: Client) -> None:
    table = new_table_name()
    made = create_in_lake(client, table, b"Id,id\n1,2\n3,4\n", raw_table_name=table)
    assert (made["state"], [each["column_name"] for each in made["schema"]]) == ("valid", ["Id", "id"])
    assert [(each["code"], each["column"]) for each in made["warnings"]] == [("names_differ_by_case", "id")]
    for schema, expected in (("silver", ["Id", "id_2"]), ("bronze", ["file_id", "row", "Id", "id_2"])):
        assert [each["column_name"] for each in call_lake(client, "tables/columns", schema, table)] == expected


def test_a_dataset_from_a_table_has_its_rows_and_names_it(client: Client) -> None:
    table = new_table_name()
    source = create_in_lake(client, table)
    made = create_from_table(client, table)
    assert (made["data_source"], made["iceberg_table_name"], made["state"]) == ("iceberg", f"silver.{table}", "valid")
    assert made["iceberg_snapshot_id"] == source["iceberg_snapshot_id"]
    rows = [client.get("/dataset/view", params={"dataset_id": d["id"]}).json()["preview"] for d in (source, made)]
    assert rows[0] == rows[1]
    assert [c["data_type"] for c in made["schema"]] == ["Integer", "String", "Float", "Date"]


def test_a_dataset_from_an_earlier_snapshot(client: Client) -> None:
    table = new_table_name()
    first = create_in_lake(client, table)
    create_in_lake(client, table)
    assert create_from_table(client, table)["total_records"] == 6
    made = create_from_table(client, f"silver.{table}", snapshot_id=first["iceberg_snapshot_id"])
    assert (made["total_records"], made["iceberg_snapshot_id"]) == (3, first["iceberg_snapshot_id"])


def test_a_table_is_checked_against_a_template_like_a_file(client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    template = create_template(client, id="Integer", place="String", spent="Float", first="Date", more="String")
    answer = upload(client, iceberg_table_name=table, template_id=template)
    assert refusal(answer) == (422, "missing_column")
    template = create_template(client, place="Integer")
    made = create_from_table(client, table, template_id=template)
    assert (made["state"], made["error_summary"]["by_column"]) == ("invalid", {"place": 3})
    answer = upload(client, iceberg_table_name=table, template_id=template, on_error="reject")
    assert refusal(answer) == (422, "bad_cell")


def test_the_rows_of_a_table_cannot_be_read_as_a_file(client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    made = create_from_table(client, table)
    file = client.get("/files/list", params={"dataset_id": made["id"]}).json()["data"][0]
    assert (file["format"], file["total_records"], file["file_name"]) == ("iceberg", 3, f"silver.{table}")
    for call, query in (
        ("view", {"file_id": file["id"]}),
        ("download", {"file_id": file["id"]}),
        ("download", {"file_path": file["file_path"]}),
    ):
        assert refusal(client.get(f"/files/{call}", params=query)) == (409, "file_in_lake")
    about = client.get("/files/get_file_by_id", params={"file_id": file["id"]}).json()
    assert (about["csv_file_path"], about["hdf_file_path"]) == (None, None)
    content = client.get("/files/download", params={"file_path": about["parquet_file_path"]}).content
    assert pq.read_table(io.BytesIO(content)).num_rows == 3
    assert client.request("DELETE", f"/dataset/delete/{made['id']}").status_code == 200
    assert count_values(client, table) == 3


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("nothing", (404, "table_not_found")),
        ("gold.nothing", (404, "table_not_found")),
        ("nowhere.visits", (404, "schema_not_found")),
        ("information_schema.tables", (404, "schema_not_found")),
        ('silver."visits"; DROP TABLE x --', (404, "table_not_found")),
    ],
)
def test_a_table_that_does_not_exist_makes_no_dataset(client: Client, name: str, refused: tuple[int, str]) -> None:
    assert refusal(upload(client, iceberg_table_name=name)) == refused


def test_a_snapshot_of_another_table_is_not_found(client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    assert refusal(upload(client, iceberg_table_name=table, snapshot_id=12345)) == (404, "snapshot_not_found")
    answer = upload(client, ("a.csv", VISITS), iceberg_table_name=table, snapshot_id=12345)
    assert refusal(answer) == (422, "snapshot_with_files")


def test_an_upload_without_files_and_table_is_refused(client: Client) -> None:
    assert refusal(upload(client)) == (422, "no_file")
    answer = upload(client, raw_table_name="raw", iceberg_table_name="visits")
    assert refusal(answer) == (422, "raw_without_files")


@needs_builtin_lake
def test_a_table_whose_files_are_gone_fails_the_dataset(platform: Platform, client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    for folder in platform.settings.lake_root.glob(f"warehouse/*/{table}-*/data"):
        shutil.rmtree(folder)
    assert create_from_table(client, table)["state"] == "failed"
    assert call_lake(client, "numeric_stats", table=table, column_name="id") == (503, "lake_damaged")


def test_a_table_that_is_dropped_is_not_found(platform: Platform, client: Client) -> None:
    table = new_table_name()
    create_in_lake(client, table)
    catalog = open_catalog(LakeConfig.from_settings(platform.settings))
    (namespace,) = (name for name in catalog.list_namespaces() if catalog.table_exists((*name, table)))
    catalog.drop_table((*namespace, table))
    catalog.close()
    assert call_lake(client, "numeric_stats", table=table, column_name="id") == (404, "table_not_found")


def test_a_batch_is_written_to_gold_with_the_ids_of_its_model(client: Client) -> None:
    model = trained(client, small_dataset(client), predictor_name=new_name("buyer"))
    rows = "\n".join(f"{age},red,{age / 2}" for age in range(20, 60))
    to_score = create_dataset(client, ("p.csv", f"age,colour,price\n{rows}\n".encode()), usage="p")
    table = new_table_name("scores")
    request = {"train_id": model["id"], "dataset_id": to_score["id"], "result_table": table}
    for expected in (40, 80):
        batch = client.post("/inference/batch-prediction", json=request).json()
        assert wait_for_job(client, batch["job_id"])["state"] == "succeeded"
        result = client.get("/inference/result", params={"prediction_id": batch["prediction_id"]}).json()
        info = call_lake(client, "table_metadata", schema="gold", table=table)
        assert (result["result_table"], info["row_count"]) == (f"gold.{table}", expected)
        assert info["snapshots"][0]["snapshot_id"] == result["result_snapshot_id"]
        made_by = {"prediction-id": batch["prediction_id"], "train-id": model["id"], "dataset-id": to_score["id"]}
        assert info["snapshots"][0]["made_by"].items() >= {key: str(value) for key, value in made_by.items()}.items()
    columns = [c["column_name"] for c in call_lake(client, "tables/columns", schema="gold", table=table)]
    assert columns == ["prediction", "probability_false", "probability_true", "error"]
    refused = client.post("/inference/batch-prediction", json=request | {"result_table": "a;b"})
    assert refusal(refused) == (422, "bad_table_name")


def test_a_batch_that_does_not_fit_its_table_fails_and_names_none(client: Client) -> None:
    model = trained(client, small_dataset(client), predictor_name=new_name("buyer"))
    to_score = create_dataset(client, ("p.csv", b"age,colour,price\n30,red,1\n"), usage="p")
    table = new_table_name()
    create_in_lake(client, f"gold.{table}")
    request = {"train_id": model["id"], "dataset_id": to_score["id"], "result_table": table}
    batch = client.post("/inference/batch-prediction", json=request).json()
    assert wait_for_job(client, batch["job_id"])["error"]["code"] == "table_differs"
    result = client.get("/inference/result", params={"prediction_id": batch["prediction_id"]}).json()
    assert (result["status"], result["result_table"]) == ("failed", None)


def test_reading_a_table_needs_the_permission_to_read_the_lake(client: Client) -> None:
    user = create_user(client, roles=[create_role(client, "can_upload_datasets", "can_view")["name"]])
    table = new_table_name()
    create_in_lake(client, table)
    uploader = log_in(client, user["username"])
    assert refusal(upload(uploader, iceberg_table_name=table)) == (403, "missing_permission")
