# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeded web applications and their scans."""

from __future__ import annotations

import random
from typing import Any

from ..tables import Record
from . import hostile
from .dates import ago
from .state import State
from .tree import shared
from .webapp_spec import DEFAULTS, LISTS

_PRODUCTS = (
    "Storefront", "Checkout", "Customer Portal", "Partner API", "Identity Provider", "Payments Gateway", "Search",
    "Order Tracking", "Returns Desk", "Loyalty Club", "Gift Cards", "Product Catalog", "Pricing Service", "Newsroom",
    "Careers", "Investor Relations", "Help Center", "Community Forum", "Mobile Backend", "Admin Console",
    "Warehouse Console", "Supplier Hub", "Invoice Archive", "Claims Intake", "Policy Self-Service", "Booking Engine",
    "Fleet Tracker", "Telemetry Dashboard", "Status Page", "Developer Portal", "Feature Flags", "Notification Hub",
    "Document Vault", "E-Signature", "Chat Widget", "Recommendation API", "Data Lake Explorer", "Consent Manager",
    "Survey Tool", "Ticketing", "Expense Reports", "Payroll", "Time Tracking", "Learning Platform", "Intranet",
    "Wiki", "Build Dashboard", "Artifact Browser", "Log Viewer", "Campaign Builder",
)  # fmt: skip
_ENVIRONMENTS = ("prod", "staging", "uat", "dev")
# At these positions of every fifty, names that break careless code.
_ODD_NAMES = {
    3: 'Q&A <beta> "forum"',
    6: "Müller & Söhne – Kundenportal",
    9: "予約サイト",
    12: "O'Brien's café",
    15: "Портал ]]> {{ name }}",
    18: "=cmd|' /C calc'!A0",
}
_STATUSES = (
    "FINISHED", "RUNNING", "SUBMITTED", "TIME_LIMIT_EXCEEDED", "SCAN_NOT_LAUNCHED", "SCANNER_NOT_AVAILABLE", "ERROR",
    "CANCELED",
)  # fmt: skip
# lastScan.status of a web application has words that a scan itself does not have.
_SCAN_STATUS = {"TIME_LIMIT_EXCEEDED": "FINISHED", "SCAN_NOT_LAUNCHED": "ERROR", "SCANNER_NOT_AVAILABLE": "ERROR"}
_RESULTS = ("FINISHED", "SUCCESSFUL", "NO_HOST_ALIVE", "NO_WEB_SERVICE", "TIME_LIMIT_REACHED", "SERVICE_ERROR")
_AUTH = ("SUCCESSFUL", "NOT_USED", "FAILED", "PARTIAL", "NONE")
_SCREENSHOT = shared("/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////" + "A1b2C3d4" * 250 + "/9k=")


def fill(state: State, number: int, draw: random.Random) -> None:
    """Web applications with consecutive ids, and one to three scans for the scanned ones."""
    for index in range(number):
        record = _record(state, index, draw)
        key = state.webapps.new_id()
        state.webapps[key] = Record({"id": key, **record})
        if index % 10 != 7:  # every tenth was never scanned
            _scans(state, state.webapps[key], index, draw)


