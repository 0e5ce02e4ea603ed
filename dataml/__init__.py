"""dataml: a self-hosted, multi-tenant machine-learning platform for tabular and time-series data, on Ray.

`dataml.connect` returns a client of a platform, and `dataml.aio.connect` one that awaits. Both, and the errors that
they raise, are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dataml.client import aio as aio
    from dataml.client.errors import ApiError as ApiError
    from dataml.client.errors import BadRequest as BadRequest
    from dataml.client.errors import ClientError as ClientError
    from dataml.client.errors import Conflict as Conflict
    from dataml.client.errors import Forbidden as Forbidden
    from dataml.client.errors import Invalid as Invalid
    from dataml.client.errors import JobCancelled as JobCancelled
    from dataml.client.errors import JobFailed as JobFailed
    from dataml.client.errors import NotConnected as NotConnected
    from dataml.client.errors import NotFound as NotFound
    from dataml.client.errors import NotSignedIn as NotSignedIn
    from dataml.client.errors import StorageFull as StorageFull
    from dataml.client.errors import TooLarge as TooLarge
    from dataml.client.errors import TooManyRequests as TooManyRequests
    from dataml.client.errors import Unauthorized as Unauthorized
    from dataml.client.errors import Unavailable as Unavailable
    from dataml.client.errors import UnsupportedMedia as UnsupportedMedia
    from dataml.client.errors import WaitTimeout as WaitTimeout
    from dataml.client.errors import WrongRows as WrongRows
    from dataml.client.sync.connection import Client as Client
    from dataml.client.sync.connection import connect as connect
    from dataml.client.sync.datasets import Dataset as Dataset
    from dataml.client.sync.jobs import Job as Job
    from dataml.client.sync.lake import LakeTable as LakeTable
    from dataml.client.sync.models import Model as Model
    from dataml.client.sync.predictors import Predictor as Predictor
    from dataml.client.sync.roles import Role as Role
    from dataml.client.sync.templates import Template as Template
    from dataml.client.sync.tenants import Tenant as Tenant
    from dataml.client.sync.users import User as User

__version__ = "0.1.0"

_ERRORS: Final = (
    "ApiError",
    "BadRequest",
    "ClientError",
    "Conflict",
    "Forbidden",
    "Invalid",
    "JobCancelled",
    "JobFailed",
    "NotConnected",
    "NotFound",
    "NotSignedIn",
    "StorageFull",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnsupportedMedia",
    "WaitTimeout",
    "WrongRows",
)
# The name of each thing that is imported at its first use, and its module.
_LAZY: Final = {
    "Client": "dataml.client.sync.connection",
    "Dataset": "dataml.client.sync.datasets",
    "Job": "dataml.client.sync.jobs",
    "LakeTable": "dataml.client.sync.lake",
    "Model": "dataml.client.sync.models",
    "Predictor": "dataml.client.sync.predictors",
    "Role": "dataml.client.sync.roles",
    "Template": "dataml.client.sync.templates",
    "Tenant": "dataml.client.sync.tenants",
    "User": "dataml.client.sync.users",
    "connect": "dataml.client.sync.connection",
    **dict.fromkeys(_ERRORS, "dataml.client.errors"),
}


def __getattr__(name: str) -> Any:
    if name == "aio":
        return importlib.import_module("dataml.client.aio")
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY, "aio"])
