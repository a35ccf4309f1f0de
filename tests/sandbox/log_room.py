# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rooms of the log services share: their clock, their frame, JSON replies with a date."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Generic, TypeVar

from .counters import Counters
from .faults import Fault
from .switches import Switches
from .wire import Reply, Request

S = TypeVar("S")


class LogClock:
    """Time of the log services: the machine's, as collectors go by theirs; or frozen, and then moved by hand.

    ``anchor`` is the moment from which seeded records are counted back; it stays where it was at the start.
    """

    def __init__(self, anchor: str | None = None) -> None:
        self._lock = threading.Lock()
        self._frozen: datetime | None = None
        self._offset = timedelta()
        self.anchor = datetime.now(UTC).replace(microsecond=0)
        if anchor is not None:
            self.freeze(anchor)
            self.anchor = self.now()

    def freeze(self, moment: str) -> None:
        """Stand still at this moment (ISO-8601, UTC)."""
        with self._lock:
            self._frozen = datetime.fromisoformat(moment).astimezone(UTC)
            self._offset = timedelta()

    def advance(self, seconds: float) -> None:
        """Move on by hand."""
        with self._lock:
            self._offset += timedelta(seconds=seconds)

    def now(self) -> datetime:
        """The current time, UTC."""
        with self._lock:
            return (self._frozen or datetime.now(UTC)) + self._offset


class LogRoom(Generic[S]):
    """Frame of a room that is only read. Subclasses set PATHS and have ``reset`` and ``answer``."""

    PATHS: tuple[str, ...] = ()

    def __init__(self, settings: S, seed: int, switches: Switches, counters: Counters, clock: LogClock) -> None:
        self.settings = settings
        self.seed = seed
        self.switches = switches
        self.counters = counters
        self.clock = clock
        self.lock = threading.RLock()

    def matches(self, path: str) -> bool:
        """Whether the path belongs to this service."""
        return path.startswith(self.PATHS)

    def is_write(self, _method: str, _path: str) -> bool:
        """Nothing can be written here, searches by POST included."""
        return False

    def enter(self, _request: Request) -> Reply | None:
        """Begin a request; subclasses with a rate limit refuse here."""
        return None

    def leave(self, _request: Request) -> None:
        """End a request."""

    def failure(self, _request: Request, code: str, message: str, _resolution: str) -> Reply:
        """An error body for the fault ``response_code``."""
        return json_reply(400, {"message": f"{code} {message}".strip()}, self.clock)

    def controls(self) -> dict[str, Callable[..., None]]:
        """What the control plane can ask of this service, by path; each takes the list of the body as arguments."""
        return {}

    def reset(self) -> None:
        """State back to the seed."""
        raise NotImplementedError

    def answer(self, request: Request, faults: Mapping[str, Fault]) -> Reply:
        """Perform the request."""
        raise NotImplementedError


def json_reply(status: int, value: Any, clock: LogClock, **headers: str) -> Reply:
    """A JSON reply with the service's own date. Header names are given with underscores."""
    body = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    named = {name.replace("_", "-").title(): text for name, text in headers.items()}
    date = format_datetime(clock.now().astimezone(UTC).replace(microsecond=0), usegmt=True)
    return Reply(status, [body], "application/json", {"Date": date, **named})
