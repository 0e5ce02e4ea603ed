"""The training task of a forecast: a typed Parquet file of series in, a scored bundle out."""

from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from dataml.contract.warnings import DataWarning
from dataml.jobs.spec import ForecastConfig, JobContext, TrainResult, TrainSpec
from dataml.ml.boosters.hyperparameters import canonical_names, check_hyperparameters
from dataml.ml.bundle.manifest import (
    BLEND,
    MANIFEST_FILE,
    REPORT_FILE,
    Manifest,
    MemberRecord,
    RowCounts,
    read_manifest,
    to_json_bytes,
    write_files,
)
from dataml.ml.forecasting.bundle import bundle_files, load_forecaster
from dataml.ml.forecasting.candidates import GlobalMember, Member
from dataml.ml.forecasting.forecaster import Forecaster
from dataml.ml.forecasting.panel.dataset import read_rows
from dataml.ml.forecasting.training import TrainedForecaster, TrainingOptions, train
from dataml.ml.forecasting.update import update_forecaster
from dataml.storage.hashing import hash_file

_UNUSED = (None, "Ignore")
_LIBRARIES = ("numpy", "pyarrow", "statsforecast", "coreforecast", "lightgbm", "xgboost", "onnxruntime")


def run(spec: TrainSpec, context: JobContext) -> TrainResult:
    """Backtest the candidates, select among them, fit on all rows, and write the bundle.

    With a parent nothing is fitted: its forecasts start where the new observations end, and are scored on them first.

    Raises:
        Invalid: what `ml.forecasting.training.train` and `Forecaster.update` raise.
    """
    if spec.parent is not None:
        return _update(spec, context, spec.parent)
    config = spec.forecasting or ForecastConfig()
    algorithm = spec.algorithm if spec.algorithm in ("LightGBM", "XGBoost") else "auto"
    check_hyperparameters(algorithm, spec.hyperparameters)
    request = TrainingOptions(
        contract=spec.contract,
        roles=spec.roles,
        algorithm=spec.algorithm,
        hyperparameters=canonical_names(algorithm, spec.hyperparameters),
        categories=spec.categories,
        frequency=config.frequency,
        fill=config.fill,
        horizon=config.horizon,
        season_length=config.season_length,
        n_windows=config.windows,
        hierarchy=config.hierarchy,
        seed=spec.seed,
        threads=spec.threads,
    )
    trained = train(context.fetch(spec.parquet), request, context.report_progress, context.report_score)
    context.report_progress(0.98, "Writing the bundle")
    report = trained.backtest.report | {
        "models": count_series_by_model(trained.forecaster),
        "rule": trained.combination.rule,
        "rule_reason": trained.combination.reason,
    }
    return _write(context, trained.forecaster, _manifest(spec, trained), report)


def _update(spec: TrainSpec, context: JobContext, parent: str) -> TrainResult:
    context.report_progress(0.1, "Reading the model and the new observations")
    directory = context.fetch(parent)
    before = load_forecaster(directory)
    table = read_rows(context.fetch(spec.parquet), spec.contract, before.observation_columns)
    manifest = read_manifest(directory)
    summary = dict(manifest.forecast or {})
    backtest_values = int(summary.get("windows", 0)) * int(summary.get("series", 0))
    revised = spec.forecasting.revised if spec.forecasting is not None else "refuse"
    update = update_forecaster(before, table, revised, backtest_values)
    rows = manifest.rows
    changed = {
        "comparison": update.comparison,
        "forecast": summary | _last_observation(update.forecaster),
        "rows": replace(rows, total=rows.total + update.added, train=rows.train + update.added),
        "created_at": _now(),
        "warnings": (*manifest.warnings, *update.warnings, *_dataset_warnings(spec)),
    }
    if update.scores is not None:
        changed["metrics"] = dict(update.scores.metrics)
        changed["rows"] = replace(changed["rows"], test=update.scores.values)
    report = update.report(directory)
    return _write(context, update.forecaster, Manifest(**{**vars(manifest), **changed}), report)


def _write(context: JobContext, forecaster: Forecaster, manifest: Manifest, report: dict[str, Any]) -> TrainResult:
    name, directory = context.output("bundle")
    written = write_files(directory, manifest, bundle_files(forecaster) | {REPORT_FILE: to_json_bytes(report)})
    return TrainResult.from_manifest(name, written, hash_file(directory / MANIFEST_FILE))


