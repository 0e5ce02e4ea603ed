"""Importance names the features that matter, with native categories of both libraries."""

import numpy as np
import pyarrow as pa
import pytest

from dataml.ml.estimators import Samples, Task, fit
from dataml.ml.explanation import global_importance, row_contributions
from dataml.ml.features import Preprocessing
from tests.ml.samples import contract_of


def table(rows: int = 600) -> pa.Table:
    random = np.random.default_rng(0)
    return pa.table(
        {
            "noise": random.normal(size=rows),
            "colour": random.choice(["red", "green", "blue", "black", "white", "grey"], rows),
            "constant": [1] * rows,
            "day": pa.array(random.integers(18_000, 19_000, rows).astype("int32")).cast(pa.date32()),
        }
    )


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM"])
def test_a_category_that_decides_comes_first_and_shares_sum_to_one(algorithm: str, classes: int) -> None:
    rows = table()
    preprocessing = Preprocessing.fit(contract_of(rows), rows.column_names, rows)
    x = preprocessing.matrix(rows)
    y = np.array([{"red": 0, "blue": 1}.get(colour, 2) for colour in rows["colour"].to_pylist()])
    y = y if classes == 0 else np.minimum(y, classes - 1)
    samples = Samples(x, y)
    fitted = fit(
        algorithm, Task(classes), samples, samples, preprocessing.categorical, hyperparameters={"n_estimators": 20}
    )
    shares = global_importance(fitted.model, preprocessing, x[:200])
    assert next(iter(shares)) == "colour"
    assert set(shares) == set(rows.column_names)
    assert shares["constant"] == 0
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    effects = row_contributions(fitted.model, preprocessing, x[:1], output=0)
    assert next(iter(effects)) == "colour"


def test_a_model_without_a_split_has_no_shares() -> None:
    rows = table(40)
    preprocessing = Preprocessing.fit(contract_of(rows), rows.column_names, rows)
    samples = Samples(preprocessing.matrix(rows), np.arange(40) % 2)
    settings = {"n_estimators": 1, "min_child_weight": 1e6}
    for algorithm in ("XGBoost", "LightGBM"):
        fitted = fit(algorithm, Task(2), samples, samples, preprocessing.categorical, hyperparameters=settings)
        assert set(global_importance(fitted.model, preprocessing, samples.x).values()) == {0.0}
