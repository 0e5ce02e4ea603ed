"""Natural batching: who rides together, and that nobody is left waiting."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from dataml.errors import Unavailable
from dataml.serving.model_runner import InferenceRequest, InferenceResponse
from deployments.inference_client import Batcher


def question(number: int) -> InferenceRequest:
    return InferenceRequest(({"number": number},), "tester")


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 10))


class Model:
    """Answers with each question's number; a call lasts until `gate` is open."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.gate = asyncio.Event()

    async def __call__(self, questions: Sequence[InferenceRequest]) -> Sequence[InferenceResponse]:
        self.calls.append(len(questions))
        await self.gate.wait()
        return [str(q.rows[0]["number"]).encode() for q in questions]


def test_questions_that_come_during_a_call_ride_together_in_the_next() -> None:
    async def body() -> None:
        model = Model()
        lane = Batcher(model, 5)
        asked = [asyncio.create_task(lane.ask(question(number))) for number in range(1)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked += [asyncio.create_task(lane.ask(question(number))) for number in range(1, 20)]
        await asyncio.sleep(0)
        model.gate.set()
        assert await asyncio.gather(*asked) == [str(number).encode() for number in range(20)]
        assert model.calls == [1, 19]

    run(body)


def test_a_caller_that_leaves_costs_the_others_nothing() -> None:
    async def body() -> None:
        model = Model()
        lane = Batcher(model, 5)
        asked = [asyncio.create_task(lane.ask(question(number))) for number in range(3)]
        await asyncio.sleep(0)
        asked[0].cancel()
        model.gate.set()
        assert await asyncio.gather(*asked[1:]) == [b"1", b"2"]

    run(body)


def test_a_call_that_breaks_answers_unavailable_and_the_next_one_is_made() -> None:
    async def body() -> None:
        broken = True

        async def call(questions: Sequence[InferenceRequest]) -> Sequence[InferenceResponse]:
            if broken:
                raise TypeError("unforeseen")
            return [b"fine"] * len(questions)

        lane = Batcher(call, 5)
        assert isinstance(await lane.ask(question(1)), Unavailable)
        broken = False
        assert await lane.ask(question(2)) == b"fine"

    run(body)


def test_a_call_without_end_is_given_up() -> None:
    async def body() -> None:
        lane = Batcher(Model(), 0.01)
        assert isinstance(await lane.ask(question(1)), Unavailable)

    run(body)
