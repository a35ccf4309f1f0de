# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records with every key and no values. The normalisers fill in what the vendor supplies; the rest stays unknown.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._records.model import SCHEMA

Record = dict[str, t.Any]


def blank_event(source: str) -> Record:
    """Return an event. Its lists and its details are None, so that copies share nothing; fill them in."""
    return {
        "record": "event",
        "schema": SCHEMA,
        "source": source,
        "id": "",
        "time": None,
        "action": "unknown",
        "action_native": None,
        "client_ip": None,
        "country": None,
        "host": None,
        "url": None,
        "path": None,
        "method": None,
        "user_agent": None,
        "referer": None,
        "categories": None,
        "rule_ids": None,
        "message": None,
        "severity": "unknown",
        "severity_native": None,
        "profile": None,
        "sub_events": None,
        "details": None,
    }


def blank_finding(source: str) -> Record:
    """Return an open finding of a vulnerability of unknown severity."""
    return {
        "record": "finding",
        "schema": SCHEMA,
        "source": source,
        "id": "",
        "unique_id": None,
        "rule_id": None,
        "title": None,
        "kind": "vulnerability",
        "severity": "unknown",
        "severity_native": None,
        "original_severity": None,
        "cvss_score": None,
        "cvss_vector": None,
        "detection_score": None,
        "status": "open",
        "ignored": None,
        "asset": {"id": None, "name": None, "url": None, "tags": []},
        "url": None,
        "method": None,
        "parameter": None,
        "first_seen": None,
        "last_seen": None,
        "last_tested": None,
        "fixed_at": None,
        "times_seen": None,
        "cwe": [],
        "owasp": [],
        "wasc": [],
        "group": None,
        "finding_type": None,
        "potential": None,
        "external_ref": None,
        "patch": None,
        "ssl": None,
        "evidence": [],
        "fingerprint": "",
    }


def blank_scan(source: str) -> Record:
    """Return a vulnerability scan about which nothing is known, so that it proves nothing."""
    return {
        "record": "scan",
        "schema": SCHEMA,
        "source": source,
        "id": None,
        "name": None,
        "reference": None,
        "kind": "vulnerability",
        "mode": None,
        "profile": None,
        "asset": {"id": None, "name": None, "url": None, "tags": []},
        "time": None,
        "ended": None,
        "duration": None,
        "status": "unknown",
        "status_native": None,
        "results_status": None,
        "auth_status": None,
        "end_reason": None,
        "conclusive": False,
        "links_crawled": None,
        "requests_sent": None,
        "launched_by": None,
        "counts": None,
        "malware": None,
        "details": {},
    }
