# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes events to the rule engine, and determines how far the position may move.

This module is private to the collection and may change at any time.

At most ``size`` events are in flight: given to the engine, or waiting to be, and not yet covered by the position on
disk. So a process that is killed repeats at most that many.

With feedback, the engine confirms each event that it received, and the position moves over confirmed events. Without
it, nobody knows what happened to an event, so at least half of ``size`` events always stay behind the position:
whatever the engine may still hold in memory is repeated after a kill.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import typing as t

from .._base.errors import PerimeterError
from .steps import Step

log = logging.getLogger("appsec.perimeter.eda")

ATTEMPTS = 3
"""How often an event is given to an engine that confirms later events but not this one."""
_IDLE_S = 1.0
"""Seconds without a confirmation after which the confirmed progress is written."""
_LONGEST_S = 600.0


class Queue(t.Protocol):
    """The queue that ansible-rulebook passes to a source."""

    async def put(self, data: t.Any) -> None:
        """Give one event to the engine; waits while the engine is busy."""


class _Counted:
    """Counts events that reach the engine's own queue: a filter of the rulebook may drop one, which nobody confirms."""

    def __init__(self, inner: Queue) -> None:
        self._inner = inner
        self.count = 0

    async def put(self, data: t.Any) -> None:
        """Like the engine's queue."""
        self.count += 1
        await self._inner.put(data)

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._inner, name)


def _counted(queue: t.Any) -> _Counted | None:
    """Put a counter between the filters and the engine's queue; None if this engine is structured differently."""
    inner = getattr(queue, "queue", None)
    if isinstance(inner, _Counted):
        return inner
    if not isinstance(inner, asyncio.Queue):
        return None
    queue.queue = _Counted(t.cast("Queue", inner))
    return t.cast("_Counted", queue.queue)


