# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A strict stand-in for the API of AWX 24.6.1, as far as the role awx_setup needs it.

It keeps objects by kind, resolves references, hides secrets, pages its lists, and refuses what AWX would refuse or
ignore: unknown fields, unknown parameters of a search, references to nothing, a name that is taken, a missing field.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Object = dict[str, Any]
PAGE = 3
"""Small, so that the modules have to page."""
HIDDEN = "$encrypted$"
READ_ONLY = {"id", "type", "url", "related", "summary_fields", "managed", "scm_revision"}
"""What AWX takes and does not look at."""


@dataclass(frozen=True)
class Kind:
    """What objects of one kind have."""

    singular: str
    fields: dict[str, Any]
    required: tuple[str, ...] = ("name",)
    references: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    searched: tuple[str, ...] = ("name", "organization")
    identity: str = "name"


NOTIFIED = {"notification_templates_error": "notification_templates"}
UNIFIED = ("job_templates", "workflow_job_templates", "projects", "inventory_sources", "workflow_approval_templates")
"""The kinds that a schedule and a step of a workflow can start."""
KINDS: dict[str, Kind] = {
    "organizations": Kind("organization", {"name": None, "description": ""}),
    "credential_types": Kind(
        "credential_type",
        {"name": None, "description": "", "kind": None, "inputs": {}, "injectors": {}},
        ("name", "kind"), searched=("name",),
    ),
    "credentials": Kind(
        "credential",
        {"name": None, "description": "", "organization": None, "credential_type": None, "inputs": {}},
        ("name", "credential_type"),
        {"organization": "organizations", "credential_type": "credential_types"},
        searched=("name", "organization", "credential_type"),
    ),
    "execution_environments": Kind(
        "execution_environment",
        {"name": None, "description": "", "organization": None, "image": None, "credential": None, "pull": ""},
        ("name", "image"), {"organization": "organizations", "credential": "credentials"},
    ),
    "instance_groups": Kind(
        "instance_group",
        {"name": None, "is_container_group": False, "credential": None, "pod_spec_override": ""},
        references={"credential": "credentials"}, links={"instances": "instances"}, searched=("name",),
    ),
    "notification_templates": Kind(
        "notification_template",
        {"name": None, "description": "", "organization": None, "notification_type": None,
         "notification_configuration": {}, "messages": None},
        ("name", "organization", "notification_type"), {"organization": "organizations"},
    ),
    "projects": Kind(
        "project",
        {"name": None, "description": "", "organization": None, "scm_type": "", "scm_url": "", "scm_branch": "",
         "local_path": "", "credential": None, "scm_update_on_launch": False},
        references={"organization": "organizations", "credential": "credentials"},
    ),
    "inventories": Kind(
        "inventory",
        {"name": None, "description": "", "organization": None, "kind": "", "host_filter": None, "variables": ""},
        ("name", "organization"), {"organization": "organizations"},
    ),
    "inventory_sources": Kind(
        "inventory_source",
        {"name": None, "description": "", "inventory": None, "source": "", "source_path": "", "source_project": None,
         "credential": None, "execution_environment": None, "overwrite": False, "update_on_launch": False,
         "update_cache_timeout": 0},
        ("name", "inventory"),
        {"inventory": "inventories", "source_project": "projects", "credential": "credentials",
         "execution_environment": "execution_environments"},
        searched=("name", "inventory"),
    ),
    "job_templates": Kind(
        "job_template",
        {"name": None, "description": "", "organization": None, "project": None, "playbook": "", "inventory": None,
         "execution_environment": None, "extra_vars": "", "survey_enabled": False, "job_slice_count": 1,
         "ask_variables_on_launch": False},
        ("name", "project", "inventory"),
        {"organization": "organizations", "project": "projects", "inventory": "inventories",
         "execution_environment": "execution_environments"},
        {"credentials": "credentials", "instance_groups": "instance_groups", **NOTIFIED},
    ),
    "workflow_job_templates": Kind(
        "workflow_job_template",
        {"name": None, "description": "", "organization": None},
        references={"organization": "organizations"}, links=NOTIFIED,
    ),
    "workflow_job_template_nodes": Kind(
        "workflow_job_template_node",
        {"identifier": None, "workflow_job_template": None, "unified_job_template": None},
        ("identifier", "workflow_job_template"),
        {"workflow_job_template": "workflow_job_templates", "unified_job_template": "unified_job_templates"},
        {f"{name}_nodes": "workflow_job_template_nodes" for name in ("success", "failure", "always")},
        ("identifier", "workflow_job_template"), "identifier",
    ),
    "workflow_approval_templates": Kind(
        "workflow_approval_template", {"name": None, "description": "", "timeout": 0}, searched=()
    ),
    "schedules": Kind(
        "schedule",
        {"name": None, "description": "", "unified_job_template": None, "rrule": None, "enabled": True,
         "extra_data": {}},
        ("name", "unified_job_template", "rrule"), {"unified_job_template": "unified_job_templates"},
        searched=("name", "unified_job_template"),
    ),
}  # fmt: skip
WEBHOOK = {
    "url": None, "http_method": "POST", "disable_ssl_verification": False, "headers": {}, "username": "",
    "password": "",
}  # fmt: skip
RRULE = re.compile(r"DTSTART;TZID=[A-Za-z/_]+:\d{8}T\d{6} RRULE:FREQ=(HOURLY|DAILY|WEEKLY|MONTHLY);INTERVAL=\d+(;.*)?")
QUESTION = {
    "question_name", "question_description", "required", "type", "variable", "min", "max", "default", "choices",
    "new_question",
}  # fmt: skip


