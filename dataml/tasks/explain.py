"""The explanation task: which features affect a predictor's decisions, and how."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.errors import Invalid
from dataml.jobs.spec import ExplainResult, ExplainSpec, JobContext
from dataml.ml.bundle.manifest import read_manifest
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.explanation import artifacts
from dataml.ml.explanation.artifacts import Explanation
from dataml.ml.explanation.charts import ShapSample
from dataml.ml.explanation.shap_values import explain_rows, list_batches
from dataml.ml.labels import to_label
from dataml.tasks.distributed.cluster import is_worth_distributing
from dataml.tasks.distributed.explanation import ExplainingConfig, total_batches
from dataml.tasks.parquet_rows import take_rows

MAX_ROWS: Final = 2_000
"""Rows whose SHAP values are kept and drawn; the importance uses all rows of the sample."""
MAX_CLASSES: Final = 10
FOLDER: Final = "explanation"


def run(spec: ExplainSpec, context: JobContext) -> ExplainResult:
    """Explain `sample_rows` rows of the dataset, drawn by seed (all of them when it has fewer).

    With `distributed`, all CPUs of the cluster share a sample of more rows than one batch; the result is the same.

    For a forecast, the importance is that of its boosters in training, weighted like their forecasts.

    Raises:
        BundleDamaged: the bundle cannot be loaded.
        Invalid: `no_rows`: the dataset is empty; `no_features_to_explain`: the forecast has no features.
        Unavailable: `distributed_workers_failed`.
    """
    context.report_progress(0.05, "Loading the model")
    bundle = context.fetch(spec.bundle)
    if read_manifest(bundle).problem_type == "Forecast":
        return _explain_forecast(bundle)
    predictor = Predictor.load(bundle)
    context.report_progress(0.1, "Reading the dataset")
    path = context.fetch(spec.parquet)
    total = pq.read_metadata(path).num_rows
    if total == 0:
        raise Invalid("The dataset has no rows to explain.", code="no_rows")
    drawn = np.random.default_rng(spec.seed).permutation(total)[: spec.sample_rows]
    # The rows that are kept are a random part of the sample, not the first ones of the file.
    drawn = np.concatenate((np.sort(drawn[:MAX_ROWS]), np.sort(drawn[MAX_ROWS:])))
    own = _list_own_batches(spec, predictor, len(drawn))
    rows = take_rows(path, predictor.contract, drawn[: own[-1].stop])
    matrix = predictor.preprocessing.transform(rows)
    context.report_progress(0.2, "Computing SHAP values")
    kept = rows.slice(0, MAX_ROWS)
    outputs = _select_outputs(predictor, kept)
    unit = predictor.scaling.scale
    with closing(_total_others(spec, context, predictor, drawn, len(own))) as others:
        explained = explain_rows(predictor.members, predictor.preprocessing, matrix, outputs, MAX_ROWS, unit, others)
    context.report_progress(0.7, "Drawing the charts")
    name, folder = context.output(FOLDER)
    sample = _sample(predictor, kept, matrix[:MAX_ROWS], explained.effects, outputs)
    whole = Explanation(explained.importance, sample, kept, drawn[:MAX_ROWS], len(drawn), total)
    artifacts.write_explanation(folder, whole)
    return ExplainResult(explained.importance, len(drawn), total, explanation=name)


def _list_own_batches(spec: ExplainSpec, predictor: Predictor, rows: int) -> list[slice]:
    """Return the batches that this worker explains: all, or those whose values are kept, where others share them."""
    batches = list_batches(predictor.members, predictor.preprocessing.width, rows)
    if not spec.distributed or not is_worth_distributing():
        return batches
    return [batch for batch in batches if batch.start < MAX_ROWS]


def _total_others(
    spec: ExplainSpec, context: JobContext, predictor: Predictor, drawn: np.ndarray, own: int
) -> Generator[np.ndarray, None, None]:
    """Yield the column totals of the batches after the first `own` ones, computed by Ray Data."""
    batches = list_batches(predictor.members, predictor.preprocessing.width, len(drawn))[own:]
    if not batches:
        return
    config = ExplainingConfig(context.storage, spec.bundle, spec.parquet, drawn, tuple(batches))
    with closing(total_batches(config)) as totals:
        for done, each in enumerate(totals, 1):
            yield each
            message = f"Computed SHAP values of {batches[done - 1].stop:,} of {len(drawn):,} rows"
            context.report_progress(0.2 + 0.5 * done / len(batches), message)


def _explain_forecast(directory: Path) -> ExplainResult:
    from dataml.ml.forecasting.bundle import load_forecaster

    forecaster = load_forecaster(directory)
    shares = forecaster.importance
    if not shares:
        raise Invalid("This forecast has no features to explain.", code="no_features_to_explain")
    rows = read_manifest(directory).rows
    return ExplainResult(shares, sample_rows=rows.train, total_rows=rows.total)


def _select_outputs(predictor: Predictor, rows: pa.Table) -> list[int]:
    """Return the positions of the classes to explain, the most probable first; [0] for up to two classes."""
    if predictor.task.classes <= 2:
        return [0]
    predicted = predictor.predict_table(rows)
    shares = [float(np.mean(predicted[name].to_numpy())) for name in predictor.probability_columns]
    return np.argsort(shares)[::-1][:MAX_CLASSES].tolist()


def _sample(
    predictor: Predictor, rows: pa.Table, matrix: np.ndarray, effects: np.ndarray, outputs: list[int]
) -> ShapSample:
    preprocessing = predictor.preprocessing
    numbers = np.full((len(matrix), len(preprocessing.features)), np.nan, np.float64)
    # The first column of each feature.
    places = {column.source: place for place, column in reversed(list(enumerate(preprocessing.layout)))}
    for i, name in enumerate(preprocessing.features):
        if name in places:
            numbers[:, i] = matrix[:, places[name]]
    booleans = {
        field.name for field in rows.schema if pa.types.is_boolean(field.type) or pa.types.is_string(field.type)
    }
    names = {column.source for column in preprocessing.layout if column.is_categorical}
    classes = [to_label(value) for value in predictor.manifest.classes or ()]
    several = len(classes) > 2
    return ShapSample(
        features=preprocessing.features,
        values={name: rows.column(name).to_pylist() for name in preprocessing.features},
        numbers=numbers,
        effects=effects,
        categories=frozenset(booleans | names),
        outputs=tuple(classes[n] for n in outputs) if several else (),
        effect=_effect(predictor.manifest.target, classes),
    )


def _effect(target: str, classes: list[str]) -> str:
    """Return the label of the SHAP axis: what the values add up to."""
    if not classes:
        return f"SHAP value: effect on {target}"
    if len(classes) == 2:
        return f"SHAP value: effect on the log-odds of {classes[1]}"
    return "SHAP value: effect on the score of the class"
