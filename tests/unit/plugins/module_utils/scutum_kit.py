# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of Scutum share: a sandbox that stands still in time, and clients in whose time waits take none."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._http import governor, session
from ansible_collections.appsec.perimeter.plugins.module_utils._http.settings import settings_from
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum import alert_info
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.client import (
    ENVIRONMENT,
    LIST,
    ScutumClient,
    resolve,
)
from tests.sandbox import Sandbox

from .bent_time import BentTime
from .qualys_kit import OUTSIDE

ANCHOR = "2026-11-01T03:00:00+00:00"
NOW = dt.datetime.fromisoformat(ANCHOR)
WHOLE = {"from": "2026-09-01", "to": "2026-11-02"}
RECORDS = 60


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing outside of the test has a say, and a back-off has no length."""
    for name in (*OUTSIDE, *ENVIRONMENT.values()):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(session, "backoff", lambda _attempt, **_options: 0.0)
    monkeypatch.setattr(governor, "backoff", lambda _attempt, **_options: 0.0)


@pytest.fixture
def scutum() -> Iterator[Sandbox]:
    """Sixty alerts in a month, seven to a page."""
    with small_sandbox() as running:
        yield running
        assert running.counters.internal_errors == 0


def small_sandbox(**settings: Any) -> Sandbox:
    """A sandbox with next to nothing but alerts."""
    chosen = {"records": RECORDS, "page_size": 7, **settings}
    return Sandbox(webapps=0, findings=0, log_anchor=ANCHOR, scutum=chosen)


def connection(sandbox: Sandbox, **options: Any) -> dict[str, Any]:
    """Connection options for a sandbox."""
    chosen = sandbox.scutum.settings
    own = {"api_key": chosen.api_key, "scutum_host": chosen.host, "scutum_id": chosen.id}
    return {"api_url": sandbox.url, **own, **options}


@contextlib.contextmanager
def client_of(sandbox: Sandbox, **options: Any) -> Iterator[ScutumClient]:
    """A client of the sandbox; keywords are further connection options."""
    bent = options.pop("bent", None) or BentTime(sandbox)
    params = connection(sandbox, **options)
    with ScutumClient(resolve(params, {}), settings_from(params), session=bent.session) as client:
        yield client


def info_options(**options: Any) -> dict[str, Any]:
    """The options of ``scutum_alert_info`` as Ansible hands them over."""
    names = ("from", "to", "ip", "log_id", "limit", "query")
    blank = dict.fromkeys(names) | {"time_order": "desc", "sensitive": "redact", "include_raw": False}
    assert not set(options) - set(blank)
    return blank | options


def info(sandbox: Sandbox, *, bent: BentTime | None = None, wait: float = 900, **options: Any) -> Result:
    """Run the logic of ``scutum_alert_info`` at the anchor's time."""
    with client_of(sandbox, bent=bent, max_wait=wait) as client:
        return alert_info.run(info_options(**options), client, True, clock=lambda: NOW)


def calls(sandbox: Sandbox, path: str = LIST) -> list[dict[str, str]]:
    """The parameters of each call that reached the sandbox."""
    targets = [urlsplit(entry["path"]) for entry in sandbox.counters.snapshot()["recent"]]
    return [dict(parse_qsl(target.query)) for target in targets if target.path == path]
