"""The form of a training: what it suggests, what it sends, and how it shows what the API refuses."""

import html
import re
import threading
import time
from typing import Any

import pytest

import dataml.tasks.train
from dataml.console.training_form import build_request
from dataml.jobs.spec import JobContext, TrainResult, TrainSpec
from dataml.ml.leaderboard import CandidateScore, CandidateState
from tests.client import Client, wait_for_job
from tests.console.browser import Browser, signed_in
from tests.dataset.datasets import create_dataset
from tests.inference.series import shop_rows
from tests.train.training import new_predictor, train

NEW = "/predictors/new"
HOSTILE = "<script>alert(1)</script>😀\u202e" + "x" * 150


def form_of(page: str) -> dict[str, str]:
    """Return what a browser would send of the form of a page, without a script."""
    form = re.search(r'<form id="training".*?</form>', page, re.DOTALL)
    assert form, page
    text = form.group()
    fields: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", text):
        given = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if "name" in given and (given.get("type") not in ("checkbox", "radio") or " checked" in tag):
            fields[html.unescape(given["name"])] = html.unescape(given.get("value", "on"))
    for name, options in re.findall(r'<select name="([^"]*)"[^>]*>(.*?)</select>', text, re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected(?: data-for="\w+")?>([^<]*)', options)
        chosen = chosen or re.search(r'<option(?: value="([^"]*)")?[^>]*>([^<]*)', options)
        assert chosen
        value = chosen.group(1) if chosen.group(1) is not None else chosen.group(2)
        fields[html.unescape(name)] = html.unescape(value)
    for name, value in re.findall(r'<textarea name="([^"]*)"[^>]*>(.*?)</textarea>', text, re.DOTALL):
        fields[html.unescape(name)] = html.unescape(value)
    return fields


def open_form(browser: Browser, dataset_id: int, target: str) -> dict[str, str]:
    answer = browser.get(NEW, params={"dataset": dataset_id, "target": target})
    assert answer.status_code == 200, answer.text
    return form_of(answer.text)


@pytest.fixture(scope="module")
def shops(client: Client) -> dict[str, Any]:
    return create_dataset(client, ("shops.csv", shop_rows(range(60))))


def test_datasets_are_chosen_by_a_search(admin: Browser, dataset: dict[str, Any]) -> None:
    page = admin.get(NEW).text
    assert f"{NEW}?dataset={dataset['id']}" in page
    assert f"{NEW}?dataset={dataset['id']}" in admin.get(f"{NEW}?q=script").text
    assert "Nothing matches." in admin.get(f"{NEW}?q=absent").text


def test_target_is_chosen_first(admin: Browser, dataset: dict[str, Any]) -> None:
    page = admin.get(f"{NEW}?dataset={dataset['id']}").text
    assert 'value="bought"' in page
    assert "Choose the column to predict" in page
    assert 'id="training"' not in page


def test_suggestion_fills_the_form(admin: Browser, dataset: dict[str, Any], shops: dict[str, Any]) -> None:
    form = open_form(admin, dataset["id"], "bought")
    assert (form["problem_type"], form["role:id"], form["role:age"]) == ("Classification", "Id", "Feature")
    page = html.unescape(admin.get(f"{NEW}?dataset={dataset['id']}&target=bought").text)
    assert "Classification is suggested: 'bought' has 2 different values" in page
    series = open_form(admin, shops["id"], "sold")
    assert (series["problem_type"], series["role:shop"], series["role:day"]) == ("Forecast", "Id", "Time")


def test_form_starts_a_training(client: Client, admin: Browser, dataset: dict[str, Any]) -> None:
    name = new_predictor()
    form = open_form(admin, dataset["id"], "bought") | {"predictor_name": name, "algorithm": "LightGBM", "seed": "7"}
    form |= {"quality": "fast"}
    checked = admin.send(f"{NEW}/check", **form)
    assert "version 1 of" in checked.text
    assert "create_training" in checked.text
    assert client.get("/train/list", params={"name": name}).json()["total"] == 0
    started = admin.send(NEW, **form)
    assert started.status_code == 303, started.text
    train_id = int(re.findall(r"/predictors/(\d+)", started.headers["location"])[0])
    training = client.get(f"/train/{train_id}").json()
    assert (training["predictor_name"], training["requested_algorithm"]) == (name, "LightGBM")
    assert (training["requested"]["seed"], training["roles"]["id"]) == (7, "Id")
    assert training["requested"]["quality"] == "fast"
    assert wait_for_job(client, training["job_id"])["state"] == "succeeded"


def test_refusal_is_shown_at_its_field_and_keeps_what_was_typed(admin: Browser, model: dict[str, Any]) -> None:
    form = open_form(admin, model["dataset_id"], "bought") | {"predictor_name": model["predictor_name"]}
    answer = admin.send(NEW, **form | {"domain": "Typed <b>", "holdout": "0.3"})
    assert answer.status_code == 409
    assert re.search(r'data-error="mode">There is a predictor named', answer.text)
    kept = form_of(answer.text)
    assert (kept["domain"], kept["holdout"], kept["role:id"]) == ("Typed <b>", "0.3", "Id")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"holdout": "much"}, "holdout"),
        ({"holdout": "0.9"}, "holdout"),
        ({"folds": "1.5"}, "folds"),
        ({"group": "absent"}, "group"),
        ({"hyperparameters": "{"}, "hyperparameters"),
        ({"hyperparameters": '{"depth_of_thought": 3}'}, "hyperparameters"),
        ({"positive_class": "perhaps"}, "positive_class"),
        ({"predictor_name": ""}, "predictor_name"),
        ({"time_limit_s": "99999999999"}, "time_limit_s"),
        ({"quality": "perfect"}, "quality"),
        ({"role:age": "Exogenous"}, "role:age"),
        ({"problem_type": "Forecast"}, ""),
        ({"mode": "continue"}, "mode"),
        ({"tune": "on", "trials": "0"}, "trials"),
        ({"target": "id"}, ""),
        ({"dataset_id": "999999"}, ""),
        ({"dataset_id": "x"}, ""),
    ],
    ids=str,
)
def test_check_names_the_field(admin: Browser, dataset: dict[str, Any], changes: dict[str, str], field: str) -> None:
    form = open_form(admin, dataset["id"], "bought") | {"predictor_name": new_predictor()}
    answer = admin.send(f"{NEW}/check", **form | changes)
    assert answer.status_code == 200
    named = re.findall(r'data-field="([^"]*)"', answer.text)
    assert named, answer.text
    if field:
        assert field in named
    assert "Ready" not in answer.text


