"""Keeps one idle process of Ray's at hand, in which the next replica starts.

A replica of the API that died is back once a new process has started Python and imported Ray and the application:
3 s of a processor, and longer where others use it. A spare process has done that before. Ray gives it to the next
replica of the API or of the pool; then a new one is started. Actors that the supervisor starts get none: Ray keeps
them apart by their runtime environment.
"""

import asyncio
import logging
import os
from contextlib import suppress
from typing import Final

import grpc
import psutil
import ray
from ray._private.grpc_utils import init_grpc_channel
from ray.core.generated import common_pb2, node_manager_pb2, node_manager_pb2_grpc
from ray.experimental.internal_kv import _internal_kv_put

from deployments import preload

_INTERVAL_S: Final = 5.0
_KEEP_S: Final = 3600
_CALL_TIMEOUT_S: Final = 10.0
log = logging.getLogger(__name__)


async def keep_spare_process() -> None:
    """Start a spare process on this node whenever there is none, for ever."""
    node_id = ray.get_runtime_context().get_node_id()
    node = next(node for node in ray.nodes() if node["NodeID"] == node_id)
    channel = init_grpc_channel(f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}", asynchronous=True)
    # Ray has no Python function for this call.
    raylet = node_manager_pb2_grpc.NodeManagerServiceStub(channel)
    request = node_manager_pb2.PrestartWorkersRequest(  # type: ignore[attr-defined]
        language=common_pb2.Language.PYTHON,  # type: ignore[attr-defined]
        keep_alive_duration_secs=_KEEP_S,
        num_workers=1,
    )
    await asyncio.to_thread(_internal_kv_put, preload.KEY, b"1", namespace=preload.NAMESPACE)
    while True:
        if not await asyncio.to_thread(_has_spare_process):
            try:
                await raylet.PrestartWorkers(request, timeout=_CALL_TIMEOUT_S)
            except grpc.RpcError as error:
                log.warning("no spare process could be started: %s", error)
        await asyncio.sleep(_INTERVAL_S)


def _has_spare_process() -> bool:
    """Return whether a process of this node waits for its first actor or task, or starts."""
    return any(_is_spare(process) for process in psutil.Process(os.getppid()).children())


def _is_spare(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        if preload.is_for_any_job(process.environ()):
            command = " ".join(process.cmdline())
            return command.startswith("ray::IDLE") or "default_worker.py" in command
    return False
