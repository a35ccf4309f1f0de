# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many records at once: concurrent work in a fixed order of results, one failure not hiding the others.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import typing as t

from .._base.errors import PerimeterError

T = t.TypeVar("T")
R = t.TypeVar("R")


@dataclasses.dataclass(frozen=True)
class Outcome(t.Generic[R]):
    """What came of one item: a value, or the error that it ended in."""

    value: R | None = None
    error: PerimeterError | None = None


def each(items: t.Sequence[T], work: t.Callable[[T], R], *, workers: int) -> list[Outcome[R]]:
    """Do the work for every item, side by side; results stand in the order of the items.

    An error of one item does not stop the others. What all would meet, such as refused credentials, ends each of them
    without a further request, for the session is stopped then; what was done before keeps its result.
    """

    def attempt(item: T) -> Outcome[R]:
        try:
            return Outcome(value=work(item))
        except PerimeterError as error:
            return Outcome(error=error)

    if len(items) == 1 or workers == 1:
        return [attempt(item) for item in items]
    with concurrent.futures.ThreadPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(attempt, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def every(items: t.Sequence[T], work: t.Callable[[T], R], *, workers: int) -> list[R]:
    """As :func:`each`, for reads: the first error ends it all, and what has not begun by then is not begun.

    Raises:
        PerimeterError: the first error.
    """
    if len(items) == 1 or workers == 1:
        return [work(item) for item in items]
    with concurrent.futures.ThreadPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(work, item) for item in items]
        finished, pending = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
        for future in pending:
            future.cancel()
        for future in finished:
            future.result()
        return [future.result() for future in futures]
