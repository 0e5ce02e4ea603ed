"""Small fits of every algorithm and task, shared by the tests of boosters."""

import numpy as np

from dataml.ml.boosters.fitting import FitConfig, FittedModel, fit
from dataml.ml.boosters.native_model import LabeledRows, NativeModel, Task

BOOSTERS = ["XGBoost", "LightGBM", "CatBoost"]
ALGORITHMS = [*BOOSTERS, "Linear"]
TASKS = [Task(0), Task(2), Task(4)]
CATEGORICAL = (0, 1)


def make_rows(task: Task, rows: int = 900) -> LabeledRows:
    """Return two category columns (150 and 5 values) and three numbers, a tenth missing, and a target of them."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 5)).astype(np.float32)
    x[:, 0] = random.integers(0, 150, rows)
    x[:, 1] = random.integers(0, 5, rows)
    signal = np.sin(x[:, 0]) + (x[:, 1] == 2) + x[:, 2] + 0.2 * random.normal(size=rows)
    x[random.random(x.shape) < 0.1] = np.nan
    if task.is_regression:
        return LabeledRows(x, 1_000_000 + 1_000 * signal)
    return LabeledRows(x, np.digitize(signal, np.quantile(signal, np.arange(1, task.classes) / task.classes)))


def fit_small(
    algorithm: str, task: Task, start: NativeModel | None = None, **options: object
) -> tuple[FittedModel, LabeledRows]:
    """Return a model fitted on the first 700 rows, and all rows."""
    whole = make_rows(task)
    train, validation = LabeledRows(whole.x[:700], whole.y[:700]), LabeledRows(whole.x[700:], whole.y[700:])
    hyperparameters = {"n_estimators": 60} | options if algorithm in BOOSTERS else {}
    config = FitConfig(algorithm, task, CATEGORICAL, hyperparameters, seed=3, start=start)
    return fit(config, train, validation), whole
