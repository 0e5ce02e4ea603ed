"""Dependencies of routes of trainings."""

from typing import Annotated, Protocol

from fastapi import Depends, Request


class ModelLookups(Protocol):
    """Which model answers for a predictor, as this process remembers it for a second."""

    def forget(self) -> None:
        """Look every model up again at its next prediction."""
        ...


async def _model_lookups(request: Request) -> ModelLookups:
    return request.app.state.realtime


RememberedModels = Annotated[ModelLookups, Depends(_model_lookups)]
