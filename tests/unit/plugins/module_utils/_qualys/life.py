# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of findings' life, purges, scripts and look-ups share: one subscription, put back for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox import Sandbox

Options = dict[str, Any]
Record = dict[str, Any]
WEBAPPS, FINDINGS = 20, 120


@pytest.fixture(scope="module")
def shared_living() -> Iterator[Sandbox]:
    with Sandbox(webapps=WEBAPPS, findings=FINDINGS) as running:
        yield running


@pytest.fixture
def living(shared_living: Sandbox) -> Iterator[Sandbox]:
    """Twenty web applications with findings, as they were at first."""
    before = dict(shared_living.switches)
    shared_living.reset()
    shared_living.reset_counters()
    yield shared_living
    assert shared_living.counters.snapshot()["internal_errors"] == 0
    shared_living.switches.update(before)
    shared_living.faults.clear()


def finding_options(**options: Any) -> Options:
    """The options of ``qualys_was_finding`` as Ansible hands them over."""
    blank: Options = {
        **dict.fromkeys(("ids", "filters", "max_changes", "state", "reason", "comment")),
        **dict.fromkeys(("reactivate_in", "reactivate_date", "severity", "severity_comment")),
        "filters_strict": True,
        "restore_severity": False,
        "retest": False,
        "wait_timeout": 5.0,
        "poll_interval": 0.001,
    }
    assert not set(options) - set(blank), options
    if options.get("ids"):
        options["ids"] = [str(key) for key in options["ids"]]
    return {**blank, **options}


def plain_findings(sandbox: Sandbox, count: int, kind: str = "VULNERABILITY") -> list[Record]:
    """Findings that are neither ignored nor edited."""
    found = [
        record
        for record in sandbox.qualys.findings.in_order()
        if record["type"] == kind and not record.get("isIgnored") and "originalSeverity" not in record
    ]
    assert len(found) >= count
    return found[:count]


def ids_of(records: list[Record]) -> list[int]:
    return [record["id"] for record in records]
