"""The explanation job: which features a predictor's decisions rest on."""

import numpy as np
import pyarrow.parquet as pq

from dataml.errors import Invalid
from dataml.jobs.spec import ExplainResult, ExplainSpec, JobContext
from dataml.ml.bundle import Predictor
from dataml.ml.explanation import global_importance


def run(spec: ExplainSpec, context: JobContext) -> ExplainResult:
    """Explain `sample_rows` rows of the dataset, drawn by seed (all of them when it has fewer).

    Raises BundleDamaged, or Invalid (`no_rows`) for an empty dataset.
    """
    context.progress(0.05, "Loading the model")
    predictor = Predictor.load(context.path(spec.bundle))
    context.progress(0.1, "Reading the dataset")
    features = predictor.contract
    table = pq.read_table(context.path(spec.parquet), columns=list(features.names)).cast(features.schema)
    if table.num_rows == 0:
        raise Invalid("The dataset has no rows to explain.", code="no_rows")
    drawn = np.random.default_rng(spec.seed).permutation(table.num_rows)[: spec.sample_rows]
    matrix = predictor.preprocessing.matrix(table.take(np.sort(drawn)))
    context.progress(0.2, "Computing SHAP values")
    shares = global_importance(predictor.native, predictor.preprocessing, matrix)
    return ExplainResult(shares, sample_rows=len(matrix), total_rows=table.num_rows)
