# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills the subscription, always the same for the same numbers."""

from __future__ import annotations

import base64
import random
from typing import Any

from ..tables import Record, Table
from . import seed_findings, seed_schedules, seed_webapps
from .dates import ago
from .state import State
from .world import QualysSettings

USERS = (
    ("sandb_as1", "Ada", "Sandbox"),
    ("sandb_mk2", "Miriam", "König"),
    ("sandb_ob3", "Oisín", "O'Brien"),
    ("sandb_sy4", "Sakura", "Yamada"),
    ("sandb_jd5", "Jean", "Dupont & Fils"),
    ("sandb_rt6", "Rosa", "Torres"),
)

# (name, parent, criticality)
TAGS: tuple[tuple[str, str, int], ...] = (
    ("Environment", "", 1),
    ("prod", "Environment", 5),
    ("staging", "Environment", 3),
    ("uat", "Environment", 2),
    ("dev", "Environment", 1),
    ("Compliance", "", 1),
    ("pci", "Compliance", 5),
    ("gdpr", "Compliance", 4),
    ("sox", "Compliance", 4),
    ("Exposure", "", 1),
    ("internet-facing", "Exposure", 5),
    ("internal", "Exposure", 2),
    ("Team", "", 1),
    ("team-payments", "Team", 4),
    ("team-web", "Team", 3),
    ("team-mobile", "Team", 3),
    ("team-identity", "Team", 5),
    ("team-data", "Team", 3),
    ("team-platform", "Team", 3),
    ("Scanners", "", 1),
    ("scanner-eu", "Scanners", 1),
    ("scanner-us", "Scanners", 1),
    ("deprecated", "", 1),
    ('Q&A <team> "x"', "Team", 2),
    ("チーム東京", "Team", 2),
)


def fill(state: State, settings: QualysSettings) -> None:
    """Put everything into an empty state."""
    draw = random.Random(settings.seed)
    _users(state)
    _tags(state)
    _proxies(state)
    _option_profiles(state)
    _dns_overrides(state)
    _auth_records(state)
    seed_webapps.fill(state, settings.webapps, draw)
    seed_findings.fill(state, settings.findings, draw)
    seed_schedules.fill(state)
    _report_templates(state)
    _reports(state)


def _put(table: Table, fields: dict[str, Any]) -> int:
    key = table.new_id()
    table[key] = Record({"id": key, **fields})
    return key


def _by(state: State, number: int) -> dict[str, Any]:
    return {"id": state.users.ids[number % len(state.users.ids)]}


def _signed(state: State, number: int, created: int, updated: int) -> dict[str, Any]:
    return {
        "owner": _by(state, number),
        "createdBy": _by(state, number),
        "createdDate": ago(created, number * 37),
        "updatedBy": _by(state, number + 1),
        "updatedDate": ago(updated, number * 53),
    }


def _users(state: State) -> None:
    for username, first, last in USERS:
        _put(state.users, {"username": username, "firstName": first, "lastName": last})


def _tags(state: State) -> None:
    ids: dict[str, int] = {}
    colors = ("#FFFFFF", "#C30000", "#1A73E8", "#2E7D32", "#FF8F00")
    for number, (name, parent, criticality) in enumerate(TAGS):
        fields: dict[str, Any] = {"name": name}
        if parent:
            fields["parentTagId"] = ids[parent]
        fields.update(color=colors[number % len(colors)], ruleType="STATIC", criticalityScore=criticality)
        fields.update(created=ago(1200 - number), modified=ago(300 - number))
        ids[name] = _put(state.tags, fields)
    rule = {"ruleType": "NAME_CONTAINS", "ruleText": "shop", "color": "#FFFFFF", "criticalityScore": 3}
    _put(state.tags, {"name": "shop-rule", **rule, "created": ago(900), "modified": ago(100)})


def _proxies(state: State) -> None:
    for name in ("egress-eu", "egress-us"):
        _put(state.proxies, {"name": name, "url": f"http://{name}.proxy.example:3128"})


_OPTIONS = {
    "formSubmission": "BOTH",
    "maxCrawlRequests": 300,
    "timeoutErrorThreshold": 100,
    "unexpectedErrorThreshold": 300,
    "parameterSet": {"id": 0, "name": "Initial Parameters"},
    "ignoreBinaryFiles": True,
    "performance": "LOW",
    "bruteforceOption": "MINIMAL",
    "sensitiveContent": {"creditCardNumber": True, "socialSecurityNumber": False, "customContents": "secret & <word>"},
}


def _option_profiles(state: State) -> None:
    names = ("Initial WAS Options", "Nightly full", "CI quick", "Authenticated deep", "API only & <beta>")
    for number, name in enumerate(names):
        options = {**_OPTIONS, "maxCrawlRequests": 300 * (number + 1)}
        tags = [state.tags.ids[number]] if number % 2 else []
        signed = _signed(state, number, 1000 - number, 200 - number)
        fields = {"name": name, "isDefault": number == 0, "tags": tags, "options": options, "comments": []}
        _put(state.option_profiles, {**fields, **signed})


def _dns_overrides(state: State) -> None:
    for number, name in enumerate(("staging hosts", "blue/green", "DR site")):
        mappings = [
            {"hostName": f"{host}.example", "ipAddress": f"192.0.2.{number * 10 + index}"}
            for index, host in enumerate(("shop", "api", "login"))
        ]
        fields = {"name": name, "tags": [], "mappings": mappings, "comments": []}
        _put(state.dns_overrides, {**fields, **_signed(state, number, 800, 90 + number)})


