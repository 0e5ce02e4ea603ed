"""The same work in a plain script: the fits of `auto`, and a scored file, with the libraries alone."""

import time
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import xgboost

from benchmarks.baselines.booster import load_booster
from dataml.ml.boosters.fitting import Fit, parameters
from dataml.ml.boosters.hyperparameters import available
from dataml.ml.boosters.native import Samples, Task, catboost_rows
from dataml.ml.bundle.manifest import read_manifest
from dataml.ml.features import Preprocessing
from dataml.ml.training.split import by_target


def train_plainly(bundle: Path, parquet: Path, target: str, threads: int, hyperparameters: dict[str, Any]) -> float:
    """Seconds for reading the table, encoding it, and the fits that `auto` makes, one after the other: every candidate
    on every fold with early stopping, then the chosen ones on all of these rows. The libraries are imported; rows,
    columns and parameters are those of the platform's own training, whose `bundle` this is."""
    manifest = read_manifest(bundle)
    started = time.perf_counter()
    table = pq.read_table(parquet)
    preprocessing = Preprocessing.from_json(orjson.loads((bundle / "preprocess.json").read_bytes()))
    codes = np.unique(table.column(target).to_numpy(zero_copy_only=False), return_inverse=True)[1]
    parts = by_target(codes, is_regression=False, seed=manifest.seed, folds=manifest.rows.folds)
    samples = Samples(preprocessing.matrix(table), codes)
    rounds: dict[str, list[int]] = {}
    for name in available():
        how = Fit(name, Task(2), preprocessing.categorical, hyperparameters, manifest.seed, threads)
        for fold in parts.folds:
            train, validation = samples.take(fold.train), samples.take(fold.validation)
            rounds.setdefault(name, []).append(_FITS[name](how, train, validation, None))
    if len(parts.folds) > 1:
        for member in manifest.members:
            how = Fit(member.algorithm, Task(2), preprocessing.categorical, hyperparameters, manifest.seed, threads)
            mean = round(np.mean(rounds[member.algorithm]))
            _FITS[member.algorithm](how, samples.take(parts.rest), None, mean)
    return time.perf_counter() - started


def _lightgbm(how: Fit, train: Samples, validation: Samples | None, rounds: int | None) -> int:
    params = parameters(how, len(train.y))
    most, patience = params.pop("n_estimators"), params.pop("early_stopping_rounds")
    params |= {"num_threads": how.threads, "verbosity": -1, "seed": how.seed}
    data = lightgbm.Dataset(train.x, train.y, categorical_feature=list(how.categorical), params=params)
    if validation is None:
        return lightgbm.train(params, data, rounds or most).current_iteration()
    stop = [lightgbm.early_stopping(patience, verbose=False)]
    valid = [lightgbm.Dataset(validation.x, validation.y, reference=data)]
    return lightgbm.train(params, data, most, valid_sets=valid, callbacks=stop).best_iteration


def _xgboost(how: Fit, train: Samples, validation: Samples | None, rounds: int | None) -> int:
    params = parameters(how, len(train.y))
    most, patience = params.pop("n_estimators"), params.pop("early_stopping_rounds")
    params |= {"nthread": how.threads, "seed": how.seed}
    types = ["c" if index in how.categorical else "q" for index in range(train.x.shape[1])]
    options: dict[str, Any] = {"feature_types": types, "enable_categorical": True, "nthread": how.threads}
    data = xgboost.QuantileDMatrix(train.x, train.y, **options)
    if validation is None:
        return xgboost.train(params, data, rounds or most).num_boosted_rounds()
    valid = xgboost.QuantileDMatrix(validation.x, validation.y, ref=data, **options)
    evaluated: dict[str, Any] = {"evals": [(valid, "v")], "early_stopping_rounds": patience, "verbose_eval": False}
    return xgboost.train(params, data, most, **evaluated).best_iteration + 1


def _catboost(how: Fit, train: Samples, validation: Samples | None, rounds: int | None) -> int:
    import catboost

    params = parameters(how, len(train.y))
    most, patience = params.pop("n_estimators"), params.pop("early_stopping_rounds")
    params |= {"thread_count": how.threads, "verbose": False, "random_seed": how.seed, "allow_writing_files": False}
    model = catboost.CatBoost(params | {"iterations": rounds or most, "learning_rate": 0.043})
    data = catboost.Pool(catboost_rows(train.x, how.categorical), train.y)
    if validation is None:
        return int(model.fit(data).tree_count_ or 0)
    valid = catboost.Pool(catboost_rows(validation.x, how.categorical), validation.y)
    return int(model.fit(data, eval_set=valid, early_stopping_rounds=patience).tree_count_ or 0)


_FITS = {"LightGBM": _lightgbm, "XGBoost": _xgboost, "CatBoost": _catboost}


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
