"""The explanation job: which features a predictor's decisions rest on, and how."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.errors import Invalid
from dataml.jobs.spec import ExplainResult, ExplainSpec, JobContext
from dataml.ml.bundle.manifest import read_manifest
from dataml.ml.bundle.predictor import Predictor, class_name
from dataml.ml.explanation import files
from dataml.ml.explanation.charts import Sample
from dataml.ml.explanation.files import Explanation
from dataml.ml.explanation.shap_values import explain

MAX_ROWS = 2_000
"""Whose SHAP values are kept and drawn; the importance is of all rows of the sample."""
MAX_CLASSES = 10
FOLDER = "explanation"


def run(spec: ExplainSpec, context: JobContext) -> ExplainResult:
    """Explain `sample_rows` rows of the dataset, drawn by seed (all of them when it has fewer). Of a forecast, the
    importance is what its boosters' decisions rested on in training, weighted as they forecast.

    Raises BundleDamaged, or Invalid: `no_rows` for an empty dataset, `no_features_to_explain` for a forecast without.
    """
    context.report_progress(0.05, "Loading the model")
    bundle = context.fetch(spec.bundle)
    if read_manifest(bundle).problem_type == "Forecast":
        return _of_forecast(bundle)
    predictor = Predictor.load(bundle)
    context.report_progress(0.1, "Reading the dataset")
    features = predictor.contract
    table = pq.read_table(context.fetch(spec.parquet), columns=list(features.names)).cast(features.schema)
    if table.num_rows == 0:
        raise Invalid("The dataset has no rows to explain.", code="no_rows")
    drawn = np.random.default_rng(spec.seed).permutation(table.num_rows)[: spec.sample_rows]
    # Those that are kept are drawn as well, not the first ones of the file.
    drawn = np.concatenate((np.sort(drawn[:MAX_ROWS]), np.sort(drawn[MAX_ROWS:])))
    rows = table.take(drawn)
    matrix = predictor.preprocessing.matrix(rows)
    context.report_progress(0.2, "Computing SHAP values")
    outputs = _outputs(predictor, rows.slice(0, MAX_ROWS))
    found = explain(predictor.members, predictor.preprocessing, matrix, outputs, keep=MAX_ROWS)
    context.report_progress(0.7, "Drawing")
    name, folder = context.output(FOLDER)
    kept = rows.slice(0, MAX_ROWS)
    sample = _sample(predictor, kept, matrix[:MAX_ROWS], found.effects, outputs)
    whole = Explanation(found.importance, sample, kept, drawn[:MAX_ROWS], len(matrix), table.num_rows)
    files.write(folder, whole)
    return ExplainResult(found.importance, len(matrix), table.num_rows, explanation=name)


def _of_forecast(directory: Path) -> ExplainResult:
    from dataml.ml.forecasting.bundle import load_forecaster

    forecaster = load_forecaster(directory)
    shares = forecaster.importance
    if not shares:
        raise Invalid("This forecast has no features to explain.", code="no_features_to_explain")
    rows = read_manifest(directory).rows
    return ExplainResult(shares, sample_rows=rows.train, total_rows=rows.total)


def _outputs(predictor: Predictor, rows: pa.Table) -> list[int]:
    """Positions of the classes that are shown, the most probable of these rows first; [0] up to two classes."""
    if predictor.task.classes <= 2:
        return [0]
    predicted = predictor.predict_table(rows)
    shares = [float(np.mean(predicted[name].to_numpy())) for name in predictor.probability_columns]
    return np.argsort(shares)[::-1][:MAX_CLASSES].tolist()


def _sample(
    predictor: Predictor, rows: pa.Table, matrix: np.ndarray, effects: np.ndarray, outputs: list[int]
) -> Sample:
    preprocessing = predictor.preprocessing
    numbers = np.full((len(matrix), len(preprocessing.features)), np.nan, np.float64)
    for i, name in enumerate(preprocessing.features):
        first = next((n for n, column in enumerate(preprocessing.layout) if column.source == name), None)
        if first is not None:
            numbers[:, i] = matrix[:, first]
    booleans = {
        field.name for field in rows.schema if pa.types.is_boolean(field.type) or pa.types.is_string(field.type)
    }
    names = {column.source for column in preprocessing.layout if column.is_categorical}
    classes = [class_name(value) for value in predictor.manifest.classes or ()]
    several = len(classes) > 2
    return Sample(
        features=preprocessing.features,
        values={name: rows.column(name).to_pylist() for name in preprocessing.features},
        numbers=numbers,
        effects=effects,
        categories=frozenset(booleans | names),
        outputs=tuple(classes[n] for n in outputs) if several else (),
        effect=_effect(predictor.manifest.target, classes),
    )


def _effect(target: str, classes: list[str]) -> str:
    """What SHAP values add up to, in words."""
    if not classes:
        return f"SHAP value: effect on {target}"
    if len(classes) == 2:
        return f"SHAP value: effect on the log-odds of {classes[1]}"
    return "SHAP value: effect on the score of the class"
