"""Finds the actor of the supervisor from processes that Serve does not tell of it."""

from typing import Any, Final

import ray
from ray.exceptions import RayError
from sqlalchemy.exc import SQLAlchemyError

from dataml.db.session import Database
from dataml.jobs import lease

_SERVE_NAMESPACE: Final = "serve"


class SupervisorAway(Exception):
    """There is no supervisor at the moment, or nobody knows which one."""


async def find_supervisor(database: Database) -> Any:
    """Return a handle of the supervisor that holds the lease.

    It is looked up for each use: a handle dies with its actor.

    Raises:
        SupervisorAway: there is none, or the database cannot be read.
    """
    try:
        async with database.reading() as session:
            holder = await lease.find_holder(session)
        return ray.get_actor(holder or "", _SERVE_NAMESPACE)
    except (RayError, SQLAlchemyError, ValueError) as error:
        raise SupervisorAway from error
