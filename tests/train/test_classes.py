"""Classes of a target: which one is positive, what can be a class, and refusals that say what would do."""

import random
from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset, create_template
from tests.ml.pages import Page
from tests.train.training import new_predictor, train, trained

TARGET = [{"column_name": "label", "attribute_name": "Target"}]


def fraud_csv(rows: int = 400) -> bytes:
    """Return `amount,hour,label`: payments of large amounts at night are often a fraud, which 'legit' follows."""
    dice = random.Random(3)
    lines = ["amount,hour,label"]
    for _ in range(rows):
        amount, hour = dice.uniform(1, 1_000), dice.randrange(24)
        risk = 0.6 if amount > 500 and hour < 6 else 0.02
        lines.append(f"{amount:.2f},{hour},{'fraud' if dice.random() < risk else 'legit'}")
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return create_dataset(client, ("payments.csv", fraud_csv()))["id"]


@pytest.fixture(scope="module")
def fraud(client: Client, dataset_id: int) -> dict[str, Any]:
    return trained(client, dataset_id, columns=TARGET)


def summary(client: Client, row: dict[str, Any]) -> dict[str, Any]:
    return client.get("/train/model-summary", params={"train_id": row["id"]}).json()


def predict(client: Client, row: dict[str, Any], **features: Any) -> dict[str, Any]:
    answer = client.post(row["endpoint_url"], json={"features": features})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_scores_of_two_classes_are_of_the_rarer_one(client: Client, fraud: dict[str, Any]) -> None:
    answer = summary(client, fraud)
    assert (answer["positive_class"], answer["classes"], fraud["positive_class"]) == (
        "fraud",
        ["fraud", "legit"],
        "fraud",
    )
    (hits, misses), (alarms, _) = answer["confusion_matrix"]
    model = answer["model_summary"]
    assert model["positive_class"] == "fraud"
    assert model["recall"] == pytest.approx(hits / (hits + misses))
    assert model["precision"] == pytest.approx(hits / (hits + alarms) if hits + alarms else 0)
    assert set(answer["average"].values()) == {"binary"}


def test_the_report_and_predictions_name_the_positive_class(client: Client, fraud: dict[str, Any]) -> None:
    report = client.get(f"/train/{fraud['id']}/report").json()["report"]
    assert (report["positive_class"], report["thresholds"]["positive_class"]) == ("fraud", "fraud")
    assert report["calibration"]["of"] == "fraud"
    page = Page(client.get(f"/train/{fraud['id']}/report?format=html").text)
    assert "Precision, recall, F1, PR AUC and the curves are about the class “fraud”." in page.texts
    answer = predict(client, fraud, amount=900.0, hour=2)
    assert answer["positive_class"] in answer["probabilities"]
    assert list(answer["probabilities"]) == ["fraud", "legit"]


def test_the_request_names_the_positive_class(client: Client, dataset_id: int, fraud: dict[str, Any]) -> None:
    row = trained(client, dataset_id, columns=TARGET, positive_class="legit")
    answer = summary(client, row)
    assert answer["positive_class"] == "legit"
    assert answer["confusion_matrix"] == summary(client, fraud)["confusion_matrix"]
    assert answer["model_summary"]["f1_score"] > 0.9
    detail = client.get(f"/train/{row['id']}").json()
    assert (detail["requested"]["positive_class"], detail["positive_class"]) == ("legit", "legit")


def test_a_continued_model_keeps_its_positive_class(client: Client, dataset_id: int) -> None:
    name = new_predictor()
    trained(client, dataset_id, columns=TARGET, predictor_name=name, positive_class="legit")
    again = {"predictor_name": name, "is_incremental": True, "columns": []}
    assert trained(client, dataset_id, **again)["positive_class"] == "legit"
    for option in ({"positive_class": "fraud"}, {"quality": "best"}):
        refused = train(client, dataset_id, **again, **option)
        assert (refused.status_code, refused.json()["code"]) == (422, "not_with_incremental")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"positive_class": "theft"}, "'fraud' or 'legit'"),
        ({"positive_class": 1, "columns": [{"column_name": "hour", "attribute_name": "Target"}]}, "has 24"),
        ({"positive_class": "fraud", "problem_type": "Regression"}, "Regression"),
    ],
)
def test_a_positive_class_that_is_none_of_two_is_refused(
    client: Client, dataset_id: int, changes: dict[str, Any], word: str
) -> None:
    answer = train(client, dataset_id, **{"columns": TARGET} | changes)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_positive_class")
    assert word in answer.json()["detail"]


