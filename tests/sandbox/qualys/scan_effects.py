# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finished scan does to the findings of its web application."""

from __future__ import annotations

import random
from typing import Any

from ..tables import Record
from .catalog import CATALOG, INFO, VULN, Template
from .scan_outcomes import End
from .world import World

_OPEN = ("NEW", "ACTIVE", "REOPENED")
_PATHS = ("search", "login", "cart", "account/orders", "api/v2/items", "download.php")


def apply(world: World, scan: Record, end: End) -> list[int]:
    """Update, fix, reopen and add findings; ids of those that the scan detected."""
    if end.finds == "none" or scan["webAppId"] not in world.state.webapps:
        return []
    state = world.state
    findings = [state.findings[key] for key in state.findings_of(scan["webAppId"])]
    gathered = [item for item in findings if item["type"] == INFO]
    if scan["type"] == "DISCOVERY":
        return [_detect(world, scan, item) for item in gathered]
    opened = [item for item in findings if item.get("status") in _OPEN]
    fixed = [item for item in opened if not item.get("isIgnored")][: end.fixed]
    still = [item for item in opened if item not in fixed]
    if end.finds == "part":
        still = still[: (len(still) + 1) // 2]
    back = [item for item in findings if item.get("status") == "FIXED"][: end.reopened]
    for item in fixed:
        _fix(world, scan, item)
    detected = [_detect(world, scan, item) for item in (*still, *gathered)]
    detected += [_reopen(world, scan, item) for item in back]
    detected += [_add(world, scan, number) for number in range(end.new)]
    return sorted(detected)


def _tested(world: World, scan: Record, item: Record) -> None:
    item["lastTestedDate"] = world.now()
    item["updatedDate"] = world.now()
    # The seed shares one list among the findings of an application, so it is never changed in place.
    item["_scans"] = [*item.get("_scans", ()), scan["id"]]


def _detect(world: World, scan: Record, item: Record) -> int:
    _tested(world, scan, item)
    item["lastDetectedDate"] = world.now()
    if item["type"] != INFO:
        item["status"] = "ACTIVE"
        item["timesDetected"] = item.get("timesDetected", 0) + 1
    return int(item["id"])


def _fix(world: World, scan: Record, item: Record) -> None:
    _tested(world, scan, item)
    item["status"] = "FIXED"
    item["fixedDate"] = world.now()


def _reopen(world: World, scan: Record, item: Record) -> int:
    key = _detect(world, scan, item)
    item["status"] = "REOPENED"
    item.pop("fixedDate", None)
    return key


def _add(world: World, scan: Record, number: int) -> int:
    templates = [item for item in CATALOG if item.type == VULN]
    draw = random.Random(scan["id"] * 1000 + number)
    template = templates[(scan["id"] * 5 + number) % len(templates)]
    state = world.state
    key = state.findings.new_id()
    state.findings[key] = Record({"id": key, **_fields(world, scan, template, draw)})
    return key


def _fields(world: World, scan: Record, template: Template, draw: random.Random) -> dict[str, Any]:
    digits = f"{draw.getrandbits(128):032x}"
    now = world.now()
    base = world.state.webapps[scan["webAppId"]]["url"].split("?")[0]
    fields: dict[str, Any] = {
        "uniqueId": f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}",
        "qid": template.qid,
        "detectionScore": min(100, template.severity * 18 + 5),
        "name": template.name,
        "type": template.type,
        "potential": template.potential,
        "findingType": "QUALYS",
        "group": template.group,
        "cwe": template.cwe,
        "owasp": template.owasp,
        "wasc": template.wasc,
        "severity": template.severity,
        "webApp": {"id": scan["webAppId"]},
        "param": "q",
        "url": f"{base}{draw.choice(_PATHS)}?q=x{draw.randrange(9000)}",
        "status": "NEW",
        "timesDetected": 1,
        "isIgnored": False,
        "_variant": draw.getrandbits(28),
        "_evidence": template.evidence,
        "_scans": [scan["id"]],
    }
    if template.cvss is not None:
        fields["cvssV3"] = template.cvss
    for name in ("firstDetectedDate", "lastDetectedDate", "lastTestedDate", "updatedDate"):
        fields[name] = now
    return fields
