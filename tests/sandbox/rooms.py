# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server asks of a vendor: one room per service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .faults import Fault
from .wire import Reply, Request


class Room(Protocol):
    """One vendor's API."""

    def matches(self, path: str) -> bool:
        """Whether the path belongs to this vendor."""

    def is_write(self, method: str, path: str) -> bool:
        """Whether the call would change something at the vendor (search, count, get and auth do not)."""

    def enter(self, request: Request) -> Reply | None:
        """Begin a request; a reply means that a limit refuses it."""

    def leave(self, request: Request) -> None:
        """End a request that ``enter`` let in or refused."""

    def answer(self, request: Request, faults: Mapping[str, Fault]) -> Reply:
        """Perform the request."""

    def failure(self, request: Request, code: str, message: str, resolution: str) -> Reply:
        """The vendor's error envelope with HTTP status 200."""

    def reset(self) -> None:
        """State back to the seed."""
