"""Kinds of files that programs write, each uploaded once."""

import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset, create_template, upload


def parquet(columns: Mapping[str, pa.Array | Sequence[Any]]) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), content)
    return content.getvalue()


def refuse(client: Client, content: bytes, **query: Any) -> tuple[str, str]:
    """Upload a CSV that is refused, and return the code and the sentence."""
    answer = upload(client, ("a.csv", content), **query)
    assert answer.status_code == 422, answer.text
    return answer.json()["code"], answer.json()["detail"]


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


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"a,b\n1,x\n2,y\n   ", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        (b"a,b\n1,x\n \t\n2,y\n", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        (b'a,b\n1,5" bolt\n2,6"\n', [{"a": 1, "b": '5" bolt'}, {"a": 2, "b": '6"'}]),
        (b"a,b,\n1,x,\n2,y,\n", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        (b"a,b\n1,x,\n2,y,\n", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        (b"sep=;\r\na;b\r\n1;x\r\n2;y\r\n", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        (b"a,b\n1,x\n2,y\n" + bytes(500), [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
    ],
    ids=["blank end", "blank line", "inch marks", "delimiter at the end", "delimiter behind rows", "sep", "zeros"],
)
def test_csv_that_programs_write_is_read(client: Client, content: bytes, rows: list[dict[str, Any]]) -> None:
    made = create_dataset(client, ("a.csv", content))
    assert view(client, made) == rows
    (file,) = client.get("/files/list", params={"dataset_id": made["id"]}).json()["data"]
    assert (file["total_fields"], file["total_records"]) == (2, 2)
    assert client.get("/files/download", params={"file_id": file["id"]}).content == content


@pytest.mark.parametrize(
    ("sent", "codec"),
    [("cp1252", "cp1252"), ("Windows-1252", "cp1252"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le")],
)
def test_csv_of_another_encoding_is_read_with_the_option(client: Client, sent: str, codec: str) -> None:
    content = "straße;n\r\nHof;1\r\nGärten;2\r\n".encode(codec)
    made = create_dataset(client, ("a.csv", content), encoding=sent)
    assert view(client, made) == [{"straße": "Hof", "n": 1}, {"straße": "Gärten", "n": 2}]
    (file,) = client.get("/files/list", params={"dataset_id": made["id"]}).json()["data"]
    assert (file["encoding"], file["header_row"]) == (codec, None)
    assert client.get("/files/download", params={"file_id": file["id"]}).content == content
    shown = client.get("/files/view", params={"file_id": file["id"]}).json()["content_preview"]
    assert shown[0].removeprefix("\ufeff") == "straße;n"
    about = client.get("/files/get_file_by_id", params={"file_id": file["id"]}).json()
    copy = client.get("/files/download", params={"file_path": about["hdf_file_path"]})
    assert (copy.status_code, copy.content[:4]) == (200, b"\x89HDF")


def test_file_of_another_encoding_is_refused_with_the_option_to_send(client: Client) -> None:
    code, detail = refuse(client, "name\nGärten\n".encode("cp1252"))
    assert code == "not_utf8"
    assert "upload with encoding=cp1252 if 'Gärten' is right" in detail
    assert "encoding=utf-16" in refuse(client, "a,b\n1,2\n".encode("utf-16"))[1]
    assert refuse(client, b"a\n1\n", encoding="klingon")[0] == "unknown_encoding"
    assert refuse(client, b"a\n\x81\n", encoding="cp1252")[0] == "not_in_encoding"


def test_lines_before_the_header_are_left_out_with_the_option(client: Client) -> None:
    content = b'Report "2024\n\nregion,n\nN,1\nS,2\n'
    code, detail = refuse(client, content)
    assert code == "ragged_row"
    assert detail.endswith("If line 3 is the header, upload with header_row=3.")
    made = create_dataset(client, ("a.csv", content), header_row=3)
    assert view(client, made) == [{"region": "N", "n": 1}, {"region": "S", "n": 2}]
    assert refuse(client, content, header_row=9)[0] == "bad_header_row"
    drafted = client.post("/template/infer", params={"header_row": 3}, files=[("files", ("a.csv", content))]).json()
    assert [column["column_name"] for column in drafted["template_schema"]] == ["region", "n"]


def test_options_are_kept_when_files_are_added(client: Client) -> None:
    made = create_dataset(client, ("a.csv", "Titel\ngröße,n\nä,1\n".encode("cp1252")), encoding="cp1252", header_row=2)
    more = "größe,n\nö,2\n".encode("utf-16")
    params = {"dataset_id": made["id"], "encoding": "utf-16"}
    answer = client.post("/files/add", params=params, files=[("files", ("b.csv", more))])
    assert answer.status_code == 201, answer.text
    wait_for_job(client, answer.json()["job_id"])
    assert view(client, made) == [{"größe": "ä", "n": 1}, {"größe": "ö", "n": 2}]


def test_rows_of_other_lengths_are_counted_in_the_refusal(client: Client) -> None:
    code, detail = refuse(client, b"a,b,c\n1,2,3\n1,2\n1,2,3\n1\n")
    assert (code, detail) == (
        "ragged_row",
        "a.csv: Line 3: 2 fields, where the header has 3; 2 lines do not fit the header: 3, 5.",
    )


def test_index_without_a_name_is_left_out_of_training_and_prediction_files(client: Client) -> None:
    content = b",age,score\n0,34,0.5\n1,28,0.25\n"
    made = create_dataset(client, ("a.csv", content))
    assert view(client, made) == [{"age": 34, "score": 0.5}, {"age": 28, "score": 0.25}]
    assert [warning["code"] for warning in made["warnings"]] == ["unnamed_index_left_out"]
    (file,) = client.get("/files/list", params={"dataset_id": made["id"]}).json()["data"]
    assert (file["total_fields"], file["delimiter"]) == (2, ",")
    drafted = client.post("/template/infer", files=[("files", ("a.csv", content))]).json()
    assert [column["column_name"] for column in drafted["template_schema"]] == ["age", "score"]
    assert [warning["code"] for warning in drafted["warnings"]] == ["unnamed_index_left_out"]
    template_id = create_template(client, age="Integer", score="Float")
    scored = create_dataset(client, ("p.csv", content), template_id=template_id, usage="p")
    assert (view(client, scored)[0], scored["warnings"]) == ({"age": 34, "score": 0.5}, [])
    about = client.get("/files/get_file_by_id", params={"file_id": file["id"]}).json()
    assert client.get("/files/download", params={"file_path": about["hdf_file_path"]}).status_code == 200


def test_names_of_rows_are_a_column_with_a_warning(client: Client) -> None:
    made = create_dataset(client, ("a.tsv", b'"mpg"\t"cyl"\n"Mazda"\t21\t6\n"Datsun"\t22.8\t4\n'))
    assert view(client, made)[0] == {"column_1": "Mazda", "mpg": 21.0, "cyl": 6}
    assert [(warning["code"], warning["column"]) for warning in made["warnings"]] == [("unnamed_column", "column_1")]


def test_repeated_header_is_left_out_and_counted(client: Client) -> None:
    content = b"a,b\n1,x\na,b\n2,y\na,b\n"
    answer = upload(client, ("a.csv", content)).json()
    assert [(warning["code"], warning["count"]) for warning in answer["warnings"]] == [("repeated_header", 2)]
    made = create_dataset(client, ("a.csv", content), template_id=create_template(client, a="Integer", b="String"))
    assert view(client, made) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert [(warning["code"], warning["count"]) for warning in made["warnings"]] == [("repeated_header", 2)]
    client.post(f"/dataset/{made['id']}/validate")
    (file,) = client.get("/files/list", params={"dataset_id": made["id"]}).json()["data"]
    assert file["total_records"] == 2


def test_delimiter_is_said_at_the_upload(client: Client) -> None:
    content = b"id;a,b,c\n1;x,y\n2;z\n"
    made = create_dataset(client, ("a.csv", content), delimiter="semicolon")
    assert view(client, made) == [{"id": 1, "a,b,c": "x,y"}, {"id": 2, "a,b,c": "z"}]
    params = {"dataset_id": made["id"], "delimiter": "^"}
    answer = client.post("/files/add", params=params, files=[("files", ("b.csv", b"id^a,b,c\n3^w\n"))])
    assert answer.status_code == 201, answer.text
    wait_for_job(client, answer.json()["job_id"])
    assert view(client, made)[-1] == {"id": 3, "a,b,c": "w"}
    files = client.get("/files/list", params={"dataset_id": made["id"]}).json()["data"]
    assert {file["delimiter"] for file in files} == {";", "^"}
    again = client.post(f"/dataset/{made['id']}/validate").json()
    wait_for_job(client, again["job_id"])
    assert view(client, made)[0] == {"id": 1, "a,b,c": "x,y"}
    code, detail = refuse(client, content, delimiter="x")
    assert code == "unknown_delimiter"
    assert "semicolon" in detail


def test_structs_are_flat_columns(client: Client) -> None:
    content = parquet({"id": [1, 2], "a": [{"b": {"c": 1.5}, "d": "x"}, None]})
    made = create_dataset(client, ("a.parquet", content))
    assert view(client, made) == [{"id": 1, "a.b.c": 1.5, "a.d": "x"}, {"id": 2, "a.b.c": None, "a.d": None}]
    assert [warning["code"] for warning in made["warnings"]] == ["flattened_struct"]
    drafted = client.post("/template/infer", files=[("files", ("a.parquet", content))]).json()
    assert [column["column_name"] for column in drafted["template_schema"]] == ["id", "a.b.c", "a.d"]
    with_template = create_dataset(
        client, ("a.parquet", content), template_id=create_template(client, **{"a.b.c": "Float"})
    )
    assert (view(client, with_template), with_template["warnings"]) == ([{"a.b.c": 1.5}, {"a.b.c": None}], [])
