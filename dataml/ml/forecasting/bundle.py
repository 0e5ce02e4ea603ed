"""The bundle of a forecaster: writing it as plain files, and loading it again.

manifest.json    what the model is, its scores, and the SHA-256 of every other file
contract.json    the columns it was trained on
preprocess.json  how covariates become numbers
forecast.json    frequency, horizon, members, intervals
series.parquet   a row for each series: its name, weights, and the parameters of its own models
history.parquet  the end of every series, as long as the members need
reconciliation.parquet  the weights that make the levels of a hierarchy agree, if it is reconciled by MinT
report.json      the evaluation in detail
model.ubj | .txt the booster of all series, if one is a member; model.<algorithm>.onnx its proven copy
"""

import io
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.ml.bundle.manifest import (
    CONTRACT_FILE,
    MODEL_FILES,
    PREPROCESS_FILE,
    BundleDamaged,
    Manifest,
    read_file,
    read_manifest,
    to_json_bytes,
)
from dataml.ml.forecasting.backtest.intervals import PredictionIntervals
from dataml.ml.forecasting.backtest.sums import SumIntervals
from dataml.ml.forecasting.candidates import GlobalMember, LocalMember, Member
from dataml.ml.forecasting.forecaster import Forecaster, ForecasterConfig
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.hierarchy import Hierarchy
from dataml.ml.forecasting.models.lag_spec import LagSpec
from dataml.ml.forecasting.models.lagged_model import LaggedModel
from dataml.ml.forecasting.models.statistical import LocalModel
from dataml.ml.forecasting.panel.covariates import Covariates, GroupedSeries
from dataml.ml.forecasting.panel.dataset import ColumnRoles
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.reading import normalize_series_id
from dataml.ml.forecasting.panel.target import TargetLimits
from dataml.ml.forecasting.reconciliation import Reconciliation
from dataml.ml.preprocessing import Preprocessing

FORECAST: Final = "forecast.json"
SERIES: Final = "series.parquet"
HISTORY: Final = "history.parquet"
RECONCILIATION: Final = "reconciliation.parquet"
HIERARCHY: Final = "hierarchy"
_KNOWN, _PAST, _STATIC = "known.", "past.", "static."
_COVARIATES = ("known", "static", "past", "complete")
_FLOOR, _SUMS, _MEDIAN = "floor", "sum_intervals", "is_median"


def bundle_files(forecaster: Forecaster) -> dict[str, bytes]:
    """Return every file of the bundle by name, except the manifest and the report."""
    files = {
        CONTRACT_FILE: to_json_bytes(forecaster.contract.to_json()),
        PREPROCESS_FILE: to_json_bytes(_preprocessing(forecaster.covariates).to_json()),
        FORECAST: to_json_bytes(_record(forecaster)),
        SERIES: _parquet(_series_table(forecaster)),
        HISTORY: _parquet(_history_table(forecaster.series)),
    }
    if forecaster.reconciliation is not None and forecaster.reconciliation.weights is not None:
        files[RECONCILIATION] = _parquet(pa.table({"weight": forecaster.reconciliation.weights.ravel()}))
    for member in forecaster.members:
        if isinstance(member, GlobalMember):
            files[MODEL_FILES[member.algorithm]] = member.model.native.to_bytes()
            if member.model.onnx is not None:
                files[_onnx_name(member.algorithm)] = member.model.onnx
    return files


