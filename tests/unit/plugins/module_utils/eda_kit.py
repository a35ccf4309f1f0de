# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule engine in memory, for the tests of event sources: queues of one place, as ansible-rulebook makes them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from ansible_collections.appsec.perimeter.plugins.module_utils._eda.steps import Step, event_step

Filter = Callable[[dict[str, Any]], list[dict[str, Any]]]


class FilteredQueue:
    """What ansible-rulebook 1.3 hands to a source: filters in front of the engine's own queue."""

    def __init__(self, queue: asyncio.Queue[Any], keep: Filter) -> None:
        self.queue = queue
        self.keep = keep

    async def put(self, data: Any) -> None:
        for event in self.keep(data):
            await self.queue.put(event)


class Engine:
    """Takes events one by one; with feedback it confirms each, unless it refuses it."""

    def __init__(self, *, feedback: bool, keep: Filter = lambda event: [event]) -> None:
        self.own: asyncio.Queue[Any] = asyncio.Queue(1)
        self.queue = FilteredQueue(self.own, keep)
        self.feedback: asyncio.Queue[Any] | None = asyncio.Queue(1) if feedback else None
        self.received: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.refuses: Callable[[dict[str, Any]], bool] = lambda event: False
        self.works = asyncio.Event()
        self.works.set()

    async def run(self) -> None:
        """As the engine's loop over its source queue."""
        while True:
            await self.works.wait()
            event = await self.own.get()
            if self.refuses(event):
                continue
            self.events.append(event)
            self.received.append(event["meta"]["uuid"])
            if self.feedback is not None:
                await self.feedback.put(event)

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[Engine]:
        """Runs while the test does."""
        task = asyncio.create_task(self.run())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class Position:
    """What was confirmed in memory, and what is on the disk."""

    def __init__(self) -> None:
        self.memory: list[str] = []
        self.disk: list[str] = []
        self.writes = 0
        self.fails: Exception | None = None

    def write(self) -> None:
        if self.fails is not None:
            raise self.fails
        self.writes += 1
        self.disk = list(self.memory)

    def step(self, name: str, **fields: Any) -> Step:
        return event_step({"name": name, **fields}, name, lambda: self.memory.append(name))


async def until(ready: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not ready():
            await asyncio.sleep(0.001)
