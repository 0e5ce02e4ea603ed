"""Dynamic batching: which requests share a call, and that every caller gets a response."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from dataml.errors import Unavailable
from dataml.serving.model_runner import InferenceRequest, InferenceResponse
from deployments.inference_client import Batcher


def request(number: int) -> InferenceRequest:
    return InferenceRequest(({"number": number},), "tester")


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 10))


class Model:
    """Responds with each request's number; a call lasts until `gate` is open."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.gate = asyncio.Event()

    async def __call__(self, requests: Sequence[InferenceRequest]) -> Sequence[InferenceResponse]:
        self.calls.append(len(requests))
        await self.gate.wait()
        return [str(r.rows[0]["number"]).encode() for r in requests]


def test_requests_that_arrive_during_a_call_share_the_next_one() -> None:
    async def body() -> None:
        model = Model()
        batcher = Batcher(model, 5)
        tasks = [asyncio.create_task(batcher.submit(request(number))) for number in range(1)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(batcher.submit(request(number))) for number in range(1, 20)]
        await asyncio.sleep(0)
        model.gate.set()
        assert await asyncio.gather(*tasks) == [str(number).encode() for number in range(20)]
        assert model.calls == [1, 19]

    run(body)


def test_as_many_calls_are_under_way_as_replicas_may_take() -> None:
    async def body() -> None:
        model = Model()
        batcher = Batcher(model, 5, max_calls=2)
        tasks = []
        for number in range(20):
            tasks.append(asyncio.create_task(batcher.submit(request(number))))
            for _ in range(3):
                await asyncio.sleep(0)
        assert model.calls == [1, 1]
        model.gate.set()
        assert await asyncio.gather(*tasks) == [str(number).encode() for number in range(20)]
        assert model.calls == [1, 1, 18]

    run(body)


def test_a_failed_call_stops_no_other_one() -> None:
    async def body() -> None:
        gate = asyncio.Event()

        async def call(requests: Sequence[InferenceRequest]) -> Sequence[InferenceResponse]:
            await gate.wait()
            if requests[0].rows[0]["number"] == 0:
                raise TypeError("unforeseen")
            return [b"fine"] * len(requests)

        batcher = Batcher(call, 5, max_calls=2)
        tasks = []
        for number in range(4):
            tasks.append(asyncio.create_task(batcher.submit(request(number))))
            for _ in range(3):
                await asyncio.sleep(0)
        gate.set()
        first, *others = await asyncio.gather(*tasks)
        assert isinstance(first, Unavailable)
        assert others == [b"fine"] * 3
        assert await batcher.submit(request(5)) == b"fine"

    run(body)


def test_a_cancelled_request_does_not_affect_the_others() -> None:
    async def body() -> None:
        model = Model()
        batcher = Batcher(model, 5)
        tasks = [asyncio.create_task(batcher.submit(request(number))) for number in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        model.gate.set()
        assert await asyncio.gather(*tasks[1:]) == [b"1", b"2"]

    run(body)


def test_a_failed_call_returns_unavailable_and_the_next_one_is_made() -> None:
    async def body() -> None:
        broken = True

        async def call(requests: Sequence[InferenceRequest]) -> Sequence[InferenceResponse]:
            if broken:
                raise TypeError("unforeseen")
            return [b"fine"] * len(requests)

        batcher = Batcher(call, 5)
        assert isinstance(await batcher.submit(request(1)), Unavailable)
        broken = False
        assert await batcher.submit(request(2)) == b"fine"

    run(body)


def test_a_call_that_never_ends_times_out() -> None:
    async def body() -> None:
        batcher = Batcher(Model(), 0.01)
        response = await batcher.submit(request(1))
        assert isinstance(response, Unavailable)
        assert response.code == "prediction_timeout"

    run(body)


def test_a_call_that_nobody_waits_for_is_cancelled_and_the_next_one_is_made() -> None:
    async def body() -> None:
        cancelled = asyncio.Event()
        is_stuck = True

        async def call(requests: Sequence[InferenceRequest]) -> Sequence[InferenceResponse]:
            if is_stuck:
                try:
                    await asyncio.Event().wait()
                finally:
                    cancelled.set()
            return [b"fine"] * len(requests)

        batcher = Batcher(call, 5)
        tasks = [asyncio.create_task(batcher.submit(request(number))) for number in range(2)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
        assert not cancelled.is_set()
        tasks[1].cancel()
        await cancelled.wait()
        is_stuck = False
        assert await batcher.submit(request(3)) == b"fine"

    run(body)
