"""A forecast goes on: what it would have said of new observations is scored, and then they are its past."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dataml.ml.bundle.manifest import read_file, read_manifest
from dataml.ml.bundle.predictor import REPORT
from dataml.ml.forecasting.forecaster import Forecaster


@dataclass(frozen=True)
class Continued:
    """`comparison` says how the model did on the new observations, before it was told of them."""

    forecaster: Forecaster
    comparison: dict[str, Any]
    warnings: tuple[str, ...]

    def report(self, parent: Path) -> dict[str, Any]:
        """That of the parent's backtest, which is the model's still, and what the new observations have told."""
        manifest = read_manifest(parent)
        found = json.loads(read_file(parent, manifest, REPORT)) if REPORT in manifest.files else {}
        return found | {"new_observations": self.comparison}


def continued(before: Forecaster, table: pa.Table) -> Continued:
    """Raises Invalid: what `Forecaster.observe` refuses."""
    after = before.observe(table)
    steps = after.series.lengths - before.series.lengths
    compared = np.flatnonzero(steps > 0)
    comparison: dict[str, Any] = {"metric": "wape", "before": None, "after": None, "rows": 0, "is_promoted": True}
    if not len(compared):
        return Continued(after, comparison, ("The new observations were known already.",))
    most = int(min(steps[compared].max(), before.settings.horizon))
    times = before.frequency.after(before.lasts[compared], most)
    starts = after.series.starts[:-1][compared] + before.series.lengths[compared]
    places = np.minimum(starts[:, None] + np.arange(most), after.series.starts[1:][compared, None] - 1)
    is_there = np.arange(most) < steps[compared, None]
    points = before.points(compared, times, after.series.known[places])
    truth = np.where(is_there, after.series.y[places], np.nan)
    inside, whole = 0, int(is_there.sum())
    for row, number in enumerate(compared.tolist()):
        lower, upper = before.intervals.bounds(number, points[row], 0.95)
        inside += int(((truth[row] >= lower) & (truth[row] <= upper)).sum())
    size = float(np.nansum(np.abs(truth)))
    wape = float(np.nansum(np.abs(truth - points))) / size if size else None
    return Continued(after, comparison | {"after": wape, "rows": whole, "coverage": inside / whole}, ())