def test_forecast_is_trained_with_its_options(client: Client, admin: Browser, shops: dict[str, Any]) -> None:
    form = open_form(admin, shops["id"], "sold") | {"predictor_name": new_predictor(), "horizon": "7"}
    form |= {"forecast_algorithm": "SeasonalNaive", "role:rain": "Ignore", "algorithm": "CatBoost", "holdout": "0.5"}
    started = admin.send(NEW, **form)
    assert started.status_code == 303, started.text
    training = client.get(f"/train/{re.findall(r'[0-9]+', started.headers['location'])[0]}").json()
    assert training["requested"]["forecast"]["horizon"] == 7
    assert (training["requested_algorithm"], training["roles"]["rain"]) == ("SeasonalNaive", "Ignore")
    wait_for_job(client, training["job_id"])


def test_retraining_begins_with_the_request_of_the_version(
    client: Client, admin: Browser, model: dict[str, Any]
) -> None:
    page = admin.get(f"{NEW}?from={model['id']}")
    assert page.status_code == 200
    form = form_of(page.text)
    assert (form["predictor_name"], form["mode"]) == (model["predictor_name"], "version")
    assert (form["algorithm"], form["role:id"]) == ("LightGBM", "Id")
    started = admin.send(NEW, **form)
    assert started.status_code == 303, started.text
    again = client.get(f"/train/{re.findall(r'[0-9]+', started.headers['location'])[0]}").json()
    assert again["version"] == model["version"] + 1
    assert again["roles"] == client.get(f"/train/{model['id']}").json()["roles"]
    assert wait_for_job(client, again["job_id"])["state"] == "succeeded"
    form = form_of(admin.get(f"{NEW}?from={again['id']}&mode=continue").text)
    continued = admin.send(NEW, **form)
    assert continued.status_code == 303, continued.text
    child = client.get(f"/train/{re.findall(r'[0-9]+', continued.headers['location'])[0]}").json()
    assert child["lineage"]["parent"]["id"] == again["id"]
    wait_for_job(client, child["job_id"])


def test_names_from_outside_do_not_break_the_form(client: Client, admin: Browser) -> None:
    column = HOSTILE.replace("\u202e", "")
    rows = "".join(f"{number % 3},{number},{'ab'[number % 2]}\n" for number in range(60))
    made = create_dataset(client, ("a.csv", f"n,{column},y\n{rows}".encode()), name=HOSTILE[:26].replace("/", ""))
    assert made["state"] == "valid", made
    page = admin.get(f"{NEW}?dataset={made['id']}&target=y")
    assert "<script>alert" not in page.text
    form = form_of(page.text) | {"predictor_name": HOSTILE[:80]}
    assert f"role:{column}" in form
    assert "<script>alert" not in admin.send(f"{NEW}/check", **form).text
    assert "<script>alert" not in admin.send(NEW, **form | {"holdout": HOSTILE}).text
    assert "<script>alert" not in admin.get(NEW, params={"dataset": made["id"], "target": HOSTILE}).text


