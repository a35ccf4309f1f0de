# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on many records in parallel: results in the order of the items, and an error per item.

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
class ItemOutcome(t.Generic[R]):
    """The result of one item: a value or an error."""

    value: R | None = None
    error: PerimeterError | None = None


def each(items: t.Sequence[T], work: t.Callable[[T], R], *, workers: int) -> list[ItemOutcome[R]]:
    """Do the work for every item in parallel, and return the results in the order of the items.

    An error of one item does not stop the others. An error that concerns all of them, such as refused credentials,
    stops the session: the remaining items fail without a request, and finished items keep their results.
    """

    def attempt(item: T) -> ItemOutcome[R]:
        try:
            return ItemOutcome(value=work(item))
        except PerimeterError as error:
            return ItemOutcome(error=error)

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
    """Do the work for every item in parallel, as :func:`each` does, but let the first error end it.

    For reads. Items that have not begun when an error occurs are skipped.

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
