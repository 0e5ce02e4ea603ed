"""The same work in a plain script: the two fits of `auto`, and a scored file, with the libraries alone."""

import time
from pathlib import Path

import lightgbm
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import xgboost

from benchmarks.baselines.booster import load_booster
from dataml.ml.features import Preprocessing
from dataml.ml.split import by_target

ROUNDS, PATIENCE = 2_000, 50
LIGHTGBM = {
    "objective": "binary",
    "metric": "binary_logloss",
    "learning_rate": 0.06,
    "num_leaves": 31,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "feature_fraction": 0.8,
    "seed": 0,
    "verbosity": -1,
    "num_threads": 1,
}
XGBOOST = {
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "learning_rate": 0.06,
    "max_depth": 6,
    "min_child_weight": 2,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "tree_method": "hist",
    "seed": 0,
    "nthread": 1,
}


def train_plainly(bundle: Path, parquet: Path) -> float:
    """Seconds for reading the churn table, encoding it, and the two fits with early stopping; the libraries are
    imported. Rows, columns and parameters are those of the platform's own training."""
    started = time.perf_counter()
    table = pq.read_table(parquet)
    preprocessing = Preprocessing.from_json(orjson.loads((bundle / "preprocess.json").read_bytes()))
    target = np.asarray(table.column("churn").to_numpy(zero_copy_only=False)).astype(np.int64)
    parts = by_target(target, is_regression=False, seed=0)
    matrix = preprocessing.matrix(table)
    categorical = list(preprocessing.categorical)
    x, y, valid_x, valid_y = (part[rows] for rows in (parts.train, parts.validation) for part in (matrix, target))
    train = lightgbm.Dataset(x, y, categorical_feature=categorical, params=LIGHTGBM)
    valid = lightgbm.Dataset(valid_x, valid_y, reference=train)
    stop = [lightgbm.early_stopping(PATIENCE, verbose=False)]
    lightgbm.train(LIGHTGBM, train, ROUNDS, valid_sets=[valid], callbacks=stop)
    types = ["c" if index in categorical else "q" for index in range(matrix.shape[1])]
    options = {"feature_types": types, "enable_categorical": True}
    xgb_train = xgboost.QuantileDMatrix(x, y, **options)
    xgb_valid = xgboost.QuantileDMatrix(valid_x, valid_y, ref=xgb_train, **options)
    xgboost.train(
        XGBOOST, xgb_train, ROUNDS, evals=[(xgb_valid, "v")], early_stopping_rounds=PATIENCE, verbose_eval=False
    )
    return time.perf_counter() - started


def score_plainly(bundle: Path, parquet: Path, result: Path) -> float:
    """Seconds for reading the rows, encoding them, the booster's predictions and writing a CSV of ids and
    probabilities."""
    _, predict = load_booster(bundle, threads=2)
    preprocessing = Preprocessing.from_json(orjson.loads((bundle / "preprocess.json").read_bytes()))
    started = time.perf_counter()
    table = pq.read_table(parquet)
    scores = predict(preprocessing.matrix(table))
    columns = {
        "customer_id": table.column("customer_id"),
        "prediction": pa.array(scores > 0.5),
        "probability_false": 1 - scores,
        "probability_true": scores,
    }
    pacsv.write_csv(pa.table(columns), result)
    return time.perf_counter() - started
