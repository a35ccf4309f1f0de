# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed between two snapshots of findings, by identity. All consumers use the terms that are defined here.

This module is private to the collection and may change at any time.

The open risks reconcile: before + new + reopened + reactivated - fixed - protected - ignored - gone = now.
"""

from __future__ import annotations

import hashlib
import typing as t

from .codec import dumps_sorted
from .model import OPEN_STATUSES, SEVERITIES, Finding

STATES: tuple[str, ...] = ("open", "ignored", "protected", "fixed", "information")
"""The state of a finding at its source."""
CHANGES: tuple[str, ...] = (
    "new",
    "reopened",
    "escalated",
    "fixed",
    "gone",
    "protected",
    "ignored",
    "reactivated",
    "lowered",
    "changed",
)
CONTENT_FIELDS: tuple[str, ...] = (
    "rule_id",
    "title",
    "kind",
    "severity_native",
    "original_severity",
    "cvss_score",
    "cvss_vector",
    "detection_score",
    "asset",
    "url",
    "method",
    "parameter",
    "cwe",
    "owasp",
    "wasc",
    "group",
    "finding_type",
    "potential",
    "external_ref",
    "patch",
)
"""The fields whose change counts for a finding that stays open. Fields that every scan renews are left out (times,
counters, evidence, whether it is new); otherwise every finding would change with every scan."""
_RANKS: dict[str, int] = {name: rank for rank, name in enumerate(SEVERITIES)}


class Seen(t.Protocol):
    """The properties of a finding that are compared.

    ``content`` is a hash of everything else that counts as a change, or empty when nothing else does.
    """

    @property
    def state(self) -> str:
        """One of ``STATES``."""

    @property
    def severity(self) -> str:
        """One of the severities of the model."""

    @property
    def content(self) -> str:
        """A hash, or an empty text."""


S = t.TypeVar("S", bound=Seen)


class Sighting(t.NamedTuple):
    """The minimal form of :class:`Seen`."""

    state: str
    severity: str
    content: str = ""


def state_of(finding: Finding) -> str:
    """Return exactly one of ``STATES``: the states of all findings add up to their number.

    An information gathered is never a risk. A fixed finding stays fixed even if somebody ignored it.
    """
    if finding["kind"] == "information":
        return "information"
    status = finding["status"]
    if status not in OPEN_STATUSES:
        return "fixed" if status == "fixed" else "protected"
    return "open" if finding["ignored"] is None else "ignored"


def content_of(finding: t.Mapping[str, t.Any]) -> str:
    """Return the content of a finding for :class:`Seen`: a hash of its ``CONTENT_FIELDS``, in 16 hexadecimal digits."""
    content = dumps_sorted([finding.get(name) for name in CONTENT_FIELDS])
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def what_changed(before: Seen | None, now: Seen | None) -> str:
    """Return one of ``CHANGES`` for one finding, or an empty text when nothing changed that counts.

    Args:
        before: the finding in the earlier snapshot; None when it was not there.
        now: the finding in the later snapshot; None when it is not there.
    """
    if "information" in (before and before.state, now and now.state):
        return ""
    if now is None:
        return "gone" if before is not None and before.state == "open" else ""
    if before is None:
        return "new" if now.state == "open" else ""
    if before.state == now.state:
        return _within_state(before, now)
    if before.state == "open":
        return now.state
    if now.state != "open":
        return ""
    return "reactivated" if before.state == "ignored" else "reopened"


def _within_state(before: Seen, now: Seen) -> str:
    if now.state != "open":
        return ""
    # An unknown severity has no place on the scale, so the change has no direction.
    if before.severity != now.severity and "unknown" not in (before.severity, now.severity):
        return "escalated" if _RANKS[now.severity] < _RANKS[before.severity] else "lowered"
    return "changed" if before.content != now.content else ""


class Keys:
    """Identities, with an ordinal for findings that share one: two findings with one fingerprint both count."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def key(self, identity: str) -> str:
        """Return the key of the next finding with this identity."""
        count = self._seen[identity] = self._seen.get(identity, 0) + 1
        return identity if count == 1 else f"{identity}\0{count}"


def compare(before: t.Mapping[str, S], now: t.Iterable[tuple[str, S]]) -> t.Iterator[tuple[str, S | None, S | None]]:
    """Yield for each finding what changed, and the finding before and now.

    Args:
        before: the findings of the earlier snapshot, by their :class:`Keys`.
        now: identity and finding of the later snapshot. They are read one by one and yielded in their order; findings
            that exist only in the earlier snapshot follow.
    """
    left = dict(before)
    keys = Keys()
    for identity, finding in now:
        earlier = left.pop(keys.key(identity), None)
        yield what_changed(earlier, finding), earlier, finding
    for earlier in left.values():
        yield what_changed(earlier, None), earlier, None
