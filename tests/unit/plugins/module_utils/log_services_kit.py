# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exports of all four log services, for tests that walk over them."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black import export as carbon_black_export
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast import export as edgecast_export
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface import scan_log_export
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum import alert_export
from tests.sandbox import Sandbox

from . import carbon_black_kit, edgecast_kit, indusface_kit, scutum_kit

ANCHOR = "2026-11-20T12:00:00Z"
SHARED: dict[str, Any] = {
    **dict.fromkeys(("lag", "overlap", "sweep", "backfill", "retain_days", "segment_group")),
    "compress": False,
    "segment_mode": "0600",
    "sensitive": "redact",
    "include_raw": False,
    "first_run": "lookback",
    "lookback": "29d",
}


@dataclasses.dataclass(frozen=True)
class Service:
    """One log service.

    Attributes:
        room: attribute of the sandbox.
        client_of: makes a client.
        run: logic of the export.
        options: of the export alone.
        page: records to a page; None where there are no pages.
        again: requests of a run with nothing new.
    """

    room: str
    client_of: Callable[..., Any]
    run: Callable[..., Result]
    options: dict[str, Any]
    page: int | None = 1000
    again: int = 1


SERVICES = {
    "edgecast": Service("edgecast", edgecast_kit.client_of, edgecast_export.run, {"event_filters": None}),
    "scutum": Service(
        "scutum", scutum_kit.client_of, alert_export.run, {"ip": None, "details": "none", "details_limit": None}
    ),
    "indusface": Service(
        "indusface", indusface_kit.client_of, scan_log_export.run, {"chunk_days": 1}, page=None, again=3
    ),
    "carbon_black": Service(
        "carbon_black",
        carbon_black_kit.client_of,
        carbon_black_export.run,
        {"criteria": None, "search": None, "malware_findings": False},
    ),
}


class LogStream:
    """A sandbox with records of one service, and the directory that they are collected into."""

    def __init__(self, sandbox: Sandbox, service: Service, folder: Path) -> None:
        self.sandbox = sandbox
        self.service = service
        self.dest = folder / "stream"
        self.state = folder / "state"

    def run(self, **options: Any) -> Result:
        """One run by the clock of the sandbox; requests are counted anew."""
        self.sandbox.reset_counters()
        params = {**SHARED, **self.service.options, "dest": str(self.dest), "state_dir": str(self.state), **options}
        with self.service.client_of(self.sandbox, max_wait=100_000) as client:
            return self.service.run(params, client, False, clock=self.sandbox.log_clock.now)

    @property
    def room(self) -> Any:
        """The service in the sandbox."""
        return getattr(self.sandbox, self.service.room)

    @property
    def requests(self) -> int:
        """Requests of the last run."""
        number: int = self.sandbox.counters.snapshot()["requests"]
        return number

    def records(self) -> collections.Counter[tuple[str, str]]:
        """How often each (key, content) is in the segments."""
        lines = (line for path in self.dest.glob("dt=*/*.ndjson") for line in path.read_bytes().splitlines())
        return collections.Counter((record["key"], record["content"]) for record in map(json.loads, lines))

    def files(self) -> collections.Counter[str]:
        """How many segments each day has."""
        return collections.Counter(path.parent.name for path in self.dest.glob("dt=*/*.ndjson"))


@contextlib.contextmanager
def log_stream(name: str, folder: Path, **settings: Any) -> Iterator[LogStream]:
    """A stream of a service; ``settings`` are those of its room in the sandbox."""
    service = SERVICES[name]
    with Sandbox(webapps=0, findings=0, log_anchor=ANCHOR, **{service.room: settings}) as sandbox:
        yield LogStream(sandbox, service, folder)
        assert sandbox.counters.internal_errors == 0
