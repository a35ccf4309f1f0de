# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the Edgecast room and modules share: a sandbox with a frozen clock, a client, options."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast import event_info
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.client import Bounds, EdgecastClient, connect
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

ANCHOR = "2026-11-20T12:00:00Z"
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
DAY = Bounds(NOW - dt.timedelta(days=1), NOW)
SPAN = {"start_time": "2026-11-19T12:00:00", "end_time": "2026-11-20T12:00:00"}
TOKEN = "11111111-2222-3333-4444-555555555555"
PER_DAY = 91


@pytest.fixture(scope="session")
def shared() -> Iterator[Sandbox]:
    with Sandbox(findings=0, webapps=1, log_anchor=ANCHOR, edgecast={"records": 32 * 90}) as running:
        yield running


@pytest.fixture
def sandbox(shared: Sandbox) -> Iterator[Sandbox]:
    """Some ninety events a day, counted back from the frozen clock."""
    before = dict(shared.switches)
    shared.reset()
    shared.reset_counters()
    yield shared
    shared.faults.clear()
    shared.switches.update(before)
    shared.log_clock.freeze(ANCHOR)
    assert shared.counters.internal_errors == 0


def connection(sandbox: Sandbox, **options: Any) -> dict[str, Any]:
    """Connection options for a sandbox."""
    return {"api_url": sandbox.url, "account_number": "0001", "token": TOKEN, **options}


@contextlib.contextmanager
def client_of(sandbox: Sandbox, **options: Any) -> Iterator[EdgecastClient]:
    """A client of the sandbox; keywords are further connection options."""
    with connect(connection(sandbox, **options), {}) as client:
        yield client


def info_options(**options: Any) -> dict[str, Any]:
    """The options of ``edgecast_waf_event_info``, the defaults filled in."""
    names = ("start_time", "end_time", "event_filters", "page", "page_size", "event_id", "limit", "query")
    blank: dict[str, Any] = {**dict.fromkeys(names), "fields": False, "sensitive": "redact", "include_raw": False}
    assert not set(options) - set(blank), options
    return {**blank, **options}


def info(sandbox: Sandbox, *, retries: int = 5, **options: Any) -> Result:
    """Run the logic of ``edgecast_waf_event_info``."""
    with client_of(sandbox, retries=retries) as client:
        return event_info.run(info_options(**options), client, False)


def asked(sandbox: Sandbox) -> list[tuple[str, dict[str, str]]]:
    """Path below the event log and parameters of each request, in order."""
    found = []
    for item in sandbox.counters.snapshot()["recent"]:
        parts = urlsplit(item["path"])
        query = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
        found.append((parts.path.partition("/waf/eventlogs")[2], query))
    return found
