"""The explanation task: which features affect a predictor's decisions, and how."""

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
from dataml.ml.explanation.shap_values import explain_rows
from dataml.ml.labels import to_label

MAX_ROWS: Final = 2_000
"""Rows whose SHAP values are kept and drawn; the importance uses all rows of the sample."""
MAX_CLASSES: Final = 10
FOLDER: Final = "explanation"


def run(spec: ExplainSpec, context: JobContext) -> ExplainResult:
    """Explain `sample_rows` rows of the dataset, drawn by seed (all of them when it has fewer).

    For a forecast, the importance is that of its boosters in training, weighted like their forecasts.

    Raises:
        BundleDamaged: the bundle cannot be loaded.
        Invalid: `no_rows`: the dataset is empty; `no_features_to_explain`: the forecast has no features.
    """
    context.report_progress(0.05, "Loading the model")
    bundle = context.fetch(spec.bundle)
    if read_manifest(bundle).problem_type == "Forecast":
        return _explain_forecast(bundle)
    predictor = Predictor.load(bundle)
    context.report_progress(0.1, "Reading the dataset")
    features = predictor.contract
    table = pq.read_table(context.fetch(spec.parquet), columns=list(features.names)).cast(features.schema)
    if table.num_rows == 0:
        raise Invalid("The dataset has no rows to explain.", code="no_rows")
    drawn = np.random.default_rng(spec.seed).permutation(table.num_rows)[: spec.sample_rows]
    # The rows that are kept are a random part of the sample, not the first ones of the file.
    drawn = np.concatenate((np.sort(drawn[:MAX_ROWS]), np.sort(drawn[MAX_ROWS:])))
    rows = table.take(drawn)
    matrix = predictor.preprocessing.transform(rows)
    context.report_progress(0.2, "Computing SHAP values")
    outputs = _select_outputs(predictor, rows.slice(0, MAX_ROWS))
    unit = predictor.scaling.scale
    explained = explain_rows(predictor.members, predictor.preprocessing, matrix, outputs, MAX_ROWS, unit)
    context.report_progress(0.7, "Drawing the charts")
    name, folder = context.output(FOLDER)
    kept = rows.slice(0, MAX_ROWS)
    sample = _sample(predictor, kept, matrix[:MAX_ROWS], explained.effects, outputs)
    whole = Explanation(explained.importance, sample, kept, drawn[:MAX_ROWS], len(matrix), table.num_rows)
    artifacts.write_explanation(folder, whole)
    return ExplainResult(explained.importance, len(matrix), table.num_rows, explanation=name)


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
