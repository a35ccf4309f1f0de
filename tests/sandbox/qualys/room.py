# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Qualys room: routing, authentication, dispatch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ..clock import Clock
from ..counters import Counters
from ..faults import Fault
from ..switches import Switches
from ..wire import Reply, Request
from . import auth_records, findings, kb, lookups, portal, reports, scans, schedules, seed, webapps
from .envelope import Refusal, ServiceRequest, invalid, parse_request
from .limits import Limiter
from .moments import Moments
from .search import encoder
from .state import State
from .tokens import Authenticator
from .world import Call, Operation, QualysSettings, Resource, World

_REST = re.compile(
    r"/qps/rest/(?P<version>[^/]+)/(?P<operation>[^/]+)/(?P<module>[^/]+)/(?P<object>[^/]+)(/(?P<id>[^/]+))?/?"
)
_READS = ("count", "search", "get", "status", "download", "downloadSeleniumScript", "retestStatus")
_OTHERS = ("/auth", "/auth/oidc", "/msp/about.php", kb.PATH)


class Qualys:
    """Room of Qualys WAS."""

    def __init__(self, settings: QualysSettings, switches: Switches, counters: Counters, clock: Clock) -> None:
        self._world = World(settings, switches, counters, clock)
        self._limiter = Limiter(switches)
        self._kb_limiter = Limiter(switches, "kb_")
        self._auth = Authenticator(self._world)
        self._resources = self._make_resources()
        self._moments = Moments(self._world)
        self._portal = portal.Portal(self._world, self._limiter, self._auth)
        knowledge = kb.KnowledgeBase(self._world, self._kb_limiter, self._auth)
        self._plain: dict[tuple[str, str], Callable[[Request], Reply]] = {
            ("POST", "/auth"): self._auth.token_for_user,
            ("POST", "/auth/oidc"): self._auth.token_for_client,
            ("GET", "/msp/about.php"): self._portal.about,
            ("GET", kb.PATH): knowledge.answer,
            ("POST", kb.PATH): knowledge.answer,
        }

    def _make_resources(self) -> dict[tuple[str, str, str], Resource]:
        world = self._world
        scan = scans.resource(world)
        resources = [
            webapps.resource(world),
            findings.resource(world),
            auth_records.resource(world),
            scan,
            scans.again_resource(scan),
            schedules.resource(world),
            *reports.resources(world),
            *lookups.resources(world),
        ]
        return {(item.version, item.module, item.name): item for item in resources}

    @property
    def state(self) -> State:
        """The subscription."""
        return self._world.state

    def controls(self) -> dict[str, Callable[..., None]]:
        """What the control plane can ask of this vendor, by path."""
        return {
            "qualys/next_scan_outcome": self.state.next_scan_outcome,
            "qualys/next_retest_outcome": self.state.next_retest_outcome,
        }

    def reset(self) -> None:
        """State and limits back to the seed; tokens stay good."""
        self._limiter.reset()
        self._kb_limiter.reset()
        with self.state.lock:
            self.state.clear()
            seed.fill(self.state, self._world.settings)

    def prewarm(self, target: str) -> None:
        """Encode all findings for ``format:detail``."""
        kind, detail = target.split(":")
        headers = {"accept": "application/json" if kind == "json" else "*/*"}
        call = Call(Request("POST", "/", "/", {}, headers), ServiceRequest(), "", {})
        resource = self._resources[("3.0", "was", "finding")]
        encode = encoder(resource, call, detail)
        for record in self.state.findings.in_order():
            encode(record)

    def matches(self, path: str) -> bool:
        """Qualys has the paths /qps, /auth, /msp and /api/2.0/fo."""
        return path.startswith(("/qps/", "/msp/", "/api/2.0/fo/")) or path.rstrip("/") in _OTHERS

    def is_write(self, method: str, path: str) -> bool:
        """Every operation that is not a read is a write, even one that is not known."""
        found = _REST.fullmatch(path)
        return found is not None and method != "GET" and found["operation"] not in _READS

    def _limiter_of(self, request: Request) -> Limiter | None:
        if request.path.startswith("/qps/"):
            return self._limiter
        return self._kb_limiter if request.path.rstrip("/") == kb.PATH else None

    def enter(self, request: Request) -> Reply | None:
        """Begin a request; /qps and the knowledge base have limits, each its own."""
        limiter = self._limiter_of(request)
        return limiter.enter() if limiter is not None else None

    def leave(self, request: Request) -> None:
        """End a request."""
        limiter = self._limiter_of(request)
        if limiter is not None:
            limiter.leave()

    def failure(self, request: Request, code: str, message: str, resolution: str) -> Reply:
        """An error envelope; the status stays 200 for the fault of that kind."""
        reply = self._world.responder.failure(request, code, message, resolution)
        reply.failed_auth = False
        return reply

    def answer(self, request: Request, faults: Mapping[str, Fault]) -> Reply:
        """Perform the request."""
        plain = self._plain.get((request.method, request.path.rstrip("/")))
        if plain is not None:
            return plain(request)
        try:
            reply = self._rest(request, faults)
        except Refusal as refusal:
            reply = self._refused(request, refusal)
        reply.headers.update(self._limiter.headers())
        return reply

    def _refused(self, request: Request, refusal: Refusal) -> Reply:
        if refusal.code == "EMPTY_SUCCESS":
            return self._world.responder.count(request, 0, "3.0/was/empty")
        return self._world.responder.failure(request, refusal.code, refusal.message, refusal.resolution)

    def _rest(self, request: Request, faults: Mapping[str, Fault]) -> Reply:
        self._auth.check(request)
        if request.path.rstrip("/") == "/qps/rest/portal/version" and request.method == "GET":
            return self._portal.version(request)
        resource, operation, path_id = self._route(request)
        if resource.module == "am" and self._world.switches["tag_permission"] == "denied":
            raise Refusal("UNAUTHORIZED", "The user has no permission for tags.", "Ask the administrator.")
        self._moments.tick()
        body = parse_request(request) if operation.reads_body else ServiceRequest()
        return operation.handle(resource, Call(request, body, path_id, faults))

    def _route(self, request: Request) -> tuple[Resource, Operation, str]:
        found = _REST.fullmatch(request.path)
        resource = self._resources.get((found["version"], found["module"], found["object"])) if found else None
        operation = resource.operations.get(found["operation"]) if found and resource else None
        if found is None or resource is None or operation is None:
            raise Refusal("INVALID_URL", f"Invalid URL {request.path}.", "Check the path of the request.")
        path_id = found["id"] or ""
        if (operation.path_id == "none" and path_id) or (operation.path_id == "required" and not path_id):
            raise Refusal("INVALID_URL", f"Invalid URL {request.path}.", f"An id is {operation.path_id} here.")
        if request.method not in operation.methods:
            allowed = " or ".join(operation.methods)
            raise Refusal("OPERATION_NOT_SUPPORTED", f"{request.method} is not supported here.", f"Use {allowed}.")
        return resource, operation, path_id


__all__ = ["Qualys", "QualysSettings", "invalid"]
