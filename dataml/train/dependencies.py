"""The dependency of training routes: the models that the real-time route has cached."""

from typing import Annotated, Protocol

from fastapi import Depends, Request


class ModelLookupCache(Protocol):
    """The models that serve predictors, as this process has cached them for a second."""

    def clear_models(self) -> None:
        """Clear the cache, so that the next prediction looks its model up again."""
        ...


async def _model_cache(request: Request) -> ModelLookupCache:
    return request.app.state.realtime


CachedModels = Annotated[ModelLookupCache, Depends(_model_cache)]
