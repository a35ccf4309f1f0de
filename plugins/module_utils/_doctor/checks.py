# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One result of the doctor: what was checked, its state, and what to fix.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

State = t.Literal["ok", "warning", "failed", "skipped"]


@dataclasses.dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        subject: ``machine``, or the name of a service.
        check: what was checked, such as ``tls``.
        state: ``failed`` must be fixed, ``warning`` may need fixing, ``skipped`` was not checked or is not needed.
        message: one sentence; never contains a credential.
        hint: what to do; empty when there is nothing to fix.
    """

    subject: str
    check: str
    state: State
    message: str
    hint: str = ""

    def to_dict(self) -> dict[str, str]:
        """The check as plain data."""
        return dataclasses.asdict(self)
