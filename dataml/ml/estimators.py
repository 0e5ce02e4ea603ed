"""Fitting XGBoost and LightGBM by their own train functions: native categories, early stopping, one seed, one thread
count."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from dataml.ml.hyperparameters import ALGORITHMS, HYPERPARAMETERS, Algorithm, check_hyperparameters

_CELLS_PER_THREAD = 250_000
"""Rows times columns worth another thread. On a small table the threads mostly wait for each other, and when other work
holds their cores, for tens of times the fit itself."""


@dataclass(frozen=True)
class Task:
    """What is predicted: `classes` is 0 for a number, else how many classes (2 or more) the labels count."""

    classes: int = 0

    @property
    def is_regression(self) -> bool:
        return self.classes == 0

    @property
    def is_binary(self) -> bool:
        return self.classes == 2

    @property
    def metric(self) -> str:
        """The validation score, lower is better."""
        return "rmse" if self.is_regression else "log_loss"


@dataclass(frozen=True)
class Samples:
    """`x` float32 (rows, width) with NaN where missing; `y` (rows,): numbers, or class codes from 0."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class NativeModel:
    """A fitted booster of either library, cut to its best iteration."""

    algorithm: Algorithm
    task: Task
    booster: Any
    categorical: tuple[int, ...]
    threads: int = 1

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """Numbers (rows,) for a regression, else probabilities (rows, classes)."""
        if self.algorithm == "XGBoost":
            scores = self.booster.inplace_predict(matrix, validate_features=False)
        else:
            scores = self.booster.predict(matrix, num_threads=self.threads)
        return np.column_stack((1 - scores, scores)) if self.task.is_binary else scores

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """The booster's own SHAP values (rows, outputs, width): one output, or one a class beyond two classes.

        They and a constant add up to the number, or to the log-odds of the second class or of each class.
        """
        if self.algorithm == "XGBoost":
            values = self.booster.predict(self.dmatrix(matrix), pred_contribs=True)
        else:
            values = self.booster.predict(matrix, pred_contrib=True, num_threads=self.threads)
        return np.asarray(values).reshape(len(matrix), -1, matrix.shape[1] + 1)[:, :, :-1]

    def dmatrix(self, matrix: np.ndarray) -> Any:
        """`matrix` as XGBoost reads it, its categories marked."""
        import xgboost

        types = _feature_types(matrix.shape[1], self.categorical)
        return xgboost.DMatrix(matrix, feature_types=types, enable_categorical=True, nthread=self.threads)

    def to_bytes(self) -> bytes:
        """The library's own file format: UBJSON for XGBoost, text for LightGBM."""
        if self.algorithm == "XGBoost":
            return bytes(self.booster.save_raw("ubj"))
        return self.booster.model_to_string().encode()

    @classmethod
    def from_bytes(
        cls, algorithm: Algorithm, task: Task, content: bytes, categorical: tuple[int, ...], threads: int = 1
    ) -> Self:
        if algorithm == "XGBoost":
            import xgboost

            booster = xgboost.Booster({"nthread": threads})
            booster.load_model(bytearray(content))
        else:
            import lightgbm

            booster = lightgbm.Booster(model_str=content.decode())
        return cls(algorithm, task, booster, categorical, threads)


@dataclass(frozen=True)
class Fitted:
    """A fitted model; `validation` is its best score by `task.metric`, `params` what its library was given."""

    model: NativeModel
    best_iteration: int
    params: dict[str, Any]
    validation: float
    candidates: dict[str, float] = field(default_factory=dict)

    @property
    def algorithm(self) -> Algorithm:
        return self.model.algorithm

    @property
    def task(self) -> Task:
        return self.model.task

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """See `NativeModel.predict`."""
        return self.model.predict(matrix)


