"""Forecasts of time series: checked panels, models, their backtests, scores and intervals."""