def test_several_classes_have_macro_and_weighted_scores(client: Client) -> None:
    dice = random.Random(1)
    lines = [
        f"{x},{'small' if x < 3 else 'medium' if x < 8 else 'large'}" for x in (dice.gauss(5, 3) for _ in range(300))
    ]
    dataset = create_dataset(client, ("sizes.csv", "\n".join(["x,label", *lines]).encode()))
    row = trained(client, dataset["id"], columns=TARGET)
    answer = summary(client, row)
    assert {"macro_f1", "macro_precision", "macro_recall", "f1_score"} <= answer["model_summary"]["metrics"].keys()
    assert (answer["average"]["macro_f1"], answer["average"]["f1_score"]) == ("macro", "weighted")
    assert (answer["positive_class"], predict(client, row, x=1.0)["positive_class"]) == (None, None)


def labelled(client: Client, labels: list[str], **query: Any) -> int:
    dice = random.Random(2)
    lines = [f"{dice.random():.3f},{label}" for label in labels]
    return create_dataset(client, ("labels.csv", "\n".join(["x,label", *lines]).encode()), **query)["id"]


def test_whole_floats_are_classes_and_shown_as_integers(client: Client) -> None:
    dataset_id = labelled(client, [["0.0", "1.0", ""][n % 3] for n in range(120)], template_id=_floats(client))
    row = trained(client, dataset_id, columns=TARGET)
    answer = summary(client, row)
    assert (answer["classes"], answer["positive_class"]) == (["0", "1"], "1")
    assert answer["model_summary"]["target_type"] == "Integer"
    prediction = predict(client, row, x=0.5)
    assert prediction["prediction"] in (0, 1)
    assert isinstance(prediction["prediction"], int)
    assert list(prediction["probabilities"]) == ["0", "1"]
    scored = client.post("/inference/batchPrediction", json={"train_id": row["id"], "dataset_id": _unlabelled(client)})
    wait_for_job(client, scored.json()["job_id"])
    result = client.get("/inference/result", params={"prediction_id": scored.json()["prediction_id"]}).json()
    assert (result["status"], result["positive_class"]) == ("completed", "1")
    text = client.get("/files/download/", params={"file_path": result["result_path"]}).text
    assert text.splitlines()[0].replace('"', "") == "prediction,probability_0,probability_1,error"
    assert {line.partition(",")[0] for line in text.splitlines()[1:]} <= {"0", "1"}


def _floats(client: Client) -> int:
    return create_template(client, x="Float", label="Float")


def _unlabelled(client: Client) -> int:
    return create_dataset(client, ("rows.csv", b"x\n0.1\n0.9\n"), usage="p")["id"]


@pytest.mark.parametrize(
    ("labels", "problem_type", "code", "words"),
    [
        ([f"{n}.5" for n in range(60)], "Classification", "target_not_a_class", ("0.5", "Regression", "String")),
        (
            [f"{n}.25" if n % 4 else "unknown" for n in range(60)],
            "Regression",
            "target_not_numeric",
            ("45 of 60 rows", "'unknown' (15)", "template", "Float"),
        ),
        (["a", "b"] * 30, "Regression", "target_not_numeric", ("Classification",)),
        (["yes", "no"] * 30, "Regression", "target_not_numeric", ("Classification", "Integer")),
        (["2024-01-01", "2024-01-02"] * 30, "Classification", "target_not_a_class", ("Date", "String")),
        ([f"row {n % 1_050}" for n in range(1_100)], "Classification", "too_many_classes", ("1,050", "Id")),
        ([str(7 * (n % 1_050)) for n in range(1_100)], "Classification", "too_many_classes", ("Regression", "Id")),
        ([f"row {n}" for n in range(60)], "Classification", "target_is_identifier", ("Id", "allow_identifier_target")),
        ([str(n) for n in range(60)], "Classification", "target_is_identifier", ("Id", "allow_identifier_target")),
        ([str(n) for n in range(60)], "Regression", "target_is_identifier", ("Id", "allow_identifier_target")),
    ],
)
def test_a_target_that_does_not_fit_is_refused_with_what_would_do(
    client: Client, labels: list[str], problem_type: str, code: str, words: tuple[str, ...]
) -> None:
    answer = train(client, labelled(client, labels), columns=TARGET, problem_type=problem_type)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [word for word in words if word not in answer.json()["detail"]] == []


@pytest.mark.parametrize(
    ("labels", "problem_type", "options"),
    [
        ([str(n) for n in range(60)], "Regression", {"allow_identifier_target": True}),
        ([str(n) for n in range(60)], "Regression", {"allow_identifier_target": False, "expected": 422}),
        ([str(n * n * 7919 % 1_000_003) for n in range(1, 61)], "Regression", {}),
        ([f"{n}.5" for n in range(60)], "Regression", {}),
        ([str(n // 2) for n in range(60)], "Regression", {}),
    ],
    ids=["allowed", "not allowed", "amounts", "floats", "repeated"],
)
def test_a_target_that_numbers_the_rows_is_trained_when_that_is_asked_for(
    client: Client, labels: list[str], problem_type: str, options: dict[str, Any]
) -> None:
    expected = options.pop("expected", 201)
    answer = train(client, labelled(client, labels), columns=TARGET, problem_type=problem_type, **options)
    assert answer.status_code == expected, answer.text
