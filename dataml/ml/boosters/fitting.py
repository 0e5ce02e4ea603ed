"""Fitting a booster by its library's own train function: native categories, early stopping, one seed."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from dataml.clocks import Deadline
from dataml.ml.boosters.hyperparameters import HYPERPARAMETERS
from dataml.ml.boosters.limits import NO_LIMITS, WIDE_BINS, FitLimits, is_wide
from dataml.ml.boosters.native_model import LabeledRows, NativeModel, Task, catboost_rows, feature_types
from dataml.ml.boosters.screening import select_columns
from dataml.ml.memory import drop_pages

_CELLS_PER_THREAD: Final = 250_000
"""Rows times columns worth another thread. On a small table the threads mostly wait for each other, and when other work
holds their cores, for tens of times the fit itself."""

STOPPING_ROUNDS: Final = 50
"""Rounds without progress on the validation rows after which a fit ends."""

Progress = Callable[[float, str], None]
"""Takes the share that is done and a message."""

NEVER: Final = Deadline.after(math.inf)


@dataclass(frozen=True)
class FitConfig:
    """Everything that a fit needs besides rows.

    Attributes:
        algorithm: XGBoost, LightGBM, CatBoost or Linear.
        task: what is predicted.
        categorical: positions of native categories in the matrix.
        hyperparameters: in our names, those that users set.
        seed: of every random draw.
        threads: the most that are used.
        start: a model to continue.
        progress: called every ten rounds.
        limits: of its rounds and columns.
        params: by the library's own names, in place of our defaults; hyperparameters of users override them.
        log_center: where the logarithm of a number is fitted, what is subtracted from it. A factor that is learned from
            the validation rows undoes it without bias.
        deadline: after it the fit ends with the round that it is in, and its model is used as it is.
    """

    algorithm: str
    task: Task
    categorical: tuple[int, ...]
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    start: NativeModel | None = None
    progress: Progress = lambda share, message: None
    limits: FitLimits = NO_LIMITS
    params: Mapping[str, Any] = field(default_factory=dict)
    log_center: float | None = None
    deadline: Deadline = NEVER

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline.remaining_s() <= 0

    def threads_for(self, train: LabeledRows) -> int:
        """Return how many threads a fit of these rows has use for."""
        return max(1, min(self.threads, train.x.size // _CELLS_PER_THREAD))

    def report_round(self, completed: int, rounds: int) -> None:
        """Report progress at every tenth round."""
        if completed % 10 == 0:
            self.progress(min(completed / rounds, 1.0), f"Fitting {self.algorithm}, round {completed:,}")


@dataclass(frozen=True)
class FittedModel:
    """A fitted model.

    `best_iteration` counts its rounds, those of a linear model the steps along its path of penalties. `params` are what
    its library was called with.
    """

    model: NativeModel
    best_iteration: int
    params: dict[str, Any]

    @property
    def algorithm(self) -> str:
        """The algorithm of the model."""
        return self.model.algorithm

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """Return `NativeModel.predict` of `matrix`."""
        return self.model.predict(matrix)


def fit(
    config: FitConfig, train: LabeledRows, validation: LabeledRows | None, rounds: int | None = None
) -> FittedModel:
    """Fit until the score on `validation` no longer falls; without `validation`, for `rounds` rounds."""
    functions = {"XGBoost": _fit_xgboost, "LightGBM": _fit_lightgbm, "CatBoost": _fit_catboost, "Linear": _fit_linear}
    function = functions[config.algorithm]
    if config.log_center is None:
        return function(config, train, validation, rounds)
    center = config.log_center
    positive = train.y[train.y > 0]
    lowest = float(positive.min()) if len(positive) else 1.0  # stands for numbers that have no logarithm

    def take_logarithm(part: LabeledRows) -> LabeledRows:
        return LabeledRows(part.x, np.log(np.maximum(part.y, lowest)) - center)

    fitted = function(config, take_logarithm(train), None if validation is None else take_logarithm(validation), rounds)
    model = replace(fitted.model, log_offset=center)
    if validation is not None:
        model = replace(model, log_offset=center + _log_of_best_factor(model.predict(validation.x), validation.y))
    return replace(fitted, model=model)


def _log_of_best_factor(predicted: np.ndarray, y: np.ndarray) -> float:
    """Return the logarithm of the factor by which predictions have the least squared error; 0 where there is none."""
    unit = float(np.abs(predicted).max()) or 1.0  # no square overflows
    shares = predicted / unit
    factor = float((y / unit * shares).sum() / np.square(shares).sum())
    return math.log(factor) if factor > 0 and math.isfinite(factor) else 0.0


def most_rounds(config: FitConfig) -> int:
    """Return the most rounds of a fit without limits."""
    return library_parameters(config, rows=1)["n_estimators"]


def library_parameters(config: FitConfig, rows: int, columns: int = 1) -> dict[str, Any]:
    """Return the parameters of a fit of so many rows and columns, in the library's own names.

    They are the defaults and whatever the user set that the library has, with `n_estimators` (the most rounds) and
    `early_stopping_rounds`.
    """
    user_params: dict[str, Any] = {}
    for name, value in config.hyperparameters.items():
        rule = HYPERPARAMETERS[name]
        own_name = rule.library_name(config.algorithm)
        if own_name is not None:
            user_params[own_name] = int(value) if rule.is_integer else float(value)
    if config.algorithm == "CatBoost":  # its rounds are slow
        max_rounds = user_params.pop("iterations", 1_000)
    else:
        max_rounds = user_params.pop("n_estimators", 2_000)
    stopping = {"n_estimators": max_rounds, "early_stopping_rounds": STOPPING_ROUNDS}
    defaults = _defaults(config, rows) | _wide_defaults(config, columns) | dict(config.params)
    return {"learning_rate": 0.06, **stopping, **_objective(config), **defaults, **user_params}


def _objective(config: FitConfig) -> dict[str, Any]:
    classes = config.task.classes
    kind = 0 if config.task.is_regression else 1 if config.task.is_binary else 2
    if config.algorithm == "XGBoost":
        names = [("reg:squarederror", "rmse"), ("binary:logistic", "logloss"), ("multi:softprob", "mlogloss")][kind]
        objective = dict(zip(("objective", "eval_metric"), names, strict=True))
        return objective | ({"num_class": classes} if kind == 2 else {})
    if config.algorithm == "LightGBM":
        names = [("regression", "rmse"), ("binary", "binary_logloss"), ("multiclass", "multi_logloss")][kind]
        objective = dict(zip(("objective", "metric"), names, strict=True))
        return objective | ({"num_class": classes} if kind == 2 else {})
    objective = {"loss_function": ("RMSE", "Logloss", "MultiClass")[kind]}
    return objective | ({"classes_count": classes} if kind == 2 else {})


def _defaults(config: FitConfig, rows: int) -> dict[str, Any]:
    if config.algorithm == "XGBoost":
        shares = {"subsample": 0.8, "colsample_bytree": 0.8}
        return {"max_depth": 6, "min_child_weight": 2, "tree_method": "hist", **shares}
    if config.algorithm == "LightGBM":
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
    return {"bootstrap_type": "Bernoulli"} if "subsample" in config.hyperparameters else {}


def _wide_defaults(config: FitConfig, columns: int) -> dict[str, Any]:
    """Return fewer bins for a wide table: they take most of its time, and say little where there are more columns."""
    name = HYPERPARAMETERS["max_bin"].library_name(config.algorithm)
    return {name: WIDE_BINS} if name is not None and is_wide(columns) and config.start is None else {}


def _training_arguments(config: FitConfig, train: LabeledRows, rounds: int | None) -> tuple[dict[str, Any], int, int]:
    """Return the library's own parameters, the most rounds, and after how many without progress to stop."""
    params = library_parameters(config, *train.x.shape)
    max_rounds, stopping_rounds = params.pop("n_estimators"), params.pop("early_stopping_rounds")
    max_rounds = min(max_rounds, config.limits.max_rounds or max_rounds)
    return params, rounds or max_rounds, stopping_rounds


