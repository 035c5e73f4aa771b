"""Calls of one model that come at the same time, gathered so that its backend answers them together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from generations.llm.calls import Answer, Backend, Request

WINDOW: Final = 0.005
"""Seconds that the first of a batch waits for others."""
MOST: Final = 64


class Batches:
    """The gathering of one model's calls. Lives on the library's loop."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._waiting: dict[object, list[tuple[Request, asyncio.Future[Answer]]]] = {}
        self._running: set[asyncio.Task[list[Answer]]] = set()

    async def complete(self, request: Request) -> Answer:
        """The answer to one request, which may travel with others."""
        key = self._backend.batch_key(request)
        if key is None:
            (answer,) = await self._backend.complete([request])
            return answer
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        batch = self._waiting.setdefault(key, [])
        batch.append((request, future))
        if len(batch) == 1:
            loop.call_later(WINDOW, self._go, key)
        elif len(batch) >= MOST:
            self._go(key)
        return await future

    def _go(self, key: object) -> None:
        batch = self._waiting.pop(key, [])
        wanted = [(request, future) for request, future in batch if not future.done()]
        if not wanted:
            return
        task = asyncio.get_running_loop().create_task(self._backend.complete([request for request, _ in wanted]))
        self._running.add(task)
        futures = [future for _, future in wanted]
        task.add_done_callback(lambda done: self._settle(done, futures))
        for future in futures:
            future.add_done_callback(lambda _: task.cancel() if all(f.done() for f in futures) else None)

    def _settle(self, task: asyncio.Task[list[Answer]], futures: Sequence[asyncio.Future[Answer]]) -> None:
        self._running.discard(task)
        waiting = [(place, future) for place, future in enumerate(futures) if not future.done()]
        for place, future in waiting:
            if task.cancelled():
                future.cancel()
            elif (problem := task.exception()) is not None:
                future.set_exception(problem)
            else:
                future.set_result(task.result()[place])
