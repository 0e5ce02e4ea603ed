"""What routes of predictions ask for: the model hosts, and the real-time route's own code."""

from typing import Annotated

from fastapi import Depends, Request

from dataml.inference.realtime import RealTime
from dataml.serving.model_runner import Endpoints


async def _endpoints(request: Request) -> Endpoints:
    return request.app.state.endpoints


async def _realtime(request: Request) -> RealTime:
    return request.app.state.realtime


ModelEndpoints = Annotated[Endpoints, Depends(_endpoints)]
RealTimeRoute = Annotated[RealTime, Depends(_realtime)]
