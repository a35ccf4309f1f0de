# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The knowledge base of the VM API: XML only, with limits of its own (docs/vendors/qualys_was.md 16)."""

from __future__ import annotations

from urllib.parse import parse_qs

from ..wire import Reply, Request
from . import hostile, xml_codec
from .catalog import CATALOG, INFO, Template
from .envelope import Refusal
from .limits import Limiter
from .tokens import Authenticator
from .world import World

PATH = "/api/2.0/fo/knowledge_base/vuln"
_SIMPLE = (
    '<?xml version="1.0" encoding="UTF-8" ?>\n<SIMPLE_RETURN><RESPONSE><DATETIME>{now}</DATETIME><CODE>{code}</CODE>'
    "<TEXT>{text}</TEXT></RESPONSE></SIMPLE_RETURN>"
)
_ROOT = "KNOWLEDGE_BASE_VULN_LIST_OUTPUT"
_DTD = '<!DOCTYPE {root} SYSTEM "https://{host}/api/2.0/fo/knowledge_base/vuln/knowledge_base_vuln_list_output.dtd">\n'
_PARAMETERS = ("action", "ids", "details", "id_min", "id_max", "echo_request")

_DIAGNOSIS = (
    "<P>The scanner found: <B>{name}</B>.</P>\n<P>The evidence shows the request that was sent &amp; the answer.</P>",
    "The web application at the reported place shows this weakness: {name}.<BR>See the evidence of the finding.",
)
_CONSEQUENCE = "An attacker may read or change data, or act in the name of a user, depending on the place.<P>"
_SOLUTION = (
    "<P>Validate input on the server and encode output for its context.</P><UL><LI>Retest after the change.</LI></UL>"
    '<P>More: <A HREF="https://owasp.example/guide?a=1&amp;b=2" TARGET="_blank">guide</A></P>'
)
_QIDS = sorted({template.qid for template in CATALOG})
_POISON = {qid: hostile.ALL[index % len(hostile.ALL)] for index, qid in enumerate(_QIDS[::4])}


class KnowledgeBase:
    """Answers ``/api/2.0/fo/knowledge_base/vuln/?action=list``."""

    def __init__(self, world: World, limiter: Limiter, auth: Authenticator) -> None:
        self._world = world
        self._limiter = limiter
        self._auth = auth

    def answer(self, request: Request) -> Reply:
        """One batch of entries."""
        refused = self._refused(request)
        if refused is not None:
            return refused
        parameters = dict(request.query)
        if request.method == "POST":
            parsed = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
            parameters.update({name: values[-1] for name, values in parsed.items()})
        unknown = sorted(set(parameters) - set(_PARAMETERS))
        if unknown:
            return self._simple(400, 1901, f"Unrecognized parameter(s): {', '.join(unknown)}")
        if parameters.get("action") != "list":
            return self._simple(400, 1903, "Missing required parameter(s): action")
        details = parameters.get("details", "Basic")
        if details not in ("All", "Basic", "None"):
            return self._simple(400, 1905, "parameter details has invalid value")
        try:
            wanted = _qids(parameters.get("ids", ""))
        except ValueError:
            return self._simple(400, 1905, "parameter ids has invalid value")
        templates = [item for item in CATALOG if wanted is None or any(low <= item.qid <= high for low, high in wanted)]
        body = self._document(request, templates, details)
        return Reply(200, [body.encode()], "text/xml", self._limiter.all_headers())

    def _refused(self, request: Request) -> Reply | None:
        try:
            self._auth.check(request)
        except Refusal:
            return self._denied()
        if not self._auth.basic_ok(request) and self._world.switches["kb_bearer"] == "reject":
            return self._denied()
        if not request.headers.get("x-requested-with"):
            return self._simple(400, 1904, "Missing header X-Requested-With")
        if self._world.switches["kb_permission"] == "denied":
            return self._simple(403, 2012, "User does not have permission to use the knowledge base")
        return None

    def _denied(self) -> Reply:
        reply = self._simple(401, 2000, "Bad Login/Password")
        reply.failed_auth = True
        return reply

    def _simple(self, status: int, code: int, text: str) -> Reply:
        body = _SIMPLE.format(now=self._world.now(), code=code, text=xml_codec.escaped(text))
        return Reply(status, [body.encode()], "text/xml", self._limiter.all_headers(), response_code=str(code))

    def _document(self, request: Request, templates: list[Template], details: str) -> str:
        writer = xml_codec.Writer()
        entries = {template.qid: template for template in templates}
        for template in sorted(entries.values(), key=lambda item: item.qid):
            if details == "None":
                writer.element("ID", template.qid)
            else:
                writer.element("VULN", _entry(template, whole=details == "All"))
        wrapper = "ID_SET" if details == "None" else "VULN_LIST"
        listed = f"<{wrapper}>{writer.text()}</{wrapper}>" if entries else ""
        host = xml_codec.escaped(request.headers.get("host", "localhost")).replace('"', "")
        doctype = _DTD.format(root=_ROOT, host=host) if self._world.switches.on("kb_doctype") else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8" ?>\n{doctype}<{_ROOT}><RESPONSE>'
            f"<DATETIME>{self._world.now()}</DATETIME>{listed}</RESPONSE></{_ROOT}>"
        )


def _qids(text: str) -> list[tuple[int, int]] | None:
    """Ranges of QIDs; None for all. Raises ValueError."""
    if not text:
        return None
    ranges = []
    for part in text.split(","):
        low, _dash, high = part.partition("-")
        if not low.isdigit() or (high and not high.isdigit()):
            raise ValueError(part)
        ranges.append((int(low), int(high or low)))
    return ranges


def hostile_text(qid: int) -> str | None:
    """What is put into the texts of every fourth entry."""
    return _POISON.get(qid)


def _entry(template: Template, *, whole: bool) -> dict[str, object]:
    day = template.qid % 28 + 1
    month = template.qid % 12 + 1
    entry: dict[str, object] = {
        "QID": template.qid,
        "VULN_TYPE": "Information Gathered" if template.type == INFO else _kind(template),
        "SEVERITY_LEVEL": template.severity,
        "TITLE": template.name,
        "CATEGORY": "Web Application",
        "LAST_SERVICE_MODIFICATION_DATETIME": f"2026-{month % 10 + 1:02d}-{day:02d}T08:00:00Z",
        "PUBLISHED_DATETIME": f"20{10 + template.qid % 14}-{month:02d}-{day:02d}T10:00:00Z",
        "PATCHABLE": template.qid % 2,
    }
    if whole:
        entry.update(_texts(template))
    entry["PCI_FLAG"] = int(template.severity >= 3)
    if template.severity >= 4:
        numbers = range(1 + template.qid % 3)
        identifiers = [f"CVE-{2020 + number}-{template.qid % 100000 + number:05d}" for number in numbers]
        entry["CVE_LIST"] = {
            "CVE": [{"ID": name, "URL": f"https://cve.example/?id={name}&x=1"} for name in identifiers]
        }
    entry["DISCOVERY"] = {"REMOTE": 1}
    return entry


def _kind(template: Template) -> str:
    return "Potential Vulnerability" if template.potential else "Vulnerability"


def _texts(template: Template) -> dict[str, object]:
    extra = hostile_text(template.qid)
    tail = f"\n{extra}" if extra is not None else ""
    texts: dict[str, object] = {"DIAGNOSIS": _DIAGNOSIS[template.qid % 2].format(name=template.name) + tail}
    if template.type != INFO:
        texts["CONSEQUENCE"] = _CONSEQUENCE + tail
        texts["SOLUTION"] = _SOLUTION + tail
    return texts
