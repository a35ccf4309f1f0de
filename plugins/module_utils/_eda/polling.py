# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs an event source: polls in a thread, passes events to the engine, and continues after failures of the service.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import threading
import typing as t

from .._base.errors import MissingLibrary, OptionError, PerimeterError
from .._http.session import HAS_REQUESTS, REQUESTS_IMPORT_ERROR, ServiceClient
from .._spool.disk.lock import locked
from .._state.directory import make_folder
from .arguments import QUEUE, Arguments
from .delivery import EventDelivery, Queue
from .pace import Pace
from .steps import Step

R = t.TypeVar("R")


class EventFeed(t.Protocol):
    """A source of events, and how far the engine has received them."""

    lock: pathlib.Path

    def begin(self) -> None:
        """Read the position."""

    def write(self) -> None:
        """Make the position durable."""


class Poll(t.Protocol):
    """One poll with its own client."""

    def __call__(self, client: t.Any) -> t.Iterator[list[Step]]:
        """Yield the new steps in batches."""


@contextlib.contextmanager
def guarded() -> t.Iterator[None]:
    """Turn unexpected errors into errors without secrets, because the engine logs the text of any error.

    Raises:
        MissingLibrary: requests is not installed.
        PerimeterError: any other error.
    """
    if not HAS_REQUESTS:
        raise MissingLibrary("requests", REQUESTS_IMPORT_ERROR or "")
    try:
        yield
    except PerimeterError:
        raise
    except Exception as error:
        raise PerimeterError(
            f"This event source failed with an internal error, {type(error).__name__}.",
            hint="That is a defect of appsec.perimeter, or of a filter of the rulebook.",
        ) from error


async def run(
    queue: Queue, arguments: Arguments, given: t.Mapping[str, t.Any], feed: EventFeed,
    connect: t.Callable[[], ServiceClient], poll: Poll, name: str,
) -> None:  # fmt: skip
    """Feed the engine until the task is cancelled.

    Args:
        queue: the engine's queue.
        arguments: checked arguments.
        given: the arguments from ansible-rulebook, including the queue of its confirmations.
        feed: the position.
        connect: makes a client; sends nothing.
        poll: reads the new events.
        name: the name of the source in messages.

    Raises:
        PerimeterError: it cannot start, because of the arguments, the position, or another rulebook on the same stream.
    """
    feedback = given.get(QUEUE)
    if arguments["feedback"] and feedback is None:
        raise OptionError(
            "feedback is true, but ansible-rulebook passes no queue for it.",
            hint="ansible-rulebook 1.3 and newer have it, with --persistence-id; without it, remove feedback.",
        )
    make_folder(feed.lock.parent)
    with locked(feed.lock, "feeds this stream to a rulebook under the same consumer"):
        feed.begin()
        pace = Pace(name, arguments["interval"], arguments["max_backoff"])
        size, patience = arguments["queue_size"], arguments["feedback_timeout"]
        async with EventDelivery(queue, feedback, size, feed.write, patience) as delivery:
            while True:
                pause = await _poll(delivery, connect, poll, pace)
                await delivery.rest(pause)


async def _poll(delivery: EventDelivery, connect: t.Callable[[], ServiceClient], poll: Poll, pace: Pace) -> float:
    """Poll once, and return the pause after it."""
    secrets: tuple[str, ...] = ()
    try:
        with contextlib.closing(_Batches(connect(), poll)) as batches:
            try:
                while (batch := await in_thread(batches.take)) is not None:
                    for step in batch:
                        await delivery.put(step)
            finally:
                secrets = batches.client.secrets()
    except MissingLibrary:
        raise
    except PerimeterError as error:
        return pace.failed(error, secrets)
    return pace.well()


class _Batches:
    """The batches of one poll, with the client that reads them."""

    def __init__(self, client: ServiceClient, poll: Poll) -> None:
        self.client = client
        self._steps = poll(client)

    def take(self) -> list[Step] | None:
        """Return the next batch; None at the end."""
        return next(self._steps, None)

    def close(self) -> None:
        """Close the connections."""
        self.client.__exit__(None, None, None)


def in_thread(work: t.Callable[[], R]) -> asyncio.Future[R]:
    """Run a function in a daemon thread, which does not keep the process from ending while it waits."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[R] = loop.create_future()

    def finish(result: R | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(t.cast("R", result))

    def body() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for it
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended in the meantime
            loop.call_soon_threadsafe(finish, result, failure)

    threading.Thread(target=body, daemon=True, name="appsec.perimeter: poll").start()
    return future
