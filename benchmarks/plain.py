"""The fits of `auto` and a batch prediction as a plain script, with the libraries alone."""

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
from dataml.ml.boosters.fitting import FitConfig, fit, library_parameters
from dataml.ml.boosters.hyperparameters import available_algorithms
from dataml.ml.boosters.native_model import LabeledRows, Task, catboost_rows
from dataml.ml.bundle.manifest import read_manifest
from dataml.ml.preprocessing import Preprocessing
from dataml.ml.training.split import split_stratified


def train_plainly(bundle: Path, parquet: Path, target: str, threads: int, hyperparameters: dict[str, Any]) -> float:
    """Return the seconds for reading the table, encoding it, and the fits that `auto` makes, one after the other.

    The fits are every candidate on every fold with early stopping, then the chosen ones on all of these rows. The
    libraries are imported before the clock starts. Rows, columns and parameters are those of the platform's own
    training, which wrote `bundle`.
    """
    manifest = read_manifest(bundle)
    started = time.perf_counter()
    table = pq.read_table(parquet)
    preprocessing = Preprocessing.from_json(orjson.loads((bundle / "preprocess.json").read_bytes()))
    codes = np.unique(table.column(target).to_numpy(zero_copy_only=False), return_inverse=True)[1]
    parts = split_stratified(codes, is_regression=False, seed=manifest.seed, folds=manifest.rows.folds)
    samples = LabeledRows(preprocessing.transform(table), codes)
    rounds: dict[str, list[int]] = {}
    for name in available_algorithms():
        config = FitConfig(name, Task(2), preprocessing.categorical, hyperparameters, manifest.seed, threads)
        for fold in parts.folds:
            train, validation = samples.take(fold.train), samples.take(fold.validation)
            rounds.setdefault(name, []).append(_FITS[name](config, train, validation, None))
    if len(parts.folds) > 1:
        for member in manifest.members:
            config = FitConfig(
                member.algorithm, Task(2), preprocessing.categorical, hyperparameters, manifest.seed, threads
            )
            mean = round(np.mean(rounds[member.algorithm]))
            _FITS[member.algorithm](config, samples.take(parts.development_rows), None, mean)
    return time.perf_counter() - started


def _lightgbm(config: FitConfig, train: LabeledRows, validation: LabeledRows | None, rounds: int | None) -> int:
    params = library_parameters(config, len(train.y))
    max_rounds, patience = params.pop("n_estimators"), params.pop("early_stopping_rounds")
    params |= {"num_threads": config.threads, "verbosity": -1, "seed": config.seed}
    data = lightgbm.Dataset(train.x, train.y, categorical_feature=list(config.categorical), params=params)
    if validation is None:
        return lightgbm.train(params, data, rounds or max_rounds).current_iteration()
    stop = [lightgbm.early_stopping(patience, verbose=False)]
    valid = [lightgbm.Dataset(validation.x, validation.y, reference=data)]
    return lightgbm.train(params, data, max_rounds, valid_sets=valid, callbacks=stop).best_iteration


def _xgboost(config: FitConfig, train: LabeledRows, validation: LabeledRows | None, rounds: int | None) -> int:
    params = library_parameters(config, len(train.y))
    max_rounds, patience = params.pop("n_estimators"), params.pop("early_stopping_rounds")
    params |= {"nthread": config.threads, "seed": config.seed}
    types = ["c" if index in config.categorical else "q" for index in range(train.x.shape[1])]
    options: dict[str, Any] = {"feature_types": types, "enable_categorical": True, "nthread": config.threads}
    data = xgboost.QuantileDMatrix(train.x, train.y, **options)
    if validation is None:
        return xgboost.train(params, data, rounds or max_rounds).num_boosted_rounds()
    valid = xgboost.QuantileDMatrix(validation.x, validation.y, ref=data, **options)
    evaluated: dict[str, Any] = {"evals": [(valid, "v")], "early_stopping_rounds": patience, "verbose_eval": False}
    return xgboost.train(params, data, max_rounds, **evaluated).best_iteration + 1


def _catboost(config: FitConfig, train: LabeledRows, validation: LabeledRows | None, rounds: int | None) -> int:
    import catboost

    params = library_parameters(config, len(train.y))
    max_rounds, patience = params.pop("n_estimators"), params.pop("early_stopping_rounds")
    params |= {
        "thread_count": config.threads,
        "verbose": False,
        "random_seed": config.seed,
        "allow_writing_files": False,
    }
    model = catboost.CatBoost(params | {"iterations": rounds or max_rounds, "learning_rate": 0.043})
    data = catboost.Pool(catboost_rows(train.x, config.categorical), train.y)
    if validation is None:
        return int(model.fit(data).tree_count_ or 0)
    valid = catboost.Pool(catboost_rows(validation.x, config.categorical), validation.y)
    return int(model.fit(data, eval_set=valid, early_stopping_rounds=patience).tree_count_ or 0)


def _linear(config: FitConfig, train: LabeledRows, validation: LabeledRows | None, rounds: int | None) -> int:
    # No library has it.
    return fit(config, train, validation, rounds).best_iteration


_FITS = {"LightGBM": _lightgbm, "XGBoost": _xgboost, "CatBoost": _catboost, "Linear": _linear}


def predict_plainly(bundle: Path, parquet: Path, result: Path) -> float:
    """Return the seconds for reading and encoding the rows, predicting, and writing a CSV of ids and probabilities."""
    _, predict = load_booster(bundle, threads=2)
    preprocessing = Preprocessing.from_json(orjson.loads((bundle / "preprocess.json").read_bytes()))
    started = time.perf_counter()
    table = pq.read_table(parquet)
    probabilities = predict(preprocessing.transform(table))
    columns = {
        "customer_id": table.column("customer_id"),
        "prediction": pa.array(probabilities > 0.5),
        "probability_false": 1 - probabilities,
        "probability_true": probabilities,
    }
    pacsv.write_csv(pa.table(columns), result)
    return time.perf_counter() - started
