"""The pages of the lake: schemas, tables, columns, snapshots, deletion."""

from typing import Any

import pytest

from tests.client import Client
from tests.console.browser import Browser, signed_in
from tests.dataset.datasets import create_dataset, new_name


@pytest.fixture(scope="module")
def table(client: Client) -> dict[str, Any]:
    """A dataset of two columns whose rows are in a table of `silver`."""
    name = new_name("lake").replace("-", "_")
    content = b"n,<b>text</b>\n1,x\n2,y\n3,x\n"
    return create_dataset(client, ("a.csv", content), iceberg_table_name=name) | {"table": name}


def test_schemas_and_tables_are_listed(admin: Browser, table: dict[str, Any]) -> None:
    page = admin.get("/lake?schema=silver")
    assert page.status_code == 200, page.text
    assert f"/lake/table?schema=silver&amp;table={table['table']}" in page.text
    assert table["table"] not in admin.get("/lake?schema=silver&q=absent").text
    assert table["table"] not in admin.get("/lake?schema=gold").text
    absent = admin.get("/lake?schema=%3Cscript%3E")
    assert absent.status_code == 404
    assert "<script>" not in absent.text.replace("<script src", "")
    assert "silver" in absent.text


def test_columns_and_their_statistics_are_shown(admin: Browser, table: dict[str, Any]) -> None:
    path = f"/lake/table?schema=silver&table={table['table']}"
    page = admin.get(path)
    assert page.status_code == 200, page.text
    assert "<code>bigint</code>" in page.text
    assert "<b>text" not in page.text
    assert 'value="3"' in page.text
    numbers = admin.get(f"{path}&column=n").text
    assert "Median" in numbers
    text = admin.get(f"{path}&column=%3Cb%3Etext%3C/b%3E").text
    assert "Distinct values" in text
    assert "Median" not in text
    assert 'role="alert"' not in text
    unknown = admin.get(f"{path}&column=absent").text
    assert 'role="alert"' in unknown


def test_rows_are_shown(admin: Browser, table: dict[str, Any]) -> None:
    page = admin.get(f"/lake/table?schema=silver&table={table['table']}&tab=rows").text
    assert "&lt;b&gt;text&lt;/b&gt;" in page
    assert page.count('<td class="cells right">') == 3


def test_snapshots_name_what_made_them(admin: Browser, table: dict[str, Any]) -> None:
    page = admin.get(f"/lake/table?schema=silver&table={table['table']}&tab=snapshots").text
    assert f'href="/datasets/{table["id"]}"' in page
    assert f"snapshot_id={table['iceberg_snapshot_id']}" in page
    assert f"table={table['table']}" in admin.get(f"/datasets/{table['id']}/uses").text


def test_a_table_is_deleted(admin: Browser, client: Client) -> None:
    name = new_name("gone").replace("-", "_")
    create_dataset(client, ("a.csv", b"a\n1\n"), iceberg_table_name=name)
    form = {"schema": "silver", "table": name}
    answer = admin.send("/lake/table/delete", **form)
    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/lake")
    assert admin.get(f"/lake/table?schema=silver&table={name}").status_code == 404
    assert admin.send("/lake/table/delete", **form).status_code == 404
    assert admin.send("/lake/table/delete").status_code == 422


def test_reading_and_deleting_need_permission_and_tenant(
    anonymous: Client, admin: Browser, table: dict[str, Any]
) -> None:
    analyst, stranger = signed_in(anonymous, "analyst"), signed_in(anonymous, "stranger")
    path, form = f"/lake/table?schema=silver&table={table['table']}", {"schema": "silver", "table": table["table"]}
    page = analyst.get(path)
    assert page.status_code == 200
    assert "/lake/table/delete" not in page.text
    assert analyst.send("/lake/table/delete", **form).status_code == 403
    assert stranger.get(path).status_code == 404
    assert stranger.send("/lake/table/delete", **form).status_code == 404
    assert admin.get(path).status_code == 200
