"""One event loop for all calls of a process, on a thread of its own.

So that `await` in any number of loops and the blocking `*_sync` functions mix freely, share connections, and are
batched together: whoever calls only waits for what happens here.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from generations.llm.errors import Cancelled

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_END: Final = object()
_held: dict[asyncio.AbstractEventLoop, list[tuple[Coroutine[Any, Any, Any], Future[Any]]]] = {}
_tasks: set[asyncio.Task[Any]] = set()
_asker: ContextVar[tuple[float, Callable[[], bool]] | None] = ContextVar("asker", default=None)


def loop() -> asyncio.AbstractEventLoop:
    """The loop, started when it is first needed."""
    global _loop, _thread
    with _lock:
        if _loop is None or _thread is None or not _thread.is_alive():
            made = asyncio.new_event_loop()
            _thread = threading.Thread(target=made.run_forever, name="generations-llm", daemon=True)
            _thread.start()
            _loop = made
        return _loop


def submit(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Begin `work` there; cancelling what is returned cancels it."""
    return asyncio.run_coroutine_threadsafe(work, loop())


async def awaited(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, awaited from any loop. Cancelling the awaiting task cancels the work.

    What a loop asks for in one go (`asyncio.gather`) begins there in one go, so that it can be batched however busy the
    machine is.
    """
    here = asyncio.get_running_loop()
    future: Future[T] = Future()
    held = _held.setdefault(here, [])
    held.append((work, future))
    if len(held) == 1:
        # Runs after whatever this loop has begun already.
        here.call_soon(lambda: loop().call_soon_threadsafe(_begin, _held.pop(here)))
    return await asyncio.wrap_future(future)


def _begin(held: list[tuple[Coroutine[Any, Any, Any], Future[Any]]]) -> None:
    for work, future in held:
        task = asyncio.get_running_loop().create_task(work)
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
        _linked(task, future)


def _linked(task: asyncio.Task[Any], future: Future[Any]) -> None:
    """Bring the result of `task` to `future`, and a cancelling of `future` to `task`."""
    there = asyncio.get_running_loop()

    def told(done: asyncio.Task[Any]) -> None:
        if done.cancelled():
            future.cancel()
        if not future.set_running_or_notify_cancel():
            return
        if (problem := done.exception()) is not None:
            future.set_exception(problem)
        else:
            future.set_result(done.result())

    task.add_done_callback(told)
    future.add_done_callback(lambda f: there.call_soon_threadsafe(task.cancel) if f.cancelled() else None)


def blocking(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, waited for by the calling thread. An interrupt while waiting cancels the work.

    Raises Cancelled when whoever it is done for (`done_for`) is gone before its end.
    """
    if threading.current_thread() is _thread:
        work.close()
        raise RuntimeError("A *_sync function was called from within a model's own work, where it would wait forever.")
    future = submit(work)
    seconds, is_there = _asker.get() or (None, bool)
    try:
        while not wait([future], seconds).done:
            if not is_there():
                raise Cancelled("Whoever asked went away before the answer was there.")
        return future.result()
    except BaseException:
        future.cancel()
        raise


@contextmanager
def done_for(is_there: Callable[[], bool], seconds: float) -> Iterator[None]:
    """What this thread waits for within is done for somebody, and in vain once `is_there` says no: it is asked after
    each so many seconds of waiting."""
    token = _asker.set((seconds, is_there))
    try:
        yield
    finally:
        _asker.reset(token)


def iterated(make: Callable[[], AsyncIterator[T]], beat: float | None = None) -> Generator[T | None]:
    """The items of an asynchronous iterator, one after another in the calling thread. Closing it ends the other.

    With a `beat`, None comes whenever so many seconds have passed without an item: a chance to see whether anybody
    still listens.
    """
    items: queue.Queue[Any] = queue.Queue()
    future = submit(_pumped(make, items.put))
    try:
        while (item := _next(items, beat)) is not _END:
            yield item
        future.result()
    finally:
        future.cancel()


def _next(items: queue.Queue[Any], beat: float | None) -> Any:
    try:
        return items.get(timeout=beat)
    except queue.Empty:
        return None


async def iterated_async(make: Callable[[], AsyncIterator[T]]) -> AsyncGenerator[T]:
    """The items of an asynchronous iterator there, one after another in any other loop. Closing it ends the other."""
    here = asyncio.get_running_loop()
    items: asyncio.Queue[Any] = asyncio.Queue()

    def put(item: object) -> None:
        if not here.is_closed():
            here.call_soon_threadsafe(items.put_nowait, item)

    future = submit(_pumped(make, put))
    try:
        while (item := await items.get()) is not _END:
            yield item
        await asyncio.wrap_future(future)
    finally:
        future.cancel()


async def _pumped(make: Callable[[], AsyncIterator[T]], put: Callable[[object], None]) -> None:
    # Unbounded: whoever reads is never far behind a model, and all of an answer is small.
    try:
        async for item in make():
            put(item)
    finally:
        put(_END)


def _after_fork() -> None:
    """Begin anew in a child: the thread did not come along, and its connections are the parent's."""
    global _lock, _loop, _thread
    _lock = threading.Lock()
    _loop = _thread = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
