"""The forms that make datasets: from files, and from a table of the lake."""

import re

from tests.client import Client, wait_for_job
from tests.console.browser import Browser, signed_in
from tests.dataset.datasets import create_dataset, create_template, new_name


def test_form_offers_templates_and_types(admin: Browser, client: Client) -> None:
    template_id = create_template(client, a="Integer")
    page = admin.get(f"/datasets/new?template_id={template_id}")
    assert page.status_code == 200
    assert f'<option value="{template_id}" selected>' in page.text
    assert "Timestamp" in page.text
    script = re.search(r"/console/assets/[0-9a-f]+/upload\.js", page.text)
    assert script is not None
    assert admin.get(script[0]).headers["content-type"].startswith("text/javascript")


def test_look_at_columns_is_for_those_who_make_templates(anonymous: Client, admin: Browser) -> None:
    assert "data-may" in admin.get("/datasets/new").text
    analyst = signed_in(anonymous, "analyst")
    assert analyst.get("/datasets/new").status_code == 403
    assert analyst.get("/datasets/from-table").status_code == 403
    refused = analyst.send("/datasets/from-table", iceberg_table_name="silver.a", dataset_name="a", usage="t")
    assert refused.status_code == 403


def test_columns_are_drafted_and_uploaded_by_the_script(admin: Browser, client: Client) -> None:
    """What `upload.js` sends, in its order."""
    files, headers = {"files": ("a.csv", b"a,b\n1,x\n2,y\n")}, {"Sec-Fetch-Site": "same-origin"}
    drafted = admin.request("POST", "/console/api/template/infer", files=files, headers=headers).json()
    columns = drafted["template_schema"]
    assert [column["data_type"] for column in columns] == ["Integer", "String"]
    columns[0]["nullable"] = False
    body = {"template_name": new_name("draft"), "template_schema": columns}
    template = admin.request("POST", "/console/api/template", json=body, headers=headers)
    assert template.status_code == 201, template.text
    query = {"dataset_name": new_name(), "usage": "t", "template_id": template.json()["id"], "on_error": "quarantine"}
    answer = admin.request("POST", "/console/api/dataset/upload", params=query, files=files, headers=headers)
    assert answer.status_code == 201, answer.text
    wait_for_job(client, answer.json()["job_id"])
    assert query["dataset_name"] in admin.get(f"/datasets/{answer.json()['dataset_id']}").text


def test_a_dataset_is_made_from_a_table(admin: Browser, client: Client) -> None:
    table = new_name("t").replace("-", "_")
    create_dataset(client, ("a.csv", b"a\n1\n2\n"), iceberg_table_name=table)
    page = admin.get(f"/datasets/from-table?iceberg_table_name=silver.{table}&dataset_name=x")
    assert f'value="silver.{table}"' in page.text
    form = {"iceberg_table_name": f"silver.{table}", "dataset_name": new_name(), "usage": "t", "template_id": ""}
    answer = admin.send("/datasets/from-table", **form)
    assert answer.status_code == 303, answer.text
    shown = admin.get(answer.headers["location"])
    assert form["dataset_name"] in shown.text
    again = admin.send("/datasets/from-table", **form)
    assert again.status_code == 409
    assert 'role="alert"' in again.text
    assert f'value="{form["dataset_name"]}"' in again.text
    absent = admin.send("/datasets/from-table", **form | {"iceberg_table_name": "silver.<b>", "dataset_name": "y"})
    assert absent.status_code in (404, 422)
    assert "silver.<b>" not in absent.text
