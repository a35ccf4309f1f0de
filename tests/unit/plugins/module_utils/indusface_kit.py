# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of Indusface share: a sandbox that stands still in time, and clients in whose time waits take none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._http import governor, session
from ansible_collections.appsec.perimeter.plugins.module_utils._http.settings import settings_from
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface import scan_log_info
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.client import (
    ENVIRONMENT,
    IndusfaceClient,
    resolve,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from .bent_time import BentTime
from .qualys_kit import OUTSIDE

ANCHOR = "2026-11-01T12:00:00+00:00"
LAST, FIRST = "2026-11-01", "2026-10-03"
"""The days of the seed; two scan logs each."""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing outside of the test has a say, and a back-off has no length."""
    for name in (*OUTSIDE, *ENVIRONMENT.values()):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(session, "backoff", lambda _attempt, **_options: 0.0)
    monkeypatch.setattr(governor, "backoff", lambda _attempt, **_options: 0.0)


@pytest.fixture
def indusface() -> Iterator[Sandbox]:
    """Sixty scan logs of twelve services in thirty days."""
    with Sandbox(webapps=0, findings=0, log_anchor=ANCHOR) as running:
        yield running
        assert running.counters.internal_errors == 0


def connection(sandbox: Sandbox, **options: Any) -> dict[str, Any]:
    """Connection options for a sandbox."""
    chosen = sandbox.indusface.settings
    return {"api_url": sandbox.url, "access_key": chosen.access_key, "secret_key": chosen.secret_key, **options}


@contextlib.contextmanager
def client_of(sandbox: Sandbox, **options: Any) -> Iterator[IndusfaceClient]:
    """A client of the sandbox; keywords are further connection options."""
    bent = options.pop("bent", None) or BentTime(sandbox)
    params = connection(sandbox, **options)
    with IndusfaceClient(resolve(params, {}), settings_from(params), session=bent.session) as client:
        yield client


def info_options(**options: Any) -> dict[str, Any]:
    """The options of ``indusface_scan_log_info`` as Ansible hands them over."""
    blank = dict.fromkeys(("date", "from_date", "to_date", "limit", "query"))
    whole = blank | {"chunk_days": 1, "sensitive": "redact", "include_raw": False}
    assert not set(options) - set(whole)
    return whole | options


def info(sandbox: Sandbox, *, bent: BentTime | None = None, **options: Any) -> Result:
    """Run the logic of ``indusface_scan_log_info``."""
    with client_of(sandbox, bent=bent) as client:
        return scan_log_info.run(info_options(**options), client, True)


def calls(sandbox: Sandbox) -> list[dict[str, str]]:
    """The parameters of each call that reached the sandbox."""
    return [dict(parse_qsl(urlsplit(entry["path"]).query)) for entry in sandbox.counters.snapshot()["recent"]]
