# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes findings: ignore, activate, edit or restore the severity, retest (docs/vendors/qualys_was.md 11).

This module is private to the collection and may change at any time.

Every call is about one finding, which its path names; calls run in parallel. Qualys also accepts filters for many
findings at once, but their documentation leaves open how they combine with data: a filter that Qualys reads differently
would ignore the wrong findings, a refusal would not say which finding caused it, and after a lost answer the state of
all of them would be unknown.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._base.errors import NotFound, OptionError, PartialFailure, PerimeterError, TransportError
from ..._reconcile.apply import each, every
from ..._reconcile.settle import settle
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.shapes import Raw, text
from ..api.targets import check_ceiling, check_selection, look_up, read_filtered, read_ids
from .finding_change import INFORMATION, FindingStep, Wish, wish_of
from .finding_fields import RESOURCE
from .normalise import FindingNormaliser
from .retest import Retest, Wait, look, start

Options = t.Mapping[str, t.Any]

_CEILING = "max_changes"
_RETEST = "retest"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_QUOTED = 10
"""Maximum number of ids in a message."""


@dataclasses.dataclass
class FindingItem:
    """One finding, with its planned and completed operations.

    Attributes:
        raw: the finding as it was read before; later as it is or, in check mode, as it will be.
        steps: the calls to send.
        before: the state of its retest before, if the task asks for a retest.
        done: the completed operations that the finding shows.
        retest: the present state of its retest.
        error: why the finding failed.
    """

    raw: Raw
    steps: list[FindingStep]
    before: Retest | None = None
    done: list[str] = dataclasses.field(default_factory=list)
    retest: Retest | None = None
    error: PerimeterError | None = None

    @property
    def id(self) -> int:
        """The id of the finding."""
        return int(self.raw["id"])

    @property
    def starts_retest(self) -> bool:
        """Whether a retest has to be started. One that is already running is adopted."""
        return self.before is not None and not self.before.running

    @property
    def changes(self) -> bool:
        """Whether anything has to be sent."""
        return bool(self.steps) or self.starts_retest


