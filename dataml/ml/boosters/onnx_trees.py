"""The trees of a booster as one ONNX node, read from the library's own saved model.

Written here because onnxmltools 1.16 rounds LightGBM's thresholds to the nearest float32 and needs minutes for XGBoost
splits over a hundred categories. Formats: XGBoost's JSON schema (doc/model.schema), LightGBM's `Tree::ToString` and
CatBoost's JSON, without statistics of categories, for which ONNX has no node.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from dataml.ml.boosters.native_model import NativeModel

_ML_OPSET = 3
_OPSET = 17
_IR_VERSION = 8


@dataclass(frozen=True)
class Tree:
    """A decision tree as arrays over nodes, the root first.

    A leaf has `left` -1 and its score in `value`. Another node sends a row left when `x < value` (or `x <= value`,
    which depends on the booster), or when `x` is missing and `missing_left` is set. A node in `categories` sends a row
    left when its category is one of them instead. With `scores` (leaves, outputs), in the order of the nodes, each leaf
    has a score for every output.
    """

    output: int
    feature: np.ndarray
    value: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    categories: dict[int, list[int]] = field(default_factory=dict)
    scores: np.ndarray | None = None


def build_onnx(model: NativeModel, width: int) -> bytes:
    """Return the model as serialized ONNX.

    The input `features` is float32 (rows, width); the last output has the numbers (rows, 1) or the probabilities
    (rows, classes).

    Raises:
        ValueError: A CatBoost model reads statistics of categories.
    """
    from onnx import TensorProto, helper

    base: list[float]
    if model.algorithm == "XGBoost":
        mode, (trees, base) = "BRANCH_LT", _xgboost_trees(model)
    elif model.algorithm == "CatBoost":
        mode, (trees, base) = "BRANCH_LEQ", _catboost_trees(model, width)
    else:
        mode, trees, base = "BRANCH_LEQ", list(_lightgbm_trees(model)), []
    nodes, leaves = _Nodes(), _Leaves()
    for number, tree in enumerate(trees):
        _append_tree(number, tree, mode, nodes, leaves)
    attributes: dict[str, Any] = {f"nodes_{name}": values for name, values in vars(nodes).items()}
    if base and any(base):
        attributes["base_values"] = base
    rows = [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, width])]
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, max(1, model.task.classes)])
    if model.task.is_regression:
        attributes |= {f"target_{name}": values for name, values in vars(leaves).items()} | {"n_targets": 1}
        kind, outputs = "TreeEnsembleRegressor", [scores]
    else:
        attributes |= {f"class_{name}": values for name, values in vars(leaves).items()}
        attributes["classlabels_int64s"] = list(range(model.task.classes))
        attributes["post_transform"] = "LOGISTIC" if model.task.is_binary else "SOFTMAX"
        kind, outputs = "TreeEnsembleClassifier", [_labels(), scores]
    node = helper.make_node(kind, ["features"], [output.name for output in outputs], domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph([node], "trees", rows, outputs)
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION).SerializeToString()


def _labels() -> Any:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info("labels", TensorProto.INT64, [None])


@dataclass
class _Nodes:
    """The operator's `nodes_*` attributes."""

    treeids: list[int] = field(default_factory=list)
    nodeids: list[int] = field(default_factory=list)
    featureids: list[int] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    truenodeids: list[int] = field(default_factory=list)
    falsenodeids: list[int] = field(default_factory=list)
    missing_value_tracks_true: list[int] = field(default_factory=list)


@dataclass
class _Leaves:
    """The operator's `class_*` or `target_*` attributes."""

    treeids: list[int] = field(default_factory=list)
    nodeids: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


