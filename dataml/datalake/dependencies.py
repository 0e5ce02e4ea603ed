"""Dependencies of routes that read the lake."""

from typing import Annotated

from fastapi import Depends, Request

from dataml.datalake.service import Lakes


async def _lakes(request: Request) -> Lakes:
    return request.app.state.lakes


AppLakes = Annotated[Lakes, Depends(_lakes)]
