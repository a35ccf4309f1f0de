# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ServiceRequest in, ServiceResponse out (docs/vendors/qualys_was.md 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..switches import Switches
from ..wire import Reply, Request
from . import json_codec, xml_codec
from .node import Malformed, Node

# The complete enumeration of the XSD.
RESPONSE_CODES = frozenset({
    "SUCCESS", "INVALID_REQUEST", "INVALID_XML", "INVALID_PARAM", "INVALID_URL", "INVALID_API_VERSION",
    "INVALID_CREDENTIALS", "AUTH_CREDENTIALS_NEEDED", "UNAUTHORIZED", "UNAUTHORIZED_DESTINATION_APPS", "NOT_FOUND",
    "UNKNOWN_OBJECT", "CANNOT_BE_NULL", "OPERATION_NOT_SUPPORTED", "STILL_PROCESSING", "OTHER_ERROR",
    "EVALUATION_EXPIRED", "JMS_SERVER_DOWN", "RMI_SERVER_DOWN", "UNIDENTIFIED_PRODUCER",
})  # fmt: skip

_MAPPED = {
    "INVALID_CREDENTIALS": 401,
    "AUTH_CREDENTIALS_NEEDED": 401,
    "UNAUTHORIZED": 403,
    "EVALUATION_EXPIRED": 403,
    "NOT_FOUND": 404,
    "INVALID_URL": 404,
    "UNKNOWN_OBJECT": 404,
    "OPERATION_NOT_SUPPORTED": 405,
    "STILL_PROCESSING": 409,
    "OTHER_ERROR": 500,
}
_CREDENTIALS = ("INVALID_CREDENTIALS", "AUTH_CREDENTIALS_NEEDED")

_XML_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<ServiceResponse xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:noNamespaceSchemaLocation="https://{host}/qps/xsd/{xsd}.xsd">'
)