def test_wide_tables_name_columns_by_role(client: Client, admin: Browser) -> None:
    names = [f"column_{number}" for number in range(400)]
    rows = "".join(
        ",".join(str((row * column) % 17) for column in range(400)) + f",{row % 2 == 0}\n" for row in range(60)
    )
    made = create_dataset(client, ("wide.csv", f"{','.join(names)},y\n{rows}".encode()))
    page = admin.get(f"{NEW}?dataset={made['id']}&target=y")
    assert len(page.content) < 150_000
    form = form_of(page.text) | {"predictor_name": new_predictor(), "names:Ignore": "column_3\r\ncolumn_9\r\n"}
    body = build_request(form, made["id"])
    ignored = {each["column_name"] for each in body["columns"] if each["attribute_name"] == "Ignore"}
    assert {"column_3", "column_9"} <= ignored
    assert "Ready" in admin.send(f"{NEW}/check", **form).text
    refused = admin.send(f"{NEW}/check", **form | {"names:Ignore": "absent"})
    assert 'data-field="columns"' in refused.text


def test_only_who_may_train_sees_the_form(anonymous: Client, dataset: dict[str, Any], model: dict[str, Any]) -> None:
    analyst = signed_in(anonymous, "analyst")
    for path in (NEW, f"{NEW}?dataset={dataset['id']}&target=bought", f"{NEW}?from={model['id']}"):
        assert analyst.get(path).status_code == 403
    assert NEW not in analyst.get("/predictors").text
    assert NEW not in analyst.get(f"/predictors/{model['id']}").text
    assert analyst.send(NEW, dataset_id=str(dataset["id"]), target="bought", predictor_name="x").status_code == 403
    stranger = signed_in(anonymous, "stranger")
    assert stranger.get(f"{NEW}?dataset={dataset['id']}").status_code == 404
    assert stranger.get(f"{NEW}?from={model['id']}").status_code == 404


def test_form_with_no_fields_is_refused_in_words(admin: Browser, dataset: dict[str, Any]) -> None:
    for fields in ({}, {"target": "bought"}, {"mode": "version"}):
        answer = admin.send(NEW, dataset_id=str(dataset["id"]), **fields)
        assert answer.status_code == 422, fields
        assert "field-error" in answer.text
    assert admin.send(NEW).status_code == 422


def test_unknown_target_is_said_at_its_field(admin: Browser, dataset: dict[str, Any]) -> None:
    page = admin.get(f"{NEW}?dataset={dataset['id']}&target=bougth")
    assert page.status_code == 200
    assert re.search(r'data-error="target">[^<]*bought', html.unescape(page.text))


def test_page_of_a_running_training_follows_its_job(
    client: Client, admin: Browser, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_released = threading.Event()
    run = dataml.tasks.train.run

    def wait(spec: TrainSpec, context: JobContext) -> TrainResult:
        context.report_score(CandidateScore("<i>poor</i>", "log_loss", 0.75, 1.25, CandidateState.SCORED))
        context.report_score(CandidateScore("good", "log_loss", 0.125, 65.0, CandidateState.SCORED))
        context.report_score(CandidateScore("Unfinished", "log_loss", state=CandidateState.FITTING))
        context.report_progress(0.25, "Waiting for <b>the test</b>")
        is_released.wait(60)
        return run(spec, context)

    monkeypatch.setattr("dataml.tasks.train.run", wait)
    started = train(client, model["dataset_id"]).json()
    path = f"/predictors/{started['id']}"
    for _ in range(200):
        page = admin.get(path).text
        if "Waiting for &lt;b&gt;the test" in page:
            break
        time.sleep(0.1)
    assert "Waiting for &lt;b&gt;the test&lt;/b&gt;" in page
    assert 'data-live="2"' in page
    assert "25.0%" in page
    rows = [row.partition("</tr>")[0] for row in page.split("<tr>")]
    board = [row for row in rows if '<th scope="row">' in row]
    for row, texts in zip(
        board,
        [
            ("good", ">1<", "0.125", "1 min 5 s", "scored"),
            ("&lt;i&gt;poor&lt;/i&gt;", ">2<", "0.75", "1.2 s", "scored"),
            ("Unfinished", ">—<", "fitting"),
        ],
        strict=True,
    ):
        assert all(text in row for text in texts), row
    assert "Log loss" in page
    assert "good" in admin.get(f"/jobs/{started['job_id']}").text.partition("Leaderboard")[2]
    assert f'data-steps="{started["job_id"]}"' in page
    assert f'action="/jobs/{started["job_id"]}/cancel"' in page
    is_released.set()
    assert wait_for_job(client, started["job_id"])["state"] == "succeeded"
    assert "data-steps" not in admin.get(path).text
