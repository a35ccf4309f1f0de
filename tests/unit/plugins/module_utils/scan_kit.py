# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of scans, schedules and reports share: a clock that nobody waits for, options, faults."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import TransportError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.waiting import PollTiming
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.scan import run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from .qualys_kit import client_of

Options = dict[str, Any]

APP = 410001
"""A seeded application with authentication records and a default profile."""


class Clock:
    """Time that passes only in sleeps; the sandbox's clock goes with it."""

    def __init__(self, sandbox: Sandbox | None = None) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []
        self._sandbox = sandbox

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        if self._sandbox is not None:
            self._sandbox.clock.advance(seconds)

    def now(self) -> dt.datetime:
        assert self._sandbox is not None
        return self._sandbox.clock.now()

    def timing(self, draw: float = 0.5) -> PollTiming:
        return PollTiming(clock=lambda: self.seconds, sleep=self.sleep, draw=lambda: draw, now=self.now)


def scan_options(**options: Any) -> Options:
    """The options of ``qualys_was_scan``, the defaults filled in."""
    blank: Options = {
        "state": "finished",
        "id": None,
        "again": None,
        "webapp": None,
        "webapps": None,
        "tags": None,
        **dict.fromkeys(("tags_match", "excluded_tags", "excluded_tags_match", "filters", "max_deletes")),
        **dict.fromkeys(("cancel_time", "randomize", "scan_proxy", "dns_override", "send_mail", "send_one_mail")),
        "filters_strict": True,
        "max_running": None,
        "name": None,
        "type": "VULNERABILITY",
        "profile": None,
        "auth_record": None,
        "scanner": None,
        "cancel_after": None,
        "cancel_with_results": False,
        "wait_timeout": "6h",
        "poll_interval": "60s",
        "resume_within": "0s",
    }
    assert not set(options) - set(blank), options
    return {**blank, **options}


def report_options(dest: Path, **options: Any) -> Options:
    """The options of ``qualys_was_report``, the defaults filled in."""
    blank: Options = {
        **dict.fromkeys(("name", "targets", "template", "file_password", "recipients", "id", "keep")),
        "type": "WAS_WEBAPP_REPORT",
        "format": "PDF",
        "dest": str(dest),
        "wait_timeout": "15m",
        "poll_interval": "10s",
    }
    assert not set(options) - set(blank), options
    return {**blank, **options}


class Scans:
    """Runs the logic of ``qualys_was_scan`` against a sandbox and counts what that sees."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.clock = Clock(sandbox)

    def __call__(self, *, check: bool = False, connection: Options | None = None, **options: Any) -> Result:
        if all(options.get(name) is None for name in ("id", "again", "webapps", "tags", "filters")):
            options = {"webapp": str(APP), "name": "ci", **options}
        self.sandbox.reset_counters()
        self.clock.slept.clear()
        with client_of(self.sandbox, **(connection or {})) as client:
            result = run(scan_options(**options), client, check, timing=self.clock.timing())
        counters = self.sandbox.counters.snapshot()
        assert counters["internal_errors"] == 0
        if check:
            assert counters["writes"] == 0
            assert self.clock.slept == []
        if not result.changed:
            assert counters["writes_applied"] == 0
        return result

    @property
    def launches(self) -> int:
        return self.seen("launch/was/wasscan")

    @property
    def writes(self) -> int:
        return int(self.sandbox.counters.snapshot()["writes"])

    def seen(self, word: str) -> int:
        return sum(word in item["path"] for item in self.sandbox.counters.snapshot()["recent"])

    def of_app(self) -> list[Any]:
        scans = self.sandbox.qualys.scans
        return [scans[key] for key in self.sandbox.qualys.scans_of(APP)]

    def stored(self, result: Result) -> Any:
        return self.sandbox.qualys.scans[int(result.values["scan"]["id"])]

    def fault(self, route: str, kind: str, **details: Any) -> None:
        self.sandbox.faults.add({"match": {"route": route}, "kind": kind, **details})


def slow(scans: Scans, seconds: int = 3600) -> None:
    """Scans take that long, by the clock."""
    scans.sandbox.switches.update({"progress": "clock", "scan_seconds": str(seconds)})


def refuse(monkeypatch: pytest.MonkeyPatch, operation: str, *, sent: bool) -> None:
    """One operation fails on its way."""
    write = QualysClient.write

    def refused(self: Any, given: str, *arguments: Any) -> Any:
        if given == operation:
            raise TransportError("nothing was sent", sent=sent)
        return write(self, given, *arguments)

    monkeypatch.setattr(QualysClient, "write", refused)
