"""A fitted booster or linear model, in memory and in its own file format."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np


@dataclass(frozen=True)
class Task:
    """What is predicted: a number, for which `classes` is 0, or one of `classes` classes (2 or more)."""

    classes: int = 0

    @property
    def is_regression(self) -> bool:
        """Whether a number is predicted."""
        return self.classes == 0

    @property
    def is_binary(self) -> bool:
        """Whether one of two classes is predicted."""
        return self.classes == 2

    @property
    def metric(self) -> str:
        """The name of the validation score; lower is better."""
        return "rmse" if self.is_regression else "log_loss"


@dataclass(frozen=True)
class LabeledRows:
    """Features and target of some rows.

    `x` is float32 (rows, width) with NaN where missing, `y` (rows,) has numbers, or class codes from 0.
    """

    x: np.ndarray
    y: np.ndarray

    def take(self, rows: np.ndarray) -> "LabeledRows":
        """Return rows by number: a view where they follow each other, else a copy."""
        if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
            span = slice(int(rows[0]), int(rows[-1]) + 1)
            return LabeledRows(self.x[span], self.y[span])
        return LabeledRows(self.x[rows], self.y[rows])


@dataclass(frozen=True)
class NativeModel:
    """A fitted model; a booster is cut to its best iteration.

    With a `log_offset` the booster predicts the logarithm of a number: `exp(booster + log_offset)` is the prediction,
    which the offset keeps without bias.
    """

    algorithm: str
    task: Task
    booster: Any
    categorical: tuple[int, ...]
    threads: int = 1
    log_offset: float | None = None

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """Return numbers (rows,) for a regression, else probabilities (rows, classes)."""
        return undo_logarithm(self._predict_raw(matrix), self.log_offset)

    def _predict_raw(self, matrix: np.ndarray) -> np.ndarray:
        if self.algorithm == "Linear":
            return self.booster.predict(matrix, self.task.classes)
        if self.algorithm == "CatBoost":
            kind = "RawFormulaVal" if self.task.is_regression else "Probability"
            rows = catboost_rows(matrix, self.categorical)
            return np.asarray(self.booster.predict(rows, prediction_type=kind, thread_count=self.threads))
        if self.algorithm == "XGBoost":
            scores = self.booster.inplace_predict(matrix, validate_features=False)
        else:
            scores = self.booster.predict(matrix, num_threads=self.threads)
        return np.column_stack((1 - scores, scores)) if self.task.is_binary else scores

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Return the booster's own SHAP values (rows, outputs, width).

        There is one output, or one a class beyond two classes. The values and a constant add
        up to the number, or to the log-odds of the second class or of each class. Values of a logarithm are stretched
        by one factor a row, so that they add up to the difference of the numbers.
        """
        values = self._raw_contributions(matrix)
        if self.log_offset is None:
            return values
        sums = values.sum(axis=2, dtype=np.float64)
        lowest = self._predict_raw(matrix).astype(np.float64)[:, None] - sums + self.log_offset
        slopes = np.divide(np.expm1(sums), sums, out=np.ones_like(sums), where=np.abs(sums) > 1e-9)
        return values * (np.exp(lowest) * slopes)[:, :, None]

    def _raw_contributions(self, matrix: np.ndarray) -> np.ndarray:
        if self.algorithm == "Linear":
            return self.booster.contributions(matrix)
        if self.algorithm == "CatBoost":
            return self._catboost_contributions(matrix)
        if self.algorithm == "XGBoost":
            values = self.booster.predict(self.dmatrix(matrix), pred_contribs=True)
        else:
            values = self.booster.predict(matrix, pred_contrib=True, num_threads=self.threads)
        return np.asarray(values).reshape(len(matrix), -1, matrix.shape[1] + 1)[:, :, :-1]

    def _catboost_contributions(self, matrix: np.ndarray) -> np.ndarray:
        import catboost

        pool = catboost.Pool(catboost_rows(matrix, self.categorical))
        values = self.booster.get_feature_importance(pool, type="ShapValues", thread_count=self.threads)
        values = np.asarray(values).reshape(len(matrix), -1, matrix.shape[1] + 1)[:, :, :-1]
        # CatBoost has the numbers first and the categories behind them.
        order = [*(i for i in range(matrix.shape[1]) if i not in self.categorical), *self.categorical]
        return values[:, :, np.argsort(order)]

    def dmatrix(self, matrix: np.ndarray) -> Any:
        """Return `matrix` as XGBoost reads it, its categories marked."""
        import xgboost

        types = feature_types(matrix.shape[1], self.categorical)
        return xgboost.DMatrix(matrix, feature_types=types, enable_categorical=True, nthread=self.threads)

    def to_bytes(self) -> bytes:
        """Return the model in its own file format.

        That is UBJSON for XGBoost, text for LightGBM, cbm for CatBoost and JSON for a linear model.
        """
        if self.algorithm == "Linear":
            return self.booster.to_bytes()
        if self.algorithm == "XGBoost":
            return bytes(self.booster.save_raw("ubj"))
        if self.algorithm == "LightGBM":
            return self.booster.model_to_string().encode()
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.cbm"
            self.booster.save_model(str(path), format="cbm")
            return path.read_bytes()

    @classmethod
    def from_bytes(
        cls, algorithm: str, task: Task, content: bytes, categorical: tuple[int, ...], threads: int = 1
    ) -> Self:
        """Return the model that `to_bytes` wrote."""
        booster: Any
        if algorithm == "XGBoost":
            import xgboost

            booster = xgboost.Booster({"nthread": threads})
            booster.load_model(bytearray(content))
        elif algorithm == "LightGBM":
            import lightgbm

            booster = lightgbm.Booster(model_str=content.decode())
        elif algorithm == "Linear":
            from dataml.ml.linear.model import LinearModel

            booster = LinearModel.from_bytes(content)
        else:
            import catboost

            booster = catboost.CatBoost().load_model(blob=content)
        return cls(algorithm, task, booster, categorical, threads)


def undo_logarithm(scores: np.ndarray, log_offset: float | None) -> np.ndarray:
    """Return what a model predicts: its scores as they are, or the numbers of which they are the logarithms."""
    return scores if log_offset is None else np.exp(scores.astype(np.float64) + log_offset)


def feature_types(width: int, categorical: tuple[int, ...]) -> list[str]:
    """Return XGBoost's type of each column of a matrix."""
    positions = set(categorical)
    return ["c" if i in positions else "q" for i in range(width)]


def catboost_rows(matrix: np.ndarray, categorical: tuple[int, ...]) -> Any:
    """Return `matrix` as CatBoost reads it: numbers, and behind them categories as text, empty where missing.

    The standalone scorer of an export has its own copy of this.
    """
    from catboost import FeaturesData

    # In the order of rows, so that CatBoost takes a copy: by column it would go on reading this array's own memory.
    numbers = np.delete(matrix, categorical, axis=1) if categorical else matrix
    if not categorical:
        return FeaturesData(num_feature_data=np.ascontiguousarray(numbers, dtype=np.float32))
    codes = np.nan_to_num(matrix[:, categorical], nan=-1).astype(np.int32)
    words = np.array([b"", *(b"%d" % code for code in range(int(codes.max(initial=-1)) + 1))], dtype=object)
    numeric = np.ascontiguousarray(numbers, dtype=np.float32) if numbers.shape[1] else None
    return FeaturesData(num_feature_data=numeric, cat_feature_data=words[codes + 1])