class EventDelivery:
    """The events of one source on their way to the engine. A context manager, entered in the engine's loop.

    Args:
        queue: the engine's queue.
        feedback: the queue with the engine's confirmations; None without feedback.
        size: maximum number of events in flight.
        write: makes the position durable.
        feedback_timeout: seconds after which an unconfirmed event is given again.
    """

    def __init__(
        self,
        queue: Queue,
        feedback: asyncio.Queue[t.Any] | None,
        size: int,
        write: t.Callable[[], None],
        feedback_timeout: float = 60.0,
    ) -> None:
        self._queue = queue
        self._feedback = feedback
        self._counter = _counted(queue) if feedback is not None else None
        self._size = size
        self._write = write
        self._timeout = feedback_timeout
        self._steps: collections.deque[Step] = collections.deque()
        self._by_key: dict[str, Step] = {}
        # Given to the engine and not confirmed, in the order in which they were given.
        self._given_now: dict[Step, None] = {}
        self._to_send: collections.deque[Step] = collections.deque()
        self._open = self._sent = self._unwritten = self._serial = 0
        self._stale = False
        self._changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._silent = self._unwritable = False

    async def __aenter__(self) -> t.Self:
        self._tasks.append(asyncio.create_task(self._send(), name="appsec.perimeter: events"))
        if self._feedback is not None:
            self._tasks.append(asyncio.create_task(self._hear(self._feedback), name="appsec.perimeter: feedback"))
        return self

    async def __aexit__(self, *_details: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._settle_and_write()

    async def put(self, step: Step) -> None:
        """Accept one step; waits while too many events are in flight."""
        if step.event is not None:
            await self._room()
        async with self._changed:
            if step.is_mark and self._steps and self._steps[-1].is_mark:
                self._steps.pop()
            self._steps.append(step)
            if step.event is None:
                step.confirmed = True
                self._settle()
            else:
                self._open += 1
                self._by_key[step.key] = step
                self._to_send.append(step)
                self._changed.notify_all()

    async def rest(self, seconds: float) -> None:
        """Write the position if it moved, and wait; events in flight continue meanwhile."""
        self._settle_and_write()
        await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self.check()

    def check(self) -> None:
        """Raise the error that ended one of the tasks, such as one from a filter of the rulebook."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _room(self) -> None:
        while True:
            self.check()
            if self._open + self._unwritten < self._size:
                return
            if self._unwritten and self._settle_and_write():
                continue
            async with self._changed:
                if self._open + self._unwritten >= self._size:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_IDLE_S):
                            await self._changed.wait()

    # The engine's side

    async def _send(self) -> None:
        while True:
            async with self._changed:
                while not self._to_send:
                    await self._changed.wait()
                step = self._to_send.popleft()
            step.attempts += 1
            self._serial += 1
            step.serials.append(self._serial)
            self._given_now.pop(step, None)
            if self._feedback is not None and not step.confirmed:
                self._given_now[step] = None
            before = self._counter.count if self._counter else 0
            # A copy, because the engine modifies it.
            await self._queue.put({**t.cast("dict[str, t.Any]", step.event), "meta": {"uuid": step.key}})
            if self._feedback is None:
                await self._given()
            elif self._counter is not None and self._counter.count == before:
                await self._confirm(step, received=False)

    async def _given(self) -> None:
        """Without feedback: when ``size`` events have been given, the older half counts as received."""
        self._sent += 1
        if self._sent < self._size:
            return
        left = max(1, self._size // 2)
        for step in self._steps:
            if step.event is not None and not step.confirmed:
                step.confirmed = True
                self._sent -= 1
                left -= 1
                if not left:
                    break
        async with self._changed:
            self._settle_and_write()
            self._changed.notify_all()

    async def _hear(self, feedback: asyncio.Queue[t.Any]) -> None:
        patience = self._timeout
        waited = 0.0
        while True:
            try:
                # The engine waits for space in this queue, so nothing may delay reading it.
                async with asyncio.timeout(_IDLE_S):
                    data = await feedback.get()
            except TimeoutError:
                self._settle_and_write()
                waited = waited + _IDLE_S if self._given_now else 0.0
                if waited >= patience:
                    waited, patience = 0.0, min(2 * patience, _LONGEST_S)
                    await self._ask_again()
                continue
            waited, patience = 0.0, self._timeout
            step = self._by_key.get(_uuid_of(data))
            if step is None:
                continue
            if self._silent:
                self._silent = False
                log.warning("The rule engine confirms events again.")
            await self._confirm(step, received=True)

    async def _confirm(self, step: Step, *, received: bool) -> None:
        """Record that the engine has an event, or will never get it because a filter dropped it."""
        async with self._changed:
            step.confirmed = True
            self._given_now.pop(step, None)
            # Confirmations come in the order of giving; for a step that was given twice, this is the first one.
            serial = step.serials.popleft() if step.serials else 0
            if received:
                self._overtaken(serial)
            self._settle()
            if self._unwritten >= max(1, self._size // 2):
                self._settle_and_write()
            self._changed.notify_all()

    def _overtaken(self, serial: int) -> None:
        """Give unconfirmed events again that were given before a confirmed one: they did not reach a rule."""
        while self._given_now:
            earlier = next(iter(self._given_now))
            if earlier.serials[-1] >= serial:
                return
            del self._given_now[earlier]
            earlier.serials.clear()
            if earlier.attempts < ATTEMPTS:
                self._to_send.append(earlier)
                continue
            earlier.confirmed = True
            log.error(
                "The rule engine refused the event %s %d times and accepted later ones; it is skipped.",
                earlier.key,
                earlier.attempts,
            )

    async def _ask_again(self) -> None:
        if not self._silent:
            self._silent = True
            log.warning(
                "The rule engine has not confirmed an event for %g s: it is busy, or its database does not answer. The"
                " position stays where it is.",
                self._timeout,
            )
        async with self._changed:
            if self._to_send:
                return
            oldest = next(iter(self._given_now))
            self._to_send.append(oldest)
            # If the engine accepts one that it already has, but not the oldest, then the oldest itself is the cause.
            witness = next((step for step in reversed(self._steps) if step.confirmed and step.event), None)
            if witness is not None:
                self._to_send.append(witness)
            self._changed.notify_all()

    # The position's side

    def _settle(self) -> None:
        """Move the position in memory over all confirmed steps."""
        while self._steps and self._steps[0].confirmed:
            step = self._steps.popleft()
            step.done()
            self._stale = True
            if step.event is not None:
                self._by_key.pop(step.key, None)
                self._open -= 1
                self._unwritten += 1

    def _settle_and_write(self) -> bool:
        """Write the position if it moved, and return whether all progress is on disk."""
        self._settle()
        if not self._stale:
            return True
        try:
            self._write()
        except PerimeterError as error:
            if not self._unwritable:
                self._unwritable = True
                log.error("%s Events wait until it can be written.", error)
            return False
        if self._unwritable:
            self._unwritable = False
            log.warning("The position is written again.")
        self._stale = False
        self._unwritten = 0
        return True


def _uuid_of(data: t.Any) -> str:
    meta = data.get("meta") if isinstance(data, dict) else None
    return str(meta.get("uuid")) if isinstance(meta, dict) else ""
