"""Trees are read from the libraries' saved models with their splits, categories and missing values."""

import lightgbm
import numpy as np
import onnx
import pytest
import xgboost

from dataml.ml.boosters.fitting import float32_thresholds
from dataml.ml.boosters.native_model import NativeModel, Task
from dataml.ml.boosters.onnx_model import OnnxModel
from dataml.ml.boosters.onnx_trees import build_onnx


def fit_lightgbm(x: np.ndarray, y: np.ndarray, categorical: tuple[int, ...] = ()) -> NativeModel:
    options = {"objective": "regression", "min_data_in_leaf": 1, "min_data_in_bin": 1, "min_data_per_group": 1}
    options |= {"cat_smooth": 0.0, "cat_l2": 0.0, "max_cat_to_onehot": 1, "verbosity": -1}
    data = lightgbm.Dataset(x, y, categorical_feature=list(categorical))
    text = float32_thresholds(lightgbm.train(options, data, num_boost_round=2).model_to_string())
    return NativeModel("LightGBM", Task(0), lightgbm.Booster(model_str=text), categorical)


def fit_xgboost(x: np.ndarray, y: np.ndarray, categorical: tuple[int, ...] = ()) -> NativeModel:
    types = ["c" if i in categorical else "q" for i in range(x.shape[1])]
    data = xgboost.DMatrix(x, y, feature_types=types, enable_categorical=True)
    options = {"min_child_weight": 0, "max_cat_to_onehot": 1, "tree_method": "hist", "base_score": 0.5}
    return NativeModel("XGBoost", Task(0), xgboost.train(options, data, num_boost_round=2), categorical)


FITS = [pytest.param(fit_lightgbm, id="LightGBM"), pytest.param(fit_xgboost, id="XGBoost")]


def node_attributes(content: bytes) -> dict[str, list[object]]:
    (node,) = onnx.load_from_string(content).graph.node
    return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}


@pytest.mark.parametrize("fit_model", FITS)
def test_a_set_of_categories_is_a_chain_of_comparisons(fit_model) -> None:
    category = np.arange(300) % 12
    y = np.where(np.isin(category, [1, 4, 7, 9]), 5.0, 0.0)
    x = category.astype(np.float32)[:, None]
    model = fit_model(x, y, (0,))
    content = build_onnx(model, 1)
    modes = node_attributes(content)["nodes_modes"]
    assert modes.count(b"BRANCH_EQ") >= 4
    unseen = np.array([[np.nan], [11.0], [40.0]], np.float32)
    for rows in (x, unseen):
        assert OnnxModel(content).predict(rows) == pytest.approx(model.predict(rows), abs=1e-5)


@pytest.mark.parametrize("has_missing", [True, False], ids=["missing in training", "none missing in training"])
@pytest.mark.parametrize("fit_model", FITS)
def test_missing_values_go_where_the_library_sends_them(fit_model, has_missing: bool) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 2)).astype(np.float32)
    y = x[:, 0] - 2 * (x[:, 1] > 0)
    if has_missing:
        x[::5, 0] = np.nan
    model = fit_model(x, y)
    rows = np.vstack([x[:50], [[np.nan, 0.5], [0.5, np.nan], [np.nan, np.nan]]]).astype(np.float32)
    assert OnnxModel(build_onnx(model, 2)).predict(rows) == pytest.approx(model.predict(rows), abs=1e-5)


@pytest.mark.parametrize("fit_model", FITS)
def test_a_model_without_a_split_predicts_its_constant(fit_model) -> None:
    x, y = np.zeros((50, 1), np.float32), np.full(50, 3.0)
    model = fit_model(x, y)
    assert OnnxModel(build_onnx(model, 1)).predict(x[:2]) == pytest.approx(model.predict(x[:2]), abs=1e-6)


def test_every_tree_has_its_nodes_and_leaves() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(300, 3)).astype(np.float32)
    model = fit_lightgbm(x, x[:, 0] * x[:, 1])
    attributes = node_attributes(build_onnx(model, 3))
    trees = model.booster.dump_model()["tree_info"]
    leaves = sum(tree["num_leaves"] for tree in trees)
    assert attributes["nodes_modes"].count(b"LEAF") == leaves == len(attributes["target_weights"])
    assert set(attributes["nodes_treeids"]) == {0, 1}
    assert len(attributes["nodes_modes"]) == 2 * leaves - len(trees)
