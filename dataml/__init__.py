"""dataml: a self-hosted, multi-tenant machine-learning platform for tabular and time-series data, on Ray."""

__version__ = "0.1.0"
