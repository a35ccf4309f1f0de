# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the bytes of a page of findings to the lines of a snapshot (docs/vendors/qualys_was.md 3.2, 11).

This module is private to the collection and may change at any time.

This is all the work of an export that is not waiting: decode, normalise, redact, encode. It is a pure function, so that
a :class:`..._vendor.crew.Crew` can do it on all cores.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ..._base.errors import BadResponse
from ..._records.codec import dump_line, dumps
from ..api.client import page_of, search_path
from ..api.envelope import envelope_of, is_success
from ..api.listing import Span, fresh_of
from ..api.shapes import Raw, number
from .finding_fields import RESOURCE
from .normalise import FindingNormaliser

Line = tuple[int, bytes]
"""Id and line of a finding."""


@dataclasses.dataclass
class Contents:
    """What some findings are about, for the manifest."""

    assets: set[str] = dataclasses.field(default_factory=set)
    rules: set[str] = dataclasses.field(default_factory=set)
    unknown: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def add(self, other: Contents) -> None:
        """Count what others are about, too."""
        self.assets |= other.assets
        self.rules |= other.rules
        self.unknown += other.unknown


@dataclasses.dataclass
class PageLines:
    """What became of an answer.

    Attributes:
        envelope: without its records; None when the answer has no envelope.
        lines: those of the span, ascending by id; empty unless the envelope says SUCCESS.
        last_id: the cursor; None when there is no further page.
        repeated: how many records are not of the span.
        received: how many records the page has.
        contents: what the lines are about.
        problem: why a page with SUCCESS cannot be used; it counts unless the answer is refused for its status.
    """

    envelope: Raw | None
    lines: list[Line] = dataclasses.field(default_factory=list)
    last_id: int | None = None
    repeated: int = 0
    received: int = 0
    contents: Contents = dataclasses.field(default_factory=Contents)
    problem: BadResponse | None = None


@dataclasses.dataclass(frozen=True)
class LineMaker:
    """Turns findings into lines.

    Attributes:
        keep_sensitive: whether cookies, credentials and personal data in the evidence are kept.
        include_raw: whether the vendor's object is added.
    """

    keep_sensitive: bool
    include_raw: bool

    def page(self, span: Span, body: bytes) -> PageLines:
        """The lines of a page that the answer to a search has."""
        envelope = envelope_of(body)
        if envelope is None or not is_success(envelope):
            return PageLines(envelope)
        try:
            page = page_of(envelope, search_path(RESOURCE))
            fresh = fresh_of(page, span)
        except BadResponse as error:
            return PageLines({**envelope, "data": None}, problem=error)
        received = len(page.records)
        envelope.pop("data", None)
        del page
        lines, contents = self.lines(drained(fresh.records))
        return PageLines(envelope, lines, fresh.last_id, fresh.repeated, received, contents)

    def lines(self, findings: t.Iterable[Raw]) -> tuple[list[Line], Contents]:
        """The lines of findings, in their order, and what they are about."""
        normaliser = FindingNormaliser(
            keep_sensitive=self.keep_sensitive,
            include_raw=self.include_raw,
            raw_as=lambda raw: dumps(raw).decode(),
        )
        contents = Contents(unknown=normaliser.unknown)
        lines: list[Line] = []
        for raw in findings:
            finding = normaliser.finding(raw)
            asset_id, rule_id = finding["asset"]["id"], finding["rule_id"]
            if asset_id is not None:
                contents.assets.add(asset_id)
            if rule_id is not None:
                contents.rules.add(rule_id)
            lines.append((number(raw.get("id")) or 0, dump_line(finding)))
        return lines, contents


def drained(records: list[Raw]) -> t.Iterator[Raw]:
    """The records in order. Each is let go once it is used: with many pages at work, that is most of the memory."""
    records.reverse()
    while records:
        yield records.pop()