def _manifest(spec: TrainSpec, trained: TrainedForecaster) -> Manifest:
    forecaster = trained.forecaster
    config, series = forecaster.config, forecaster.series
    algorithm = forecaster.members[0].algorithm if len(forecaster.members) == 1 else BLEND
    boosters = [member for member in forecaster.members if isinstance(member, GlobalMember)]
    records = _records(forecaster)
    forecast = {
        "frequency": config.frequency.name,
        "season_length": config.season,
        "horizon": config.horizon,
        "windows": trained.splits.n_windows,
        "earlier_windows": trained.backtest.report["earlier_windows"],
        "series": len(series.lengths),
        "rule": trained.combination.rule,
        "rule_reason": trained.combination.reason,
        "small_counts": int(trained.is_small_count.sum()),
        "left_out": trained.candidates.left_out,
        "interval_method": forecaster.intervals.method,
        "models": count_series_by_model(forecaster),
        "fallbacks": _fallbacks(forecaster),
        "needs_future": forecaster.needs_future,
        "hierarchy": _describe_hierarchy(forecaster),
    }
    covariates = forecaster.covariates.preprocessing
    backtest_rows = trained.splits.n_windows * config.horizon * len(series.lengths)
    return Manifest(
        algorithm=algorithm,
        model=f"{algorithm}Forecaster",
        problem_type="Forecast",
        target=config.roles.target,
        target_type=spec.contract.column(config.roles.target).data_type,
        classes=None,
        roles={name: role for name in spec.contract.names if (role := spec.roles.get(name))},
        dropped_features=dict(covariates.dropped) if covariates else {},
        accuracy=None,
        metrics=trained.backtest.metrics,
        confusion_matrix=None,
        seed=spec.seed,
        split="rolling origin",
        rows=RowCounts(
            trained.rows,
            trained.rows - trained.used,
            trained.used,
            backtest_rows,
            backtest_rows,
            trained.splits.n_windows,
        ),
        best_iteration=boosters[0].model.rounds if boosters else 0,
        params=records[0].params,
        validation_metric=_validation_metric(trained.is_small_count),
        candidates=trained.combination.scores,
        onnx={
            "used": bool(boosters) and all(member.model.onnx is not None for member in boosters),
            "largest_difference": None,
            "reason": None,
        },
        versions={name: version(name) for name in _LIBRARIES},
        created_at=_now(),
        members=records,
        warnings=(*trained.warnings, *_dataset_warnings(spec)),
        forecast=forecast | _last_observation(forecaster),
    )


def _describe_hierarchy(forecaster: Forecaster) -> dict[str, Any] | None:
    """Return the levels of a hierarchy with their numbers of series, and how they are reconciled."""
    hierarchy, reconciliation = forecaster.hierarchy, forecaster.reconciliation
    if hierarchy is None or reconciliation is None:
        return None
    names = hierarchy.level_names(forecaster.config.roles.series or "")
    counts = np.bincount(hierarchy.levels).tolist()
    levels = [{"name": name, "series": count} for name, count in zip(names, counts, strict=True)]
    return {"levels": levels, "reconciliation": reconciliation.method}


def _validation_metric(is_small_count: np.ndarray) -> str:
    """Return what the candidates' scores are: RMSSE of small counts, MASE of others, the mean of both of a mixture."""
    if is_small_count.all():
        return "rmsse"
    return "mase and rmsse" if is_small_count.any() else "mase"


def _dataset_warnings(spec: TrainSpec) -> tuple[DataWarning, ...]:
    """Return the warnings of the dataset about columns in use, and about its rows."""
    return tuple(
        warning
        for warning in spec.dataset_warnings
        if warning.code == "rows_left_out" or spec.roles.get(warning.column or "") not in _UNUSED
    )


def _records(forecaster: Forecaster) -> tuple[MemberRecord, ...]:
    """Return the members, heaviest first; the weight of a member is its mean over the series."""
    means = forecaster.weights.mean(axis=0)

    def params(member: Member) -> dict[str, Any]:
        if not isinstance(member, GlobalMember):
            return {"season_length": member.season}
        spec = member.model.spec
        return {"lags": list(spec.lags), "windows": list(spec.windows), "calendar": list(spec.calendar)}

    records = [
        MemberRecord(m.algorithm, float(weight), m.model.rounds if isinstance(m, GlobalMember) else 0, params(m))
        for m, weight in zip(forecaster.members, means, strict=True)
    ]
    return tuple(sorted(records, key=lambda record: -record.weight))


def count_series_by_model(forecaster: Forecaster) -> dict[str, int]:
    """Return how many series each algorithm forecasts, alone or with others."""
    counts = (forecaster.weights > 0).sum(axis=0)
    return {member.algorithm: int(count) for member, count in zip(forecaster.members, counts, strict=True)}


def _fallbacks(forecaster: Forecaster) -> dict[str, int]:
    """Return why statistical models were replaced by their fallback, and for how many series."""
    counts: dict[str, int] = {}
    for member in forecaster.members:
        if isinstance(member, GlobalMember):
            continue
        for model in member.models:
            if model is not None and model.fallback:
                counts[model.fallback] = counts.get(model.fallback, 0) + 1
    return counts


def _last_observation(forecaster: Forecaster) -> dict[str, Any]:
    """Return the times after which forecasts start, over all series."""
    ends = forecaster.frequency.format_times(np.array([forecaster.last_times.min(), forecaster.last_times.max()]))
    return {"last_observation": {"earliest": ends[0], "latest": ends[1]}}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
