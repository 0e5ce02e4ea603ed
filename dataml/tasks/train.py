"""The training task: a typed Parquet file and roles in, a scored bundle out."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from dataml.clocks import Deadline
from dataml.contract.warnings import DataWarning
from dataml.jobs.spec import JobContext, TrainResult, TrainSpec
from dataml.ml.boosters.hyperparameters import canonical_names, check_hyperparameters
from dataml.ml.boosters.native_model import LabeledRows
from dataml.ml.boosters.rescaling import rescale
from dataml.ml.bundle.manifest import MANIFEST_FILE, RowCounts
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.bundle.writing import Provenance, write_bundle
from dataml.ml.evaluation.evaluate import Evaluation, evaluate
from dataml.ml.evaluation.row_errors import RowErrors, describe_features, list_worst_rows
from dataml.ml.evaluation.segments import score_segments
from dataml.ml.labels import to_label
from dataml.ml.target_scaling import TargetScaling
from dataml.ml.training.candidates import Candidate, Candidates, find_log_center, list_candidates, list_defaults
from dataml.ml.training.limits import describe_limits, limit_candidates, warn_of_limits
from dataml.ml.training.model_selection import Selection
from dataml.ml.training.target import TrainingTarget
from dataml.ml.training.time_budget import default_fit_time_s, limit_fit_time_s
from dataml.storage.hashing import hash_file
from dataml.tasks.continued_rows import prepare_rows
from dataml.tasks.fitting import fit_model
from dataml.tasks.parquet_rows import take_rows
from dataml.tasks.training_data import TrainingData, column_roles, load_training_data
from dataml.tasks.training_warnings import find_training_warnings

_SAMPLE_ROWS: Final = 1_000
_MAX_DESCRIBED_ROWS: Final = 20_000
_MAX_DESCRIBED_COLUMNS: Final = 200
_MAX_SHOWN_COLUMNS: Final = 20
_MAX_ID_COLUMNS: Final = 3


def run(spec: TrainSpec, context: JobContext) -> TrainResult:
    """Fit, score and write one predictor.

    No model ever learns from the rows held out for the scores: the predictor that serves is the one that was scored.
    An incremental training continues the boosters of `spec.parent` with its preprocessing unchanged, on rows that are
    read by its contract; both are scored on the same held-out rows, and the new one is promoted when it is no worse.

    Raises:
        Invalid: the codes of `prepare_rows`, `load_training_data` and `check_hyperparameters`.
        Conflict: `new_class`.
    """
    rows = prepare_rows(spec, context)
    result = _train(rows.spec, context)
    return result if rows.sha256 is None else replace(result, parquet=rows.spec.parquet, parquet_sha256=rows.sha256)


def _train(spec: TrainSpec, context: JobContext) -> TrainResult:
    if spec.problem_type == "Forecast":
        # Other trainings need not import the libraries of forecasts.
        from dataml.tasks import train_forecast

        return train_forecast.run(spec, context)
    started = time.monotonic()
    check_hyperparameters(spec.algorithm, spec.hyperparameters)
    context.report_progress(0.02, "Reading the dataset")
    parent = Predictor.load(context.fetch(spec.parent), spec.threads) if spec.parent else None
    data = load_training_data(spec, context, parent)
    context.report_progress(0.08, "Checking the data")
    warnings = find_training_warnings(spec, data)
    columns = data.preprocessing.width
    wanted = _candidates(spec, data, parent)
    candidates, left_out = limit_candidates(wanted, len(data.parts.folds[0].train), columns)
    deadline = Deadline.after(_fit_time_s(spec, data, time.monotonic() - started))
    selection, search = fit_model(spec, context, candidates, data, deadline)
    warned = left_out | describe_limits(candidates, columns, selection.rounds)
    warnings = (*warnings, *warn_of_limits(warned))
    limited = _join_sentences(warned, selection.limited)

    context.report_progress(0.8, "Scoring the held-out rows")
    # The targets of the samples are scaled.
    test = LabeledRows(data.samples.take(data.parts.test).x, data.target.values[data.parts.test])
    evaluation = _evaluate(spec, data.target, selection, test)
    evaluation = _add_rows(spec, context, data, selection, test, evaluation)
    comparison = _compare(data.target, test, evaluation, parent) if parent else None

    context.report_progress(0.9, "Writing the bundle")
    name, directory = context.output("bundle")
    provenance = _provenance(spec, data, selection, comparison, search, warnings, limited)
    sample = data.samples.x[np.random.default_rng(spec.seed).permutation(data.rows.num_rows)[:_SAMPLE_ROWS]]
    manifest = write_bundle(directory, selection, data.preprocessing, data.contract, provenance, evaluation, sample)
    sha256 = hash_file(directory / MANIFEST_FILE)
    is_promoted = comparison is None or comparison["is_promoted"]
    return TrainResult.from_manifest(name, manifest, sha256, is_promoted=is_promoted)


def _join_sentences(*parts: Mapping[str, str]) -> dict[str, str]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: " and ".join(part[name] for part in parts if name in part) for name in names}


def _fit_time_s(spec: TrainSpec, data: TrainingData, elapsed_s: float) -> float:
    """Return the seconds until all fits should have ended; infinity where their rounds alone end them."""
    if spec.time_limit_s is not None:
        return limit_fit_time_s(spec.time_limit_s, elapsed_s)
    if spec.blended_quality is None:
        return math.inf
    return default_fit_time_s(data.rows.num_rows, data.preprocessing.width, spec.blended_quality)


def _candidates(spec: TrainSpec, data: TrainingData, parent: Predictor | None) -> Candidates:
    task = data.target.task
    hyperparameters = canonical_names(spec.algorithm, spec.hyperparameters)
    if parent is not None:
        models = _continue(parent, data.scaling)
    elif spec.blended_quality is None:
        models = list_defaults(spec.algorithm, task)
    else:
        has_logarithm = task.is_regression and data.scaling.is_identity
        development = data.samples.y[data.parts.development_rows]
        log_center = find_log_center(development) if has_logarithm else None
        models = list_candidates(task, spec.blended_quality, hyperparameters, log_center=log_center)
    return Candidates(
        task,
        models,
        data.preprocessing.categorical,
        hyperparameters,
        spec.seed,
        spec.threads,
        data.scaling,
    )


def _continue(parent: Predictor, scaling: TargetScaling) -> tuple[Candidate, ...]:
    """Return the models of the parent as candidates, those of a regression in the unit of the scaled target."""
    factor = parent.scaling.scale / scaling.scale
    models = [model if factor == 1.0 else rescale(model, factor) for model, _ in parent.members]
    return tuple(
        Candidate(record.name or record.algorithm, record.algorithm, start=model, log_center=model.log_offset)
        for record, model in zip(parent.manifest.members, models, strict=True)
    )


def _evaluate(spec: TrainSpec, target: TrainingTarget, selection: Selection, test: LabeledRows) -> Evaluation:
    return evaluate(
        target.task,
        test.y,
        selection.predict(test.x),
        classes=[to_label(value) for value in target.classes or ()],
        positive=target.positive,
        uncalibrated=selection.predict(test.x, calibrated=False) if selection.calibration else None,
        residuals=selection.residuals if target.task.is_regression else None,
        seed=spec.seed,
    )


def _add_rows(
    spec: TrainSpec,
    context: JobContext,
    data: TrainingData,
    selection: Selection,
    test: LabeledRows,
    evaluation: Evaluation,
) -> Evaluation:
    """Add `segments`, `worst_rows` and `features` to the details, of at most so many held-out rows and columns."""
    kept = np.sort(np.random.default_rng(spec.seed).permutation(len(test.y))[:_MAX_DESCRIBED_ROWS])
    places = data.rows.places[data.parts.test][kept]
    features = [name for name in data.preprocessing.features if name not in data.preprocessing.dropped]
    features = features[:_MAX_DESCRIBED_COLUMNS]
    path = context.fetch(spec.parquet)
    # The rows of a continuation are read for the model, which needs no ids.
    stored = set(pq.read_schema(path).names)
    ids = [name for name, role in column_roles(spec).items() if role == "Id" and name in stored][:_MAX_ID_COLUMNS]
    table = take_rows(path, spec.contract.select([*ids, *features]), places)
    labels = [to_label(value) for value in data.target.classes or ()]
    errors = RowErrors.measure(data.target.task, test.y[kept], selection.predict(test.x[kept]), labels)
    shown = [*ids, *features[:_MAX_SHOWN_COLUMNS]]
    rows = {
        "segments": score_segments(table, features, errors),
        "worst_rows": list_worst_rows(table.select(shown), places, errors),
        "features": describe_features(table, features),
    }
    return replace(evaluation, details={**evaluation.details, **rows})


def _compare(target: TrainingTarget, test: LabeledRows, evaluation: Evaluation, parent: Predictor) -> dict[str, Any]:
    """Return the comparison of the new model with its parent, on the same rows."""
    parent_metrics = evaluate(target.task, test.y, parent.predict_matrix(test.x)).metrics
    metric = target.task.metric
    old, new = parent_metrics[metric], evaluation.metrics[metric]
    is_promoted = old is None or (new is not None and new <= old)
    return {"metric": metric, "before": old, "after": new, "rows": len(test.y), "is_promoted": is_promoted}


def _provenance(
    spec: TrainSpec,
    data: TrainingData,
    selection: Selection,
    comparison: dict[str, Any] | None,
    search: dict[str, Any] | None,
    warnings: tuple[DataWarning, ...],
    limited: dict[str, str],
) -> Provenance:
    parts, rows = data.parts, data.rows
    folds = len(parts.folds)
    learned = parts.development_rows if folds > 1 else parts.folds[0].train
    without_target = rows.total - rows.num_rows
    validated = len(np.unique(selection.validation_rows))
    counts = RowCounts(rows.total, without_target, len(learned), validated, len(parts.test), folds)
    return Provenance(
        spec.problem_type,
        data.target.name,
        data.target.data_type,
        data.target.classes,
        data.target.positive_class,
        column_roles(spec),
        spec.seed,
        parts.method,
        counts,
        data.feature_ranges,
        warnings,
        comparison,
        search,
        limited,
    )