def run(params: Options, client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_finding``.

    Raises:
        PerimeterError: an option is invalid, or the findings cannot be read. An error of one finding is part of the
            result.
    """
    wish = wish_of(params)
    wait = _wait_of(params)
    check_selection(params, _CEILING)
    warnings: list[str] = []
    items = [FindingItem(raw, wish.steps(raw)) for raw in _read(client, params, warnings)]
    _refuse_information(items, wish)
    if wish.retest:
        standing = every(items, lambda item: look(client, item.id), workers=client.workers)
        for item, before in zip(items, standing, strict=True):
            item.before = item.retest = before
    check_ceiling(sum(item.changes for item in items), params, _CEILING, "findings")
    if check_mode:
        _predict(items)
        return _result(items, warnings)
    each(items, lambda item: _carry_out(client, wish, item), workers=client.workers)
    if wish.retest:
        _await_retests(client, wait, items)
    return _result(items, warnings + _read_back(client, wish, items))


def _wait_of(params: Options) -> Wait:
    timeout, interval = float(params["wait_timeout"]), float(params["poll_interval"])
    if timeout < 0:
        raise OptionError(
            f"wait_timeout: {timeout:g} is not a valid number of seconds.", hint="Give 0 or more; 0 does not wait."
        )
    if interval <= 0:
        raise OptionError(
            f"poll_interval: {interval:g} is not a valid number of seconds.", hint="Give more than 0 seconds."
        )
    return Wait(timeout, interval)


# Which findings


def _read(client: QualysClient, params: Options, warnings: list[str]) -> list[Raw]:
    if params.get("filters"):
        return read_filtered(client, RESOURCE, params, "findings", warnings)
    written = list(dict.fromkeys(str(word).strip().lower() for word in params["ids"]))
    wrong = [word for word in written if not (word.isascii() and word.isdigit()) and not _UUID.fullmatch(word)]
    if wrong:
        raise OptionError(
            f"ids: not a valid id of a finding: {', '.join(map(repr, wrong[:_QUOTED]))}.",
            hint="Give numbers, or unique ids such as 1234fef2-abcd-12fe-1234-123456789012.",
        )
    numbers = [int(word) for word in written if word.isdigit()]
    uniques = [word for word in written if not word.isdigit()]
    found = read_ids(client, RESOURCE, numbers, "finding") if numbers else []
    found += every(uniques, lambda word: _by_unique_id(client, word), workers=client.workers)
    return list({int(raw["id"]): raw for raw in found}.values())


def _by_unique_id(client: QualysClient, unique_id: str) -> Raw:
    criteria = [{"field": "uniqueId", "operator": "EQUALS", "value": unique_id}]
    for raw in client.page(RESOURCE, criteria, limit=2).records:
        if (text(raw.get("uniqueId")) or "").lower() == unique_id:
            return raw
    raise NotFound(
        f"ids: Qualys has no finding {unique_id}.",
        hint="Nothing was changed. Remove it from ids, or check whether this account may see it.",
    )


def _refuse_information(items: t.Sequence[FindingItem], wish: Wish) -> None:
    """Refuse information-gathered findings, which have no state and no retest. Qualys would refuse each of them."""
    wanted = "retested" if wish.retest else "ignored" if wish.ignored else None
    ids = [str(item.id) for item in items if item.raw.get("type") == INFORMATION]
    if wanted and ids:
        raise OptionError(
            f"Information-gathered findings cannot be {wanted}: {', '.join(ids[:_QUOTED])}"
            f"{', …' if len(ids) > _QUOTED else ''}.",
            hint="Nothing was changed. Exclude them; in filters, add {field: type, value: [VULNERABILITY, "
            "SENSITIVE_CONTENT]}.",
        )


# Carrying out


def _carry_out(client: QualysClient, wish: Wish, item: FindingItem) -> None:
    """Send the calls for one finding. After an error, its remaining calls are not sent."""
    try:
        for step in item.steps:
            _send(client, wish, item, step)
            item.done.append(step.operation)
        if item.before is not None and item.starts_retest and start(client, item.id, item.before):
            item.done.append(_RETEST)
    except PerimeterError as error:
        item.error = error


def _send(client: QualysClient, wish: Wish, item: FindingItem, step: FindingStep) -> None:
    data = None if step.data is None else {"Finding": step.data}
    try:
        client.write(step.operation, RESOURCE, data, item.id)
    except TransportError as error:
        if not error.sent:
            raise
        what = f"{step.operation} of finding {item.id}"
        settle(what, lambda: _if_visible(client, wish, item.id, step), error, sleep=client.http.wait)


def _if_visible(client: QualysClient, wish: Wish, finding_id: int, step: FindingStep) -> bool | None:
    raw = look_up(client, RESOURCE, [finding_id]).get(finding_id)
    return True if raw is not None and not _lacks(wish, raw, step.operation) else None


def _lacks(wish: Wish, raw: Raw, operation: str) -> bool:
    return any(step.operation == operation for step in wish.steps(raw))


def _await_retests(client: QualysClient, wait: Wait, items: t.Sequence[FindingItem]) -> None:
    awaited = {item.id: item for item in items if item.error is None}
    started = {item.id: item.before for item in awaited.values() if item.before is not None}
    for finding_id, ended in wait.until_ended(client, started).items():
        awaited[finding_id].retest, awaited[finding_id].error = ended.retest, ended.error


def _read_back(client: QualysClient, wish: Wish, items: t.Sequence[FindingItem]) -> list[str]:
    """Read the changed findings again, because the answer to a write has only ids. Returns warnings."""
    touched = [item for item in items if item.done or item.retest is not None]
    warnings: list[str] = []
    try:
        present = look_up(client, RESOURCE, [item.id for item in touched])
    except PerimeterError as error:
        # The result must show what was done, even if the findings cannot be read any more.
        for item in touched:
            item.raw = _predicted(item)
        return [f"The findings could not be read again, so the result shows their expected state: {error}"]
    for item in touched:
        raw = present.get(item.id)
        if raw is None:
            warnings.append(f"Finding {item.id} vanished after it was changed.")
            continue
        item.raw = raw
        hidden = [step.operation for step in item.steps if step.operation in item.done]
        hidden = [operation for operation in hidden if _lacks(wish, raw, operation)]
        if hidden:
            # Every run would send it again, so it does not count as a change.
            item.done = [operation for operation in item.done if operation not in hidden]
            warnings.append(f"Qualys accepted {', '.join(hidden)} of finding {item.id}, but does not show it.")
    return warnings


def _predict(items: t.Sequence[FindingItem]) -> None:
    for item in items:
        item.done += [step.operation for step in item.steps]
        item.raw = _predicted(item)
        if item.starts_retest:
            item.done.append(_RETEST)


def _predicted(item: FindingItem) -> Raw:
    """Return the finding as it should be after the completed steps."""
    raw = item.raw
    for step in item.steps:
        if step.operation in item.done:
            raw = step.predict(raw)
    return raw


# Result


def _result(items: t.Sequence[FindingItem], warnings: list[str]) -> Result:
    normaliser = FindingNormaliser()
    findings: list[dict[str, t.Any]] = []
    for item in items:
        shown = {**normaliser.finding(item.raw)}
        shown["retest"] = None if item.retest is None else item.retest.shown()
        findings.append(shown)
    return Result(
        changed=any(item.done for item in items),
        values={"findings": findings, "results": [_item_result(item) for item in items]},
        diff=[_diff(item) for item in items if item.done],
        warnings=warnings,
        error=_failure(items),
    )


def _item_result(item: FindingItem) -> dict[str, t.Any]:
    result: dict[str, t.Any] = {
        "id": str(item.id),
        "unique_id": text(item.raw.get("uniqueId")),
        "changed": bool(item.done),
        "failed": item.error is not None,
        "actions": list(item.done),
    }
    if item.error is not None:
        result |= {"msg": str(item.error), "error": item.error.to_dict()}
    return result


def _diff(item: FindingItem) -> dict[str, t.Any]:
    header = f"finding {item.id} ({text(item.raw.get('name'))})"
    before: dict[str, t.Any] = {}
    after: dict[str, t.Any] = {}
    for step in item.steps:
        if step.operation in item.done:
            before |= step.before
            after |= step.after
    if _RETEST in item.done and item.before is not None:
        before |= {"retest": item.before.status}
        after |= {"retest": "UNDER_RETEST"}
    return {"before": before, "after": after, "before_header": header, "after_header": header}


def _failure(items: t.Sequence[FindingItem]) -> PerimeterError | None:
    failed = [item for item in items if item.error is not None]
    if not failed:
        return None
    error = t.cast(PerimeterError, failed[0].error)
    return PartialFailure(
        f"{len(failed)} of {len(items)} findings failed; the first is {failed[0].id}: {error.message}",
        hint="results has an entry for each; the others were changed.",
        code=error.code,
    )
