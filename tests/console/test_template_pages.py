"""The pages of templates: the form, drafts, versions and their difference."""

import html
import re
from typing import Any

import pytest

from dataml.console.views.template_changes import ColumnChange, compare
from dataml.console.views.template_form import TemplateForm
from tests.client import Client
from tests.console.browser import Browser, signed_in
from tests.dataset.datasets import create_dataset, create_template, new_name

HOSTILE = '"><script>alert(1)</script>'


def row(
    name: str, data_type: str = "String", default: str = "", required: str = "", rules: str = "{}"
) -> dict[str, str]:
    return {"name": name, "type": data_type, "default": default, "required": required, "rules": rules}


def form_of(template_name: str, *rows: dict[str, str], **fields: str) -> dict[str, Any]:
    lists = {name: [each[name] for each in rows] for name in ("name", "type", "default", "required", "rules")}
    return {"template_name": template_name, **lists, **fields}


def names_in(page: str) -> list[str]:
    return [html.unescape(name) for name in re.findall(r'<input name="name" value="([^"]*)"', page)]


def created(client: Client, location: str) -> dict[str, Any]:
    template_id = re.search(r"/templates/(\d+)", location)
    assert template_id is not None
    return client.get(f"/template/{template_id[1]}").json()


def test_a_template_is_created_and_changed(admin: Browser, client: Client) -> None:
    name = new_name("form")
    rules = '{"minimum": "0", "unknown": 1}'
    form = form_of(name, row("age", "Integer", "7", "required", rules), row(""), row(HOSTILE))
    answer = admin.send("/templates/new", **form)
    assert answer.status_code == 303, answer.text
    template = created(client, answer.headers["location"])
    assert template["template_schema"] == [
        {"column_name": "age", "data_type": "Integer", "default_value": "7", "nullable": False, "minimum": "0"},
        {"column_name": HOSTILE, "data_type": "String", "default_value": None},
    ]
    path = f"/templates/{template['id']}"
    for page in (path, f"{path}/edit", f"{path}/compare"):
        shown = admin.get(page)
        assert shown.status_code == 200, shown.text
        assert "<script>alert" not in shown.text
    opened = {"open": "0", "open.maximum": "120", "open.allowed_values": "", "open.unique": "1"}
    form = form_of(name, row("age", "Float", "", "", rules), row("new"), **opened)
    answer = admin.send(f"{path}/edit", **form)
    assert answer.status_code == 303, answer.text
    second = client.get(f"/template/{template['id']}").json()
    assert second["version"] == 2
    assert second["template_schema"][0] == {
        "column_name": "age",
        "data_type": "Float",
        "default_value": None,
        "maximum": "120",
        "unique": True,
    }
    difference = admin.get(f"{path}/compare?before=1&after=2").text
    assert re.findall(r'class="badge \w+">(\w+)<', difference) == ["changed", "added", "removed"]
    assert "This is an older version" in admin.get(f"{path}?version=1").text


def test_rows_are_added_moved_and_removed_without_a_script(admin: Browser) -> None:
    rows = [row("a"), row("b", "Integer"), row(HOSTILE)]
    for change, expected in (
        ("change=add", ["a", "b", HOSTILE, ""]),
        ("change=up&row=1", ["b", "a", HOSTILE]),
        ("change=down&row=0", ["b", "a", HOSTILE]),
        ("change=up&row=0", ["a", "b", HOSTILE]),
        ("change=remove&row=1", ["a", HOSTILE]),
        ("change=remove&row=99", ["a", "b", HOSTILE]),
        ("change=remove&row=x", ["a", "b", HOSTILE]),
        ("change=nothing&row=1", ["a", "b", HOSTILE]),
    ):
        answer = admin.send(f"/templates/new?{change}", **form_of("kept name", *rows))
        assert answer.status_code == 200, change
        assert names_in(answer.text) == expected, change
        assert 'value="kept name"' in answer.text


def test_rules_of_a_row_are_shown_as_fields_and_kept(admin: Browser) -> None:
    rules = '{"pattern": "[A-Z]+", "allowed_values": ["", "<b>"], "unique": true}'
    page = admin.send("/templates/new?change=open&row=1", **form_of("n", row("a"), row("b", rules=rules))).text
    assert 'name="open.pattern" value="[A-Z]+"' in page
    assert "(empty)\n&lt;b&gt;" in page
    opened = {"open": "1", "open.pattern": "[a-z]+", "open.allowed_values": "(empty)\r\nx"}
    kept = admin.send("/templates/new?change=up&row=1", **form_of("n", row("a"), row("b", rules=rules), **opened)).text
    first = html.unescape(re.findall(r'name="rules" value="([^"]*)"', kept)[0])
    assert first == '{"pattern": "[a-z]+", "allowed_values": ["", "x"]}'


