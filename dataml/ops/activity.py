"""What the platform has done since the process started that adds up its metrics: figures for its administrators."""

from collections.abc import Callable
from typing import Final

from pydantic import BaseModel, Field

from dataml.metrics.definitions import (
    HTTP_REQUEST_DURATION,
    HTTP_REQUESTS,
    LOGGED_PREDICTIONS,
    PREDICTION_DURATION,
    PREDICTION_LOG_LAG,
    PROCESS_MEMORY,
    PROCESSES,
    WAITING_PREDICTIONS,
    WORKER_RESTARTS,
)
from dataml.metrics.recording import Histogram, Labels
from dataml.metrics.totals import Snapshot, quantile_ms

# Clients wait here for jobs to end, as long as they want to: it says nothing about the platform.
_WAITING_ROUTE: Final = "/api/v1/jobs/{job_id}"


class CallFigures(BaseModel):
    """How many calls there were, and how long they took."""

    calls: int
    errors: int = Field(description="Those that the platform has failed to answer: of a status of 500 or more.")
    p50_ms: float | None = Field(description="Half of them took less, in milliseconds; null without calls.")
    p99_ms: float | None = Field(description="99 of 100 took less, in milliseconds; null without calls.")


class PredictionLogFigures(BaseModel):
    """The log of predictions, which replicas write after they have answered."""

    waiting: int = Field(description="Records that wait in replicas.")
    lag_s: float = Field(description="Age of the oldest of them in seconds.")
    dropped: int = Field(description="Records that were lost because too many waited.")


class ProcessFigures(BaseModel):
    """All processes of a kind."""

    process: str
    count: int
    resident_bytes: int = Field(description="Memory that they hold.")


class ActivityStatus(BaseModel):
    """What all processes have recorded since the supervisor's process started; it may be five seconds old."""

    requests: CallFigures = Field(description="Requests over HTTP; the times are without those that wait for jobs.")
    predictions: CallFigures = Field(description="Calls of models in real time.")
    prediction_log: PredictionLogFigures
    worker_restarts: dict[str, int] = Field(
        description="Workers that were started again: `lost` the process died or hung, `not_started`, or `stopped` "
        "because the job had to end.",
        examples=[{"lost": 1}],
    )
    processes: list[ProcessFigures]

    @classmethod
    def from_metrics(cls, totals: Snapshot) -> "ActivityStatus":
        """Return what the metrics of all processes say."""
        statuses = {labels: int(count) for labels, count in totals.counters.get(HTTP_REQUESTS.name, {}).items()}
        failed = sum(count for labels, count in statuses.items() if labels[-1].startswith("5"))
        requests = _figures(
            totals, HTTP_REQUEST_DURATION, failed, lambda labels: not labels[-1].startswith(_WAITING_ROUTE)
        )
        resident = totals.gauges.get(PROCESS_MEMORY.name, {})
        return cls(
            requests=requests.model_copy(update={"calls": sum(statuses.values())}),
            predictions=_figures(totals, PREDICTION_DURATION, _count_failed(totals)),
            prediction_log=PredictionLogFigures(
                waiting=int(_gauge(totals, WAITING_PREDICTIONS.name)),
                lag_s=_gauge(totals, PREDICTION_LOG_LAG.name),
                dropped=int(totals.counters.get(LOGGED_PREDICTIONS.name, {}).get(("dropped",), 0)),
            ),
            worker_restarts={
                reason: int(count) for (reason,), count in totals.counters.get(WORKER_RESTARTS.name, {}).items()
            },
            processes=[
                ProcessFigures(process=kind[0], count=int(count), resident_bytes=int(resident.get(kind, 0)))
                for kind, count in sorted(totals.gauges.get(PROCESSES.name, {}).items())
            ],
        )


def _figures(
    totals: Snapshot, histogram: Histogram, failed: int, is_timed: Callable[[Labels], bool] = lambda labels: True
) -> CallFigures:
    observed = totals.histograms.get(histogram.name, {})
    # The last value is the sum of the times.
    timed = (values[:-1] for labels, values in observed.items() if is_timed(labels))
    counts = [sum(of_bucket) for of_bucket in zip(*timed, strict=True)] or [0.0]
    p50_ms, p99_ms = (quantile_ms(share, histogram.bounds, counts) for share in (0.5, 0.99))
    return CallFigures(calls=int(sum(counts)), errors=failed, p50_ms=p50_ms, p99_ms=p99_ms)


def _count_failed(totals: Snapshot) -> int:
    """Return how many calls of models were answered with a status of 500 or more."""
    observed = totals.histograms.get(PREDICTION_DURATION.name, {})
    return int(sum(sum(values[:-1]) for labels, values in observed.items() if labels[-1].startswith("5")))


def _gauge(totals: Snapshot, name: str) -> float:
    return totals.gauges.get(name, {}).get((), 0.0)
