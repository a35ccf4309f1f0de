# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeded findings: an uneven estate with every variant, and hostile strings in every text field."""

from __future__ import annotations

import bisect
import itertools
import random
from typing import Any
from urllib.parse import quote

from ..tables import Record
from . import hostile
from .catalog import CATALOG, INFO, SENSITIVE, Template
from .dates import ago
from .state import State

Fields = dict[str, Any]

_PATHS = (
    "search", "login", "account/profile", "cart", "checkout/payment", "api/v2/orders", "download.php", "admin/users",
    "blog/post", "static/app.js", "export", "reports/view", "upload", "feedback", "catalog/item",
)  # fmt: skip
_PARAMS = ("q", "id", "redirect", "next", "file", "page", "sort", "lang", "comment", "token", "user%5Bname%5D")
_REASONS = ("FALSE_POSITIVE", "RISK_ACCEPTED", "NOT_APPLICABLE")
_WITH_PARAM = {"xss", "sqli", "template", "command", "traversal", "redirect", "ssrf", "xxe", "csrf"}
_DAYS = 730

# Dense at the start, so that a small sandbox has all hostile strings; rare after that, so that a big one looks real.
_DENSE, _EVERY_DENSE, _EVERY_RARE = 150, 3, 12


class Seeder:
    """Makes findings one by one from one random generator."""

    def __init__(self, state: State, draw: random.Random) -> None:
        self._state = state
        self._random = draw.random
        self._bits = draw.getrandbits
        self._apps = [app for app in state.webapps.in_order() if app.get("lastScan")]
        self._app_weights = list(itertools.accumulate(_app_weight(index) for index in range(len(self._apps))))
        self._weights = list(itertools.accumulate(template.weight for template in CATALOG))
        self._scans = self._scans_by_app()
        self._refs = {app["id"]: {"id": app["id"]} for app in self._apps}
        self._bases = {app["id"]: app["url"].split("?")[0] for app in self._apps}

    def _scans_by_app(self) -> dict[int, list[int]]:
        scans: dict[int, list[int]] = {}
        for scan in self._state.scans.in_order():
            scans.setdefault(scan["webAppId"], []).append(scan["id"])
        return scans

    def _pick(self, cumulative: list[int]) -> int:
        return bisect.bisect_right(cumulative, self._random() * cumulative[-1])

    def _below(self, limit: int) -> int:
        return int(self._random() * limit)

    def finding(self, index: int) -> Fields:
        """The fields of finding number ``index``."""
        app = self._apps[self._pick(self._app_weights)]
        # The first findings walk through the catalog, so that a small sandbox has all types too.
        template = CATALOG[index * 7 % len(CATALOG)] if index < len(CATALOG) else CATALOG[self._pick(self._weights)]
        fields: Fields = {
            "uniqueId": self._uuid(),
            "qid": template.qid,
            "detectionScore": min(100, template.severity * 18 + self._below(15)),
            "name": template.name,
            "type": template.type,
            "potential": template.potential,
            "findingType": "QUALYS",
            "group": template.group,
            "cwe": template.cwe,
            "owasp": template.owasp,
            "wasc": template.wasc,
            "severity": template.severity,
            "webApp": self._refs[app["id"]],
            "_variant": self._bits(28),
            "_evidence": template.evidence,
            "_scans": self._scans.get(app["id"], []),
        }
        if template.cvss is not None:
            fields["cvssV3"] = template.cvss
        self._add_dates(fields, index)
        if template.type != INFO:
            self._add_place(fields, template, self._bases[app["id"]], index)
            self._add_life(fields, index)
        else:
            fields.pop("potential")
            for name in ("cwe", "owasp", "wasc"):
                fields.pop(name)
        if template.type == SENSITIVE:
            fields["function"] = "pattern"
            fields["content"] = "4111-1111-1111-1111" if template.group == "CC" else "078-05-1120"
        self._add_variant(fields, index)
        every = _EVERY_DENSE if index < _DENSE else _EVERY_RARE
        if index % every == 1:
            _poison(fields, index // every)
        return fields

    def _uuid(self) -> str:
        digits = f"{self._bits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def _add_dates(self, fields: Fields, index: int) -> None:
        first = self._below(_DAYS)
        last = self._below(first + 1) if index % 4 else self._below(min(first, 20) + 1)
        tested = self._below(last + 1) if index % 5 else last
        minute = self._below(720)
        fields["firstDetectedDate"] = ago(first, minute)
        fields["lastDetectedDate"] = ago(last, minute + 240)
        fields["lastTestedDate"] = ago(tested, minute + 480)
        fields["updatedDate"] = ago(tested, minute + 481)
        fields["_tested"] = tested

    def _add_place(self, fields: Fields, template: Template, base: str, index: int) -> None:
        path = _PATHS[self._below(len(_PATHS))]
        number = self._below(9000)
        url = f"{base}{path}?id={number}"
        if template.evidence in _WITH_PARAM:
            parameter = _PARAMS[self._below(len(_PARAMS))]
            fields["param"] = parameter
            url = f"{base}{path}?{parameter}=x{number}&page=2"
        if index % 9 == 2:
            url = f"{base}{path};jsessionid={self._bits(64):016X}?sid={self._bits(64):016x}&PHPSESSID={number:08d}"
        if index % 101 == 5:
            url += "&long=" + "0123456789abcdef" * 60
        fields["url"] = url

    def _add_life(self, fields: Fields, index: int) -> None:
        draw = self._below(100)
        tested = fields["_tested"]
        fields["timesDetected"] = 1 + self._below(40)
        fields["isIgnored"] = False
        if draw < 12:
            fields["status"] = "NEW"
            fields["timesDetected"] = 1
            fields["lastDetectedDate"] = fields["firstDetectedDate"]
        elif draw < 66:
            fields["status"] = "ACTIVE"
        elif draw < 73:
            fields["status"] = "REOPENED"
        elif draw < 95:
            fields["status"] = "FIXED"
            fields["fixedDate"] = ago(tested, 1439)
        elif draw < 98:
            fields["status"] = "PROTECTED"
            fields["patch"] = 100 + self._below(900)
        else:
            fields["status"] = "RETESTING"
            fields["retest"] = self._retest("UNDER_RETEST", tested)
        if index % 97 == 11:
            fields["status"] = "UNDER_REVIEW"  # a word that the vendor does not document
            for name in ("fixedDate", "patch", "retest"):
                fields.pop(name, None)
        if fields["status"] == "FIXED" and index % 6 == 0:
            fields["retest"] = self._retest("RETESTED", tested)

    def _retest(self, status: str, tested: int) -> Fields:
        user = {"id": self._state.users.ids[0]}
        found = {"UNDER_RETEST": "ACTIVE", "RETESTED": "FIXED"}[status]
        return {
            "retestStatus": status,
            "retestedDate": ago(tested, 1200),
            "retestedUser": user,
            "findingStatus": found,
            "reason": "Requested by owner",
        }

    def _add_variant(self, fields: Fields, index: int) -> None:
        if fields["type"] == INFO:
            return
        if index % 13 == 4:
            self._ignore(fields, index)
        if index % 29 == 6:
            self._edit_severity(fields, index)
        if index % 31 == 8:
            fields["externalRef"] = f"JIRA-{1000 + index}"
        if index % 37 == 9:
            _import_burp(fields)
        if index % 41 == 10:
            fields["cwe"], fields["owasp"], fields["wasc"] = [], [], []

    def _ignore(self, fields: Fields, index: int) -> None:
        fields["isIgnored"] = True
        fields["ignoredReason"] = _REASONS[index // 13 % len(_REASONS)]
        fields["ignoredBy"] = {"id": self._state.users.ids[index % len(self._state.users.ids)]}
        fields["ignoredDate"] = ago(fields["_tested"], 1300)
        fields["ignoredComment"] = "Reviewed with the team, see the ticket."
        if index % 2:
            fields["reactivateIn"] = 30
            fields["reactivateDate"] = "2027-03-01T00:00:00Z"

    def _edit_severity(self, fields: Fields, index: int) -> None:
        fields["originalSeverity"] = fields["severity"]
        fields["severity"] = fields["severity"] % 5 + 1
        fields["severityComment"] = "Adjusted: the endpoint is internal."
        fields["editedSeverityUser"] = {"id": self._state.users.ids[index % len(self._state.users.ids)]}
        fields["editedSeverityDate"] = ago(fields["_tested"], 1100)


def _app_weight(index: int) -> int:
    """A few applications have most of the findings; every ninth has none."""
    return 0 if index % 9 == 8 else 1 + 400 // (index % 40 + 2)


def _import_burp(fields: Fields) -> None:
    """An imported finding: no QID, often no name, no score."""
    fields["findingType"] = "BURP"
    fields["qid"] = 0
    for name in ("name", "detectionScore", "cvssV3", "group"):
        fields.pop(name, None)


def _poison(fields: Fields, number: int) -> None:
    """Put a hostile string into one text field; the field and the string both rotate."""
    text = hostile.ALL[number % len(hostile.ALL)]
    if fields["type"] == INFO:
        fields["param"] = text
        return
    place = number // len(hostile.ALL) + number
    name = ("url", "param", "ignoredComment", "content", "externalRef", "severityComment", "name")[place % 7]
    if name == "url":
        fields["url"] += "&x=" + (text if number % 2 else quote(text))
    elif name == "name":
        fields["name"] = text
        fields["findingType"] = "BURP"
        fields["qid"] = 0
    elif name in ("ignoredComment", "severityComment") and name not in fields:
        fields["param"] = text
    else:
        fields[name] = text


def fill(state: State, number: int, draw: random.Random) -> None:
    """Findings with consecutive ids."""
    seeder = Seeder(state, draw)
    if not seeder._apps:
        return
    table = state.findings
    for index in range(number):
        key = table.new_id()
        fields = seeder.finding(index)
        del fields["_tested"]
        table[key] = Record({"id": key, **fields})
