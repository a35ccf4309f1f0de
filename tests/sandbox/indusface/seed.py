# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan logs from a seed: services that are scanned again and again, with findings that come, stay, go and come back."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from ..qualys import hostile

SERVICE_TYPES = ("AA", "MM", "VA", "XX")
"""The last one is not in the vendor's list, which is introduced as examples."""
STATUSES = ("Scan Success", "Scan Success", "Scan Success Time Over", "Partial Scan", "Scan Error", "Scan Success")
LIFE = ("NEW", "OPEN", "Closed", "Re-Opened", "OPEN")
_LEVELS = (("Critical", "9.8"), ("High", "8.1"), ("Medium", "6.1"), ("low", "3.1"), ("INFO", ""), ("Medium", "n/a"))
_TEXTS = (*hostile.MARKUP, *hostile.TEMPLATES, *hostile.FORMULAS, *hostile.TERMINAL, *hostile.UNICODE, *hostile.SQL)
_TITLES = ("SQL Injection", "Cookie without Secure attribute", "Insecure Content Security Policy (CSP)/X-Frame-Options")
FIRST_SCAN, FIRST_SERVICE, FIRST_ALERT = 20_450_000, 78_346, 3_332_131


@dataclass(slots=True)
class ScanLog:
    """One scan log as the vendor keeps it; the room gives it the spelling that the switches ask for."""

    number: int
    day: date
    fields: dict[str, Any]
    alerts: list[dict[str, Any]] = field(default_factory=list)


def scan_log(number: int, day: date, services: int, seed: int) -> ScanLog:
    """The scan log with this number. Its service is scanned once in every round of all services."""
    service, turn = number % services, number // services
    draw = random.Random(f"indusface:{seed}:{number}")
    status = STATUSES[(number + turn) % len(STATUSES)]
    host = f"app{service:02}.example.com"
    alerts = [] if status == "Scan Error" else list(_alerts(service, turn, day, host))
    if status == "Partial Scan":
        alerts = alerts[: len(alerts) // 2]
    fields = {
        "ScanlogId": str(FIRST_SCAN + number),
        "ServicType": SERVICE_TYPES[service % len(SERVICE_TYPES)],
        "ServiceId": FIRST_SERVICE + service,
        "URL": f"{'http' if service % 3 == 2 else 'https'}://{host}{'/as/aa/fail' if service % 2 else ''}",
        "ApplicationName": "" if service % 5 == 0 else f"Asset {service:03} {_TEXTS[service % len(_TEXTS)]}",
        "SealStatus": "FAIL" if status == "Scan Error" or draw.random() < 0.3 else "PASS",
        # Not the length of the list, as in the vendor's samples.
        "TotalFoundVulnerabilities": 0 if status == "Scan Error" else len(alerts) + draw.randrange(30),
        "ScanStatus": status,
        "ScanDate": day.isoformat(),
        "groups": [[], ["AAR"], ["Retail", "Internet facing", _TEXTS[service % len(_TEXTS)]]][service % 3],
    }
    return ScanLog(number, day, fields, alerts)


def _alerts(service: int, turn: int, day: date, host: str) -> Any:
    """The findings of a service: the same ids in each scan, each further along in its life."""
    for place in range(1 + service % 5):
        which = service * 7 + place
        severity, score = _LEVELS[which % len(_LEVELS)]
        yield {
            "UniqueAlertId": FIRST_ALERT + which,
            "Title": _TITLES[which % len(_TITLES)] if which % 2 else _TEXTS[which % len(_TEXTS)],
            "Severity": severity,
            "CVSS_Score": score,
            "OpenStatus": LIFE[(turn + place) % len(LIFE)],
            "FoundOn": f"https://{host}/search?q={place}&token=sandbox-query-token",
            "FoundDate": day.isoformat(),
        }


def scan_logs(count: int, days: int, services: int, last: date, seed: int) -> list[ScanLog]:
    """``count`` scan logs over the days up to and with the last one."""
    first = last - timedelta(days=days - 1)
    return [
        scan_log(number, first + timedelta(days=number * days // max(count, 1)), services, seed)
        for number in range(count)
    ]
