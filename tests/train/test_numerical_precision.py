"""Numbers that float32 does not hold, from the file that is uploaded to the answers: scores, predictions and ids."""

import csv
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from httpx import Response

from tests.client import Client
from tests.datalake.lake import create_from_table, new_table_name
from tests.dataset.datasets import create_dataset, new_name
from tests.inference.test_predictions import batch
from tests.train.training import trained

ROWS = 400


def strict_json(answer: Response) -> Any:
    """Return the body, which must have no NaN and no Infinity."""
    assert answer.status_code < 300, answer.text
    return json.loads(answer.text, parse_constant=lambda text: pytest.fail(f"{text} in {answer.url}"))


def to_csv(columns: dict[str, Any]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*[np.asarray(values).tolist() for values in columns.values()], strict=True))
    return file.getvalue().encode()


def learn(client: Client, columns: dict[str, Any], target: str, **changes: Any) -> tuple[dict[str, Any], int]:
    """Return the training on the columns, and a dataset of the same rows to predict."""
    content = to_csv(columns)
    dataset = create_dataset(client, ("rows.csv", content))
    roles = [{"column_name": target, "attribute_name": "Target"}, *changes.pop("roles", [])]
    options = {"problem_type": "Regression", "columns": roles} | changes
    return trained(client, dataset["id"], **options), create_dataset(client, ("rows.csv", content), usage="p")["id"]


def predict(client: Client, model: dict[str, Any], target: str, features: dict[str, Any], **more: Any) -> Any:
    body = {"train_id": model["id"], "preprocess_id": model["preprocess_id"], "features": features, "target": target}
    return strict_json(client.post("/inference/", json=body | more))


def metrics_of(client: Client, model: dict[str, Any]) -> dict[str, float]:
    query = {"train_id": model["id"]}
    return strict_json(client.get("/train/model-summary", params=query))["model_summary"]["metrics"]


def temperatures(unit: int) -> dict[str, Any]:
    random = np.random.default_rng(0)
    seconds = np.sort(random.choice(20_000, ROWS, replace=False))
    temp = 60 + 55 * np.sin(seconds / 3_000) + random.normal(size=ROWS) * 0.5
    return {"ts": (1_700_000_000 + seconds) * unit, "temp": temp}


@pytest.mark.parametrize("unit", [1, 1_000], ids=["seconds", "milliseconds"])
def test_times_since_1970_are_learned_to_the_second(client: Client, unit: int) -> None:
    columns = temperatures(unit)
    model, rows = learn(client, columns, "temp", algorithm="auto")
    assert metrics_of(client, model)["r2"] > 0.999
    scored = batch(client, model["id"], rows)
    for position in (0, 17, 399):
        answer = predict(client, model, "temp", {"ts": int(columns["ts"][position])})
        assert float(scored[position]["prediction"]) == answer["prediction"]


@pytest.mark.parametrize(
    ("offset", "unit"),
    [(0.0, 1e-5), (1.7e9, 60.0), (0.0, 1e300), (0.0, 1e-300)],
    ids=["tiny", "far", "huge", "tiniest"],
)
def test_a_target_of_any_size_is_learned_and_answered_in_its_own_unit(
    client: Client, offset: float, unit: float
) -> None:
    random = np.random.default_rng(0)
    x, z = random.normal(size=ROWS), random.normal(size=ROWS)
    columns = {"x": x, "z": z, "y": offset + unit * (np.sin(2 * x) + z + 0.1 * random.normal(size=ROWS))}
    model, rows = learn(client, columns, "y", algorithm="XGBoost", shap_enabled=True)
    metrics = metrics_of(client, model)
    assert metrics["r2"] > 0.85
    assert 0.05 < metrics["mae"] / unit <= metrics["rmse"] / unit < 1
    for path in (f"/train/{model['id']}", f"/train/{model['id']}/report"):
        strict_json(client.get(path))
    page = client.get(f"/train/{model['id']}/report", params={"format": "html"})
    assert page.status_code == 200
    assert page.text.count("<svg") >= 2
    assert not re.search(r"\b(NaN|Infinity|inf)\b", page.text)

    scored = batch(client, model["id"], rows)
    errors = np.array([float(line["prediction"]) for line in scored]) - columns["y"]
    assert np.std(errors / unit) < 0.6
    answer = predict(client, model, "y", {"x": x[3], "z": z[3]}, explain=True)
    assert answer["prediction"] == float(scored[3]["prediction"])
    assert 0.01 < max(abs(effect) / unit for effect in answer["explanation"].values()) < 5


def test_a_target_at_the_limits_of_a_double_is_learned(client: Client) -> None:
    x = np.linspace(-1, 1, ROWS)
    model, _ = learn(client, {"x": x, "y": 1.7e308 * np.sign(np.sin(9 * x))}, "y")
    assert metrics_of(client, model)["r2"] is None or metrics_of(client, model)["r2"] > 0.5
    strict_json(client.get(f"/train/{model['id']}/report"))
    answer = predict(client, model, "y", {"x": 0.1}, explain=True)
    assert np.isfinite([answer["prediction"], answer["explanation"]["x"]]).all()


def test_ids_are_exact_in_every_answer(client: Client) -> None:
    random = np.random.default_rng(0)
    ids = [1_234_567_890_123_456_789 + i for i in range(ROWS - 1)] + [2**63 - 1]
    decimals = [f"{9 * 10**30 + i}.{i:012d}" for i in range(ROWS)]
    x = random.normal(size=ROWS)
    columns = {"id": ids, "account": decimals, "x": x, "y": x + 0.1 * random.normal(size=ROWS)}
    roles = [{"column_name": name, "attribute_name": "Id"} for name in ("id", "account")]
    columns_typed = [
        {"column_name": "id", "data_type": "Integer"},
        {"column_name": "account", "data_type": "String"},
        {"column_name": "x", "data_type": "Float"},
        {"column_name": "y", "data_type": "Float"},
    ]
    template = client.post("/template/", json={"template_name": new_name("ids"), "template_schema": columns_typed})
    options = {"template_id": template.json()["id"]}
    file, table = ("rows.csv", to_csv(columns)), new_table_name("ids")
    model = trained(
        client,
        create_dataset(client, file, iceberg_table_name=table, **options)["id"],
        problem_type="Regression",
        columns=[{"column_name": "y", "attribute_name": "Target"}, *roles],
    )
    rows = create_dataset(client, file, usage="p", **options)["id"]
    of_lake = create_from_table(client, table)["id"]
    for dataset_id in (rows, of_lake):
        preview = client.get("/dataset/view", params={"dataset_id": dataset_id, "limit": ROWS}).json()["preview"]
        assert {(row["id"], row["account"]) for row in preview} == set(zip(ids, decimals, strict=True))
    scored = batch(client, model["id"], rows)
    assert [line["id"] for line in scored] == [str(value) for value in ids]
    assert [line["account"] for line in scored] == decimals
