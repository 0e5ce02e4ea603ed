"""What surrounds the handler of a request: dependencies add to it, and the route's class carries it out."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from fastapi import Request, Response
from starlette.datastructures import UploadFile

from dataml.db.session import Database


@dataclass
class RequestHooks:
    """The hooks of one request.

    Attributes:
        database: used in place of the application's database.
        after_commit: runs a call once all that the request has written so far is committed; None: it is already.
        on_files: called with the files of a multipart body.
        on_response: called in order, each with the response of the one before it.
    """

    database: Database | None = None
    after_commit: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]] | None = None
    on_files: list[Callable[[Sequence[UploadFile]], Awaitable[None]]] = field(default_factory=list)
    on_response: list[Callable[[Response], Awaitable[Response]]] = field(default_factory=list)


def hooks_of(request: Request) -> RequestHooks:
    """Return the hooks of a request."""
    return request.scope.setdefault("state", {}).setdefault("hooks", RequestHooks())
