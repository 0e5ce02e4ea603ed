"""How Serve scales the replicas of the pool and of predictors' own deployments."""

from dataclasses import asdict
from typing import Any

from dataml.endpoint.scaling import Scaling


def autoscaling_config(scaling: Scaling) -> dict[str, Any]:
    """Return the autoscaling configuration of a deployment."""
    return {**asdict(scaling), "metrics_interval_s": 2, "look_back_period_s": 6}
