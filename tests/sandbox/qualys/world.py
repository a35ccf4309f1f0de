# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every handler needs at hand: settings, switches, clock, state, criteria engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..clock import Clock
from ..counters import Counters
from ..faults import Fault
from ..switches import Switches
from ..tables import Record, Table
from ..wire import Reply, Request
from .criteria import Engine, Fields
from .envelope import Responder, ServiceRequest
from .state import State


@dataclass(slots=True)
class QualysSettings:
    """What can be chosen at start."""

    seed: int = 1
    webapps: int = 200
    findings: int = 5000
    finding_bytes: int = 0
    username: str = "sandbox_user"
    password: str = "sandbox_password"
    client_id: str = "sandbox_client"
    client_secret: str = "sandbox_secret"
    page_cap: int = 1000


class World:
    """One subscription with its surroundings."""

    def __init__(self, settings: QualysSettings, switches: Switches, counters: Counters, clock: Clock) -> None:
        self.settings = settings
        self.switches = switches
        self.counters = counters
        self.clock = clock
        self.state = State()
        self.engine = Engine(switches)
        self.responder = Responder(switches)

    def now(self) -> str:
        """The current time in the vendor's format."""
        self.clock.real = self.switches["clock"] == "real"
        return self.clock.stamp()

    def user_id(self) -> int:
        """Id of the user that the credentials belong to."""
        return self.state.users.ids[0]

    def wrote(self) -> None:
        """A write was applied."""
        self.clock.advance()
        self.counters.write_applied()


View = Callable[[Record, str], dict[str, Any]]


@dataclass(slots=True)
class Call:
    """One request to one object."""

    request: Request
    body: ServiceRequest
    path_id: str
    faults: Mapping[str, Fault]

    def data_fault(self, kind: str) -> Fault | None:
        """The data fault of this request, when it is of that kind."""
        fault = self.faults.get("data")
        return fault if fault is not None and fault.kind == kind else None


Handler = Callable[["Resource", Call], Reply]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of an object: methods, whether an id stands in the path, handler."""

    methods: tuple[str, ...]
    path_id: str
    handle: Handler
    reads_body: bool = True


@dataclass(slots=True)
class Resource:
    """One object of the API, e.g. ``webapp`` with root element ``WebApp``.

    ``view`` gives the reply tree of a record for a detail (summary, verbose, full); ``stamp`` changes when anything
    outside the record that its view shows has changed; ``seen`` is told the ids that a search or get has shown.
    """

    world: World
    version: str
    module: str
    name: str
    element: str
    table: Table
    fields: Fields
    view: View
    stamp: Callable[[Record], int]
    operations: dict[str, Operation] = field(default_factory=dict)
    seen: Callable[[list[int]], None] | None = None

    @property
    def xsd(self) -> str:
        """Schema location of the replies."""
        return f"{self.version}/{self.module}/{self.name}"
