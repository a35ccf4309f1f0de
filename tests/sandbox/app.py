# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox as one object: settings, state, server."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from .carbon_black import CarbonBlack, CarbonBlackSettings
from .clock import Clock
from .control import Control
from .counters import Counters
from .edgecast import Edgecast, EdgecastSettings
from .faults import Faults
from .indusface import Indusface, IndusfaceSettings
from .log_room import LogClock
from .qualys import Qualys, QualysSettings, State
from .receivers import Receivers, ReceiversSettings
from .scutum import Scutum, ScutumSettings
from .server import Server
from .service import Service
from .switches import Switches


@dataclass(slots=True)
class Settings:
    """Everything that can be chosen at start."""

    port: int = 0
    seed: int = 1
    webapps: int = 200
    findings: int = 5000
    finding_bytes: int = 0
    latency_ms: float = 0.0
    certfile: str | None = None
    keyfile: str | None = None
    username: str = "sandbox_user"
    password: str = "sandbox_password"
    client_id: str = "sandbox_client"
    client_secret: str = "sandbox_secret"
    page_cap: int = 1000
    prewarm: Sequence[str] = ()
    log_anchor: str | None = None
    indusface: Mapping[str, Any] | None = None
    edgecast: Mapping[str, Any] | None = None
    scutum: Mapping[str, Any] | None = None
    carbon_black: Mapping[str, Any] | None = None
    receivers: Mapping[str, Any] | None = None
    switches: Mapping[str, Any] | None = None


class Sandbox:
    """A running sandbox; a context manager. Keyword arguments are the fields of Settings."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.counters = Counters()
        self.faults = Faults(self.settings.seed)
        self.switches = Switches(self.settings.switches)
        self.clock = Clock()
        self._qualys = Qualys(self._qualys_settings(), self.switches, self.counters, self.clock)
        self.log_clock = LogClock(self.settings.log_anchor)
        self._make_log_rooms()
        controls = self._qualys.controls() | {"log_clock/freeze": self.log_clock.freeze}
        controls |= {"log_clock/advance": self.log_clock.advance}
        for room in self._log_rooms:
            controls |= room.controls()
        self._control = Control(self.counters, self.faults, self.switches, self.reset, self.clock, controls)
        self._service = Service(
            [self._qualys, *self._log_rooms], self.counters, self.faults, self.switches, self._control
        )
        self._service.latency_s = self.settings.latency_ms / 1000
        self._server: Server | None = None

    def _make_log_rooms(self) -> None:
        chosen = self.settings
        shared = (chosen.seed, self.switches, self.counters, self.log_clock)
        self.indusface = Indusface(IndusfaceSettings(**chosen.indusface or {}), *shared)
        self.edgecast = Edgecast(EdgecastSettings(**chosen.edgecast or {}), *shared)
        self.scutum = Scutum(ScutumSettings(**chosen.scutum or {}), *shared)
        self.carbon_black = CarbonBlack(CarbonBlackSettings(**chosen.carbon_black or {}), *shared)
        self.receivers = Receivers(ReceiversSettings(**chosen.receivers or {}), *shared)
        self._log_rooms = (self.indusface, self.edgecast, self.scutum, self.carbon_black, self.receivers)

    def _qualys_settings(self) -> QualysSettings:
        chosen = self.settings
        return QualysSettings(
            seed=chosen.seed,
            webapps=chosen.webapps,
            findings=chosen.findings,
            finding_bytes=chosen.finding_bytes,
            username=chosen.username,
            password=chosen.password,
            client_id=chosen.client_id,
            client_secret=chosen.client_secret,
            page_cap=chosen.page_cap,
        )

    @property
    def qualys(self) -> State:
        """The Qualys state: tables by id (webapps, findings, tags, ...)."""
        return self._qualys.state

    @property
    def username(self) -> str:
        """The accepted user name."""
        return self.settings.username

    @property
    def password(self) -> str:
        """The accepted password."""
        return self.settings.password

    @property
    def client_id(self) -> str:
        """The accepted client id of /auth/oidc."""
        return self.settings.client_id

    @property
    def client_secret(self) -> str:
        """The accepted client secret of /auth/oidc."""
        return self.settings.client_secret

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is None:
            raise RuntimeError("the sandbox is not running")
        return self._server.port

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        scheme = "https" if self.settings.certfile else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def latency_ms(self) -> float:
        """The wait before each answer; may be set while running."""
        return self._service.latency_s * 1000

    @latency_ms.setter
    def latency_ms(self, value: float) -> None:
        self._service.latency_s = value / 1000

    def reset_counters(self) -> None:
        """All counters to zero."""
        self.counters.reset()

    def reset(self) -> None:
        """State and clock back to the seed; switches, faults and counters stay."""
        self.clock.reset()
        self._reset_rooms()

    def _reset_rooms(self) -> None:
        self._qualys.reset()
        for room in self._log_rooms:
            room.reset()

    def start(self) -> Sandbox:
        """Seed, then listen."""
        self._reset_rooms()
        for target in self.settings.prewarm:
            self._qualys.prewarm(target)
        self._server = Server(self._service, self.counters, self.settings.port, self._context())
        self._server.start()
        return self

    def _context(self) -> ssl.SSLContext | None:
        if not self.settings.certfile:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.settings.certfile, self.settings.keyfile)
        return context

    def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._server is not None:
            self._server.close()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
