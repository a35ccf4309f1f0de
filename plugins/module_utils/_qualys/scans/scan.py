# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One scan: launch or adopt, wait, cancel, delete (docs/vendors/qualys_was.md 12).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import AmbiguousMatch, NotFound, OptionError, TransportError, VendorError
from ..._reconcile.settle import after_refusal, settle
from ..._records.model import Scan
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.shapes import Raw, number, text
from ..api.waiting import FIRST_LOOK, Budget, PollTiming, seconds_of
from ..resource.references import References
from .scan_delete import delete_filtered, runs, send_delete
from .scan_fields import RESOURCE, scan_record, standing_of
from .scan_launch import (
    Launch,
    Wanted,
    adoptable,
    launch,
    prepare,
    prepare_again,
    read_scan,
    same_scans,
    wanted_again,
    wanted_of,
)
from .scan_many import is_many, launch_many
from .scan_target import auth_of
from .scan_wait import await_end, wait_for

Written = t.Mapping[str, t.Any]


def run(params: Written, client: QualysClient, check_mode: bool, *, timing: PollTiming | None = None) -> Result:
    """Run ``qualys_was_scan``.

    Raises:
        PerimeterError: an error before the scan exists. A later error is part of the result, together with the scan.
    """
    task = _ScanTask(params, client, check_mode, timing or PollTiming())
    state = params["state"]
    if params.get("again") is not None and state not in ("finished", "launched"):
        raise OptionError(f"again cannot be combined with state: {state}.", hint="Give the id of the scan as id.")
    if is_many(params) and state not in ("finished", "launched"):
        raise OptionError(
            f"webapps and tags cannot be combined with state: {state}.", hint="Run one task for the id of each scan."
        )
    _check_company(params)
    if params.get("filters") is not None:
        return delete_filtered(params, client, task.budget.sleep, check_mode=check_mode)
    if state == "absent":
        return task.references.tell(task.delete())
    if state == "canceled":
        return task.references.tell(task.cancel())
    return task.references.tell(task.launch_or_adopt(wait=state == "finished"))


_COMPANY = {"tags_match": "tags", "excluded_tags": "tags", "excluded_tags_match": "tags", "max_deletes": "filters"}


def _check_company(params: Written) -> None:
    """Refuse options that have no effect because another option is missing.

    Raises:
        OptionError: an option requires another one that is missing, or ``filters`` is given without ``state: absent``.
    """
    for name, other in _COMPANY.items():
        if params.get(name) is not None and params.get(other) is None:
            raise OptionError(f"{name} is only allowed with {other}.", hint=f"Give {other}, or omit {name}.")
    if params.get("filters") is not None and params["state"] != "absent":
        raise OptionError(
            f"filters cannot be combined with state: {params['state']}.", hint="It selects the scans to delete."
        )


