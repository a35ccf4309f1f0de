# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain client for the sandbox's own tests; it shares no code with the collection."""

from __future__ import annotations

import base64
import http.client
import json
import xml.etree.ElementTree as ET
from typing import Any

from tests.sandbox import Sandbox

WAS = "/qps/rest/3.0"


class Client:
    """One keep-alive connection."""

    def __init__(self, sandbox: Sandbox, password: str | None = None, timeout: float = 10) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=timeout)
        login = f"{sandbox.username}:{sandbox.password if password is None else password}"
        self.authorization = "Basic " + base64.b64encode(login.encode()).decode()

    def raw(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one request; header names with _ for -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("Authorization", self.authorization)
        if not sent["Authorization"]:
            del sent["Authorization"]
        self.connection.request(method, path, body or None, sent)
        reply = self.connection.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read()

    def json(self, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        """The ServiceResponse of a JSON request."""
        data = b"" if body is None else json.dumps({"ServiceRequest": body}).encode()
        _status, _headers, reply = self.raw(
            method, WAS + path, data, Content_Type="application/json", Accept="application/json", **headers
        )
        return dict(json.loads(reply)["ServiceResponse"])

    def xml(self, method: str, path: str, body: str = "") -> ET.Element:
        """The root of an XML reply."""
        _status, _headers, reply = self.raw(method, WAS + path, body.encode(), Content_Type="text/xml")
        return ET.fromstring(reply)

    def search(self, name: str, *criteria: tuple[str, str, Any], **preferences: Any) -> dict[str, Any]:
        """A JSON search; criteria as (field, operator, value)."""
        listed = [{"field": field, "operator": operator, "value": value} for field, operator, value in criteria]
        return self.json("POST", f"/search/was/{name}", {"filters": {"Criteria": listed}, "preferences": preferences})

    def count(self, name: str, *criteria: tuple[str, str, Any]) -> int:
        """A JSON count."""
        listed = [{"field": field, "operator": operator, "value": value} for field, operator, value in criteria]
        reply = self.json("POST", f"/count/was/{name}", {"filters": {"Criteria": listed}})
        assert reply["responseCode"] == "SUCCESS", reply
        return int(reply["count"])

    def create(self, **fields: Any) -> dict[str, Any]:
        """Create a web application; its full object."""
        reply = self.json("POST", "/create/was/webapp", {"data": {"WebApp": fields}})
        assert reply["responseCode"] == "SUCCESS", reply
        return dict(reply["data"][0]["WebApp"])

    def update(self, key: int, **fields: Any) -> dict[str, Any]:
        """Update a web application; the reply."""
        return self.json("POST", f"/update/was/webapp/{key}", {"data": {"WebApp": fields}})

    def get(self, key: int, name: str = "webapp", element: str = "WebApp") -> dict[str, Any]:
        """Get one object."""
        return dict(self.json("GET", f"/get/was/{name}/{key}")["data"][0][element])

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def walk(client: Client, name: str, element: str, limit: int, **preferences: Any) -> list[dict[str, Any]]:
    """All records, by the vendor's recommended cursor."""
    records: list[dict[str, Any]] = []
    last = 0
    while True:
        reply = client.search(name, ("id", "GREATER", last), limitResults=limit, **preferences)
        records.extend(item[element] for item in reply.get("data", ()))
        if reply.get("hasMoreRecords") != "true":
            return records
        last = reply["lastId"]
