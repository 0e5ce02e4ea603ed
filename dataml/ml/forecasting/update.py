"""Update of a forecaster with new observations, and the score of its forecasts of them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dataml.contract.warnings import DataWarning
from dataml.ml.bundle.manifest import REPORT_FILE, read_file, read_manifest
from dataml.ml.forecasting.forecaster import Forecaster


@dataclass(frozen=True)
class ForecasterUpdate:
    """An updated forecaster; `comparison` scores what the model forecast for the new observations beforehand."""

    forecaster: Forecaster
    comparison: dict[str, Any]
    warnings: tuple[DataWarning, ...]

    def report(self, parent: Path) -> dict[str, Any]:
        """Return the report of the parent's bundle, whose backtest still holds, with the comparison."""
        manifest = read_manifest(parent)
        report = json.loads(read_file(parent, manifest, REPORT_FILE)) if REPORT_FILE in manifest.files else {}
        return report | {"new_observations": self.comparison}


def update_forecaster(before: Forecaster, table: pa.Table) -> ForecasterUpdate:
    """Score the forecaster on new observations, and then append them to its series; nothing is fitted again.

    Raises:
        Invalid: what `Forecaster.update` refuses.
    """
    after, warnings = before.update_with_warnings(table)
    added = after.series.lengths - before.series.lengths
    numbers = np.flatnonzero(added > 0)
    comparison: dict[str, Any] = {"metric": "wape", "before": None, "after": None, "rows": 0, "is_promoted": True}
    if not len(numbers):
        return ForecasterUpdate(after, comparison, warnings)
    return ForecasterUpdate(after, comparison | _score(before, after, numbers, added[numbers]), warnings)


def _score(before: Forecaster, after: Forecaster, numbers: np.ndarray, added: np.ndarray) -> dict[str, Any]:
    """Return the WAPE and the coverage of 95% intervals over the `added` values, up to the horizon of each series."""
    count = int(min(added.max(), before.config.horizon))
    times = before.frequency.times_after(before.last_times[numbers], count)
    starts = after.series.starts[:-1][numbers] + before.series.lengths[numbers]
    rows = np.minimum(starts[:, None] + np.arange(count), after.series.starts[1:][numbers, None] - 1)
    is_present = np.arange(count) < added[:, None]
    points = before.predict_points(numbers, times, after.series.known[rows])
    truth = np.where(is_present, after.series.y[rows], np.nan)
    lower, upper = before.intervals.bounds(numbers, points, 0.95)
    inside, total = int(((truth >= lower) & (truth <= upper)).sum()), int(is_present.sum())
    size = float(np.nansum(np.abs(truth)))
    wape = float(np.nansum(np.abs(truth - points))) / size if size else None
    return {"after": wape, "rows": total, "coverage": inside / total}
