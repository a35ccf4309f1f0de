# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of a scan: bare XML, or JSON in its envelope (docs/vendors/qualys_was.md 12.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..tables import Record
from ..wire import Reply
from . import hostile, json_codec, scan_machine, xml_codec
from .catalog import INFO, SENSITIVE, VULN
from .common import Tree
from .envelope import Page, Refusal
from .evidence import base64_text
from .search import find
from .tree import Attributed, QList
from .world import Call, Operation, Resource, World

View = Callable[[World, Record], Tree]


def operations(view: View) -> dict[str, Operation]:
    """The download; ``view`` is the full view that results are added to."""

    def download(resource: Resource, call: Call) -> Reply:
        return _download(resource, call, view)

    return {"download": Operation(("GET",), "required", download, reads_body=False)}


def _download(resource: Resource, call: Call, view: View) -> Reply:
    world = resource.world
    with world.state.lock:
        scan = find(resource, call.path_id)
        if scan["status"] in scan_machine.RUNNING:
            scan_machine.seen(world, [scan["id"]])
            raise Refusal("STILL_PROCESSING", f"Scan {scan['id']} is still running.", "Try again later.")
        tree = {**view(world, scan), **_results(world, scan)}
        raw = world.switches["xml_control_chars"] == "raw"
        if call.request.wants_json:
            page = Page(resource.element, [json_codec.encode(resource.element, tree)])
            return world.responder.page(call.request, page, resource.xsd)
        head = b'<?xml version="1.0" encoding="UTF-8"?>\n'
        chunks = [head, *xml_codec.encode(resource.element, tree, raw=raw)]
    return Reply(200, chunks, "application/xml", response_code="SUCCESS")


def detected(world: World, scan: Record) -> list[Record]:
    """The findings that the scan saw; for scans of the seed, those of its application that it lists."""
    findings = world.state.findings
    known = scan.get("_detected")
    if known is not None:
        return [findings[key] for key in known if key in findings]
    if scan["status"] != "FINISHED" or scan["summary"]["resultsStatus"] not in ("FINISHED", "SUCCESSFUL"):
        return []
    of_app = (findings[key] for key in world.state.findings_of(scan["webAppId"]))
    return [item for item in of_app if scan["id"] in item.get("_scans", ()) and item.get("status") != "FIXED"]


def _results(world: World, scan: Record) -> Tree:
    seen = detected(world, scan)
    kinds = {kind: [item for item in seen if item["type"] == kind] for kind in (VULN, SENSITIVE, INFO)}
    sdk = world.switches.on("qualysdk_readable")
    return {
        "stats": _stats(kinds),
        "vulns": QList("WasScanVuln", [_vuln(item, sdk) for item in kinds[VULN]]),
        "sensitiveContents": QList("WasScanSensitiveContent", [_vuln(item, sdk) for item in kinds[SENSITIVE]]),
        "igs": QList("WasScanIg", [_info(item, sdk) for item in kinds[INFO]]),
    }


def _levels(items: Sequence[Record], prefix: str) -> Tree:
    tree: Tree = {f"{prefix}Total": len(items)}
    for level in range(1, 6):
        tree[f"{prefix}Level{level}"] = sum(1 for item in items if item["severity"] == level)
    return tree


def _stats(kinds: dict[str, list[Record]]) -> Tree:
    counted = [item for kind in (VULN, SENSITIVE) for item in kinds[kind]]
    overall = {**_levels(kinds[VULN], "nbVulns"), **_levels(kinds[SENSITIVE], "nbScs"), **_levels(kinds[INFO], "nbIgs")}
    groups = sorted({str(item.get("group")) for item in counted if item.get("group")})
    by_group = [
        {"group": group, **_levels([item for item in counted if item.get("group") == group], "nb")} for group in groups
    ]
    return {
        "global": overall,
        "byGroup": QList("GroupStat", by_group),
        "byOwasp": QList("OwaspStat", _coded(counted, "owasp")),
        "byWasc": QList("WascStat", _coded(counted, "wasc")),
    }


def _coded(items: list[Record], name: str) -> list[Tree]:
    labels = sorted({f"{entry['code']:02d} {entry['name']}" for item in items for entry in item.get(name) or ()})
    return [
        {
            name: label,
            **_levels(
                [item for item in items if label in {f"{e['code']:02d} {e['name']}" for e in item.get(name) or ()}],
                "nb",
            ),
        }
        for label in labels
    ]


def _base64(text: str, variant: int, *, sdk: bool) -> Attributed:
    """Base64 that has often lost its padding."""
    return Attributed(base64_text(text, strip=variant % 2 == 0 and not sdk), {"base64": "true"})


def _vuln(item: Record, sdk: bool) -> Tree:
    variant = int(item.get("_variant", 0))
    result = f"HTTP/1.1 200 OK\nContent-Type: text/html\n\n{hostile.ALL[variant % len(hostile.ALL)]}"
    payload = {"payload": f"{item.get('param', 'q')}=%22%3E", "result": _base64(result, variant, sdk=sdk)}
    instance = {"authenticated": variant % 3 == 0, "payloads": QList("WasScanVulnPayload", [payload])}
    if variant % 7 == 0:
        instance["form"] = str(item.get("url", ""))
    tree: Tree = {"qid": item["qid"], "title": item.get("name"), "uri": item.get("url"), "param": item.get("param")}
    tree["content"] = item.get("content")
    tree["severity"] = item["severity"]
    tree["instances"] = QList("WasScanVulnInstance", [instance])
    return tree


def _info(item: Record, sdk: bool) -> Tree:
    variant = int(item.get("_variant", 0))
    data = f"{item['name']}\nNumber of links: {variant % 90}\nhttps://www.example.com/?a=1&b=<2>\n"
    return {"qid": item["qid"], "title": item["name"], "data": _base64(data, variant, sdk=sdk)}