class Refused(Exception):
    """An answer that is a refusal: the status and what AWX says."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(str(detail))
        self.status, self.detail = status, detail


class Awx:
    """The state of AWX, behind a server on loopback; a context manager.

    Attributes:
        token: what must be in each request.
        writes: method and path of each request that was no GET.
    """

    def __init__(self) -> None:
        self.token = "Cnry-awx-token"
        self.objects: dict[str, dict[int, Object]] = {kind: {} for kind in KINDS} | {"instances": {}}
        self.linked: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[tuple[str, int], Object] = {}
        self.writes: list[tuple[str, str]] = []
        self._next, self._lock = 1, threading.Lock()
        self.add("organizations", {"name": "Default"})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Awx:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def named(self, kind: str, name: str) -> Object:
        """The one object of this name."""
        [found] = [item for item in self.objects[kind].values() if item[KINDS[kind].identity] == name]
        return found

    def links(self, kind: str, item: Object, name: str) -> list[str]:
        """The names of what is linked to an object."""
        target = KINDS[kind].links[name]
        found = (self.objects[target][number] for number in self.linked.get((kind, item["id"], name), []))
        return sorted(other[KINDS[target].identity] for other in found)

    def add(self, kind: str, given: Object) -> Object:
        """Make an object."""
        known = KINDS[kind]
        self._check(kind, given)
        if missing := [name for name in known.required if given.get(name) in (None, "")]:
            raise Refused(400, {name: ["This field is required."] for name in missing})
        item = json.loads(json.dumps(known.fields)) | {key: given[key] for key in given if key in known.fields}
        same = [name for name in ("organization", "workflow_job_template", "inventory") if name in known.searched]
        for other in self.objects[kind].values():
            if all(other[name] == item[name] for name in (known.identity, *same)) and known.searched:
                raise Refused(400, {"__all__": ["An object with this name exists already."]})
        item["id"], self._next = self._next, self._next + 1
        self.objects[kind][item["id"]] = self._completed(kind, item)
        return item

    def _check(self, kind: str, given: Object) -> None:
        known = KINDS[kind]
        if unknown := set(given) - set(known.fields) - READ_ONLY:
            raise Refused(400, {name: ["This field is not known."] for name in sorted(unknown)})
        for name, target in known.references.items():
            if given.get(name) is not None:
                self._find(target, given[name])
        for name in ("extra_vars", "pod_spec_override"):
            if given.get(name):
                json.loads(given[name])
        if "rrule" in given and not RRULE.fullmatch(given["rrule"]):
            raise Refused(400, {"rrule": ["rrule is not valid."]})
        self._check_credentials(kind, given)

    def _check_credentials(self, kind: str, given: Object) -> None:
        for template in (given.get("injectors") or {}).get("env", {}).values():
            if not re.fullmatch(r"\{\{ \w+ \| default\(''\) \}\}", template):
                raise Refused(400, {"injectors": ["This is no template."]})
        if kind == "credentials" and "inputs" in given:
            allowed = {item["id"] for item in self._fields_of(given)}
            if unknown := set(given["inputs"]) - allowed:
                raise Refused(400, {"inputs": [f"{sorted(unknown)} are no inputs of this type."]})

    def _fields_of(self, credential: Object) -> list[Object]:
        found: list[Object] = self._find("credential_types", credential["credential_type"])["inputs"]["fields"]
        return found

    def _completed(self, kind: str, item: Object) -> Object:
        if kind == "notification_templates":
            given = item["notification_configuration"]
            if set(given) - set(WEBHOOK) or not given.get("url"):
                raise Refused(400, {"notification_configuration": ["It has other fields, or no url."]})
            item["notification_configuration"] = WEBHOOK | given
        return item

    def _find(self, kind: str, number: Any) -> Object:
        kinds = UNIFIED if kind == "unified_job_templates" else (kind,)
        found = next((self.objects[name][int(number)] for name in kinds if int(number) in self.objects[name]), None)
        if found is None:
            raise Refused(400, {"detail": f"{kind} has no {number}"})
        return found

    def _kind_of(self, item: Object, kind: str) -> str:
        return (
            next(name for name in UNIFIED if item["id"] in self.objects[name]) if kind.startswith("unified") else kind
        )

    def shown(self, kind: str, item: Object) -> Object:
        """An object as AWX shows it, without its secrets."""
        kind = self._kind_of(item, kind)
        url = f"/api/v2/{kind}/{item['id']}/"
        related = {"survey_spec": f"{url}survey_spec/", "update": f"{url}update/"}
        if item.get("unified_job_template"):
            target = self._find("unified_job_templates", item["unified_job_template"])
            related["unified_job_template"] = self.shown("unified_job_templates", target)["url"]
        copy: Object = json.loads(json.dumps(item)) | {
            "type": KINDS[kind].singular, "url": url, "related": related, "summary_fields": {}, "scm_revision": "",
            "managed": False,
        }  # fmt: skip
        if kind == "credentials":
            secret = {name["id"] for name in self._fields_of(item) if name.get("secret")}
            copy["inputs"] = {name: HIDDEN if name in secret else value for name, value in copy["inputs"].items()}
        return copy

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Answer one request."""
        parts = [part for part in path.removeprefix("/api/v2/").split("/") if part]
        kind, rest = parts[0], parts[1:]
        if kind not in KINDS and kind != "unified_job_templates":
            raise Refused(404, {"detail": "Not found."})
        if not rest:
            return self._of_kind(method, kind, query, body)
        if int(rest[0]) not in self.objects[kind]:
            raise Refused(404, {"detail": "Not found."})
        item = self.objects[kind][int(rest[0])]
        if len(rest) == 1:
            return self._of_item(method, kind, item, body)
        return self._below(method, kind, item, rest[1], body)

    def _of_kind(self, method: str, kind: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if method == "POST":
            return 201, self.shown(kind, self.add(kind, body))
        if method != "GET":
            raise Refused(405, {"detail": "Method not allowed."})
        return 200, self._page(kind, list(self._matching(kind, dict(query))), query, f"/api/v2/{kind}/")

    def _matching(self, kind: str, query: dict[str, str]) -> Iterator[Object]:
        kinds = UNIFIED if kind == "unified_job_templates" else (kind,)
        allowed = {"name", "organization"} if len(kinds) > 1 else set(KINDS[kind].searched)
        query.pop("page", None)
        if unknown := {name.removeprefix("or__") for name in query} - allowed - {"id"}:
            raise Refused(400, {"detail": f"{kind} has no field {sorted(unknown)}."})
        must = {name: value for name, value in query.items() if not name.startswith("or__")}
        may = {name.removeprefix("or__"): value for name, value in query.items() if name.startswith("or__")}
        for item in (item for name in kinds for item in self.objects[name].values()):
            if any(str(item.get(name)) != value for name, value in must.items()):
                continue
            if not may or any(str(item.get(name)) == value for name, value in may.items()):
                yield item

    def _page(self, kind: str, found: list[Object], query: dict[str, str], path: str) -> Object:
        page = int(query.get("page", 1))
        rest = "&".join(f"{name}={value}" for name, value in query.items() if name != "page")
        more = f"{path}?{rest}&page={page + 1}" if len(found) > page * PAGE else None
        shown = [self.shown(kind, item) for item in found[(page - 1) * PAGE : page * PAGE]]
        return {"count": len(found), "next": more, "previous": None, "results": shown}

    def _of_item(self, method: str, kind: str, item: Object, body: Any) -> tuple[int, Any]:
        if method == "DELETE":
            del self.objects[kind][item["id"]]
            return 204, None
        if method == "PATCH":
            self._check(kind, item | body)
            changed = {name: value for name, value in body.items() if name in KINDS[kind].fields}
            if "inputs" in changed and kind == "credentials":
                changed["inputs"] = {
                    name: item["inputs"].get(name) if value == HIDDEN else value
                    for name, value in changed["inputs"].items()
                }
            item |= changed
            self._completed(kind, item)
        elif method != "GET":
            raise Refused(405, {"detail": "Method not allowed."})
        return 200, self.shown(kind, item)

    def _below(self, method: str, kind: str, item: Object, name: str, body: Any) -> tuple[int, Any]:
        if name == "survey_spec" and kind in ("job_templates", "workflow_job_templates"):
            return self._survey(method, (kind, item["id"]), body)
        if name == "create_approval_template" and kind == "workflow_job_template_nodes" and method == "POST":
            made = self.add("workflow_approval_templates", body)
            item["unified_job_template"] = made["id"]
            return 201, self.shown("workflow_approval_templates", made)
        target = KINDS[kind].links.get(name)
        if target is None:
            raise Refused(404, {"detail": "Not found."})
        numbers = self.linked.setdefault((kind, item["id"], name), [])
        if method == "GET":
            found = [self.objects[target][number] for number in numbers]
            return 200, self._page(target, found, {}, f"/api/v2/{kind}/{item['id']}/{name}/")
        self._find(target, body["id"])
        if body.get("disassociate"):
            numbers.remove(body["id"])
        else:
            numbers.append(body["id"])
        return 204, None

    def _survey(self, method: str, place: tuple[str, int], body: Any) -> tuple[int, Any]:
        if method == "POST":
            for question in body["spec"]:
                if set(question) != QUESTION or question["type"] not in ("text", "multiplechoice", "integer"):
                    raise Refused(400, {"error": f"{question} is no question."})
                if question["type"] == "multiplechoice" and question["default"] not in question["choices"]:
                    raise Refused(400, {"error": f"{question} has a default that is no choice."})
            self.surveys[place] = body
        return 200, self.surveys.get(place, {})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        awx = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                parts = urlsplit(self.path)
                with awx._lock:
                    if self.command != "GET":
                        awx.writes.append((self.command, parts.path))
                    try:
                        if self.headers.get("Authorization") != f"Bearer {awx.token}":
                            raise Refused(401, {"detail": "Authentication credentials were not provided."})
                        status, told = awx.answer(self.command, parts.path, dict(parse_qsl(parts.query)), body)
                    except Refused as error:
                        status, told = error.status, error.detail
                data = b"" if told is None else json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.send_header("X-API-Product-Name", "AWX")
                self.send_header("X-API-Product-Version", "24.6.1")
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names are those of http.server

        return Handler
