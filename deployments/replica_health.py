"""How often Serve's controller checks a replica: of the API, of the pool and of predictors' own deployments."""

from typing import Final

HEALTH_CHECK_PERIOD_S: Final = 1.0
"""A replica that has died is replaced after this time at most."""

HEALTH_CHECK_TIMEOUT_S: Final = 10.0
"""One that does not answer is replaced after three times this: a busy machine may hold it up for seconds."""