def fit(
    algorithm: str,
    task: Task,
    train: Samples,
    validation: Samples,
    categorical: tuple[int, ...],
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[float, str], None] = lambda share, phrase: None,
) -> Fitted:
    """Fit `algorithm`, or for `auto` both, and keep the one with the better validation score.

    `validation` stops the boosting and makes the choice; `categorical` are the positions of native categories in `x`;
    `threads` is the most that are used.
    Raises Invalid as `check_hyperparameters` does.
    """
    hyperparameters = dict(hyperparameters or {})
    check_hyperparameters(algorithm, hyperparameters)
    threads = max(1, min(threads, train.x.size // _CELLS_PER_THREAD))
    fitted: list[Fitted] = []
    candidates = ALGORITHMS if algorithm == "auto" else (algorithm,)
    for candidate in candidates:
        tick = Tick(progress, candidate, len(fitted), len(candidates))
        fit_one = _fit_xgboost if candidate == "XGBoost" else _fit_lightgbm
        fitted.append(fit_one(task, train, validation, categorical, hyperparameters, seed, threads, tick))
    best = min(fitted, key=lambda one: one.validation)
    scores = {one.algorithm: one.validation for one in fitted}
    return Fitted(best.model, best.best_iteration, best.params, best.validation, scores)


class Tick:
    """Tells how far the fits are: candidate `index` of `count`, every few rounds. Early stopping may end it sooner."""

    EVERY_ROUNDS = 10

    def __init__(self, progress: Callable[[float, str], None], algorithm: str, index: int, count: int) -> None:
        self._progress = progress
        self._algorithm = algorithm
        self._index = index
        self._count = count
        progress(index / count, f"Fitting {algorithm}")

    def __call__(self, done: int, rounds: int) -> None:
        if done % self.EVERY_ROUNDS == 0:
            share = (self._index + done / rounds) / self._count
            self._progress(share, f"Fitting {self._algorithm}, round {done:,}")


def _settings(algorithm: Algorithm, defaults: dict[str, Any], hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """The library's own names: ours, the defaults, and what the user set and the library has."""
    chosen: dict[str, Any] = {}
    for name, value in hyperparameters.items():
        rule = HYPERPARAMETERS[name]
        own_name = rule.name_in(algorithm)
        if own_name is not None:
            chosen[own_name] = int(value) if rule.whole else float(value)
    return {"n_estimators": 2_000, "early_stopping_rounds": 50, "learning_rate": 0.06, **defaults, **chosen}


def _fit_xgboost(
    task: Task,
    train: Samples,
    validation: Samples,
    categorical: tuple[int, ...],
    hyperparameters: Mapping[str, Any],
    seed: int,
    threads: int,
    tick: Tick,
) -> Fitted:
    import xgboost

    defaults: dict[str, Any] = {
        "max_depth": 6,
        "min_child_weight": 2,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "tree_method": "hist",
    }
    if task.is_regression:
        defaults |= {"objective": "reg:squarederror", "eval_metric": "rmse"}
    elif task.is_binary:
        defaults |= {"objective": "binary:logistic", "eval_metric": "logloss"}
    else:
        defaults |= {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": task.classes}
    params = _settings("XGBoost", defaults, hyperparameters)
    booster_params = {k: v for k, v in params.items() if k not in ("n_estimators", "early_stopping_rounds")}
    types = _feature_types(train.x.shape[1], categorical)
    options: dict[str, Any] = {"feature_types": types, "enable_categorical": True, "nthread": threads}
    train_data = xgboost.QuantileDMatrix(train.x, train.y, max_bin=params.get("max_bin", 256), **options)
    valid_data = xgboost.QuantileDMatrix(validation.x, validation.y, ref=train_data, **options)
    booster = xgboost.train(
        booster_params | {"seed": seed, "nthread": threads, "verbosity": 0},
        train_data,
        num_boost_round=params["n_estimators"],
        evals=[(valid_data, "validation")],
        early_stopping_rounds=params["early_stopping_rounds"],
        verbose_eval=False,
        callbacks=[_xgboost_callback(tick, params["n_estimators"])],
    )
    best = booster.best_iteration + 1
    # The slice holds the best trees only; its attributes would make readers cut it once more.
    model = booster[:best]
    model.set_attr(best_iteration=None, best_score=None)
    model.set_param({"nthread": threads})
    return Fitted(NativeModel("XGBoost", task, model, categorical, threads), best, params, float(booster.best_score))


def _fit_lightgbm(
    task: Task,
    train: Samples,
    validation: Samples,
    categorical: tuple[int, ...],
    hyperparameters: Mapping[str, Any],
    seed: int,
    threads: int,
    tick: Tick,
) -> Fitted:
    import lightgbm

    rows = len(train.y)
    defaults: dict[str, Any] = {
        "num_leaves": 31,
        # The library's own minimums (20 and 100) leave a small table without a single split.
        "min_data_in_leaf": min(20, max(2, rows // 40)),
        "min_data_per_group": min(100, max(2, rows // 40)),
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_fraction": 0.8,
    }
    if task.is_regression:
        defaults |= {"objective": "regression", "metric": "rmse"}
    elif task.is_binary:
        defaults |= {"objective": "binary", "metric": "binary_logloss"}
    else:
        defaults |= {"objective": "multiclass", "metric": "multi_logloss", "num_class": task.classes}
    params = _settings("LightGBM", defaults, hyperparameters)
    booster_params = {k: v for k, v in params.items() if k not in ("n_estimators", "early_stopping_rounds")}
    # Fixed column order of the histograms: with it, and `deterministic`, a seed gives one model for any thread count.
    fixed = {"seed": seed, "num_threads": threads, "deterministic": True, "force_col_wise": True, "verbosity": -1}
    shared = booster_params | fixed
    train_data = lightgbm.Dataset(train.x, train.y, categorical_feature=list(categorical), params=shared)
    valid_data = lightgbm.Dataset(validation.x, validation.y, reference=train_data)
    booster = lightgbm.train(
        shared,
        train_data,
        num_boost_round=params["n_estimators"],
        valid_sets=[valid_data],
        valid_names=["validation"],
        callbacks=[
            lightgbm.early_stopping(params["early_stopping_rounds"], verbose=False),
            lambda state: tick(state.iteration, params["n_estimators"]),
        ],
    )
    best = booster.best_iteration or booster.current_iteration()
    score = float(booster.best_score["validation"][params["metric"]])
    text = float32_thresholds(booster.model_to_string(num_iteration=best))
    model = lightgbm.Booster(model_str=text)
    return Fitted(NativeModel("LightGBM", task, model, categorical, threads), best, params, score)


def _xgboost_callback(tick: Tick, rounds: int) -> Any:
    from xgboost.callback import TrainingCallback

    class Told(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            tick(epoch, rounds)
            return False

    return Told()


def float32_thresholds(model: str) -> str:
    """LightGBM's model text with every threshold rounded down to a float32.

    The matrix is float32, for which `x <= t` and `x <= floor32(t)` say the same; but a reader that keeps thresholds as
    float32 rounds to the nearest, and would send a value between the two the other way.
    """

    def floored(match: re.Match[str]) -> str:
        exact = np.array(match[1].split(), dtype=np.float64)
        nearest = exact.astype(np.float32)
        below = np.where(nearest > exact, np.nextafter(nearest, np.float32(-np.inf)), nearest)
        return "threshold=" + " ".join(repr(float(value)) for value in below)

    # `tree_sizes` counts the bytes of each tree and is optional; the new numbers have other lengths.
    without_sizes = re.sub(r"^tree_sizes=.*\n", "", model, flags=re.MULTILINE)
    return re.sub(r"^threshold=(.*)$", floored, without_sizes, flags=re.MULTILINE)


def _feature_types(width: int, categorical: tuple[int, ...]) -> list[str]:
    positions = set(categorical)
    return ["c" if i in positions else "q" for i in range(width)]