def test_refusals_are_shown_at_their_row_and_the_form_is_kept(admin: Browser, client: Client) -> None:
    known = create_template(client, a="Integer")
    name = client.get(f"/template/{known}").json()["template_name"]
    taken = admin.send("/templates/new", **form_of(name, row("a"), row("b")))
    assert taken.status_code == 409
    assert 'role="alert"' in taken.text
    assert names_in(taken.text) == ["a", "b"]
    wrong = admin.send("/templates/new", **form_of(new_name(), row("a"), row("b", "Integer", rules='{"minimum": "x"}')))
    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.text
    twice = admin.send("/templates/new", **form_of(new_name(), row("a"), row("a")))
    assert twice.status_code == 422
    long = admin.send(
        "/templates/new", **form_of(new_name(), row("a"), row("b", rules='{"minimum": "%s"}' % ("1" * 1001)))
    )
    assert long.status_code == 422
    assert 'id="failure-2"' in long.text
    broken = admin.send("/templates/new", **form_of(new_name(), row("a", rules="[1")))
    assert broken.status_code == 303


def test_columns_are_drafted_from_files(admin: Browser) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    files = {"files": ("a.csv", b"when,<i>x\n2024-01-05,1\n2024-01-06,2\n")}
    page = admin.request("POST", "/templates/draft", files=files, headers=headers)
    assert page.status_code == 200, page.text
    assert names_in(page.text) == ["when", "<i>x"]
    assert "<i>x" not in page.text
    assert "<option selected>Date</option>" in page.text
    refused = admin.request("POST", "/templates/draft", files={"files": ("a.csv", b"a,b\n1\n")}, headers=headers)
    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    assert admin.send("/templates/draft").status_code == 422


def test_a_template_in_use_is_not_deleted(admin: Browser, client: Client) -> None:
    template_id = create_template(client, a="Integer")
    made = create_dataset(client, ("a.csv", b"a\n1\n"), template_id=template_id)
    assert f"/datasets?template_id={template_id}" in admin.get(f"/templates/{template_id}").text
    assert made["dataset_name"] in admin.get(f"/datasets?template_id={template_id}").text
    assert admin.send(f"/templates/{template_id}/delete").status_code == 409
    unused = create_template(client, a="Integer")
    assert admin.send(f"/templates/{unused}/delete").status_code == 303
    assert admin.get(f"/templates/{unused}").status_code == 404


def test_changes_need_their_permission_and_tenant(anonymous: Client, client: Client) -> None:
    analyst, stranger = signed_in(anonymous, "analyst"), signed_in(anonymous, "stranger")
    template_id = create_template(client, a="Integer")
    path = f"/templates/{template_id}"
    assert "/edit" not in analyst.get(path).text
    assert "/templates/new" not in analyst.get("/templates").text
    for get in ("/templates/new", f"{path}/edit"):
        assert analyst.get(get).status_code == 403
    for post in ("/templates/new", "/templates/new?change=add", "/templates/draft", f"{path}/edit", f"{path}/delete"):
        assert analyst.send(post, **form_of("x", row("a"))).status_code == 403
    for get in (path, f"{path}/edit", f"{path}/compare"):
        assert stranger.get(get).status_code == 404
    for post in (f"{path}/edit", f"{path}/delete"):
        assert stranger.send(post, **form_of("x", row("a"))).status_code == 404


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([{"column_name": "a"}], [{"column_name": "a"}], []),
        (
            [{"column_name": "a", "data_type": "Integer"}],
            [{"column_name": "a", "data_type": "Float", "unique": True}],
            [ColumnChange("a", "changed", (("data_type", "Integer", "Float"), ("unique", None, True)))],
        ),
        (
            [{"column_name": "a"}, {"column_name": "b"}],
            [{"column_name": "b"}, {"column_name": "a"}],
            [ColumnChange("b", "moved"), ColumnChange("a", "moved")],
        ),
        (
            [{"column_name": "a"}, {"column_name": "b"}],
            [{"column_name": "c", "data_type": "Date"}, {"column_name": "b"}],
            [ColumnChange("c", "added", (("data_type", None, "Date"),)), ColumnChange("a", "removed")],
        ),
    ],
    ids=["same", "changed", "moved", "added and removed"],
)
def test_versions_are_compared(before: list[Any], after: list[Any], expected: list[ColumnChange]) -> None:
    assert compare(before, after) == expected


def test_a_form_gives_back_the_columns_that_it_was_made_of() -> None:
    columns = [
        {"column_name": "a", "data_type": "Integer", "default_value": None, "nullable": False, "minimum": "1"},
        {"column_name": "b", "data_type": "String", "default_value": "", "missing_values": ["-", ""]},
    ]
    sent = TemplateForm.of_columns("t", columns).to_body()["template_schema"]
    assert [{"default_value": None} | column for column in sent] == columns
