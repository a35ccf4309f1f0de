# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Surroundings of the WAS API: portal version, /msp/about.php, knowledge base stub."""

from __future__ import annotations

from ..wire import Reply, Request
from . import json_codec, xml_codec
from .catalog import CATALOG, Template
from .limits import Limiter
from .tokens import Authenticator
from .world import World

_VERSIONS = {
    "Portal-Version": {"PortalApplication-VERSION": "3.21.0.0-1", "WAS-VERSION": "10.12.0.0-4", "VM-VERSION": "1.0.3"},
    "QWeb-Version": {"WEB-VERSION": "10.32.1.0-2", "SCANNER-VERSION": "12.18.41-1", "VULNSIGS-VERSION": "2.6.210-2"},
}
_SIMPLE = (
    '<?xml version="1.0" encoding="UTF-8" ?>\n<SIMPLE_RETURN><RESPONSE><DATETIME>{now}</DATETIME><CODE>{code}</CODE>'
    "<TEXT>{text}</TEXT></RESPONSE></SIMPLE_RETURN>"
)
_CATEGORY = "Web Application"


class Portal:
    """The endpoints outside /qps/rest/3.0 and /qps/rest/2.0."""

    def __init__(self, world: World, limiter: Limiter, auth: Authenticator) -> None:
        self._world = world
        self._limiter = limiter
        self._auth = auth

    def version(self, request: Request) -> Reply:
        """``GET /qps/rest/portal/version``."""
        if request.wants_json:
            body = {"responseCode": "SUCCESS", "count": 1, "data": [_VERSIONS]}
            reply = Reply(200, [json_codec.dump({"ServiceResponse": body})], "application/json")
        else:
            writer = xml_codec.Writer()
            writer.element("ServiceResponse", {"responseCode": "SUCCESS", "count": 1, "data": _VERSIONS})
            text = '<?xml version="1.0" encoding="UTF-8"?>\n' + writer.text()
            reply = Reply(200, [text.encode()], "application/xml")
        reply.response_code = "SUCCESS"
        return reply

    def about(self, request: Request) -> Reply:
        """``GET /msp/about.php``: Basic only, always with two limit headers."""
        if not self._auth.basic_ok(request):
            return self._bad_login()
        text = '<?xml version="1.0" encoding="UTF-8" ?>\n<ABOUT><API-VERSION MAJOR="1" MINOR="5"/></ABOUT>'
        return Reply(200, [text.encode()], "text/xml", self._limiter.login_headers())

    def _simple(self, status: int, code: int, text: str) -> Reply:
        body = _SIMPLE.format(now=self._world.now(), code=code, text=xml_codec.escaped(text))
        return Reply(status, [body.encode()], "text/xml", self._limiter.login_headers())

    def _bad_login(self) -> Reply:
        reply = self._simple(401, 2000, "Bad Login/Password")
        reply.failed_auth = True
        return reply

    def knowledge_base(self, request: Request) -> Reply:
        """``/api/2.0/fo/knowledge_base/vuln/?action=list&ids=...``: XML only."""
        if not self._auth.basic_ok(request):
            return self._bad_login()
        if not request.headers.get("x-requested-with"):
            return self._simple(400, 1904, "Missing header X-Requested-With")
        parameters = dict(request.query)
        if request.method == "POST":
            for pair in request.body.decode("utf-8", "replace").split("&"):
                name, _equals, value = pair.partition("=")
                parameters[name] = value.replace("%2C", ",")
        if parameters.get("action") != "list":
            return self._simple(400, 1903, "Missing required parameter(s): action")
        ids = parameters.get("ids", "")
        if ids and not all(part.isdigit() for part in ids.split(",")):
            return self._simple(400, 1905, "parameter ids has invalid value")
        wanted = {int(part) for part in ids.split(",")} if ids else None
        templates = [item for item in CATALOG if wanted is None or item.qid in wanted]
        return Reply(200, [self._entries(templates).encode()], "text/xml", self._limiter.login_headers())

    def _entries(self, templates: list[Template]) -> str:
        writer = xml_codec.Writer()
        entries = {template.qid: template for template in templates}
        for template in sorted(entries.values(), key=lambda item: item.qid):
            writer.element("VULN", _entry(template))
        listed = f"<VULN_LIST>{writer.text()}</VULN_LIST>" if entries else ""
        return (
            '<?xml version="1.0" encoding="UTF-8" ?>\n<KNOWLEDGE_BASE_VULN_LIST_OUTPUT><RESPONSE>'
            f"<DATETIME>{self._world.now()}</DATETIME>{listed}</RESPONSE></KNOWLEDGE_BASE_VULN_LIST_OUTPUT>"
        )


def _entry(template: Template) -> dict[str, object]:
    kind = {"INFORMATION_GATHERED": "Information Gathered"}.get(template.type, "Vulnerability")
    entry: dict[str, object] = {
        "QID": template.qid,
        "VULN_TYPE": kind,
        "SEVERITY_LEVEL": template.severity,
        "TITLE": template.name,
        "CATEGORY": _CATEGORY,
        "LAST_SERVICE_MODIFICATION_DATETIME": "2026-09-14T08:00:00Z",
        "PUBLISHED_DATETIME": "2019-03-05T10:00:00Z",
        "PATCHABLE": 0,
        "DIAGNOSIS": f"The scanner found: {template.name}. The evidence shows the request that was sent.",
        "CONSEQUENCE": "An attacker may read or change data, or act in the name of a user, depending on the place.",
        "SOLUTION": "Validate input on the server, encode output for its context, and retest after the change.",
        "PCI_FLAG": int(template.severity >= 3),
    }
    if template.severity >= 4:
        identifier = f"CVE-2024-{template.qid % 100000:05d}"
        url = f"https://cve.example/{identifier}"
        entry["CVE_LIST"] = {"CVE": {"ID": identifier, "URL": url}}
    entry["DISCOVERY"] = {"REMOTE": 1}
    return entry
