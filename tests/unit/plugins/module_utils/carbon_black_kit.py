# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the Carbon Black room and modules share: a sandbox with a frozen clock, a client, options."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black import scan_log_info
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.client import CarbonBlackClient, connect
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

ANCHOR = "2026-11-20T12:00:00Z"
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
SECRET = "SECRETSECRETSECRET000001"
RECORDS = 420


@pytest.fixture(scope="session")
def shared_logs() -> Iterator[Sandbox]:
    settings = {"records": RECORDS, "days": 14}
    with Sandbox(findings=0, webapps=1, log_anchor=ANCHOR, carbon_black=settings) as running:
        yield running


@pytest.fixture
def sandbox(shared_logs: Sandbox) -> Iterator[Sandbox]:
    """Thirty rows a day for fourteen days, counted back from the frozen clock."""
    before = dict(shared_logs.switches)
    shared_logs.reset()
    shared_logs.reset_counters()
    yield shared_logs
    shared_logs.faults.clear()
    shared_logs.switches.update(before)
    assert shared_logs.counters.internal_errors == 0


def connection(sandbox: Sandbox, **options: Any) -> dict[str, Any]:
    """Connection options for a sandbox, with an API key unless a login of VMware Cloud is given."""
    base = {"api_url": sandbox.url, "org_key": "ABCD1234"}
    if any(name.startswith("csp_") for name in options):
        return {**base, "csp_url": sandbox.url, **options}
    return {**base, "api_id": "APIID00001", "api_secret_key": SECRET, **options}


CSP_CLIENT = {"csp_client_id": "csp-client", "csp_client_secret": "csp-client-secret"}
CSP_TOKEN = {"csp_api_token": "csp-api-token-000001"}


@contextlib.contextmanager
def client_of(sandbox: Sandbox, **options: Any) -> Iterator[CarbonBlackClient]:
    """A client of the sandbox; keywords are further connection options."""
    with connect(connection(sandbox, **options), {}) as client:
        yield client


class Bodies:
    """Keeps the body of each search that a client sends."""

    def __init__(self, client: CarbonBlackClient) -> None:
        self.sent: list[dict[str, Any]] = []
        request = client.http.request

        def spy(method: str, url: str, **options: Any) -> Any:
            if (options.get("body") or b"").startswith(b"{"):
                self.sent.append(json.loads(options["body"]))
            return request(method, url, **options)

        client.http.request = spy  # type: ignore[method-assign]


def info_options(**options: Any) -> dict[str, Any]:
    """The options of ``carbon_black_scan_log_info``, the defaults filled in."""
    names = ("criteria", "search", "sort", "start", "rows", "limit", "query")
    blank: dict[str, Any] = {**dict.fromkeys(names), "include_raw": False}
    assert not set(options) - set(blank), options
    return {**blank, **options}


def info(sandbox: Sandbox, **options: Any) -> Result:
    """Run the logic of ``carbon_black_scan_log_info``."""
    with client_of(sandbox) as client:
        return scan_log_info.run(info_options(**options), client, False)


def asked(sandbox: Sandbox) -> list[str]:
    """The last part of the path of each request, in order."""
    return [item["path"].rpartition("/")[2] for item in sandbox.counters.snapshot()["recent"]]
