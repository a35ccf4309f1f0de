# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings held against the events of firewalls: a little of everything, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.plugins.module_utils import correlate_kit as kit

from . import still_time
from .door import run_module
from .keep import Area, Places

EVENTS = [
    kit.event(1),
    kit.event(2, action="alerted", client_ip="203.0.113.9"),
    kit.event(3, client_ip="192.0.2.7"),
    kit.event(4, "https://shop.example.com/order/17", rule_ids=["80009"], sub_events=[]),
    kit.event(5, "https://shop.example.com/<script>{{ 7*7 }}", action="of tomorrow", time=None),
]
FINDINGS = [
    kit.finding(1),
    kit.finding(2, "https://shop.example.com/order/4", severity="critical"),
    kit.finding(3, "https://shop.example.com/<script>{{ 7*7 }}", parameter=None),
    kit.finding(4, "https://intranet.example.com/a", cwe=[79]),
    kit.finding(5, status="fixed"),
]


def record(folder: Path) -> list[Area]:
    """The area of ``correlate``."""
    area = Area("correlate")
    findings = kit.snapshot(folder / "findings.ndjson", FINDINGS)
    half = kit.snapshot(folder / "half.ndjson", FINDINGS[:1], complete=False)
    events = kit.stream(folder / "events", EVENTS)
    gaps = kit.stream(folder / "gaps", [EVENTS[0], kit.gap()])
    damaged = folder / "damaged.ndjson"
    damaged.write_text("nonsense\n", encoding="utf-8")
    scanners = {"addresses": ["192.0.2.7"]}
    usual: dict[str, Any] = {"findings": [findings], "events": [events], "scanner_sources": scanners}
    for name, options in {
        "check": {},
        "first": {},
        "second": {},
        "scanner only": {"scanner_sources": {"networks": ["0.0.0.0/1", "128.0.0.0/1"]}},
        "gaps, and a stream that is missing": {"events": [gaps, folder / "nothing"]},
        "window": {"window": "1s"},
        "half of the findings": {"findings": [half]},
        "damaged events": {"events": [damaged]},
        "wrong window": {"window": "soon"},
        "wrong network": {"scanner_sources": {"networks": ["10.0.0.0/40"]}},
        "nowhere": {"dest": folder / "no" / "matches.ndjson"},
    }.items():
        _add(area, folder, name, {"dest": folder / "matches.ndjson", **usual, **options})
    return [area]


def _add(area: Area, folder: Path, name: str, options: dict[str, Any]) -> None:
    still_time.back_to_start()
    given = {
        key: [str(item) for item in value] if isinstance(value, list) else str(value) if key == "dest" else value
        for key, value in options.items()
    }
    result = run_module("correlate", given, check=name == "check")
    dest = folder / "matches.ndjson"
    lines = dest.read_text(encoding="utf-8").splitlines() if dest.exists() and not result.get("failed") else []
    document = {
        "module": "correlate",
        "options": given,
        "result": result,
        "matches": [json.loads(line) for line in lines],
    }
    area.add(name, document, Places({str(folder): "{folder}"}))
