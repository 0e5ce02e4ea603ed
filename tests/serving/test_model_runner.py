"""The runner of a model: one pass for several requests, and a record in the log for each prediction."""

import asyncio
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataml.errors import InvalidFields
from dataml.ml.bundle.manifest import BundleDamaged
from dataml.ml.bundle.predictor import Predictor
from dataml.serving.model_runner import (
    InferenceRequest,
    LogRecord,
    ModelRunner,
    ServableModel,
    fetch_bundle,
    new_prediction_id,
    prediction_time_ms,
)
from dataml.storage.objects import ObjectStore
from dataml.storage.storage import Storage
from tests.tasks.training import train_on

ROWS = [{"x": 0.0}, {"x": 1.0}, {"x": 2.0}]


class ListLog:
    """A `PredictionLog` in memory."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []

    def add(self, record: LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    root = tmp_path_factory.mktemp("model")
    table = pa.table({"x": [float(n % 7) for n in range(80)], "y": ["a" if n % 7 > 3 else "b" for n in range(80)]})
    return Predictor.load(root / train_on(root, table).bundle)


@pytest.fixture
def log() -> ListLog:
    return ListLog()


@pytest.fixture
def runner(predictor: Predictor, log: ListLog) -> ModelRunner:
    return ModelRunner(model("unused"), predictor, log)


def model(bundle: str) -> ServableModel:
    return ServableModel(7, "t", "tenant", "predictor", "predictor", 1, "y", bundle, 0.9, "pool")


def predict(runner: ModelRunner, *requests: InferenceRequest) -> list[Any]:
    responses = asyncio.run(runner.predict(requests))
    return [json.loads(response) if isinstance(response, bytes) else response for response in responses]


def test_requests_in_one_pass_get_the_responses_of_single_ones(runner: ModelRunner) -> None:
    requests = [InferenceRequest((row,), "tester") for row in ROWS]
    together = predict(runner, *requests)
    alone = [predict(runner, request)[0] for request in requests]
    assert [body | {"prediction_id": 0} for body in together] == [body | {"prediction_id": 0} for body in alone]


def test_a_bad_request_does_not_affect_the_others(runner: ModelRunner, log: ListLog) -> None:
    bad = InferenceRequest(({"x": "much"},), "tester")
    first, error, last = predict(runner, InferenceRequest((ROWS[0],), "tester"), bad, InferenceRequest((ROWS[2],), "t"))
    assert isinstance(error, InvalidFields)
    assert error.fields[0].location == ("body", "features", "x")
    assert [record.id for record in log.records] == [first["prediction_id"], last["prediction_id"]]


def test_an_error_in_several_rows_names_the_row(runner: ModelRunner) -> None:
    (error,) = predict(runner, InferenceRequest((ROWS[0], {"x": "much"}), "tester", single=False))
    assert isinstance(error, InvalidFields)
    assert error.fields[0].location == ("body", "instances", 1, "x")


def test_many_rows_and_explained_ones_are_predicted_in_a_thread_with_the_same_result(runner: ModelRunner) -> None:
    many = InferenceRequest(tuple(ROWS * 100), "tester", single=False)
    explained = InferenceRequest(tuple(ROWS), "tester", single=False, explain=True)
    few, several, with_effects = predict(runner, InferenceRequest(tuple(ROWS), "tester", single=False), many, explained)
    expected = [body["probability"] for body in few["predictions"]]
    assert [body["probability"] for body in several["predictions"]] == expected * 100
    assert [body["probability"] for body in with_effects["predictions"]] == expected
    assert all(body["explanation"].keys() == {"x"} for body in with_effects["predictions"])


def test_the_log_has_what_was_sent_and_predicted(runner: ModelRunner, log: ListLog) -> None:
    (body,) = predict(runner, InferenceRequest((ROWS[1],), "tester"))
    (record,) = log.records
    assert (record.tenant_id, record.training_id, record.username) == ("t", 7, "tester")
    assert json.loads(record.input_data) == ROWS[1]
    assert json.loads(record.output_data) == {name: body[name] for name in ("prediction", "probability")}


def test_requests_in_one_pass_have_thresholds_of_their_own(runner: ModelRunner, log: ListLog) -> None:
    (plain,) = predict(runner, InferenceRequest((ROWS[2],), "tester"))
    positive = plain["positive_class"]
    probability = plain["probabilities"][positive]
    thresholds = (None, probability, math.nextafter(probability, 2.0))
    bodies = predict(runner, *(InferenceRequest((ROWS[2],), "tester", threshold=each) for each in thresholds))
    assert bodies[0]["prediction"] == plain["prediction"]
    assert bodies[1]["prediction"] == positive, "a probability that equals the threshold is enough"
    assert bodies[2]["prediction"] != positive
    assert [body["threshold"] for body in bodies] == [0.5, *thresholds[1:]]
    for body in bodies:
        assert body["probability"] == body["probabilities"][body["prediction"]]
    assert [json.loads(record.output_data).get("threshold") for record in log.records] == [None, *thresholds]


def test_threshold_kept_in_the_runner_decides_nothing(predictor: Predictor, log: ListLog) -> None:
    kept = ModelRunner(replace(model("unused"), threshold=0.999), predictor, log)
    plain = ModelRunner(model("unused"), predictor, log)
    request = InferenceRequest(tuple(ROWS), "tester", single=False)
    decided = [[each["prediction"] for each in predict(each, request)[0]["predictions"]] for each in (kept, plain)]
    assert decided[0] == decided[1]


def test_prediction_ids_sort_by_time_and_have_63_bits() -> None:
    ids = [new_prediction_id() for _ in range(100)]
    assert [prediction_time_ms(each) for each in ids] == sorted(prediction_time_ms(each) for each in ids)
    assert len(set(ids)) == 100
    assert max(ids) < 2**63


def test_a_lost_bundle_is_damaged_not_absent(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    storage = Storage(tmp_path / "disk", ObjectStore(f"file://{tmp_path}/store"))
    with pytest.raises(BundleDamaged):
        fetch_bundle(storage, model("jobs/1.1/bundle"))
