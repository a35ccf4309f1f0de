# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many web applications in one task: one reading of the estate, concurrent writes, pruning under a ceiling.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .._http.errors import IncompleteRead, OptionError, PartialFailure, PerimeterError
from .._reconcile.apply import Outcome, each, every
from .._reconcile.desired import given_fields
from .._reconcile.plan import Plan, diff_of
from .._reconcile.spec import Record
from .._records.result import Result
from .client import MAX_PAGE, QualysClient
from .criteria import Criterion, build
from .listing import Listing
from .references import References
from .shapes import Raw, number, text
from .webapp import RESOURCE, delete, pick, plan_webapp, write
from .webapp_fields import FIELDS, GET, SEARCH, VERBOSE, from_raw
from .webapp_options import Written, check_identity, label_of


@dataclasses.dataclass(frozen=True)
class Item:
    """One entry of ``webapps``: what the user wrote, what Qualys holds, what is to be done."""

    options: Written
    raw: Raw | None
    plan: Plan


def run(params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Logic of ``qualys_was_webapps``.

    Raises:
        PerimeterError: any of the collection's errors.
    """
    if params["state"] == "absent":
        return _run_absent(params, client, check_mode)
    return _run_present(params, client, check_mode)


# Present


def _run_present(params: Written, client: QualysClient, check_mode: bool) -> Result:
    wanted: list[Written] = params.get("webapps") or []
    _check_wanted(wanted)
    prune_criteria = _prune_criteria(params, wanted)
    estate = read_listing(client, [], verbose=_level(wanted) >= VERBOSE)
    items = _plan_all(client, wanted, estate)
    doomed = _orphans(client, prune_criteria, items, params) if prune_criteria else []
    if check_mode:
        outcomes: list[Outcome[int | None]] = [Outcome(value=_known_id(item)) for item in items]
        return _present_result(items, outcomes, doomed, [])
    outcomes = each(items, lambda item: _carry_out(client, item), workers=client.workers)
    failed = any(outcome.error for outcome in outcomes)
    # Nothing is deleted after a failure: what could not be written may be why something looks superfluous.
    deleted = [] if failed else _delete_all(client, doomed, params)
    return _present_result(items, outcomes, [] if failed else doomed, deleted)


def _check_wanted(wanted: t.Sequence[Written]) -> None:
    for index, options in enumerate(wanted):
        check_identity(options, f"webapps[{index}]: ")
    for key in ("id", "name"):
        counts = collections.Counter(options[key] for options in wanted if options.get(key) is not None)
        twice = [str(value) for value, count in counts.items() if count > 1]
        if twice:
            raise OptionError(
                f"webapps: listed more than once, by {key}: {', '.join(twice[:5])}.",
                hint="Each application belongs in the list once.",
            )


def _prune_criteria(params: Written, wanted: t.Sequence[Written]) -> list[Criterion]:
    if not params.get("prune"):
        return []
    if not wanted:
        raise OptionError("webapps is empty, and prune would delete everything.", hint="List what shall stay.")
    if not params.get("prune_filters") or params.get("max_deletes") is None:
        raise OptionError(
            "prune needs prune_filters and max_deletes.",
            hint="prune_filters says which applications this task owns; max_deletes how many may go at most.",
        )
    return build(params["prune_filters"], RESOURCE, strict=params["filters_strict"])


def _level(wanted: t.Iterable[Written]) -> int:
    return max((field.read for options in wanted for field in given_fields(FIELDS, options)), default=SEARCH)


def read_listing(client: QualysClient, criteria: t.Sequence[Criterion], *, verbose: bool = False) -> list[Raw]:
    """Every web application that matches.

    Raises:
        IncompleteRead: Qualys announced another number than it sent, twice. Acting on half a listing would create what
            exists, or delete what does not match.
    """
    records, tally = Listing(client, RESOURCE, criteria, MAX_PAGE, verbose).read()
    if not tally.complete:
        raise IncompleteRead(
            f"Qualys announced {tally.announced_after} web applications and sent {tally.records}, twice.",
            hint="Nothing was changed. Run again when nobody else changes the estate.",
        )
    return records


def _plan_all(client: QualysClient, wanted: t.Sequence[Written], estate: t.Sequence[Raw]) -> list[Item]:
    by_id = {number(raw.get("id")): raw for raw in estate}
    by_name: dict[str | None, list[Raw]] = collections.defaultdict(list)
    for raw in estate:
        by_name[text(raw.get("name"))].append(raw)
    references = References(client)

    def plan(options: Written) -> Item:
        if options.get("id") is not None:
            raw = by_id.get(int(options["id"]))
        else:
            raw = pick(by_name[str(options["name"]).strip()], options)
        level = _level([options])
        if raw is not None and level >= GET:
            raw = client.get(RESOURCE, int(raw["id"]))
        before = from_raw(raw, level) if raw is not None else None
        return Item(options, raw, plan_webapp(options, before, references))

    return every(wanted, plan, workers=client.workers)


def _carry_out(client: QualysClient, item: Item) -> int | None:
    if not item.plan.changed:
        return _known_id(item)
    return write(client, item.plan, item.options, item.raw)


def _known_id(item: Item) -> int | None:
    return number(item.raw.get("id")) if item.raw is not None else None


def _orphans(client: QualysClient, criteria: list[Criterion], items: t.Sequence[Item], params: Written) -> list[Record]:
    """What the task owns and does not list. Read after the plan, so that a rename in this task spares its record."""
    listed = {_known_id(item) for item in items}
    found = [_identity(raw) for raw in read_listing(client, criteria)]
    doomed = [record for record in found if record["id"] not in listed]
    _check_ceiling(len(doomed), params["max_deletes"], "prune_filters")
    return doomed


def _present_result(
    items: t.Sequence[Item], outcomes: t.Sequence[Outcome[int | None]], doomed: list[Record], deleted: list[Record]
) -> Result:
    plan = _empty_plan(doomed)
    for item in items:
        if item.plan.changed:
            plan[item.plan.action].append(item.plan.label)
        else:
            plan["unchanged"] += 1
    results = [_item_result(item, outcome) for item, outcome in zip(items, outcomes, strict=True)]
    results += [record for record in deleted if record["failed"]]
    diffs = [diff_of(item.plan) for item in items if item.plan.changed]
    diffs += [_deletion_diff(record) for record in doomed]
    return Result(
        changed=any(result["changed"] for result in results) or bool(doomed),
        values={"plan": plan, "results": results, "deleted": _gone(doomed, deleted)},
        diff=diffs,
        error=_first_failure(results),
    )


def _item_result(item: Item, outcome: Outcome[int | None]) -> Record:
    result: Record = {
        "id": outcome.value,
        "name": text(item.options.get("name")) or (text(item.raw.get("name")) if item.raw else None),
        "action": item.plan.action,
        "changed": item.plan.changed and outcome.error is None,
        "failed": outcome.error is not None,
        "fields": [change.field.name for change in item.plan.changes],
    }
    if outcome.error is not None:
        result |= {"msg": str(outcome.error), "error": outcome.error.to_dict()}
    return result


# Absent


def _run_absent(params: Written, client: QualysClient, check_mode: bool) -> Result:
    ids, filters = params.get("ids"), params.get("filters")
    if bool(ids) == bool(filters):
        raise OptionError(
            "state absent needs either ids or filters, and neither may be empty.",
            hint="To delete a web application by name, use qualys_was_webapp.",
        )
    ceiling = params.get("max_deletes")
    if filters and ceiling is None:
        raise OptionError("filters with state absent needs max_deletes.", hint="Say how many may go at most.")
    # A filter is only ever used to find out ids: a delete call never sees it.
    field = {"field": "id", "operator": "IN", "value": ids} if ids else None
    criteria = build([field] if field else filters, RESOURCE, strict=params["filters_strict"])
    doomed = [_identity(raw) for raw in read_listing(client, criteria)]
    if ceiling is not None:
        _check_ceiling(len(doomed), ceiling, "filters" if filters else "ids")
    deleted = [] if check_mode else _delete_all(client, doomed, params)
    failures = [record for record in deleted if record["failed"]]
    return Result(
        changed=bool(_gone(doomed, deleted)),
        values={
            "plan": _empty_plan(doomed),
            "results": failures,
            "deleted": _gone(doomed, deleted),
        },
        diff=[_deletion_diff(record) for record in doomed],
        error=_first_failure(failures),
    )


def _check_ceiling(count: int, ceiling: int, option: str) -> None:
    if count > ceiling:
        raise OptionError(
            f"{option} matches {count} web applications to delete, more than max_deletes ({ceiling}).",
            hint="Nothing was changed. Narrow the filter, or raise max_deletes.",
        )


def _delete_all(client: QualysClient, doomed: t.Sequence[Record], params: Written) -> list[Record]:
    subscription = bool(params["remove_from_subscription"])

    def remove(record: Record) -> None:
        delete(client, record["id"], remove_from_subscription=subscription)

    outcomes = each(doomed, remove, workers=client.workers)
    return [
        {**record, "action": "delete", "changed": outcome.error is None, "failed": outcome.error is not None}
        | ({"msg": str(outcome.error), "error": outcome.error.to_dict()} if outcome.error else {})
        for record, outcome in zip(doomed, outcomes, strict=True)
    ]


def _gone(doomed: t.Sequence[Record], deleted: t.Sequence[Record]) -> list[Record]:
    """What was deleted or, in check mode, would be."""
    failed = {record["id"] for record in deleted if record["failed"]}
    return [record for record in doomed if record["id"] not in failed]


def _identity(raw: Raw) -> Record:
    return {"id": number(raw.get("id")), "name": text(raw.get("name")), "url": text(raw.get("url"))}


def _empty_plan(doomed: t.Sequence[Record]) -> Record:
    return {"create": [], "update": [], "delete": [_named(record) for record in doomed], "unchanged": 0}


def _named(record: Record) -> str:
    return f"{label_of({'id': record['id']})} ({record['name']})"


def _deletion_diff(record: Record) -> Record:
    return {"before": record, "after": {}, "before_header": _named(record), "after_header": _named(record)}


def _first_failure(results: t.Sequence[Record]) -> PerimeterError | None:
    failed = [result for result in results if result["failed"]]
    if not failed:
        return None
    first = failed[0]
    return PartialFailure(
        f"{len(failed)} of the web applications failed; the first is {first['name']!r}: {first['error']['message']}",
        hint="results has one entry for each; the others were carried out.",
        code=first["error"]["code"],
    )
