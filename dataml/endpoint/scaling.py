"""How many replicas a predictor's own deployment has, and when it gets more or fewer."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scaling:
    """The bounds of a deployment, and when it grows and shrinks within them.

    Attributes:
        min_replicas: replicas that it keeps.
        max_replicas: replicas that it may grow to.
        target_ongoing_requests: mean number of requests in a replica, above which it gets another one.
        upscale_delay_s: seconds for which it must need more replicas before it gets them.
        downscale_delay_s: seconds for which it must need fewer before it loses them.
    """

    min_replicas: int
    max_replicas: int
    target_ongoing_requests: float
    upscale_delay_s: float
    downscale_delay_s: float
