"""Why a model predicts what it predicts: SHAP values, summed back to the features users know."""

import warnings
from typing import Any

import numpy as np

from dataml.ml.features import Preprocessing
from dataml.ml.native import NativeModel


def global_importance(model: NativeModel, preprocessing: Preprocessing, matrix: np.ndarray) -> dict[str, float]:
    """The share of each feature in the model's decisions on the rows of `matrix`, largest first, summing to 1.

    Mean absolute SHAP values (Lundberg et al. 2020, TreeSHAP) by `shap.TreeExplainer` in its path-dependent form, added
    up over the columns a feature was derived into and over classes. Features the preprocessing dropped have share 0.
    TreeExplainer reads native categories of LightGBM as they are; XGBoost needs them marked, so it gets a DMatrix. When
    no row has any contribution (a model without a split) every share is 0.
    """
    import shap

    explained: Any = matrix if model.algorithm == "LightGBM" else model.dmatrix(matrix)
    with warnings.catch_warnings():
        # It tells callers of old versions that binary LightGBM values are one array now.
        warnings.filterwarnings("ignore", message="LightGBM binary classifier")
        values = np.asarray(shap.TreeExplainer(model.booster).shap_values(explained))
    # (rows, columns) or, beyond two classes, (rows, columns, classes)
    by_column = np.abs(values.reshape(*matrix.shape, -1)).mean(axis=0).sum(axis=1)
    return _shares(preprocessing, by_column)


def _shares(preprocessing: Preprocessing, by_column: np.ndarray) -> dict[str, float]:
    totals = dict.fromkeys(preprocessing.features, 0.0)
    for column, value in zip(preprocessing.layout, by_column, strict=True):
        totals[column.source] += float(value)
    whole = sum(totals.values())
    shares = {name: value / whole if whole > 0 else 0.0 for name, value in totals.items()}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def row_contributions(
    model: NativeModel, preprocessing: Preprocessing, row: np.ndarray, output: int
) -> dict[str, float]:
    """What each feature adds to one prediction: to the number, or to the log-odds of the second of two classes, or to
    the score of class `output` of several. `row` is float32 of shape (1, width); computed by the booster itself,
    largest effect first."""
    values = model.contributions(row)[0]
    totals = dict.fromkeys(preprocessing.features, 0.0)
    for column, value in zip(preprocessing.layout, values[output if len(values) > 1 else 0], strict=True):
        totals[column.source] += float(value)
    return dict(sorted(totals.items(), key=lambda item: (-abs(item[1]), item[0])))
