"""The tabs of one model: report, threshold, explanation."""

import html
import json
import re
from typing import Any

import pytest

from dataml.console.views.model_threshold import measure
from tests.client import Client, wait_for_job
from tests.console.browser import Browser, signed_in
from tests.train.training import trained

_TABS = ("", "/report", "/errors", "/threshold", "/explanation", "/try", "/batches")


def read_model(client: Client, model: dict[str, Any]) -> dict[str, Any]:
    return client.get(f"/train/{model['id']}").json()


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_overview_has_metrics_with_intervals_and_the_leaderboard(admin: Browser, model: dict[str, Any]) -> None:
    text = text_of(admin.get(f"/predictors/{model['id']}").text)
    assert re.search(r"Accuracy ↑ 0\.\d+ 95 %: 0\.\d+ to", text)
    assert "Leaderboard" in text
    assert re.search(r"1 LightGBM 0\.\d+ 100\.0%", text)


def test_report_has_the_texts_of_the_one_on_paper_and_names_its_charts(
    client: Client, admin: Browser, model: dict[str, Any]
) -> None:
    page = admin.get(f"/predictors/{model['id']}/report").text
    report = client.get(f"/train/{model['id']}/report").json()["report"]
    assert set(re.findall(r'data-path="report\.charts\.(\w+)"', page)) == report["charts"].keys()
    text = text_of(page)
    assert "The predicted class is correct for" in text
    assert "Expected calibration error" in text
    for name, each in report["per_class"].items():
        assert f"{name} {each['support']} " in text


def test_counts_of_thresholds_are_those_of_the_rows(client: Client, model: dict[str, Any]) -> None:
    report = client.get(f"/train/{model['id']}/report").json()["report"]
    points = measure(report)
    assert len(points) == 21
    for point in points:
        assert point.true_positives + point.false_negatives == report["per_class"]["true"]["support"]
        rows = point.true_positives + point.false_positives + point.false_negatives + point.true_negatives
        assert rows == report["rows"]
        if point.precision is not None:
            assert point.precision == pytest.approx(
                point.true_positives / (point.true_positives + point.false_positives)
            )
    default = next(point for point in points if point.threshold == 0.5)
    matrix = read_model(client, model)["metrics"]["confusion_matrix"]
    assert [
        [default.true_negatives, default.false_positives],
        [default.false_negatives, default.true_positives],
    ] == matrix


