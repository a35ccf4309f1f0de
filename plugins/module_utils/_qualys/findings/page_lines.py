# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the bytes of a page of findings into the lines of a snapshot (docs/vendors/qualys_was.md 3.2, 11).

This module is private to the collection and may change at any time.

This is the processor work of an export: decode, normalise, redact, encode. It is a pure function, so that a
:class:`..._vendor.crew.Crew` can run it on all cores.
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
    """The applications, rules and unknown values of some findings, for the manifest."""

    assets: set[str] = dataclasses.field(default_factory=set)
    rules: set[str] = dataclasses.field(default_factory=set)
    unknown: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def add(self, other: Contents) -> None:
        """Add the contents of other findings."""
        self.assets |= other.assets
        self.rules |= other.rules
        self.unknown += other.unknown


@dataclasses.dataclass
class PageLines:
    """The result of processing an answer.

    Attributes:
        envelope: the envelope without its records; None if the answer has no envelope.
        lines: the lines of the span, ascending by id; empty unless the envelope has SUCCESS.
        last_id: the cursor; None if there is no further page.
        repeated: the number of records outside the span.
        received: the number of records on the page.
        contents: the contents of the lines.
        problem: why a page with SUCCESS cannot be used. It only matters if the answer is not refused for its HTTP
            status.
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
        keep_sensitive: whether to keep cookies, credentials and personal data in the evidence.
        include_raw: whether to add the vendor's object.
    """

    keep_sensitive: bool
    include_raw: bool

    def page(self, span: Span, body: bytes) -> PageLines:
        """Return the lines of the answer to a search."""
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
        """Return the lines of findings, in the same order, and their contents."""
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
    """Yield the records in order, and release each once it is used: records of many pages take most of the memory."""
    records.reverse()
    while records:
        yield records.pop()
