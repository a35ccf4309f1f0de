# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Surroundings of the WAS API: portal version, /msp/about.php."""

from __future__ import annotations

from ..wire import Reply, Request
from . import json_codec, xml_codec
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
