"""SHAP values are those of the libraries, and importance ranks the features that matter."""

import warnings

import numpy as np
import pyarrow as pa
import pytest

from dataml.ml.boosters.fitting import FitConfig, fit
from dataml.ml.boosters.native_model import LabeledRows, NativeModel, Task
from dataml.ml.explanation import shap_values
from dataml.ml.explanation.shap_values import (
    column_totals,
    explain_rows,
    list_batches,
    row_contributions,
    strongest_interaction,
    top_effects,
)
from dataml.ml.preprocessing import Preprocessing
from tests.ml.samples import contract_of


def make_table(rows: int = 600) -> pa.Table:
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
@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM", "CatBoost"])
def test_a_category_that_decides_comes_first_and_shares_sum_to_one(algorithm: str, classes: int) -> None:
    rows = make_table()
    preprocessing = Preprocessing.fit(contract_of(rows), rows.column_names, rows)
    x = preprocessing.transform(rows)
    y = np.array([{"red": 0, "blue": 1}.get(colour, 2) for colour in rows["colour"].to_pylist()])
    y = y if classes == 0 else np.minimum(y, classes - 1)
    samples = LabeledRows(x, y)
    fitted = fit(FitConfig(algorithm, Task(classes), preprocessing.categorical, {"n_estimators": 20}), samples, samples)
    shares = explain_rows([(fitted.model, 1.0)], preprocessing, x[:200]).importance
    assert next(iter(shares)) == "colour"
    assert set(shares) == set(rows.column_names)
    assert shares["constant"] == 0
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    effects = row_contributions([(fitted.model, 1.0)], preprocessing, x[:1], output=0)
    assert next(iter(effects)) == "colour"


def test_a_model_without_a_split_has_no_shares() -> None:
    rows = make_table(40)
    preprocessing = Preprocessing.fit(contract_of(rows), rows.column_names, rows)
    samples = LabeledRows(preprocessing.transform(rows), np.arange(40) % 2)
    settings = {"n_estimators": 1, "min_child_weight": 1e6}
    for algorithm in ("XGBoost", "LightGBM"):
        fitted = fit(FitConfig(algorithm, Task(2), preprocessing.categorical, settings), samples, samples)
        assert set(explain_rows([(fitted.model, 1.0)], preprocessing, samples.x).importance.values()) == {0.0}


def fit_model(algorithm: str, classes: int) -> tuple[NativeModel, Preprocessing, np.ndarray]:
    rows = make_table()
    preprocessing = Preprocessing.fit(contract_of(rows), rows.column_names, rows)
    x = preprocessing.transform(rows)
    x[::7, 0] = np.nan
    number = x[:, 1] + np.nan_to_num(x[:, 0])
    y = number if classes == 0 else np.digitize(number, np.quantile(number, np.linspace(0, 1, classes + 1)[1:-1]))
    samples = LabeledRows(x, y)
    settings = {"n_estimators": 30}
    fitted = fit(FitConfig(algorithm, Task(classes), preprocessing.categorical, settings), samples, samples)
    return fitted.model, preprocessing, x


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM"])
def test_the_values_are_those_of_the_shap_package(algorithm: str, classes: int) -> None:
    import shap

    model, preprocessing, x = fit_model(algorithm, classes)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="LightGBM binary classifier")
        explained = x if algorithm == "LightGBM" else model.dmatrix(x)
        values = np.asarray(shap.TreeExplainer(model.booster).shap_values(explained))
    values = values.reshape(*x.shape, -1)
    np.testing.assert_array_equal(model.contributions(x).transpose(0, 2, 1), values)
    by_column = np.abs(values).mean(axis=0).sum(axis=1)
    shares = dict.fromkeys(preprocessing.features, 0.0)
    for column, value in zip(preprocessing.layout, by_column, strict=True):
        shares[column.source] += value / by_column.sum()
    assert explain_rows([(model, 1.0)], preprocessing, x).importance == pytest.approx(shares)


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_a_blend_is_explained_by_the_weighted_mean_of_its_members(classes: int) -> None:
    first, preprocessing, x = fit_model("XGBoost", classes)
    second = fit_model("LightGBM", classes)[0]
    outputs = range(max(1, classes if classes > 2 else 1))
    alone = [explain_rows([(model, 1.0)], preprocessing, x, outputs, keep=50).effects for model in (first, second)]
    blend = explain_rows([(first, 0.25), (second, 0.75)], preprocessing, x, outputs, keep=50).effects
    np.testing.assert_allclose(blend, 0.25 * alone[0] + 0.75 * alone[1], atol=1e-5)
    row = row_contributions([(first, 0.25), (second, 0.75)], preprocessing, x[:1], output=0)
    assert [row[name] for name in preprocessing.features] == pytest.approx(blend[0, 0], abs=1e-5)


