# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes of findings that a task asks for, and the calls that make them (docs/vendors/qualys_was.md 11.6, 11.7).

This module is private to the collection and may change at any time.

Nothing here sends a request: the calls are computed from a finding as a search returned it. Computed again from a later
search, they show whether a write has become visible.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ..._base.errors import OptionError
from ..._records.times import parse_time, utc_text
from ..api.shapes import Raw, number, text, truth

REASONS = ("FALSE_POSITIVE", "RISK_ACCEPTED", "NOT_APPLICABLE")
INFORMATION = "INFORMATION_GATHERED"
_ONLY_IGNORED = ("reason", "comment", "reactivate_in", "reactivate_date")
_IGNORE_FIELDS = ("isIgnored", "ignoredReason", "ignoredBy", "ignoredDate", "ignoredComment")
_TIMER_FIELDS = ("reactivateIn", "reactivateDate")
_EDIT_FIELDS = ("originalSeverity", "severityComment", "editedSeverityUser", "editedSeverityDate")


@dataclasses.dataclass(frozen=True)
class FindingStep:
    """One call for one finding.

    Attributes:
        operation: first part of the path, and its name in results.
        data: the content of ``Finding``; None sends no body.
        before, after: what changes, for the diff.
        overlay: the vendor fields after the call; None for a field that will be removed.
    """

    operation: str
    data: dict[str, t.Any] | None
    before: dict[str, t.Any]
    after: dict[str, t.Any]
    overlay: Raw

    def predict(self, raw: Raw) -> Raw:
        """Return the finding as it will be after the call, as far as this is known."""
        return {name: value for name, value in (raw | self.overlay).items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Wish:
    """The options of a task, checked; see :func:`wish_of`. ``ignored`` is None if the state shall not change."""

    ignored: bool | None
    reason: str | None
    comment: str | None
    reactivate_in: int | None
    reactivate_date: str | None
    severity: int | None
    severity_comment: str | None
    restore_severity: bool
    retest: bool

    def steps(self, raw: Raw) -> list[FindingStep]:
        """Return the calls that bring the finding into the desired state. A retest is not a state, and not included."""
        found = [self._severity_step(raw), self._state_step(raw)]
        return [step for step in found if step is not None]

    # State

    def _state_step(self, raw: Raw) -> FindingStep | None:
        if self.ignored is None:
            return None
        ignored = bool(truth(raw.get("isIgnored")))
        if not self.ignored:
            return _activate(raw) if ignored else None
        before = _ignored_view(raw) if ignored else {"state": "active"}
        wanted = {"ignoredReason": self.reason}
        if self.comment is not None:
            wanted["ignoredComment"] = self.comment
        same = all((text(raw.get(name)) or "") == value for name, value in wanted.items())
        if ignored and same and self._same_timer(raw):
            return None
        data = self._ignore_data(raw if ignored else {})
        after: Raw = dict.fromkeys((*_IGNORE_FIELDS, *_TIMER_FIELDS)) | {"isIgnored": True} | data
        return FindingStep("ignore", data, before, _ignored_view(after), after)

    def _ignore_data(self, raw: Raw) -> dict[str, t.Any]:
        """Return everything to send: it is not documented whether Qualys keeps values that are left out."""
        comment = text(raw.get("ignoredComment")) if self.comment is None else self.comment
        data: dict[str, t.Any] = {"ignoredReason": self.reason}
        if comment:
            data["ignoredComment"] = comment
        if self.reactivate_in is not None:
            data["reactivateIn"] = self.reactivate_in
        elif self.reactivate_date is not None:
            data["reactivateDate"] = self.reactivate_date
        elif raw.get("reactivateDate") is not None:
            data["reactivateDate"] = text(raw["reactivateDate"])
        elif raw.get("reactivateIn") is not None:
            data["reactivateIn"] = number(raw["reactivateIn"])
        return data

    def _same_timer(self, raw: Raw) -> bool:
        until = _day(raw.get("reactivateDate"))
        if self.reactivate_date is not None:
            return until == _day(self.reactivate_date)
        if self.reactivate_in is None:
            return True
        # It is not documented whether reactivateIn is constant or counts down, so the dates are compared too.
        since = _day(raw.get("ignoredDate"))
        days = (until - since).days if until is not None and since is not None else None
        return self.reactivate_in in (number(raw.get("reactivateIn")), days)

    # Severity

    def _severity_step(self, raw: Raw) -> FindingStep | None:
        present, original = number(raw.get("severity")), number(raw.get("originalSeverity"))
        edited = original is not None and original != present
        present_comment = text(raw.get("severityComment"))
        before = {"severity": present, "severity_comment": present_comment}
        if self.restore_severity:
            after: dict[str, t.Any] = {"severity": original, "severity_comment": None}
            overlay: Raw = dict.fromkeys(_EDIT_FIELDS) | {"severity": str(original)}
            return FindingStep("restoreSeverity", None, before, after, overlay) if edited else None
        if self.severity is None:
            return None
        comment = self.severity_comment
        # If the severity was never edited and stays, a comment on the edit has no effect.
        same_comment = not edited or comment is None or comment == (present_comment or "")
        if self.severity == present and same_comment:
            return None
        comment = present_comment if comment is None else comment
        data: dict[str, t.Any] = {"severity": self.severity}
        if comment:
            data["severityComment"] = comment
        overlay = {
            "severity": str(self.severity),
            "originalSeverity": str(present if original is None else original),
            "severityComment": comment or None,
        }
        after = {"severity": self.severity, "severity_comment": comment or None}
        return FindingStep("editSeverity", data, before, after, overlay)


def _activate(raw: Raw) -> FindingStep:
    overlay: Raw = dict.fromkeys((*_IGNORE_FIELDS, *_TIMER_FIELDS)) | {"isIgnored": False}
    return FindingStep("activate", None, _ignored_view(raw), {"state": "active"}, overlay)


def _ignored_view(raw: Raw) -> dict[str, t.Any]:
    return {
        "state": "ignored",
        "reason": text(raw.get("ignoredReason")),
        "comment": text(raw.get("ignoredComment")),
        "reactivate_in": number(raw.get("reactivateIn")),
        "reactivate_date": text(raw.get("reactivateDate")),
    }


def _day(value: t.Any) -> dt.date | None:
    """Return the UTC day of a vendor's time. It is not documented whether Qualys keeps the hour of a reactivation."""
    try:
        return parse_time(text(value) or "").date()
    except ValueError:
        return None


def wish_of(params: t.Mapping[str, t.Any], *, now: dt.datetime | None = None) -> Wish:
    """Check the options of a task.

    Args:
        params: the options.
        now: the current time; replaced in tests.

    Raises:
        OptionError: the options ask for no change, are invalid, or contradict each other.
    """
    state = params.get("state")
    if state != "ignored":
        for name in _ONLY_IGNORED:
            if params.get(name) is not None:
                raise OptionError(
                    f"{name} is only allowed with state: ignored.", hint=f"Omit {name}, or set state to ignored."
                )
    elif not params.get("reason"):
        raise OptionError("state: ignored requires reason.", hint=f"Use one of {', '.join(REASONS)}.")
    if params.get("severity_comment") is not None and params.get("severity") is None:
        raise OptionError("severity_comment is only allowed with severity.", hint="Give severity too.")
    if params.get("severity") is not None and params["restore_severity"]:
        raise OptionError("severity and restore_severity cannot be combined.", hint="Give one of them.")
    if state is None and params.get("severity") is None and not params["restore_severity"] and not params["retest"]:
        raise OptionError(
            "The task asks for no change.", hint="Give at least one of state, severity, restore_severity and retest."
        )
    return Wish(
        ignored=None if state is None else state == "ignored",
        reason=params.get("reason"),
        comment=params.get("comment"),
        reactivate_in=_days(params),
        reactivate_date=_date(params, now or dt.datetime.now(dt.UTC)),
        severity=params.get("severity"),
        severity_comment=params.get("severity_comment"),
        restore_severity=bool(params["restore_severity"]),
        retest=bool(params["retest"]),
    )


def _days(params: t.Mapping[str, t.Any]) -> int | None:
    days: int | None = params.get("reactivate_in")
    if days is None:
        return None
    if params.get("reactivate_date") is not None:
        raise OptionError("reactivate_in and reactivate_date cannot be combined.", hint="Give one of them.")
    if days < 1:
        raise OptionError(f"reactivate_in: {days} is not a valid number of days.", hint="Give 1 or more.")
    return days


def _date(params: t.Mapping[str, t.Any], now: dt.datetime) -> str | None:
    written = params.get("reactivate_date")
    if written is None:
        return None
    try:
        moment = parse_time(str(written)).replace(microsecond=0)
    except ValueError:
        raise OptionError(
            f"reactivate_date: {written!r} is not a valid date.",
            hint="Give a UTC date or time such as 2027-01-31 or 2027-01-31T08:00:00Z. To remove an end date, "
            "activate the finding first.",
        ) from None
    if moment <= now:
        raise OptionError(
            f"reactivate_date: {written} is in the past.", hint="Give a date in the future, or set state to active."
        )
    return utc_text(moment)