def _append_tree(number: int, tree: Tree, mode: str, nodes: _Nodes, leaves: _Leaves) -> None:
    count = len(tree.left)
    is_leaf = tree.left < 0
    modes = np.where(is_leaf, "LEAF", mode).astype(object)
    values, falses = tree.value.astype(np.float64), np.where(is_leaf, 0, tree.right)
    trues, missing = np.where(is_leaf, 0, tree.left), tree.missing_left.astype(np.int64)
    chained: list[tuple[int, int, int, int]] = []  # feature, category, true node, false node
    for node, categories in tree.categories.items():
        # A set is a chain of comparisons, one a category; every match leads to the same node.
        modes[node], values[node] = "BRANCH_EQ", categories[0]
        following = [count + len(chained) + i for i in range(len(categories) - 1)]
        after = [*following, int(falses[node])]
        feature, yes = int(tree.feature[node]), int(trues[node])
        chained += [(feature, category, yes, no) for category, no in zip(categories[1:], after[1:], strict=True)]
        falses[node] = after[0]
    extra = np.array(chained, dtype=np.int64).reshape(-1, 4)
    total = count + len(extra)
    nodes.treeids += [number] * total
    nodes.nodeids += range(total)
    nodes.featureids += [*np.where(is_leaf, 0, tree.feature).tolist(), *extra[:, 0].tolist()]
    nodes.modes += [*modes.tolist(), *(["BRANCH_EQ"] * len(extra))]
    nodes.values += [*np.where(is_leaf, 0.0, values).tolist(), *extra[:, 1].astype(np.float64).tolist()]
    nodes.truenodeids += [*trues.tolist(), *extra[:, 2].tolist()]
    nodes.falsenodeids += [*falses.tolist(), *extra[:, 3].tolist()]
    # A missing value that goes left does so at the first comparison of a chain.
    nodes.missing_value_tracks_true += [*np.where(is_leaf, 0, missing).tolist(), *([0] * len(extra))]
    leaf_ids = np.flatnonzero(is_leaf)
    scores = tree.value[leaf_ids].reshape(-1, 1) if tree.scores is None else tree.scores
    outputs = scores.shape[1]
    leaves.treeids += [number] * scores.size
    leaves.nodeids += np.repeat(leaf_ids, outputs).tolist()
    leaves.ids += np.tile(np.arange(tree.output, tree.output + outputs), len(leaf_ids)).tolist()
    leaves.weights += scores.ravel().tolist()


def _xgboost_trees(model: NativeModel) -> tuple[list[Tree], list[float]]:
    learner = json.loads(bytes(model.booster.save_raw("json")))["learner"]
    saved = learner["gradient_booster"]["model"]
    trees = [_xgboost_tree(tree, output) for tree, output in zip(saved["trees"], saved["tree_info"], strict=True)]
    scores = json.loads(learner["learner_model_param"]["base_score"])
    base = [float(score) for score in (scores if isinstance(scores, list) else [scores])]
    if model.task.is_binary:
        return trees, [math.log(base[0] / (1 - base[0]))]
    return trees, base * model.task.classes if len(base) < model.task.classes else base


def _xgboost_tree(tree: dict[str, Any], output: int) -> Tree:
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    missing_left = np.array(tree["default_left"], dtype=bool)
    categories: dict[int, list[int]] = {}
    segments = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    for node, start, size in segments:
        # XGBoost sends the listed categories right.
        categories[node] = tree["categories"][start : start + size]
        left[node], right[node] = right[node], left[node]
        missing_left[node] = not missing_left[node]
    feature, value = np.array(tree["split_indices"]), np.array(tree["split_conditions"], dtype=np.float64)
    return Tree(output, feature, value, left, right, missing_left, categories)


_CATEGORICAL, _DEFAULT_LEFT, _NAN_IS_MISSING = 1, 2, 2
"""Bits of LightGBM's `decision_type`: the first two, and the value of the next two."""


def _lightgbm_trees(model: NativeModel) -> Iterator[Tree]:
    text: str = model.booster.model_to_string()
    blocks = text.split("\nend of trees")[0].split("\nTree=")[1:]
    outputs = model.task.classes if model.task.classes > 2 else 1
    for number, block in enumerate(blocks):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        yield _lightgbm_tree(fields, number % outputs)


