"""Dependencies of routes of predictions."""

from typing import Annotated

from fastapi import Depends, Request

from dataml.serving.model_runner import InferenceClient


async def _inference_client(request: Request) -> InferenceClient:
    return request.app.state.inference_client


ModelClient = Annotated[InferenceClient, Depends(_inference_client)]