def test_threshold_page_shows_one_threshold_and_its_cost(admin: Browser, model: dict[str, Any]) -> None:
    page = admin.get(f"/predictors/{model['id']}/threshold?at=3&fp=10&fn=2,5").text
    points = json.loads(re.search(r'id="thresholds">(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    point = points[3]
    cost = 10 * point["false_positives"] + 2.5 * point["false_negatives"]
    assert f"wrong predictions: {cost:.4g} ." in text_of(page)
    costs = [10 * each["false_positives"] + 2.5 * each["false_negatives"] for each in points]
    cheapest = points[costs.index(min(costs))]
    assert f"Least with a threshold of {cheapest['shown']['threshold']} ." in text_of(page)


def test_large_costs_stay_as_they_were_typed(admin: Browser, model: dict[str, Any]) -> None:
    page = admin.get(f"/predictors/{model['id']}/threshold?at=3&fp=12500&fn=0.5").text
    assert 'name="fp" inputmode="decimal" value="12500"' in page
    assert 'name="fn" inputmode="decimal" value="0.5"' in page


@pytest.mark.parametrize("query", ["at=x", "at=-1", "at=99", "at=" + "9" * 5000, "fp=nan&fn=inf", "fp=<i>", "fp=-5"])
def test_threshold_page_takes_any_address(admin: Browser, model: dict[str, Any], query: str) -> None:
    assert admin.get(f"/predictors/{model['id']}/threshold?{query}").status_code == 200


def test_threshold_is_kept_and_reset(client: Client, admin: Browser, model: dict[str, Any]) -> None:
    path = f"/predictors/{model['id']}/threshold"
    answer = admin.send(path, threshold="0.3")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"{path}?notice=Predictions+are+now+decided+by+0.3.",
    )
    assert read_model(client, model)["threshold"] == 0.3
    assert "Back to the more probable class" in admin.get(path).text
    assert admin.send(path, criterion="best_f1").status_code == 303
    assert read_model(client, model)["threshold_source"] == "best_f1"
    assert admin.send(f"{path}/reset").status_code == 303
    assert read_model(client, model)["threshold_source"] == "default"


@pytest.mark.parametrize(
    "form", [{"threshold": "high"}, {"threshold": "2"}, {"threshold": "nan"}, {"criterion": "luck"}, {}]
)
def test_wrong_threshold_is_refused_on_the_page(
    client: Client, admin: Browser, model: dict[str, Any], form: dict[str, str]
) -> None:
    answer = admin.send(f"/predictors/{model['id']}/threshold", **form)
    assert answer.status_code == 422
    assert 'class="notice bad" role="alert"' in answer.text
    assert "All measured thresholds" in answer.text
    assert read_model(client, model)["threshold_source"] == "default"


def test_explanation_is_computed_shown_and_deleted(client: Client, admin: Browser, model: dict[str, Any]) -> None:
    path = f"/predictors/{model['id']}/explanation"
    assert "It was not computed yet" in admin.get(path).text
    assert admin.send(path).status_code == 303
    job = client.get("/jobs/list", params={"kind": "explain"}).json()["data"][0]
    wait_for_job(client, job["job_id"])
    page = admin.get(path).text
    shares = client.get("/train/view-feature-importance", params={"train_id": model["id"]}).json()["feature_importance"]
    largest = next(iter(shares.items()))
    assert f"{largest[0]} {100 * largest[1]:.1f}%" in text_of(page)
    charts = client.get(f"/train/{model['id']}/explanation").json()["dependence"]
    assert len(re.findall(r'data-path="dependence\.\d+\.chart"', page)) == len(charts)
    assert admin.send(f"{path}/delete").status_code == 303
    assert "It was not computed yet" in admin.get(path).text


def test_errors_have_segments_and_the_worst_rows(client: Client, admin: Browser, model: dict[str, Any]) -> None:
    path = f"/predictors/{model['id']}/errors"
    report = client.get(f"/train/{model['id']}/report").json()["report"]
    assert {each["column"] for each in report["segments"]["columns"]} == {"age", "colour", "price"}
    by_colour = next(each for each in report["segments"]["columns"] if each["column"] == "colour")
    assert sum(each["rows"] for each in by_colour["segments"]) == report["rows"]
    right = sum(each["rows"] * each["score"] for each in by_colour["segments"])
    assert right / report["rows"] == pytest.approx(read_model(client, model)["metrics"]["accuracy"])
    text = text_of(admin.get(f"{path}?column=colour").text)
    for each in by_colour["segments"]:
        assert f"{each['value']} {each['rows']} {100 * each['score']:.1f}%" in text
    worst = report["worst_rows"][0]
    rows = {"dataset_id": model["dataset_id"], "offset": worst["row"], "limit": 1}
    stored = client.get("/dataset/view", params=rows).json()["preview"][0]
    assert {name: stored[name] for name in worst["values"]} == worst["values"]
    assert stored["bought"] == (worst["truth"] == "true")
    assert f'offset={worst["row"]}"' in admin.get(path).text
    assert "Worst rows" in text
    assert admin.get(f"{path}?column=<script>").status_code == 200


def test_who_may_only_look_changes_nothing(anonymous: Client, model: dict[str, Any]) -> None:
    analyst = signed_in(anonymous, "analyst")
    path = f"/predictors/{model['id']}"
    assert "Decide by" not in analyst.get(f"{path}/threshold").text
    assert "Compute" not in analyst.get(f"{path}/explanation").text
    for change in ("threshold", "threshold/reset", "explanation", "explanation/delete", "delete"):
        assert analyst.send(f"{path}/{change}", threshold="0.3").status_code == 403, change


def test_pages_of_a_model_are_those_of_its_tenant(anonymous: Client, model: dict[str, Any]) -> None:
    stranger = signed_in(anonymous, "stranger")
    for tab in _TABS:
        assert stranger.get(f"/predictors/{model['id']}{tab}").status_code == 404, tab
    for change in ("threshold", "threshold/reset", "explanation", "explanation/delete", "delete"):
        assert stranger.send(f"/predictors/{model['id']}/{change}", threshold="0.3").status_code == 404, change


def test_regression_has_residuals_and_no_threshold(client: Client, admin: Browser, dataset: dict[str, Any]) -> None:
    columns = [{"column_name": "id", "attribute_name": "Id"}, {"column_name": "price", "attribute_name": "Target"}]
    model = trained(client, dataset["id"], columns=columns, problem_type="Regression")
    assert "/threshold" not in admin.get(f"/predictors/{model['id']}").text
    assert "No thresholds" in admin.get(f"/predictors/{model['id']}/threshold").text
    text = text_of(admin.get(f"/predictors/{model['id']}/report").text)
    assert "Quantiles of the residuals" in text
    assert "prediction ±" in text
    assert "Mean absolute error by the values of a column" in text_of(
        admin.get(f"/predictors/{model['id']}/errors").text
    )
    admin.send(f"/predictors/{model['id']}/delete")
    deleted = admin.get(f"/predictors/{model['id']}")
    assert deleted.status_code == 200
    assert "This version was deleted" in deleted.text


def test_other_paths_of_a_model_are_absent(admin: Browser, model: dict[str, Any]) -> None:
    assert admin.get(f"/predictors/{model['id']}/absent").status_code == 404
