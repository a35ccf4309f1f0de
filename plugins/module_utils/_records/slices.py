# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which applications belong to one slice of a job that AWX has split into several.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._base.errors import OptionError


def part_of(ids: t.Iterable[t.Any], number: int, count: int) -> list[int]:
    """Return the ids of one slice, ascending.

    The slice of an id depends on the id only: the slices of a job list the estate at different times, and an
    application that only one of them sees must not move the others to another slice.

    Args:
        ids: ids of applications, as numbers or text.
        number: number of the slice, from 1.
        count: number of slices.

    Raises:
        OptionError: there is no such slice, or an id is not a number.
    """
    if not 1 <= number <= count:
        raise OptionError(f"There is no slice {number} of {count}.", hint="AWX sets awx_job_slice_number from 1 on.")
    try:
        known = sorted({int(item) for item in ids})
    except (TypeError, ValueError):
        raise OptionError("The id of an application is not a number.") from None
    return [item for item in known if item % count == number - 1]