class _ScanTask:
    """One run of the module, with one time budget."""

    def __init__(self, params: Written, client: QualysClient, check_mode: bool, timing: PollTiming) -> None:
        self.params = params
        self.client = client
        self.check_mode = check_mode
        self.timing = timing
        self.resume_within = seconds_of("resume_within", params["resume_within"])
        self.budget = Budget(
            seconds_of("wait_timeout", params["wait_timeout"]),
            seconds_of("poll_interval", params["poll_interval"], positive=True),
            timing,
            first=FIRST_LOOK,
        )
        self.references = References(client, predicting=check_mode)

    # Launch and wait

    def launch_or_adopt(self, *, wait: bool) -> Result:
        if self.params.get("id") is not None:
            return self._take(self._by_id(), login=None, wait=wait)
        if self.params.get("again") is not None:
            return self._again(wait=wait)
        if is_many(self.params):
            return launch_many(
                self.params,
                self.client,
                self.references,
                self.budget,
                self.timing,
                resume_within=self.resume_within,
                check_mode=self.check_mode,
            )
        wanted = wanted_of(self.params, self.references)
        others = same_scans(self.client, wanted)
        found = adoptable(self.client, wanted, others, self.resume_within, self.timing)
        if found is None:
            return self._launch(wanted, others, wait=wait)
        asked = auth_of(self.params.get("auth_record"), self.references).given
        return self._take(found, login=True if asked else None, wait=wait)

    def _again(self, *, wait: bool) -> Result:
        old = self.client.get(RESOURCE, self.params["again"])
        if old is None:
            raise NotFound(
                f"again: there is no scan {self.params['again']}, or this account may not see it.",
                hint="To launch a scan, give webapp and name instead.",
            )
        wanted = wanted_again(self.params, old)
        # Only scans that are newer than the one to repeat can be its repetition. Ids only increase.
        others = [raw for raw in same_scans(self.client, wanted) if int(raw["id"]) > self.params["again"]]
        found = adoptable(self.client, wanted, others, self.resume_within, self.timing)
        if found is not None:
            return self._take(found, login=None, wait=wait)
        return self._carry_out(prepare_again(self.params, wanted, old), others, wait=wait)

    def _take(self, raw: Raw, *, login: bool | None, wait: bool) -> Result:
        """Adopt a scan. ``login`` is whether it has to log in; None to take this from the scan itself."""
        if self.check_mode or not wait:
            return _result(scan_record(raw, authenticated=login), changed=False, adopted=True)
        return self._wait(raw, changed=False, adopted=True, login=login)

    def _by_id(self) -> Raw:
        raw = self.client.get(RESOURCE, self.params["id"])
        if raw is None:
            raise NotFound(
                f"id: there is no scan {self.params['id']}, or this account may not see it.",
                hint="To find a scan or to launch one, give webapp and name instead.",
            )
        return raw

    def _launch(self, wanted: Wanted, others: list[Raw], *, wait: bool) -> Result:
        return self._carry_out(prepare(self.client, self.params, wanted, self.references), others, wait=wait)

    def _carry_out(self, prepared: Launch, others: list[Raw], *, wait: bool) -> Result:
        if self.check_mode:
            return _result(scan_record(prepared.outline()), changed=True, adopted=False)
        scan_id = launch(self.client, prepared, others, self.budget)
        login = prepared.auth.given
        if wait:
            return self._wait({**prepared.outline(), "id": scan_id}, changed=True, adopted=False, login=login)
        raw, error = read_scan(self.client, scan_id, prepared.outline())
        result = _result(scan_record(raw, authenticated=login), changed=True, adopted=False)
        if error is not None:
            result.warnings.append(f"The scan {scan_id} was launched, but could not be read: {error.message}")
        return result

    def _wait(self, raw: Raw, *, changed: bool, adopted: bool, login: bool | None) -> Result:
        ended = await_end(self.client, raw, self.budget, login=login)
        result = _result(ended.scan, changed=changed, adopted=adopted)
        result.error, result.warnings = ended.error, list(ended.warnings)
        return result

    # Cancel and delete

    def cancel(self) -> Result:
        raw = self._running()
        if raw is None or standing_of(raw).over:
            return _result(scan_record(raw) if raw else None, changed=False)
        if self.check_mode:
            scan = scan_record(raw)
            scan["status"], scan["end_reason"] = "cancelled", "cancelled"
            return _result(scan, changed=not _ending(raw))
        changed = not _ending(raw) and self._send_cancel(raw)
        waited = wait_for(self.client, raw, self.budget, "ended")
        result = _result(scan_record(waited.raw), changed=changed)
        result.warnings += waited.warnings
        result.error = waited.error
        return result

    def _running(self) -> Raw | None:
        """Return the scan to cancel: the one that is running, else the newest with the name."""
        if self.params.get("id") is not None:
            return self._by_id()
        wanted = wanted_of(self.params, self.references)
        found = same_scans(self.client, wanted)
        running = [raw for raw in found if not standing_of(raw).over]
        return _the_one(running, wanted) if running else (found[-1] if found else None)

    def _send_cancel(self, raw: Raw) -> bool:
        """Cancel a scan. Returns whether this request cancelled it."""
        scan_id = int(raw["id"])
        data = {"WasScan": {"cancelWithResults": True}} if self.params["cancel_with_results"] else None

        def look() -> bool | None:
            now = self.client.get(RESOURCE, scan_id)
            return True if now is None or standing_of(now).over or _ending(now) else None

        try:
            self.client.write("cancel", RESOURCE, data, scan_id)
        except TransportError as error:
            if not error.sent:
                raise
            return settle(f"cancel of scan {scan_id}", look, error, sleep=self.budget.sleep)
        except VendorError as refused:
            # It may have ended, or been cancelled by somebody else, since it was read.
            if after_refusal(refused, look) is None:
                raise
            return False
        return True

    def delete(self) -> Result:
        if self.params.get("id") is not None:
            raw = self.client.get(RESOURCE, self.params["id"])
        else:
            wanted = wanted_of(self.params, self.references)
            found = same_scans(self.client, wanted)
            raw = _the_one(found, wanted) if found else None
        if raw is None:
            return _result(None, changed=False)
        scan = scan_record(raw)
        if runs(raw):
            raise VendorError(
                f"Scan {scan['id']} is {scan['status_native']}: only a scan that has ended can be deleted.",
                hint="Cancel it first with state: canceled.",
            )
        if not self.check_mode:
            send_delete(self.client, int(raw["id"]), self.budget.sleep)
        return _result(scan, changed=True)


def _status_word(raw: Raw) -> str:
    return (text(raw.get("status")) or "").strip().upper()


def _ending(raw: Raw) -> bool:
    return _status_word(raw) in ("CANCELING", "CANCELLING")


def _the_one(scans: t.Sequence[Raw], wanted: Wanted) -> Raw:
    if len(scans) > 1:
        ids = ", ".join(str(number(raw.get("id"))) for raw in scans[-20:])
        raise AmbiguousMatch(f"name: {wanted.label} matches {len(scans)} scans: {ids}.", hint="Give the id.")
    return scans[0]


def _result(scan: Scan | None, *, changed: bool, adopted: bool | None = None) -> Result:
    values: dict[str, t.Any] = {"scan": scan}
    if adopted is not None:
        values["adopted"] = adopted
    return Result(changed=changed, values=values)
