"""Warnings about the answer to a request for a forecast."""

from dataml.contract.warnings import DataWarning
from dataml.ml.forecasting.forecaster import Forecaster, ForecastParameters, FutureRows


def find_forecast_warnings(
    forecaster: Forecaster, parameters: ForecastParameters, future: FutureRows = None
) -> tuple[DataWarning, ...]:
    """Return what a user should know of a forecast that `Forecaster.forecast` makes.

    Raises:
        NotFound: as `Forecaster.forecast`.
        Invalid: as `Forecaster.forecast`.
    """
    return (
        *_warn_of_steps_beyond_the_horizon(forecaster, parameters),
        *_warn_of_estimated_sums(forecaster, parameters),
        *_warn_of_unused_future(forecaster, future),
    )


def _warn_of_steps_beyond_the_horizon(forecaster: Forecaster, parameters: ForecastParameters) -> list[DataWarning]:
    horizon = forecaster.config.horizon
    last_step = int(forecaster.plan_steps(parameters).steps.max(initial=0))
    if last_step <= horizon:
        return []
    unit = forecaster.frequency.name
    message = (
        f"The last step is {last_step:,} steps of a {unit} ahead; the backtest measured {horizon:,}. Beyond these, "
        "bounds and confidence are extrapolated: train with a longer forecast.horizon to have them measured."
    )
    return [DataWarning("beyond_horizon", message, None, last_step - horizon)]


def _warn_of_estimated_sums(forecaster: Forecaster, parameters: ForecastParameters) -> list[DataWarning]:
    is_own = forecaster.plan_steps(parameters).frequency is forecaster.frequency
    if is_own or forecaster.sums is not None:
        return []
    message = (
        "The model has not measured the errors of several steps together, so how far they cancel out is estimated from "
        "the seasonal naive in the history. Train it again, with a horizon of at least two steps."
    )
    return [DataWarning("estimated_sums", message)]


def _warn_of_unused_future(forecaster: Forecaster, future: FutureRows) -> list[DataWarning]:
    if future is None or forecaster.needs_future:
        return []
    message = "The model reads no exogenous columns, so future changes nothing."
    return [DataWarning("unused_future", message)]
