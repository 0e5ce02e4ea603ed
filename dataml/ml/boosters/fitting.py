"""Fitting a booster by its library's own train function: native categories, early stopping, one seed."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dataml.ml.boosters.hyperparameters import HYPERPARAMETERS
from dataml.ml.boosters.native import NativeModel, Samples, Task, catboost_rows, feature_types
from dataml.ml.memory import set_aside

_CELLS_PER_THREAD = 250_000
"""Rows times columns worth another thread. On a small table the threads mostly wait for each other, and when other work
holds their cores, for tens of times the fit itself."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Fit:
    """What a fit needs besides rows: `hyperparameters` in our names, where users set them, and `categorical`, the
    positions of native categories. `threads` is the most that are used. `start` is a model to continue."""

    algorithm: str
    task: Task
    categorical: tuple[int, ...]
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    start: NativeModel | None = None
    progress: Progress = lambda share, phrase: None

    def threads_for(self, train: Samples) -> int:
        return max(1, min(self.threads, train.x.size // _CELLS_PER_THREAD))


@dataclass(frozen=True)
class Fitted:
    """A fitted model; `best_iteration` counts its rounds, `params` is what its library was given."""

    model: NativeModel
    best_iteration: int
    params: dict[str, Any]

    @property
    def algorithm(self) -> str:
        return self.model.algorithm

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """See `NativeModel.predict`."""
        return self.model.predict(matrix)


def fit(how: Fit, train: Samples, validation: Samples | None, rounds: int | None = None) -> Fitted:
    """Boost until the score on `validation` no longer falls; without one, for `rounds` rounds."""
    body = {"XGBoost": _fit_xgboost, "LightGBM": _fit_lightgbm, "CatBoost": _fit_catboost}[how.algorithm]
    return body(how, train, validation, rounds)


def parameters(how: Fit, rows: int) -> dict[str, Any]:
    """What the library is given, in its own names, to learn from so many rows: the defaults, and what the user set and
    the library has; with `n_estimators` (the most rounds) and `early_stopping_rounds`."""
    chosen: dict[str, Any] = {}
    for name, value in how.hyperparameters.items():
        rule = HYPERPARAMETERS[name]
        own_name = rule.name_in(how.algorithm)
        if own_name is not None:
            chosen[own_name] = int(value) if rule.whole else float(value)
    is_slow = how.algorithm == "CatBoost"
    most = chosen.pop("iterations", 1_000) if is_slow else chosen.pop("n_estimators", 2_000)
    stopping = {"n_estimators": most, "early_stopping_rounds": 50}
    return {"learning_rate": 0.06, **stopping, **_objective(how), **_defaults(how, rows), **chosen}


def _objective(how: Fit) -> dict[str, Any]:
    classes = how.task.classes
    kind = 0 if how.task.is_regression else 1 if how.task.is_binary else 2
    if how.algorithm == "XGBoost":
        names = [("reg:squarederror", "rmse"), ("binary:logistic", "logloss"), ("multi:softprob", "mlogloss")][kind]
        return dict(zip(("objective", "eval_metric"), names, strict=True)) | (
            {"num_class": classes} if kind == 2 else {}
        )
    if how.algorithm == "LightGBM":
        names = [("regression", "rmse"), ("binary", "binary_logloss"), ("multiclass", "multi_logloss")][kind]
        return dict(zip(("objective", "metric"), names, strict=True)) | ({"num_class": classes} if kind == 2 else {})
    return {"loss_function": ("RMSE", "Logloss", "MultiClass")[kind]} | (
        {"classes_count": classes} if kind == 2 else {}
    )


def _defaults(how: Fit, rows: int) -> dict[str, Any]:
    if how.algorithm == "XGBoost":
        shares = {"subsample": 0.8, "colsample_bytree": 0.8}
        return {"max_depth": 6, "min_child_weight": 2, "tree_method": "hist", **shares}
    if how.algorithm == "LightGBM":
        return {
            "num_leaves": 31,
            # The library's own minimums (20 and 100) leave a small table without a single split.
            "min_data_in_leaf": min(20, max(2, rows // 40)),
            "min_data_per_group": min(100, max(2, rows // 40)),
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "feature_fraction": 0.8,
        }
    # The kind of sample that takes a share on any machine.
    return {"bootstrap_type": "Bernoulli"} if "subsample" in how.hyperparameters else {}


def _settings(how: Fit, train: Samples, rounds: int | None) -> tuple[dict[str, Any], int, int]:
    """The library's own parameters, the most rounds, and after how many without progress to stop."""
    params = parameters(how, len(train.y))
    most, patience = params.pop("n_estimators"), params.pop("early_stopping_rounds")
    return params, rounds or most, patience


def _set_aside(*parts: Samples | None) -> None:
    """Of rows that their library has in its own form now."""
    for samples in parts:
        if samples is not None:
            set_aside(samples.x)


def _told(how: Fit, done: int, rounds: int) -> None:
    if done % 10 == 0:
        how.progress(min(done / rounds, 1.0), f"Fitting {how.algorithm}, round {done:,}")


def _fit_xgboost(how: Fit, train: Samples, validation: Samples | None, rounds: int | None) -> Fitted:
    import xgboost

    threads = how.threads_for(train)
    params, most, patience = _settings(how, train, rounds)
    types = feature_types(train.x.shape[1], how.categorical)
    options: dict[str, Any] = {"feature_types": types, "enable_categorical": True, "nthread": threads}
    train_data = xgboost.QuantileDMatrix(train.x, train.y, max_bin=params.get("max_bin", 256), **options)
    evaluated: dict[str, Any] = {}
    if validation is not None:
        valid_data = xgboost.QuantileDMatrix(validation.x, validation.y, ref=train_data, **options)
        evaluated = {"evals": [(valid_data, "validation")], "early_stopping_rounds": patience}
    _set_aside(train, validation)
    booster = xgboost.train(
        params | {"seed": how.seed, "nthread": threads, "verbosity": 0},
        train_data,
        num_boost_round=most,
        verbose_eval=False,
        callbacks=[_xgboost_callback(how, most)],
        xgb_model=how.start.booster if how.start else None,
        **evaluated,
    )
    best = booster.best_iteration + 1 if validation is not None else booster.num_boosted_rounds()
    # The slice holds the best trees only; its attributes would make readers cut it once more.
    model = booster[:best]
    model.set_attr(best_iteration=None, best_score=None)
    model.set_param({"nthread": threads})
    return Fitted(NativeModel("XGBoost", how.task, model, how.categorical, threads), best, params)


def _xgboost_callback(how: Fit, rounds: int) -> Any:
    from xgboost.callback import TrainingCallback

    class Told(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            _told(how, epoch, rounds)
            return False

    return Told()


def _fit_lightgbm(how: Fit, train: Samples, validation: Samples | None, rounds: int | None) -> Fitted:
    import lightgbm

    threads = how.threads_for(train)
    params, most, patience = _settings(how, train, rounds)
    # Fixed column order of the histograms: with it, and `deterministic`, a seed gives one model for any thread count.
    fixed = {"seed": how.seed, "num_threads": threads, "deterministic": True, "force_col_wise": True, "verbosity": -1}
    train_data = lightgbm.Dataset(train.x, train.y, categorical_feature=list(how.categorical), params=params | fixed)

    def told(state: Any) -> None:
        if state.iteration == state.begin_iteration:  # it makes its datasets when the boosting begins
            _set_aside(train, validation)
        _told(how, state.iteration, most)

    callbacks: list[Any] = [told]
    evaluated: dict[str, Any] = {}
    if validation is not None:
        valid_data = lightgbm.Dataset(validation.x, validation.y, reference=train_data)
        evaluated = {"valid_sets": [valid_data], "valid_names": ["validation"]}
        callbacks.append(lightgbm.early_stopping(patience, verbose=False))
    booster = lightgbm.train(
        params | fixed,
        train_data,
        num_boost_round=most,
        callbacks=callbacks,
        init_model=how.start.booster if how.start else None,
        **evaluated,
    )
    best = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    text = float32_thresholds(booster.model_to_string(num_iteration=best))
    model = lightgbm.Booster(model_str=text)
    return Fitted(NativeModel("LightGBM", how.task, model, how.categorical, threads), best, params)


def _fit_catboost(how: Fit, train: Samples, validation: Samples | None, rounds: int | None) -> Fitted:
    import catboost

    threads = how.threads_for(train)
    params, most, patience = _settings(how, train, rounds)
    fixed = {"random_seed": how.seed, "thread_count": threads, "verbose": False, "allow_writing_files": False}

    def pool(samples: Samples) -> Any:
        return catboost.Pool(catboost_rows(samples.x, how.categorical), samples.y)

    class Told:
        def after_iteration(self, info: Any) -> bool:
            _told(how, info.iteration, most)
            return True

    rows = pool(train)
    _set_aside(train)
    if "learning_rate" not in how.hyperparameters:
        params["learning_rate"] = _catboost_rate(params | fixed, rows)
    booster = catboost.CatBoost(params | fixed | {"iterations": most})
    evaluated: dict[str, Any] = {}
    if validation is not None:
        evaluated = {"eval_set": pool(validation), "early_stopping_rounds": patience, "use_best_model": True}
    _set_aside(train, validation)
    start = how.start.booster if how.start else None
    booster.fit(rows, init_model=start, callbacks=[Told()], **evaluated)
    model = NativeModel("CatBoost", how.task, booster, how.categorical, threads)
    return Fitted(model, int(booster.tree_count_ or 0), params)


def _catboost_rate(params: dict[str, Any], rows: Any) -> float:
    """Twice the learning rate the library itself chooses for a thousand rounds of these rows, for half as many rounds.
    It would choose another one for another number of rounds, and with rows to validate: then a fit of all rows would
    not be like those of the folds."""
    import catboost

    class Stop:
        def after_iteration(self, info: Any) -> bool:
            return False

    probe = catboost.CatBoost({k: v for k, v in params.items() if k != "learning_rate"} | {"iterations": 1_000})
    probe.fit(rows, callbacks=[Stop()])
    return min(2 * float(probe.get_all_params()["learning_rate"]), 0.2)


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