def _lightgbm_tree(tree: dict[str, str], output: int) -> Tree:
    def numbers(name: str, dtype: type) -> np.ndarray:
        return np.array(tree.get(name, "").split(), dtype=dtype)

    leaf_value = numbers("leaf_value", np.float64)
    feature, threshold = numbers("split_feature", np.int64), numbers("threshold", np.float64)
    splits, leaves = len(feature), len(leaf_value)
    none = np.full(leaves, -1)

    def children(name: str) -> np.ndarray:
        # A leaf is written as the complement of its number; leaves follow the splits here.
        child = numbers(name, np.int64)
        return np.concatenate((np.where(child < 0, splits + ~child, child), none))

    kind = numbers("decision_type", np.int64)
    is_categorical = (kind & _CATEGORICAL) > 0
    nan_is_missing = (kind >> 2) & 3 == _NAN_IS_MISSING
    # Where training met no missing value NaN is read as 0; a category that is missing is in no set.
    missing_left = np.where(nan_is_missing, (kind & _DEFAULT_LEFT) > 0, threshold >= 0) & ~is_categorical
    bounds, words = numbers("cat_boundaries", np.int64), numbers("cat_threshold", np.uint32)
    categories: dict[int, list[int]] = {}
    for node in np.flatnonzero(is_categorical).tolist():
        number = int(threshold[node])
        bits = np.unpackbits(words[bounds[number] : bounds[number + 1]].astype("<u4").view(np.uint8), bitorder="little")
        categories[node] = np.flatnonzero(bits).tolist()
    return Tree(
        output,
        np.concatenate((feature, none)),
        np.concatenate((threshold, leaf_value)),
        children("left_child"),
        children("right_child"),
        np.concatenate((missing_left, np.zeros(leaves, dtype=bool))),
        categories,
    )


def _catboost_trees(model: NativeModel, width: int) -> tuple[list[Tree], list[float]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.booster.save_model(str(path), format="json")
        saved = json.loads(path.read_bytes())
    scale, bias = saved["scale_and_bias"]
    numbers = [column for column in range(width) if column not in model.categorical]
    features = {
        each["feature_index"]: (numbers[each["flat_feature_index"]], each["nan_value_treatment"] != "AsTrue")
        for each in saved["features_info"].get("float_features") or ()
    }
    outputs = model.task.classes if model.task.classes > 2 else 1
    trees = [_catboost_tree(tree, features, outputs, scale) for tree in saved["oblivious_trees"]]
    return trees, [float(each) for each in bias]


def _catboost_tree(tree: dict[str, Any], features: dict[int, tuple[int, bool]], outputs: int, scale: float) -> Tree:
    """Return a tree that asks the same question in all nodes of a level as one whose nodes ask each their own.

    The first question is the lowest bit of a leaf's number, and it is asked last here: so the leaves stand in the order
    of their numbers.
    """
    splits = (tree.get("splits") or [])[::-1]
    if any(split["split_type"] != "FloatFeature" for split in splits):
        raise ValueError("CatBoost's statistics of categories have no ONNX form")
    inner = 2 ** len(splits) - 1
    leaves = inner + 1
    levels = np.repeat(np.arange(len(splits)), 2 ** np.arange(len(splits)))
    read = [features[split["float_feature_index"]] for split in splits]
    borders = np.array([split["border"] for split in splits], dtype=np.float64)
    nodes, none = np.arange(inner), np.full(leaves, -1)
    scores = np.array(tree["leaf_values"], dtype=np.float64).reshape(leaves, outputs) * scale
    return Tree(
        0,
        np.concatenate((np.array([feature for feature, _ in read], dtype=np.int64)[levels], none)),
        np.concatenate((borders[levels], np.zeros(leaves))),
        # A row goes right where its value is larger than the border.
        np.concatenate((2 * nodes + 1, none)),
        np.concatenate((2 * nodes + 2, none)),
        np.concatenate((np.array([left for _, left in read], dtype=bool)[levels], np.zeros(leaves, dtype=bool))),
        scores=scores,
    )
