"""New observations behind the end of every series: checked like those before, and never a reason to fit anything."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from dataml.ml.forecasting.models.lag_features import Series
from dataml.ml.forecasting.panel.extension import extend
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.reading import read_observations
from dataml.ml.forecasting.series import Covariates, Roles, carried


def observed(
    panel: Panel, series: Series, table: pa.Table, roles: Roles, covariates: Covariates, fill: str | None
) -> tuple[Panel, Series]:
    """The panel and the series with the rows of `table` behind them. `panel.rows` are the rows of `series`.

    Raises Invalid: what `reading.read_observations` and `extension.extend` refuse.
    """
    new = read_observations(
        table,
        target=roles.target,
        time=roles.time,
        series=roles.series,
        frequency=panel.frequency,
        fill=fill,  # type: ignore[arg-type]
    ).panel
    extended = extend(panel, new, fill=fill, first_row=len(series.y))  # type: ignore[arg-type]
    matrix = covariates.matrix(table)

    def both(before: np.ndarray, positions: tuple[int, ...]) -> np.ndarray:
        return carried(np.concatenate((before, matrix[:, positions])), extended.rows)

    joined = Series(
        starts=extended.starts,
        times=extended.times,
        y=extended.y,
        known=both(series.known, covariates.known),
        static=series.static,
        past=both(series.past, covariates.past),
    )
    return replace(extended, rows=np.arange(len(extended.y))), joined