def load_forecaster(directory: Path) -> Forecaster:
    """Load a forecaster from its bundle, and verify every file.

    Raises:
        BundleDamaged: (503 `bundle_damaged`) a file is absent, was changed, or belongs to no forecast.
    """
    manifest = read_manifest(directory)
    if FORECAST not in manifest.files:
        raise BundleDamaged("The bundle is not that of a forecast.")

    def content(name: str) -> bytes:
        return read_file(directory, manifest, name)

    record = json.loads(content(FORECAST))
    table = pq.read_table(io.BytesIO(content(SERIES)))
    series = _read_history(pq.read_table(io.BytesIO(content(HISTORY))), table)
    config = _config(record)
    contract = Contract.from_json(json.loads(content(CONTRACT_FILE)))
    ids = _series_ids(table, contract, config.roles)
    hierarchy = read_hierarchy_record(record)
    members = tuple(_member(each, table, manifest, content) for each in record["members"])
    weights = [table.column(f"weight.{number}").to_numpy() for number in range(len(members))]
    return Forecaster(
        config=config,
        contract=contract,
        covariates=_covariates(record, json.loads(content(PREPROCESS_FILE))),
        members=members,
        weights=np.column_stack(weights),
        scale=table.column("scale").to_numpy(),
        intervals=PredictionIntervals.from_json(record["intervals"]),
        panel=Panel(ids, series.starts, series.times, series.y, config.frequency, np.arange(len(series.y))),
        series=series,
        floors=_floors(table, config.limits),
        # Bundles of version 0.1 have none, no median and no hierarchy.
        sums=SumIntervals.from_json(record[_SUMS]) if record.get(_SUMS) else None,
        regressors=tuple(record["regressors"]),
        is_median=bool(record.get(_MEDIAN, False)),
        hierarchy=hierarchy,
        reconciliation=None if hierarchy is None else _reconciliation(hierarchy, manifest, content),
    )


def read_hierarchy_record(record: dict[str, Any]) -> Hierarchy | None:
    """Return the hierarchy of a forecast.json, None where the model has none."""
    return Hierarchy.from_json(record[HIERARCHY]) if record.get(HIERARCHY) else None


def _reconciliation(hierarchy: Hierarchy, manifest: Manifest, content: Any) -> Reconciliation:
    if RECONCILIATION not in manifest.files:
        return Reconciliation()
    weights = pq.read_table(io.BytesIO(content(RECONCILIATION))).column("weight").to_numpy()
    return Reconciliation(weights.reshape(hierarchy.parents.shape[1], len(hierarchy.sizes)))


def _record(forecaster: Forecaster) -> dict[str, Any]:
    config, covariates = forecaster.config, forecaster.covariates
    roles = config.roles
    return {
        "frequency": config.frequency.to_json(),
        "season": config.season,
        "horizon": config.horizon,
        "fill": config.fill,
        "roles": {
            "target": roles.target,
            "time": roles.time,
            "series": roles.series,
            "exogenous": list(roles.exogenous),
            "features": list(roles.features),
        },
        "limits": config.limits.to_json(),
        "confidence": list(config.confidence),
        "covariates": {name: list(getattr(covariates, name)) for name in _COVARIATES},
        "regressors": list(forecaster.regressors),
        "members": [_member_record(member) for member in forecaster.members],
        "intervals": forecaster.intervals.to_json(),
        _MEDIAN: forecaster.is_median,
        HIERARCHY: None if forecaster.hierarchy is None else forecaster.hierarchy.to_json(),
        _SUMS: None if forecaster.sums is None else forecaster.sums.to_json(),
    }


def _config(record: dict[str, Any]) -> ForecasterConfig:
    columns = record["roles"]
    roles = ColumnRoles(
        columns["target"], columns["time"], columns["series"], tuple(columns["exogenous"]), tuple(columns["features"])
    )
    return ForecasterConfig(
        frequency=Frequency.from_json(record["frequency"]),
        season=record["season"],
        horizon=record["horizon"],
        fill=record["fill"],
        roles=roles,
        limits=TargetLimits.from_json(record["limits"]),
        confidence=tuple(record["confidence"]),
    )


def _preprocessing(covariates: Covariates) -> Preprocessing:
    return covariates.preprocessing or Preprocessing(())


