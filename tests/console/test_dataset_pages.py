"""The pages of one dataset: rows, columns, errors, files, and where it is used."""

import html
import re
from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.console.browser import Browser, signed_in
from tests.dataset.datasets import create_dataset, create_template, get_dataset
from tests.train.training import small_csv

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def wide(client: Client) -> dict[str, Any]:
    """A dataset of 500 columns and 60 rows, with statistics."""
    names = [f"c{number}" for number in range(500)]
    rows = [",".join(str(row * column % 97) for column in range(500)) for row in range(60)]
    made = create_dataset(client, ("wide.csv", "\n".join([",".join(names), *rows]).encode()))
    compute_statistics(client, made["id"])
    return made


@pytest.fixture(scope="module")
def wrong(client: Client) -> dict[str, Any]:
    """A dataset of hostile names and values, with 400 wrong cells of two columns and two rules."""
    template_id = create_template(client, n="Integer", day="Date", **{HOSTILE: "Integer"})
    lines = [f"{'<b>x</b>' if n % 2 else n},{'never' if n % 2 else '2024-01-05'},1" for n in range(400)]
    content = "\n".join(['n,day,"""><script>alert(1)</script>"', *lines]).encode()
    return create_dataset(client, ("wrong <i>.csv", content), template_id=template_id)


def compute_statistics(client: Client, dataset_id: int, **query: Any) -> None:
    job = client.post("/dataset/generate_statistics", params={"dataset_id": dataset_id} | query).json()
    assert wait_for_job(client, job["job_id"])["state"] == "succeeded"


