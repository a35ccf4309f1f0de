# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control plane under /_sandbox/: counters, faults, switches, reset. No credentials, loopback only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from .clock import Clock
from .counters import Counters
from .faults import Faults
from .switches import SWITCHES, Switches
from .wire import Reply, Request


class Control:
    """Answers control requests with JSON; a wrong one gets 400 and a message."""

    def __init__(
        self, counters: Counters, faults: Faults, switches: Switches, reset: Callable[[], None], clock: Clock,
        extra: Mapping[str, Callable[..., None]] | None = None,
    ) -> None:  # fmt: skip
        self._counters = counters
        self._faults = faults
        self._switches = switches
        self._reset_state = reset
        self._clock = clock
        self._routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "counters"): lambda _body: counters.snapshot(),
            ("POST", "counters/reset"): self._reset_counters,
            ("GET", "faults"): lambda _body: {"pending": faults.pending()},
            ("POST", "faults"): self._set_faults,
            ("GET", "switches"): lambda _body: dict(switches),
            ("POST", "switches"): self._set_switches,
            ("GET", "switches/help"): lambda _body: {name: item.meaning for name, item in SWITCHES.items()},
            ("POST", "reset"): self._reset,
            ("GET", "clock"): lambda _body: {"now": clock.stamp()},
            ("POST", "clock"): self._advance,
        }
        for name, function in (extra or {}).items():
            self._routes["POST", name] = _with_list(function)

    def answer(self, request: Request) -> Reply:
        """Perform one control request."""
        name = request.path.removeprefix("/_sandbox/").strip("/")
        route = self._routes.get((request.method, name))
        if route is None:
            return _json(404, {"error": f"no control route {request.method} {request.path}"})
        try:
            return _json(200, route(json.loads(request.body or b"null")))
        except (ValueError, TypeError, AttributeError) as error:
            return _json(400, {"error": str(error)})

    def _reset_counters(self, _body: Any) -> Any:
        self._counters.reset()
        return {"ok": True}

    def _set_faults(self, body: Any) -> Any:
        if not isinstance(body, list):
            raise ValueError("faults must be a JSON list")
        self._faults.replace(body)
        return {"ok": True, "faults": len(body)}

    def _set_switches(self, body: Any) -> Any:
        if not isinstance(body, dict):
            raise ValueError("switches must be a JSON object")
        self._switches.update(body)
        return dict(self._switches)

    def _advance(self, body: Any) -> Any:
        if not isinstance(body, dict) or set(body) != {"advance_s"}:
            raise ValueError("clock takes advance_s")
        self._clock.advance(float(body["advance_s"]))
        return {"now": self._clock.stamp()}

    def _reset(self, _body: Any) -> Any:
        self._reset_state()
        return {"ok": True}


def _with_list(function: Callable[..., None]) -> Callable[[Any], Any]:
    """A control call whose body is the list of arguments."""

    def call(body: Any) -> Any:
        if not isinstance(body, list):
            raise ValueError("the body must be a JSON list")
        function(*body)
        return {"ok": True}

    return call


def _json(status: int, value: Any) -> Reply:
    return Reply(status, [json.dumps(value).encode()], "application/json")
