# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a room returns to the module that called it.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._base.errors import PerimeterError


@dataclasses.dataclass
class Result:
    """The outcome of one ``run``.

    Attributes:
        changed: whether something was written, or would be in check mode.
        values: the documented return values of the module.
        diff: before and after for ``--diff``, redacted; None when there is nothing to show.
        warnings: sentences that the user should see even though the run succeeded.
        error: set when part of the work failed: the module fails, but still returns ``values``.
    """

    changed: bool = False
    values: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    diff: dict[str, t.Any] | list[dict[str, t.Any]] | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)
    error: PerimeterError | None = None
