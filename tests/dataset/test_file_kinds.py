"""Kinds of files that programs write, each uploaded once."""

import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.client import Client
from tests.dataset.datasets import create_dataset, create_template, upload


def parquet(columns: Mapping[str, pa.Array | Sequence[Any]]) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), content)
    return content.getvalue()


def view(client: Client, made: Mapping[str, Any]) -> list[dict[str, Any]]:
    return client.get("/dataset/view", params={"dataset_id": made["id"]}).json()["preview"]


def types(made: Mapping[str, Any]) -> dict[str, str]:
    return {column["column_name"]: column["data_type"] for column in made["schema"]}


def test_index_of_pandas_without_a_name_is_no_column(client: Client) -> None:
    content = io.BytesIO()
    pd.DataFrame({"x": [1, 2]}, index=[7, 9]).to_parquet(content)
    made = create_dataset(client, ("a.parquet", content.getvalue()))
    assert view(client, made) == [{"x": 1}, {"x": 2}]
    (file,) = client.get("/files/list", params={"dataset_id": made["id"]}).json()["data"]
    assert file["total_fields"] == 1


def test_decimals_keep_every_digit(client: Client) -> None:
    ids = [Decimal(1152921504606846976 + number) for number in range(3)]
    made = create_dataset(
        client, ("a.parquet", parquet({"id": ids, "wide": [Decimal(10) ** 25 + number for number in range(3)]}))
    )
    assert types(made) == {"id": "Integer", "wide": "String"}
    assert view(client, made)[2] == {"id": 1152921504606846978, "wide": "10000000000000000000000002"}
    assert made["warnings"] == []


def test_digits_that_a_float_does_not_hold_are_warned_about(client: Client) -> None:
    content = parquet({"d": [Decimal("0.1234567890123456789"), Decimal("0.5000000000000000000")]})
    made = create_dataset(client, ("a.parquet", content))
    (warning,) = made["warnings"]
    assert (warning["code"], warning["column"], warning["count"]) == ("digits_lost", "d", 1)
    drafted = client.post("/template/infer", files=[("files", ("a.parquet", content))]).json()
    assert [warning["code"] for warning in drafted["warnings"]] == ["digits_lost"]
    with_float = create_dataset(client, ("a.parquet", content), template_id=create_template(client, d="Float"))
    assert [warning["code"] for warning in with_float["warnings"]] == ["digits_lost"]
    exact = create_dataset(client, ("a.parquet", content), template_id=create_template(client, d="String"))
    assert (view(client, exact)[0], exact["warnings"]) == ({"d": "0.1234567890123456789"}, [])


def test_times_and_durations_are_read(client: Client) -> None:
    columns = {"t": pa.array([3723], pa.time32("s")), "d": pa.array([1500], pa.duration("ms"))}
    made = create_dataset(client, ("a.parquet", parquet(columns)))
    assert view(client, made) == [{"t": "01:02:03", "d": 1.5}]


def test_nested_column_is_refused_by_name(client: Client) -> None:
    answer = upload(client, ("a.parquet", parquet({"x": [1], "tags": [["a", "b"]]})))
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported_parquet_type")
    assert "a.parquet: Column 'tags'" in answer.json()["detail"]