def _field(state: State, name: str, value: str, *, secured: bool) -> dict[str, Any]:
    return {"id": state.new_item_id(), "name": name, "secured": secured, "value": value}


def _login(state: State, user: str, word: str) -> list[dict[str, Any]]:
    return [_field(state, "username", user, secured=False), _field(state, "password", word, secured=True)]


def _server_field(state: State, kind: str) -> dict[str, Any]:
    login = {"domain": "CORP", "username": f"svc-{kind.lower()}", "password": "example-Secret&<1>"}
    return {"id": state.new_item_id(), "type": kind, **login}


# PEM in form only: what is inside is plain text.
_LINES = base64.encodebytes(b"an example certificate of the sandbox, not a real one; " * 4).decode()
PEM = f"-----BEGIN CERTIFICATE-----\n{_LINES}-----END CERTIFICATE-----\n"


def _auth_contents(state: State) -> list[tuple[str, dict[str, Any]]]:
    script = {"name": "login.html", "data": "<html><body>@@authusername@@</body></html>", "regex": "Log ?out"}
    secured = {"sslOnly": True, "authVault": False}
    urls = {"accessTokenUrl": "https://login.example/oauth2/token", "scope": "openid profile"}
    client = {"clientId": "was-scanner", "clientSecret": "example-client-secret"}
    selenium = {"seleniumScript": script, "redirectUrl": "https://shop.example/callback"}
    custom = [*_login(state, "o'brien", 'a<b>&"c"'), _field(state, "tenant", "eu", secured=False)]
    certificate = {"name": "client.pem", "contents": PEM, "passphrase": "example-passphrase"}
    return [
        ("Storefront login", {"formRecord": {"type": "STANDARD", **secured,
                                             "fields": _login(state, "bob", "p&<w]]>")}}),
        ("Custom login & more", {"formRecord": {"type": "CUSTOM", **secured, "fields": custom}}),
        ("Selenium login", {"formRecord": {"type": "SELENIUM", **secured, "seleniumScript": script,
                                           "seleniumCreds": True, "fields": _login(state, "sel", "example-pass")}}),
        ("Basic at gateway", {"serverRecord": {**secured, "fields": [_server_field(state, "BASIC")]}}),
        ("Digest and NTLM", {"serverRecord": {"sslOnly": False, "authVault": False, "fields": [
            _server_field(state, "DIGEST"), _server_field(state, "NTLM")]}}),
        ("Client certificate", {"serverRecord": {**secured, "certificate": certificate, "fields": []}}),
        ("Form plus server", {"formRecord": {"type": "STANDARD", **secured, "fields": _login(state, "both", "example")},
                              "serverRecord": {**secured, "fields": [_server_field(state, "NTLM")]}}),
        ("OAuth2 auth code", {"oauth2Record": {"grantType": "AUTH_CODE", **selenium, **urls, **client}}),
        ("OAuth2 implicit", {"oauth2Record": {"grantType": "IMPLICIT", **selenium}}),
        ("OAuth2 password", {"oauth2Record": {"grantType": "PASSWORD", **urls, "username": "svc",
                                              "password": "example-password", **client}}),
        ("OAuth2 client credentials", {"oauth2Record": {"grantType": "CLIENT_CREDS", **urls, **client}}),
        ("Unused login", {"formRecord": {"type": "STANDARD", **secured, "fields": _login(state, "old", "example")}}),
    ]  # fmt: skip


def _auth_records(state: State) -> None:
    statuses = ("SUCCESSFUL", "FAILED", "PARTIAL", "NOT_USED", "NONE")
    for number, (name, contents) in enumerate(_auth_contents(state)):
        fields = {"name": name, **contents, "tags": [state.tags.ids[number % 8]] if number % 3 else []}
        author = _by(state, number)
        comments = [{"contents": "managed <by> team & code", "author": author, "createdDate": ago(50, number)}]
        last_scan = {"date": ago(number * 3, number), "authStatus": statuses[number % len(statuses)]}
        fields.update(comments=comments if number % 2 else [], lastScan=last_scan)
        _put(state.auth_records, {**fields, **_signed(state, number, 700 - number, 60 + number)})


def _report_templates(state: State) -> None:
    kinds = ("WAS_WEBAPP_REPORT", "WAS_SCAN_REPORT", "WAS_SCORECARD_REPORT", "WAS_CATALOG_REPORT")
    names = ("Web Application Report", "Scan Report", "Scorecard Report", "Catalog Report")
    for number, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        fields = {"name": name, "type": kind, "isDefault": True, **_signed(state, number, 900, 300)}
        _put(state.report_templates, fields)
    custom = {"name": "Executives & <board>", "type": "WAS_WEBAPP_REPORT", "isDefault": False}
    _put(state.report_templates, {**custom, **_signed(state, 2, 400, 20)})


def _reports(state: State) -> None:
    scans = [key for key, scan in state.scans.items() if scan["status"] == "FINISHED"]
    for number, (kind, status) in enumerate((("PDF", "COMPLETE"), ("CSV", "COMPLETE"), ("XML", "ERROR"))):
        config = {"scanReport": {"target": {"scans": scans[number : number + 1]}}}
        fields: dict[str, Any] = {"name": f"Monthly {kind} & <more>", "type": "WAS_SCAN_REPORT", "format": kind}
        fields.update(status=status, tags=[], distributionList=[], downloadCount=number, config=config)
        fields.update(owner=_by(state, number), creationDate=ago(30 * number + 3, 600))
        _put(state.reports, fields)
