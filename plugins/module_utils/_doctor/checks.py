# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of the doctor: what was looked at, how it is, and what to mend.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

State = t.Literal["ok", "warning", "failed", "skipped"]


@dataclasses.dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes:
        subject: ``machine``, or the name of a service.
        check: what was looked at, such as ``tls``.
        state: ``failed`` needs mending, ``warning`` may, ``skipped`` was not looked at or is not needed.
        message: one sentence; never holds a credential.
        hint: what to do; empty when there is nothing to mend.
    """

    subject: str
    check: str
    state: State
    message: str
    hint: str = ""

    def to_dict(self) -> dict[str, str]:
        """The check as plain data."""
        return dataclasses.asdict(self)