def test_the_effects_of_a_number_add_up_to_the_prediction() -> None:
    model, preprocessing, x = fit_model("LightGBM", 0)
    members = [(model, 0.5), (fit_model("XGBoost", 0)[0], 0.5)]
    effects = explain_rows(members, preprocessing, x, keep=100).effects[:, 0].sum(axis=1)
    predicted = sum(weight * member.predict(x[:100]) for member, weight in members)
    assert np.ptp(predicted - effects) < 1e-4 * np.ptp(predicted)


@pytest.mark.parametrize("classes", [0, 3])
def test_batches_make_no_difference(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, preprocessing, x = fit_model("LightGBM", classes)
    outputs = [2, 0] if classes else [0]
    whole = explain_rows([(model, 1.0)], preprocessing, x, outputs, keep=250)
    monkeypatch.setattr(shap_values, "_MAX_CELLS", 7 * 100)
    parts = explain_rows([(model, 1.0)], preprocessing, x, outputs, keep=250)
    np.testing.assert_array_equal(parts.effects, whole.effects)
    assert whole.effects.shape == (250, len(outputs), 4)
    assert parts.importance == pytest.approx(whole.importance)


@pytest.mark.parametrize("classes", [0, 3])
def test_batches_that_others_have_added_up_make_no_difference(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, preprocessing, x = fit_model("LightGBM", classes)
    monkeypatch.setattr(shap_values, "_MAX_BATCH_ROWS", 70)
    members = [(model, 1.0)]
    whole = explain_rows(members, preprocessing, x, keep=100)
    batches = list_batches(members, x.shape[1], len(x))
    assert [batch.stop for batch in batches] == [*range(70, len(x), 70), len(x)]
    others = (column_totals(members, x[batch]) for batch in batches[2:])
    parts = explain_rows(members, preprocessing, x[:140], keep=100, more_totals=others)
    np.testing.assert_array_equal(parts.effects, whole.effects)
    assert parts.importance == whole.importance


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_the_top_effects_are_the_first_of_a_rows_contributions(classes: int) -> None:
    model, preprocessing, x = fit_model("LightGBM", classes)
    chosen = np.arange(20) % max(1, classes)
    positions, effects = top_effects([(model, 1.0)], preprocessing, x[:20], chosen, 3)
    for row in range(20):
        expected = row_contributions([(model, 1.0)], preprocessing, x[row : row + 1], int(chosen[row]))
        names = [preprocessing.features[i] for i in positions[row]]
        assert dict(zip(names, effects[row].tolist(), strict=True)) == dict(list(expected.items())[:3])
        assert names == list(expected)[:3]
    assert top_effects([(model, 1.0)], preprocessing, x[:2], chosen, 9)[0].shape == (2, 4)


def test_only_a_real_interaction_is_returned() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(1000, 4))
    effects = np.zeros((1000, 4))
    effects[:, 0] = values[:, 0] * values[:, 2]
    effects[:, 1] = np.isnan(np.where(values[:, 3] > 1, np.nan, 0)) * 2.0
    values[values[:, 3] > 1, 3] = np.nan
    assert strongest_interaction(values, effects, 0) == 2
    assert strongest_interaction(values, effects, 1) == 3
    assert strongest_interaction(values, np.zeros((1000, 4)), 0) is None
    assert strongest_interaction(values[:1], effects[:1], 0) is None