def _drop_pages_of(*parts: LabeledRows | None) -> None:
    """Drop the pages of rows that the library has copied into its own format."""
    for samples in parts:
        if samples is not None:
            drop_pages(samples.x)


def _fit_xgboost(
    config: FitConfig, train: LabeledRows, validation: LabeledRows | None, rounds: int | None
) -> FittedModel:
    import xgboost

    threads = config.threads_for(train)
    params, max_rounds, stopping_rounds = _training_arguments(config, train, rounds)
    types = feature_types(train.x.shape[1], config.categorical)
    options: dict[str, Any] = {"feature_types": types, "enable_categorical": True, "nthread": threads}
    options["max_bin"] = params.get("max_bin", 256)
    train_data = xgboost.QuantileDMatrix(train.x, train.y, **options)
    early_stopping: dict[str, Any] = {}
    if validation is not None:
        validation_data = xgboost.QuantileDMatrix(validation.x, validation.y, ref=train_data, **options)
        early_stopping = {"evals": [(validation_data, "validation")], "early_stopping_rounds": stopping_rounds}
    _drop_pages_of(train, validation)
    booster = xgboost.train(
        params | {"seed": config.seed, "nthread": threads, "verbosity": 0},
        train_data,
        num_boost_round=max_rounds,
        verbose_eval=False,
        callbacks=[_xgboost_callback(config, max_rounds)],
        xgb_model=config.start.booster if config.start else None,
        **early_stopping,
    )
    # The first round has no best one yet where the deadline ends the fit with it.
    has_best = validation is not None and booster.attr("best_iteration") is not None
    best = booster.best_iteration + 1 if has_best else booster.num_boosted_rounds()
    # The slice holds the best trees only; its attributes would make readers cut it once more.
    model = booster[:best]
    model.set_attr(best_iteration=None, best_score=None)
    model.set_param({"nthread": threads})
    return FittedModel(NativeModel("XGBoost", config.task, model, config.categorical, threads), best, params)


