# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derives the problems of a service from the results of info modules.

This module is private to the collection and may change at any time.

A service is tested with the modules that jobs use, so the doctor sees what a job would see. The first probe of a
service shows whether it can be reached and accepts the credentials; the others test permissions.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .checks import Check

CLOCK_TOLERANCE = 60
"""Seconds. Log exports warn from the same difference on (docs/vendors/log_collection.md 2.1)."""
_BEFORE = ("option", "missing_library")
"""Kinds of errors that occur before anything is sent."""
_UNREACHED = ("connection", "timeout")
_ANSWERED = ("redirect", "response", "server")
"""Kinds of errors where something answered, but not the service, or not correctly."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """The result of one task that tested a service.

    Attributes:
        part: what was requested, such as ``findings``.
        result: the result of the task.
        optional: whether an account can do without it.
    """

    part: str
    result: t.Mapping[str, t.Any]
    optional: bool = False

    @property
    def ran(self) -> bool:
        """Whether the task ran; an earlier result may have made it unnecessary."""
        return bool(self.result) and not self.result.get("skipped")

    @property
    def error(self) -> dict[str, str]:
        """``kind``, ``message`` and ``hint``; empty when the task succeeded."""
        found = self.result.get("error")
        if isinstance(found, t.Mapping):
            return {name: str(found.get(name) or "") for name in ("kind", "message", "hint")}
        if "stats" in self.result:
            return {}
        # Ansible itself rejected the options of the task.
        message = str(self.result.get("msg") or "The module did not run.")
        return {"kind": "option", "message": message, "hint": "Correct the options of module_defaults."}


@dataclasses.dataclass(frozen=True)
class Service:
    """One service: its probes, and whether it is configured at all."""

    name: str
    probes: t.Sequence[Probe]
    configured: bool


def judge(service: Service) -> list[Check]:
    """Return the checks of one service, causes before consequences."""
    first, *others = service.probes
    error = first.error
    if error and not service.configured and _is_absent(error):
        text = f"{service.name} is not configured: {error['message']}"
        return [Check(service.name, "configuration", "skipped", text)]
    if error and error["kind"] not in ("vendor", "not_found", "rate_limit"):
        return _unusable(service.name, error)
    reached = [
        Check(service.name, "connection", "ok", "The service answers."),
        Check(service.name, "credentials", "ok", "The service accepts the credentials."),
        *_clock(service.name, first.result),
    ]
    return [*reached, *(_permission(service.name, probe) for probe in (first, *others) if probe.ran)]


def _is_absent(error: t.Mapping[str, str]) -> bool:
    missing = error["kind"] == "option" and error["message"].endswith("is missing.")
    return missing or error["kind"] == "missing_library"


def _unusable(name: str, error: t.Mapping[str, str]) -> list[Check]:
    kind, told = error["kind"], (error["message"], error["hint"])
    if kind in _BEFORE:
        return [Check(name, "configuration", "failed", *told)]
    if kind == "authentication":
        answers = Check(name, "connection", "ok", "The service answers.")
        return [answers, Check(name, "credentials", "failed", *told)]
    if kind == "tls":
        return [Check(name, "tls", "failed", *told)]
    if kind in _UNREACHED:
        through = "proxy" if "proxy" in error["message"].lower() else "connection"
        return [Check(name, through, "failed", *told)]
    return [Check(name, "connection" if kind in _ANSWERED else kind, "failed", *told)]


def _clock(name: str, result: t.Mapping[str, t.Any]) -> list[Check]:
    offset = (result.get("stats") or {}).get("clock_offset")
    if not isinstance(offset, int):
        return []
    if abs(offset) <= CLOCK_TOLERANCE:
        return [Check(name, "clock", "ok", "The clock of this machine agrees with that of the service.")]
    text = f"The clock of this machine is {abs(offset)} seconds {'behind' if offset > 0 else 'ahead of'} the service's."
    hint = "Set the clock (NTP): windows of logs, the age of scans and tokens depend on it."
    return [Check(name, "clock", "failed", text, hint)]


def _permission(name: str, probe: Probe) -> Check:
    error = probe.error
    what = f"read {probe.part}"
    if not error:
        return Check(name, what, "ok", f"The account may read {probe.part}.")
    if error["kind"] == "rate_limit":
        text = f"Whether the account may read {probe.part} could not be determined: {error['message']}"
        return Check(name, what, "warning", text, error["hint"] or "Try again later.")
    hint = error["hint"] or f"Give the account the permission to read {probe.part}."
    return Check(name, what, "warning" if probe.optional else "failed", error["message"], hint)


def lines(checks: t.Iterable[t.Mapping[str, str]]) -> list[str]:
    """The checks as readable lines."""
    return [
        f"{check['state'].upper():<8}{check['subject']}: {check['check']}: {check['message']} {check['hint']}".rstrip()
        for check in checks
    ]
