# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records and sinks for the tests of ``_deliver``."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.run import make_sink
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.sink import (
    Record,
    Rejected,
    Sink,
    delivery_record_of,
)
from tests.sandbox import Sandbox

HOSTILE = "x\r\n<134>1 forged | = \\ \"]\x1b[31m {{ 7*7 }} =cmd|' /C calc'!A0 \u2028 \u0000 ünï"


def event(number: int, **more: t.Any) -> dict[str, t.Any]:
    """One line of a spool."""
    return {
        "record": "event",
        "schema": 1,
        "source": "edgecast",
        "id": f"id-{number}",
        "time": f"2026-11-01T00:{number // 60 % 60:02}:{number % 60:02}Z",
        "severity": "high",
        "client_ip": "203.0.113.9",
        "host": "shop.example.com",
        "url": "https://shop.example.com/?q=1",
        "action": "blocked",
        "message": "SQL injection",
        "rule_ids": ["942100"],
        "categories": ["OWASP_CRS/SQLI"],
        "key": f"id-{number}",
        "content": f"{number:016x}",
    } | more


def records(*documents: dict[str, t.Any]) -> list[Record]:
    """The records of these lines."""
    found = [
        delivery_record_of("stream", json.dumps(document).encode(), "dt=2026-11-01/a.ndjson", number)
        for number, document in enumerate(documents, 1)
    ]
    assert not any(isinstance(item, Rejected) for item in found)
    return t.cast("list[Record]", found)


def sink(kind: str, options: dict[str, t.Any], **connection: t.Any) -> Sink:
    """A sink, as the module makes it."""
    return make_sink({"sink": kind, "sink_options": options, "timeout": 10, "max_wait": 30, "retries": 2} | connection)


def http_options(sandbox: Sandbox, kind: str) -> dict[str, t.Any]:
    """Options that the sandbox's receiver of this kind accepts."""
    settings = sandbox.receivers.settings
    return {
        "splunk_hec": {"url": sandbox.url, "token": settings.hec_token, "index": "waf"},
        "elasticsearch": {"url": f"{sandbox.url}/es", "api_key": settings.api_key, "index": "logs-waf-default"},
        "webhook": {
            "url": f"{sandbox.url}/hook",
            "token": settings.webhook_token,
            "signature_secret": settings.signature_secret,
        },
    }[kind]