def _covariates(record: dict[str, Any], preprocess: dict[str, Any]) -> Covariates:
    preprocessing = Preprocessing.from_json(preprocess)
    positions = {name: tuple(values) for name, values in record["covariates"].items()}
    return Covariates(preprocessing if preprocessing.layout else None, **positions)


def _member_record(member: Member) -> dict[str, Any]:
    if isinstance(member, LocalMember):
        return {"algorithm": member.algorithm, "season": member.season}
    model = member.model
    return {
        "algorithm": member.algorithm,
        "spec": model.spec.to_json(),
        "rounds": model.rounds,
        "importance": dict(member.importance),
    }


def _member(record: dict[str, Any], table: pa.Table, manifest: Manifest, content: Any) -> Member:
    algorithm = record["algorithm"]
    if "spec" not in record:
        texts = table.column(f"model.{algorithm}").to_pylist()
        models = tuple(None if text is None else LocalModel.from_json(json.loads(text)) for text in texts)
        return LocalMember(algorithm, record["season"], models)
    onnx = content(_onnx_name(algorithm)) if _onnx_name(algorithm) in manifest.files else None
    spec = LagSpec.from_json(record["spec"])
    model = LaggedModel.load(spec, algorithm, content(MODEL_FILES[algorithm]), onnx, record["rounds"])
    return GlobalMember(algorithm, model, record["importance"])


def _series_table(forecaster: Forecaster) -> pa.Table:
    columns: dict[str, Any] = {
        "id": pa.array(forecaster.ids, pa.string()),
        "length": forecaster.series.lengths,
        "scale": forecaster.scale,
        _FLOOR: forecaster.floors,
    }
    columns |= {f"weight.{number}": forecaster.weights[:, number] for number in range(len(forecaster.members))}
    static = forecaster.series.static
    columns |= {f"{_STATIC}{number}": static[:, number] for number in range(static.shape[1])}
    for member in forecaster.members:
        if isinstance(member, LocalMember):
            texts = [None if model is None else to_json_bytes(model.to_json()).decode() for model in member.models]
            columns[f"model.{member.algorithm}"] = pa.array(texts, pa.string())
    return pa.table(columns)


def _series_ids(table: pa.Table, contract: Contract, roles: ColumnRoles) -> tuple[str, ...]:
    ids = table.column("id").to_pylist()
    if roles.series is None:
        return tuple(ids)
    data_type = contract.column(roles.series).data_type
    return tuple(normalize_series_id(series_id, data_type) for series_id in ids)


def _floors(table: pa.Table, limits: TargetLimits) -> np.ndarray:
    """Return the floors of the series; bundles of version 0.1 have one for all of them."""
    if _FLOOR in table.column_names:
        return table.column(_FLOOR).to_numpy()
    return np.full(table.num_rows, -np.inf if limits.lower is None else limits.lower)


def _history_table(series: GroupedSeries) -> pa.Table:
    columns: dict[str, Any] = {"time": series.times, "y": series.y}
    for prefix, values in ((_KNOWN, series.known), (_PAST, series.past)):
        columns |= {f"{prefix}{number}": values[:, number] for number in range(values.shape[1])}
    return pa.table(columns)


def _read_history(history: pa.Table, table: pa.Table) -> GroupedSeries:
    lengths = table.column("length").to_numpy()
    return GroupedSeries(
        starts=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        times=history.column("time").to_numpy().astype("datetime64[us]"),
        y=history.column("y").to_numpy(),
        known=_matrix(history, _KNOWN),
        static=_matrix(table, _STATIC),
        past=_matrix(history, _PAST),
    )


def _matrix(table: pa.Table, prefix: str) -> np.ndarray:
    count = sum(name.startswith(prefix) for name in table.column_names)
    matrix = np.empty((table.num_rows, count), np.float32)
    for number in range(count):
        matrix[:, number] = table.column(f"{prefix}{number}").to_numpy()
    return matrix


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _onnx_name(algorithm: str) -> str:
    return f"model.{algorithm.lower()}.onnx"