class Refusal(Exception):
    """A request that is answered with an error envelope."""

    def __init__(self, code: str, message: str, resolution: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.resolution = resolution


def invalid(message: str, resolution: str = "Correct the request and try again.") -> Refusal:
    """The refusal that most mistakes get."""
    return Refusal("INVALID_REQUEST", message, resolution)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One search criterion as sent."""

    field: str
    operator: str
    value: str
    name: str = ""


@dataclass(slots=True)
class ServiceRequest:
    """A parsed request body."""

    criteria: list[Criterion] = field(default_factory=list)
    preferences: dict[str, str] = field(default_factory=dict)
    data: Node | None = None


@dataclass(slots=True)
class Page:
    """What a data reply says around its records."""

    element: str
    records: list[tuple[bytes, ...]]
    last_id: int | None = None
    has_more: bool | None = None


PREFERENCES = ("limitResults", "startFromId", "startFromOffset", "verbose", "limitHistories")


def parse_request(request: Request) -> ServiceRequest:
    """The body of a request; raises Refusal for anything that is not a ServiceRequest."""
    if not request.body.strip():
        return ServiceRequest()
    root = _parse_body(request)
    if root.tag != "ServiceRequest":
        raise invalid(f"Unexpected root element {root.tag}.", "The root element must be ServiceRequest.")
    result = ServiceRequest()
    _only_children(root, ("filters", "preferences", "data"))
    for node in root.children:
        if node.tag == "filters":
            result.criteria = _criteria(node)
        elif node.tag == "preferences":
            result.preferences = _preferences(node)
        else:
            result.data = node
    return result


def _parse_body(request: Request) -> Node:
    kind = request.headers.get("content-type", "text/xml").split(";")[0].strip().lower()
    if kind == "application/json":
        try:
            return json_codec.parse(request.body)
        except Malformed as error:
            raise invalid(f"Malformed JSON: {error}.") from error
    if kind not in ("text/xml", "application/xml"):
        raise invalid(f"Unsupported content type {kind}.", "Use text/xml, application/xml or application/json.")
    try:
        return xml_codec.parse(request.body)
    except Malformed as error:
        raise Refusal("INVALID_XML", f"Malformed XML: {error}.", "Send a well-formed document.") from error


def _only_children(node: Node, allowed: Sequence[str]) -> None:
    """Containers hold only known elements, each once, and no text of their own."""
    if node.text.strip():
        raise invalid(f"Unexpected text inside {node.tag}.")
    seen: set[str] = set()
    for child in node.children:
        if child.tag not in allowed:
            raise invalid(f"Unknown element {child.tag} in {node.tag}.", f"Allowed: {', '.join(allowed)}.")
        if child.tag in seen:
            raise invalid(f"Element {child.tag} is repeated in {node.tag}.")
        seen.add(child.tag)


def _criteria(filters: Node) -> list[Criterion]:
    if filters.text.strip():
        raise invalid("Unexpected text inside filters.")
    return [_criterion(node) for node in filters.children]


def _criterion(node: Node) -> Criterion:
    if node.tag != "Criteria":
        raise invalid(f"Unknown element {node.tag} in filters.", "Allowed: Criteria.")
    if node.shape == "object":
        _only_children(node, ("field", "operator", "value", "name"))
        values = {child.tag: child.text for child in node.children}
    else:
        if node.children:
            raise invalid("Criteria holds text only.")
        values = {**node.attributes, "value": node.text}
    unknown = set(values) - {"field", "operator", "value", "name"}
    if unknown or not values.get("field") or not values.get("operator"):
        raise invalid("Criteria needs field and operator, and takes name.", "Send field and operator.")
    return Criterion(values["field"], values["operator"], values.get("value", "").strip(), values.get("name", ""))


def _preferences(node: Node) -> dict[str, str]:
    _only_children(node, PREFERENCES)
    return {child.tag: child.text.strip() for child in node.children}


class Responder:
    """Writes envelopes in the format that the request accepts."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def failure(self, request: Request, code: str, message: str, resolution: str) -> Reply:
        """An error envelope; without message there are no details."""
        status = self._status(code)
        details = {"errorMessage": message} if message else {}
        if message and resolution:
            details["errorResolution"] = resolution
        body: dict[str, object] = {"responseCode": code}
        if details:
            body["responseErrorDetails"] = details
        reply = self._document(request, body, "3.0/was/error")
        reply.status = status
        reply.response_code = code
        reply.failed_auth = code in _CREDENTIALS
        return reply

    def _status(self, code: str) -> int:
        if code in _CREDENTIALS and self._switches["auth_error_status"] == "401":
            return 401
        if self._switches["http_status_mode"] == "always_200":
            return 200
        return _MAPPED.get(code, 400)

    def _document(self, request: Request, body: dict[str, object], xsd: str) -> Reply:
        if request.wants_json:
            return Reply(200, [json_codec.dump({"ServiceResponse": json_codec.plain(body)})], "application/json")
        writer = xml_codec.Writer()
        for name, value in body.items():
            writer.element(name, value)
        text = _head(request, xsd) + writer.text() + "</ServiceResponse>"
        return Reply(200, [text.encode()], "application/xml")

    def count(self, request: Request, number: int, xsd: str) -> Reply:
        """The reply of a count, and of a search without results in shape b."""
        return _success(self._document(request, {"responseCode": "SUCCESS", "count": number}, xsd))

    def page(self, request: Request, page: Page, xsd: str) -> Reply:
        """A data reply."""
        if not page.records:
            return self._nothing(request, xsd)
        if request.wants_json:
            return _success(_json_page(page))
        return _success(_xml_page(page, _head(request, xsd)))

    def _nothing(self, request: Request, xsd: str) -> Reply:
        if self._switches["zero_result_shape"] == "b":
            return self.count(request, 0, xsd)
        if request.wants_json:
            body = b'{"ServiceResponse":{"responseCode":"SUCCESS","count":0,"hasMoreRecords":"false","data":[]}}'
            return _success(Reply(200, [body], "application/json"))
        tail = "<responseCode>SUCCESS</responseCode><count>0</count><hasMoreRecords>false</hasMoreRecords>"
        text = _head(request, xsd) + tail + "<data>\n  </data></ServiceResponse>"
        return _success(Reply(200, [text.encode()], "application/xml"))


def _success(reply: Reply) -> Reply:
    reply.response_code = "SUCCESS"
    reply.headers["evaluation"] = "false"
    reply.headers["Vary"] = "Accept-Encoding"
    return reply


def _head(request: Request, xsd: str) -> str:
    host = xml_codec.escaped(request.headers.get("host", "localhost")).replace('"', "")
    return _XML_HEAD.format(host=host, xsd=xsd)


def _json_page(page: Page) -> Reply:
    head = f'{{"ServiceResponse":{{"responseCode":"SUCCESS","count":{len(page.records)}'
    if page.has_more is not None:
        head += f',"hasMoreRecords":"{str(page.has_more).lower()}"'
    if page.last_id is not None:
        head += f',"lastId":{page.last_id}'
    chunks = [(head + ',"data":[').encode()]
    for record in page.records:
        chunks.extend(record)
        chunks.append(b",")
    chunks[-1] = b"]}}"
    return Reply(200, chunks, "application/json")


def _xml_page(page: Page, head: str) -> Reply:
    head += f"<responseCode>SUCCESS</responseCode><count>{len(page.records)}</count>"
    if page.has_more is not None:
        head += f"<hasMoreRecords>{str(page.has_more).lower()}</hasMoreRecords>"
    if page.last_id is not None:
        head += f"<lastId>{page.last_id}</lastId>"
    chunks = [(head + "<data>").encode()]
    for record in page.records:
        chunks.extend(record)
    chunks.append(b"</data></ServiceResponse>")
    return Reply(200, chunks, "application/xml")