def text_of(browser: Browser, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    assert "<script>alert" not in answer.text
    assert "<b>x" not in answer.text
    assert "style=" not in answer.text
    assert len(answer.content) < 150_000
    return answer.text


def test_columns_of_a_wide_dataset_are_paged(admin: Browser, wide: dict[str, Any]) -> None:
    path = f"/datasets/{wide['id']}/preview"
    page = text_of(admin, path)
    assert "Columns 1 to 20 of 500" in page
    assert re.findall(r"\?sort=(c\d+)", page) == [f"c{number}" for number in range(20)]
    assert f'href="{path}?column=20"' in page
    last = text_of(admin, f"{path}?column=480&sort=-c499&offset=50")
    assert "Columns 481 to 500 of 500" in last
    assert '<data value="51"' in last
    assert "Columns after" not in last
    # An address that was changed by hand begins at the first column.
    assert "Columns 1 to 20 of 500" in text_of(admin, f"{path}?column=999999999999999999")


def test_rows_are_sorted_by_a_column(admin: Browser, wide: dict[str, Any]) -> None:
    page = text_of(admin, f"/datasets/{wide['id']}/preview?sort=-c1")
    first = re.search(r"<tbody><tr>.*?</tr>", page, re.DOTALL)
    assert first is not None
    assert re.findall(r">(\d+)</td>", first[0])[:2] == ["0", "59"]
    assert 'aria-sort="descending"' in page
    assert "sort='-c1'" in html.unescape(page)
    refused = admin.get(f"/datasets/{wide['id']}/preview?sort=absent")
    assert refused.status_code == 422
    assert "absent" in refused.text


def test_statistics_of_a_wide_dataset_are_paged_and_searched(admin: Browser, wide: dict[str, Any]) -> None:
    path = f"/datasets/{wide['id']}/columns"
    page = text_of(admin, path)
    assert page.count('class="spark"') == 50
    assert "?offset=50" in page
    found = text_of(admin, f"{path}?q=C499")
    assert found.count('class="spark"') == 1
    about = text_of(admin, f"{path}?about=c7")
    assert 'aria-label="Histogram of c7"' in about
    assert "No column has this name." in text_of(admin, f"{path}?q=absent")
    assert "Strongest correlations" in page


def test_association_with_a_column_is_computed(admin: Browser, client: Client) -> None:
    made = create_dataset(client, ("small.csv", small_csv(100)))
    path = f"/datasets/{made['id']}/columns"
    assert "Compute statistics and charts" in text_of(admin, path)
    answer = admin.send(f"/datasets/{made['id']}/statistics", target="bought")
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    wait_for_job(client, client.get("/dataset/statistics", params={"dataset_id": made["id"]}).json()["job_id"])
    page = text_of(admin, path)
    assert "Association with bought" in page
    assert "Compute again" in page
    assert 'aria-label="Counts of the most frequent values"' in page
    assert "Most frequent values of colour" in text_of(admin, f"{path}?about=colour")


def test_wrong_cells_are_a_grid_with_counts(admin: Browser, wrong: dict[str, Any]) -> None:
    path = f"/datasets/{wrong['id']}/errors"
    page = text_of(admin, path)
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert page.count("<code>not_an_integer</code>") + page.count("<code>not_a_date</code>") == 50
    assert 'value="400"' in page
    rules = set(re.findall(r"\?rule=(\w+)", page))
    assert len(rules) == 2
    for query in ("column=day", f"rule={sorted(rules)[0]}"):
        filtered = text_of(admin, f"{path}?{query}&offset=150")
        assert 'data value="151"' in filtered
        assert 'rel="next"' not in filtered
    assert "Nothing matches." in text_of(admin, f"{path}?column=absent")
    assert f"dataset_id={wrong['id']}&amp;format=csv" in page


def test_quarantined_rows_are_shown_as_they_came(admin: Browser, wrong: dict[str, Any]) -> None:
    page = text_of(admin, f"/datasets/{wrong['id']}/preview?rows=set_aside")
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "never" in page


def test_files_show_their_first_lines(admin: Browser, client: Client, wrong: dict[str, Any]) -> None:
    path = f"/datasets/{wrong['id']}/files"
    (file,) = client.get("/files/list", params={"dataset_id": wrong["id"]}).json()["data"]
    assert f"/console/api/files/download?file_id={file['id']}" in text_of(admin, path)
    assert "First lines" in text_of(admin, f"{path}?file={file['id']}")
    assert "First lines" not in text_of(admin, f"{path}?file=999999")


def test_a_file_is_deleted(admin: Browser, client: Client) -> None:
    made = create_dataset(client, ("a.csv", b"a\n1\n"), ("b.csv", b"a\n2\n"))
    files = client.get("/files/list", params={"dataset_id": made["id"]}).json()["data"]
    answer = admin.send(f"/datasets/{made['id']}/files/{files[0]['id']}/delete")
    assert answer.status_code == 303
    last = admin.send(f"/datasets/{made['id']}/files/{files[1]['id']}/delete")
    assert last.status_code == 409
    assert "last file" in last.text


def test_uses_of_a_dataset_are_shown(
    admin: Browser, client: Client, dataset: dict[str, Any], model: dict[str, Any]
) -> None:
    assert f"/predictors/{model['id']}" in text_of(admin, f"/datasets/{dataset['id']}/uses")
    to_score = create_dataset(client, ("p.csv", small_csv(20, target=False)), usage="p")
    assert "No batch has scored it." in text_of(admin, f"/datasets/{to_score['id']}/uses")
    body = {"train_id": model["id"], "dataset_id": to_score["id"]}
    job = client.post("/inference/batchPrediction", json=body).json()
    assert wait_for_job(client, job["job_id"])["state"] == "succeeded"
    file_id = client.get("/inference/result", params={"prediction_id": job["prediction_id"]}).json()["file_id"]
    assert f"file_id={file_id}" in text_of(admin, f"/datasets/{to_score['id']}/uses")


def test_a_dataset_is_validated_again(admin: Browser, client: Client) -> None:
    template_id = create_template(client, n="Integer")
    made = create_dataset(client, ("n.csv", b"n\nx\n"), template_id=template_id)
    assert "Validate again" in text_of(admin, f"/datasets/{made['id']}")
    assert admin.send(f"/datasets/{made['id']}/validate").status_code == 303
    jobs = client.get("/jobs/list", params={"kind": "validate", "subject_id": made["id"]}).json()
    assert jobs["total"] == 2


def test_changes_need_their_permission_and_tenant(anonymous: Client, client: Client, wrong: dict[str, Any]) -> None:
    analyst, stranger = signed_in(anonymous, "analyst"), signed_in(anonymous, "stranger")
    (file,) = client.get("/files/list", params={"dataset_id": wrong["id"]}).json()["data"]
    for path in (f"/datasets/{wrong['id']}/validate", f"/datasets/{wrong['id']}/files/{file['id']}/delete"):
        assert analyst.send(path).status_code == 403
        assert stranger.send(path).status_code == 404
    page = analyst.get(f"/datasets/{wrong['id']}/files").text
    assert "/delete" not in page
    for tab in ("preview", "columns", "errors", "files", "uses"):
        assert stranger.get(f"/datasets/{wrong['id']}/{tab}").status_code == 404


def test_files_are_added_to_a_dataset(admin: Browser, client: Client) -> None:
    made = create_dataset(client, ("one.csv", b"a,b\n1,2\n3,4\n"))
    path = f"/datasets/{made['id']}/files"
    assert f'action="{path}" enctype="multipart/form-data"' in admin.get(path).text
    sent = {"files": {"files": ("two.csv", b"a,b\n5,6\n", "text/csv")}, "headers": {"Sec-Fetch-Site": "same-origin"}}
    answer = admin.request("POST", path, **sent)
    assert answer.status_code == 303, answer.text
    wait_for_job(client, get_dataset(client, made["id"])["job_id"])
    assert get_dataset(client, made["id"])["kept_records"] == 3
    sent["files"] = {"files": ("three.csv", b"other\n1\n", "text/csv")}
    refused = admin.request("POST", path, **sent)
    assert refused.status_code == 422
    assert "different_columns" in refused.text


def test_viewer_adds_no_files(anonymous: Client, client: Client, wrong: dict[str, Any]) -> None:
    viewer = signed_in(anonymous, "analyst")
    path = f"/datasets/{wrong['id']}/files"
    assert "multipart/form-data" not in viewer.get(path).text
    sent = {"files": {"files": ("two.csv", b"a\n5\n", "text/csv")}, "headers": {"Sec-Fetch-Site": "same-origin"}}
    assert viewer.request("POST", path, **sent).status_code == 403