def _xgboost_callback(config: FitConfig, rounds: int) -> Any:
    from xgboost.callback import TrainingCallback

    class ReportProgress(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            config.report_round(epoch, rounds)
            return config.is_late

    return ReportProgress()


def _fit_lightgbm(
    config: FitConfig, train: LabeledRows, validation: LabeledRows | None, rounds: int | None
) -> FittedModel:
    import lightgbm

    threads = config.threads_for(train)
    params, max_rounds, stopping_rounds = _training_arguments(config, train, rounds)
    # Fixed column order of the histograms: with it, and `deterministic`, a seed gives one model for any thread count.
    fixed = {"seed": config.seed, "num_threads": threads, "deterministic": True, "force_col_wise": True}
    fixed |= {"verbosity": -1}
    train_data = lightgbm.Dataset(train.x, train.y, categorical_feature=list(config.categorical), params=params | fixed)

    def report_progress(state: Any) -> None:
        if state.iteration == state.begin_iteration:  # the library makes its datasets when the boosting begins
            _drop_pages_of(train, validation)
        config.report_round(state.iteration, max_rounds)
        if config.is_late:
            raise lightgbm.callback.EarlyStopException(state.iteration, [])

    callbacks: list[Any] = [report_progress]
    early_stopping: dict[str, Any] = {}
    if validation is not None:
        validation_data = lightgbm.Dataset(validation.x, validation.y, reference=train_data)
        early_stopping = {"valid_sets": [validation_data], "valid_names": ["validation"]}
        callbacks.append(lightgbm.early_stopping(stopping_rounds, verbose=False))
    booster = lightgbm.train(
        params | fixed,
        train_data,
        num_boost_round=max_rounds,
        callbacks=callbacks,
        init_model=config.start.booster if config.start else None,
        **early_stopping,
    )
    best = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    text = float32_thresholds(booster.model_to_string(num_iteration=best))
    model = lightgbm.Booster(model_str=text)
    return FittedModel(NativeModel("LightGBM", config.task, model, config.categorical, threads), best, params)


def _fit_catboost(
    config: FitConfig, train: LabeledRows, validation: LabeledRows | None, rounds: int | None
) -> FittedModel:
    import catboost

    threads = config.threads_for(train)
    params, max_rounds, stopping_rounds = _training_arguments(config, train, rounds)
    fixed = {"random_seed": config.seed, "thread_count": threads, "verbose": False, "allow_writing_files": False}
    fixed |= _ignored_columns(config, train)

    def to_pool(samples: LabeledRows) -> Any:
        return catboost.Pool(catboost_rows(samples.x, config.categorical), samples.y)

    class ReportProgress:
        def after_iteration(self, info: Any) -> bool:
            config.report_round(info.iteration, max_rounds)
            return not config.is_late

    train_data = to_pool(train)
    _drop_pages_of(train)
    if "learning_rate" not in config.hyperparameters and "learning_rate" not in config.params:
        params["learning_rate"] = _catboost_learning_rate(params | fixed, train_data)
    booster = catboost.CatBoost(params | fixed | {"iterations": max_rounds})
    early_stopping: dict[str, Any] = {}
    if validation is not None:
        early_stopping = {
            "eval_set": to_pool(validation),
            "early_stopping_rounds": stopping_rounds,
            "use_best_model": True,
        }
    _drop_pages_of(train, validation)
    start = config.start.booster if config.start else None
    booster.fit(train_data, init_model=start, callbacks=[ReportProgress()], **early_stopping)
    model = NativeModel("CatBoost", config.task, booster, config.categorical, threads)
    return FittedModel(model, int(booster.tree_count_ or 0), params)


def _fit_linear(
    config: FitConfig, train: LabeledRows, validation: LabeledRows | None, rounds: int | None
) -> FittedModel:
    from dataml.ml.linear.fitting import PENALTIES, fit_linear

    validated = (validation.x, validation.y) if validation is not None else None
    start = config.start.booster if config.start else None
    limit, columns = config.limits.max_columns, None
    if limit is not None and train.x.shape[1] > limit:
        columns = select_columns(train, config.task, config.categorical, limit)
    model, steps = fit_linear(
        (train.x, train.y),
        validated,
        config.task.classes,
        config.categorical,
        rounds,
        start,
        config.seed,
        columns,
        lambda: config.is_late,
    )
    _drop_pages_of(train, validation)
    params = {"penalty": PENALTIES[steps - 1], "terms": model.terms.count}
    return FittedModel(NativeModel("Linear", config.task, model, config.categorical, config.threads), steps, params)


def _ignored_columns(config: FitConfig, train: LabeledRows) -> dict[str, Any]:
    """Return the parameter that makes CatBoost look at no more columns than its limit."""
    width, limit = train.x.shape[1], config.limits.max_columns
    if limit is None or width <= limit:
        return {}
    ignored = np.ones(width, dtype=bool)
    ignored[select_columns(train, config.task, config.categorical, limit)] = False
    # CatBoost has the numbers first and the categories behind them, as `catboost_rows` gives them.
    categorical = np.isin(np.arange(width), config.categorical)
    return {"ignored_features": np.flatnonzero(np.concatenate((ignored[~categorical], ignored[categorical]))).tolist()}


def _catboost_learning_rate(params: dict[str, Any], train_data: Any) -> float:
    """Return twice the learning rate that the library chooses for a thousand rounds, for half as many rounds.

    It would choose another one for another number of rounds, and with rows to validate: then a fit of all rows would
    not be like those of the folds.
    """
    import catboost

    class StopAtOnce:
        def after_iteration(self, info: Any) -> bool:
            return False

    probe = catboost.CatBoost({k: v for k, v in params.items() if k != "learning_rate"} | {"iterations": 1_000})
    probe.fit(train_data, callbacks=[StopAtOnce()])
    return min(2 * float(probe.get_all_params()["learning_rate"]), 0.2)


def float32_thresholds(model: str) -> str:
    """Return LightGBM's model text with every threshold rounded down to a float32.

    The matrix is float32, for which `x <= t` and `x <= floor32(t)` are the same; but a reader that keeps thresholds as
    float32 rounds to the nearest, and would send a value between the two the other way.
    """

    def round_down(match: re.Match[str]) -> str:
        exact = np.array(match[1].split(), dtype=np.float64)
        nearest = exact.astype(np.float32)
        below = np.where(nearest > exact, np.nextafter(nearest, np.float32(-np.inf)), nearest)
        return "threshold=" + " ".join(repr(float(value)) for value in below)

    # `tree_sizes` counts the bytes of each tree and is optional; the new numbers have other lengths.
    without_sizes = re.sub(r"^tree_sizes=.*\n", "", model, flags=re.MULTILINE)
    return re.sub(r"^threshold=(.*)$", round_down, without_sizes, flags=re.MULTILINE)
