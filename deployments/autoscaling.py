"""How Serve scales the replicas of the pool and of predictors' own deployments."""

from typing import Any


def autoscaling_config(min_replicas: int, max_replicas: int, target_ongoing_requests: float) -> dict[str, Any]:
    """Return the autoscaling configuration of a deployment.

    Args:
        min_replicas: replicas that it keeps.
        max_replicas: replicas that it may grow to.
        target_ongoing_requests: mean number of requests in a replica, above which Serve adds one.
    """
    return {
        "min_replicas": min_replicas,
        "max_replicas": max_replicas,
        "target_ongoing_requests": target_ongoing_requests,
        "upscale_delay_s": 5,
        "metrics_interval_s": 2,
        "look_back_period_s": 6,
    }
