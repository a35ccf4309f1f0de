# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the sandbox's own tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox import Sandbox
from tests.unit.sandbox.client import Client


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """One sandbox for a module; use ``sandbox`` to get it reset."""
    with Sandbox(webapps=30, findings=300, seed=1) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    """A sandbox in its first state; faults and switches are put back afterwards."""
    before = dict(running.switches)
    running.reset()
    running.reset_counters()
    yield running
    running.faults.clear()
    running.switches.update(before)
    running.latency_ms = 0
    assert running.counters.internal_errors == 0


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    """A client with the right login."""
    made = Client(sandbox)
    yield made
    made.close()
