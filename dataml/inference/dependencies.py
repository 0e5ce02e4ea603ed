"""Dependencies of routes of predictions."""

from typing import Annotated

from fastapi import Depends, Request

from dataml.inference.realtime import RealTime
from dataml.serving.model_runner import InferenceClient


async def _inference_client(request: Request) -> InferenceClient:
    return request.app.state.endpoints


async def _realtime(request: Request) -> RealTime:
    return request.app.state.realtime


ModelEndpoints = Annotated[InferenceClient, Depends(_inference_client)]
RealTimeRoute = Annotated[RealTime, Depends(_realtime)]