def _name_and_url(index: int) -> tuple[str, str]:
    product = _PRODUCTS[index % len(_PRODUCTS)]
    environment = _ENVIRONMENTS[index // len(_PRODUCTS) % len(_ENVIRONMENTS)]
    generation = index // (len(_PRODUCTS) * len(_ENVIRONMENTS))
    host = product.lower().replace(" ", "-")
    name = f"{product} ({environment})"
    odd = _ODD_NAMES.get(index % len(_PRODUCTS))
    if odd is not None:
        name = odd if index < len(_PRODUCTS) else f"{odd} ({environment})"
    if generation:
        name += f" {generation + 1}"
        host += f"-{generation + 1}"
    domain = "northwind.example" if environment == "prod" else f"{environment}.northwind.example"
    path = "/?lang=en&theme=dark" if index % 14 == 4 else "/"
    return name, f"https://{host}.{domain}{path}"


def _tag_ids(state: State, index: int) -> list[int]:
    names = {tag["name"]: key for key, tag in state.tags.items()}
    environment = _ENVIRONMENTS[index // len(_PRODUCTS) % len(_ENVIRONMENTS)]
    if index % 16 == 5:
        return []  # untagged
    chosen = [environment, ("internet-facing", "internal")[index % 3 == 0]]
    teams = ("team-payments", "team-web", "team-mobile", "team-identity", "team-data", "team-platform")
    chosen.append(teams[index % len(teams)])
    chosen += ["pci"] if index % 5 == 1 else []
    chosen += ["gdpr"] if index % 7 == 2 else []
    chosen += ["deprecated"] if index % 25 == 24 else []
    chosen += ['Q&A <team> "x"'] if index % 11 == 3 else []
    chosen += ["チーム東京"] if index % 13 == 9 else []
    return sorted(names[name] for name in chosen)


def _record(state: State, index: int, draw: random.Random) -> dict[str, Any]:
    name, url = _name_and_url(index)
    users = state.users.ids
    created = 200 + draw.randrange(900)
    record: dict[str, Any] = {"name": name, "url": url, **DEFAULTS, **{item: [] for item in LISTS}}
    record["os"] = ("Linux 3.2 - 5.15", "Windows Server 2019")[index % 2] if index % 3 else None
    record["riskScore"] = draw.randrange(0, 1001)
    record["owner"] = {"id": users[index % len(users)]}
    record["tags"] = _tag_ids(state, index)
    record["isScheduled"] = index % 4 == 0
    record["createdBy"] = {"id": users[index % len(users)]}
    record["createdDate"] = ago(created, draw.randrange(1440))
    record["updatedBy"] = {"id": users[(index + 1) % len(users)]}
    record["updatedDate"] = ago(draw.randrange(created), draw.randrange(1440))
    _add_scope(record, index)
    _add_settings(state, record, index)
    _add_lists(state, record, index)
    return record


def _add_scope(record: dict[str, Any], index: int) -> None:
    host = record["url"].split("/")[2]
    scope = ("ALL", "ALL", "LIMIT", "SUBDOMAIN", "DOMAINS")[index % 5]
    record["scope"] = scope
    if scope == "SUBDOMAIN":
        record["subDomain"] = host.partition(".")[2]
    if scope == "DOMAINS":
        record["domains"] = [host, f"static.{host}"]
    if index % 3 == 0:
        record["uris"] = [f"{record['url'].split('?')[0]}{path}" for path in ("admin", "api/v1?x=1&y=2", "blog")]


def _add_settings(state: State, record: dict[str, Any], index: int) -> None:
    if index % 4 != 3:
        record["defaultProfile"] = {"id": state.option_profiles.ids[index % len(state.option_profiles.ids)]}
    if index % 6 == 1:
        record["defaultScanner"] = {"type": "INTERNAL", "friendlyName": "scanner_dc1"}
    elif index % 6 == 2:
        record["defaultScanner"] = {"type": "EXTERNAL"}
    elif index % 6 == 4:
        record["defaultScannerTags"] = [key for key, tag in state.tags.items() if tag["name"].startswith("scanner-")]
    record["useRobots"] = ("IGNORE", "ADD_PATHS", "BLACKLIST")[index % 3]
    record["useSitemap"] = index % 4 == 2
    record["progressiveScanning"] = ("DEFAULT", "ENABLED", "DISABLED")[index % 3]
    record["malwareMonitoring"] = index % 9 == 0
    _add_extras(state, record, index)


def _add_extras(state: State, record: dict[str, Any], index: int) -> None:
    if index % 5 == 0:
        record["config"] = {"cancelScansAfterNHours": 4 + index % 8}
    if index % 20 == 10:
        record["config"] = {"cancelScansAt": "23:00", "defaultAuthRecord": {"id": state.auth_records.ids[0]}}
    if index % 15 == 8:
        record["proxy"] = {"id": state.proxies.ids[0]}
    if index % 10 == 0:
        record["screenshot"] = _SCREENSHOT
    if index % 30 == 14:
        record["redundancyLinks"] = "https://a.example/1\nhttps://a.example/2"
        record["maxRedundancyLinks"] = 5
    if index % 40 == 20:
        record["swaggerFile"] = {"id": 900 + index, "name": "openapi.json", "content": "e30=", "fileSize": 2}


def _add_lists(state: State, record: dict[str, Any], index: int) -> None:
    auth = state.auth_records.ids
    if index % 4 == 0:
        record["authRecords"] = sorted({auth[index % (len(auth) - 1)], auth[(index + 3) % (len(auth) - 1)]})
    if index % 9 == 4:
        record["dnsOverrides"] = [state.dns_overrides.ids[index % len(state.dns_overrides.ids)]]
    if index % 2:
        record["attributes"] = [
            {"name": "Business Unit", "value": ("Retail", "B2B", "R&D <lab>")[index % 3]},
            {"name": "Cost Center", "value": f"CC-{1000 + index}"},
        ]
    if index % 5 == 2:
        record["headers"] = ["X-Scan: perimeter", "Authorization: Bearer example-header-token"]
    if index % 6 == 3:
        record["urlExcludelist"] = [
            {"value": f"{record['url'].split('?')[0]}logout?all=1&x=2", "regex": False},
            {"value": r"^https://.*/(delete|remove)/\d+$", "regex": True},
        ]
        record["postDataExcludelist"] = [{"value": "action=delete", "regex": False}]
        record["logoutRegexList"] = [{"value": "sign[- ]?out", "regex": True}]
    if index % 8 == 5:
        record["urlAllowlist"] = [{"value": f"{record['url'].split('?')[0]}public", "regex": False}]
    if index % 7 == 6:
        record["comments"] = _comments(record, index)
    if index % 12 == 2:
        record["crawlingScripts"] = [_script(state, record)]


def _comments(record: dict[str, Any], index: int) -> list[dict[str, Any]]:
    text = hostile.ALL[index % len(hostile.ALL)].strip() or "note"
    return [
        {"contents": "Agreed with the owner.", "author": dict(record["owner"]), "createdDate": ago(90, index)},
        {"contents": text, "author": dict(record["createdBy"]), "createdDate": ago(30, index)},
    ]


def _script(state: State, record: dict[str, Any]) -> dict[str, Any]:
    steps = "<tr><td>open</td><td>/</td></tr>"
    data = f'<?xml version="1.0" encoding="UTF-8"?>\n<html><body><table>{steps}</table></body></html>'
    return {
        "id": state.new_item_id(),
        "name": "checkout flow.html",
        "data": data,
        "regex": "Thank you",
        "requiresAuthentication": False,
        "startingUrl": record["url"],
        "startingUrlRegex": False,
    }


def _scans(state: State, webapp: Record, index: int, draw: random.Random) -> None:
    newest = draw.randrange(40)
    runs = 1 + draw.randrange(3)
    key = 0
    for run in reversed(range(runs)):
        key = state.scans.new_id()
        state.scans[key] = Record({"id": key, **_scan(state, webapp, index, newest + 30 * run, last=run == 0)})
    scan = state.scans[key]
    status = _STATUSES[index % len(_STATUSES)] if index % 3 == 0 else "FINISHED"
    webapp["lastScan"] = {
        "id": key,
        "name": scan["name"],
        "date": scan["launchedDate"],
        "status": status,
        "resultsStatus": scan["summary"]["resultsStatus"],
        "authStatus": scan["summary"]["authStatus"],
    }


def _scan(state: State, webapp: Record, index: int, days: int, *, last: bool) -> dict[str, Any]:
    status = _STATUSES[index % len(_STATUSES)] if last and index % 3 == 0 else "FINISHED"
    results = _RESULTS[index % len(_RESULTS)] if status == "FINISHED" else status
    profile = webapp.get("defaultProfile") or {"id": state.option_profiles.ids[0]}
    seconds = 600 + index * 7 % 9000
    scan = {
        "name": f"Web Application Vulnerability Scan - {webapp['name']}",
        "reference": f"was/{1700000000000 + index * 1000 + days}.{2000000 + index}",
        "type": "DISCOVERY" if index % 17 == 5 else "VULNERABILITY",
        "mode": ("SCHEDULED", "ONDEMAND", "API")[index % 3],
        "multi": False,
        "webAppId": webapp["id"],
        "profile": dict(profile),
        "launchedDate": ago(days, index * 11),
        "launchedBy": dict(webapp["owner"]),
        "status": _SCAN_STATUS.get(status, status),
        "options": [{"name": "Web Application Name", "value": webapp["name"]}, {"name": "Performance", "value": "LOW"}],
        "summary": _summary(index, results, seconds),
    }
    if status not in ("RUNNING", "SUBMITTED"):
        scan["endScanDate"] = ago(days, index * 11 + 90) if (index * 11) % 1440 < 1350 else ago(days, 1439)
        scan["scanDuration"] = seconds
    return scan


def _summary(index: int, results: str, seconds: int) -> dict[str, Any]:
    return {
        "crawlDuration": seconds // 4,
        "testDuration": seconds - seconds // 4,
        "linksCrawled": 40 + index % 260,
        "nbRequests": 900 + index * 31 % 20000,
        "resultsStatus": results,
        "authStatus": _AUTH[index % len(_AUTH)],
        "os": "Linux 3.2 - 5.15",
    }
