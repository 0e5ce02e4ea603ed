"""The JSON of the calls about endpoints."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from dataml.endpoint.service import WantedDeployment
from dataml.http.requests import request_config
from dataml.metrics.schemas import VersionCalls
from dataml.metrics.totals import RecentCalls
from dataml.serving.model_runner import DeploymentStatus
from dataml.train.models import Training
from dataml.train.schemas import direct_route

EndpointState = Literal["pool", "waiting", "starting", "running", "failed", "stopping"]


class EndpointRequest(BaseModel):
    """How many replicas the deployment of a predictor has, and when it gets more or fewer."""

    model_config = request_config({"min_replicas": 1, "max_replicas": 4, "downscale_delay_s": 60})

    min_replicas: int = Field(default=1, ge=1, le=1000, description="Replicas that it keeps.")
    max_replicas: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Replicas that it may grow to under load; without it as many as a deployment that nobody has asked "
        "for, `DATAML_ENDPOINT_MAX_REPLICAS`. At most `DATAML_REQUESTED_MAX_REPLICAS`.",
    )
    target_ongoing_requests: float | None = Field(
        default=None,
        ge=0.1,
        le=1000,
        allow_inf_nan=False,
        description="Mean number of requests in a replica, above which it gets another one; without it "
        "`DATAML_ENDPOINT_TARGET_ONGOING_REQUESTS`.",
    )
    upscale_delay_s: float | None = Field(
        default=None,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds for which it must need more replicas before it gets them; without it "
        "`DATAML_UPSCALE_DELAY_S`. The mean is that of the last six seconds.",
    )
    downscale_delay_s: float | None = Field(
        default=None,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="Seconds for which it must need fewer replicas before it loses them; without it "
        "`DATAML_DOWNSCALE_DELAY_S`.",
    )


class EndpointAnswer(BaseModel):
    """What is wanted of the deployment of a predictor, and what runs."""

    predictor_name: str
    train_id: int = Field(description="The version.")
    problem_type: str
    wanted: Literal["requested", "newest"] | None = Field(
        description="Why the predictor has a deployment: `requested` by a user, or among the `newest` of the platform; "
        "null when it has none, or only until it is stopped."
    )
    min_replicas: int | None = Field(description="Replicas that it keeps; null when none is wanted.")
    max_replicas: int | None = Field(description="Replicas that it may grow to; null when none is wanted.")
    target_ongoing_requests: float | None = Field(
        description="Mean number of requests in a replica, above which it gets another one; null when none is wanted."
    )
    upscale_delay_s: float | None = Field(
        description="Seconds for which it must need more replicas before it gets them; null when none is wanted."
    )
    downscale_delay_s: float | None = Field(
        description="Seconds for which it must need fewer replicas before it loses them; null when none is wanted."
    )
    state: EndpointState = Field(
        description="`running`: the deployment answers. In all other states the pool does: `pool` none is wanted; "
        "`waiting` for its start; `starting`; `failed`, and started again after a pause; `stopping`."
    )
    replicas: int = Field(description="Replicas that run, as they were at most some seconds ago.")
    recent_calls: VersionCalls | None = Field(
        description="Its calls in the last five minutes; null while they are not known."
    )
    endpoint_url: str | None = Field(
        description="Path of the predictor's direct route, for POST, whatever answers it. Null for a version that does "
        "not answer for its predictor."
    )
    replica_urls: list[str] = Field(
        description="The direct route at each replica itself, without the load balancer before it: for callers in the "
        "network of the cluster that spread their requests themselves, as a service mesh does. Ask again for the list "
        "when one of them refuses the connection."
    )
    created_by: str | None = Field(description="Who asked for it; null when nobody has.")
    created_at: datetime | None = Field(description="When it was asked for.")
    modified_at: datetime | None = Field(description="When the numbers of replicas were last changed.")

    @classmethod
    def from_training(
        cls,
        training: Training,
        tenant_name: str,
        wanted: WantedDeployment | None,
        status: DeploymentStatus | None,
        recent_calls: RecentCalls | None,
        *,
        is_serving: bool,
    ) -> Self:
        """Return the endpoint of a version; `wanted` and `status` are of its predictor, for the one that serves."""
        request = wanted and wanted.request
        scaling = wanted and wanted.scaling
        path = direct_route(training, tenant_name) if is_serving else None
        state = _state(training, wanted, status)
        addresses = status.addresses if status is not None and state == "running" else ()
        return cls(
            predictor_name=training.predictor_name,
            train_id=training.id,
            problem_type=training.problem_type,
            wanted=None if wanted is None else "newest" if request is None else "requested",
            min_replicas=scaling and scaling.min_replicas,
            max_replicas=scaling and scaling.max_replicas,
            target_ongoing_requests=scaling and scaling.target_ongoing_requests,
            upscale_delay_s=scaling and scaling.upscale_delay_s,
            downscale_delay_s=scaling and scaling.downscale_delay_s,
            state=state,
            replicas=status.replicas if status is not None else 0,
            recent_calls=None if recent_calls is None else VersionCalls.from_metrics(recent_calls),
            endpoint_url=path,
            replica_urls=[f"http://{address}{path}" for address in addresses] if path is not None else [],
            created_by=request and request.created_by,
            created_at=request and request.created_at,
            modified_at=request and request.modified_at,
        )


def _state(training: Training, wanted: WantedDeployment | None, status: DeploymentStatus | None) -> EndpointState:
    if status is None:
        return "pool" if wanted is None else "waiting"
    if training.endpoint == "own" and status.replicas > 0:
        return "running"
    # It runs, and its route does not lead to it yet.
    return "starting" if status.state == "running" else status.state


class EndpointList(BaseModel):
    """A page of the endpoints of a tenant."""

    total: int
    data: list[EndpointAnswer]
