# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many records of one kind in one task: one reading of the estate, concurrent writes, pruning under a ceiling.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import typing as t

from ..._base.errors import AmbiguousMatch, OptionError, PartialFailure, PerimeterError
from ..._reconcile.apply import Outcome, each, every
from ..._reconcile.desired import given_fields
from ..._reconcile.plan import Plan, diff_of
from ..._reconcile.spec import Record
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.criteria import Criterion, build
from ..api.shapes import Raw, number, text
from ..api.targets import read_complete
from .elements import GET, SEARCH, VERBOSE
from .references import References
from .resource import Resource, Written, check_identity, check_options, delete, pick, plan_record, write

T = t.TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Item:
    """One entry of the list: what the user wrote, what Qualys holds, what is to be done, what is returned besides."""

    options: Written
    raw: Raw | None
    plan: Plan
    values: Record

    @property
    def known_id(self) -> int | None:
        """The id, when there is a record already."""
        return number(self.raw.get("id")) if self.raw is not None else None


def run(resource: Resource, params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Logic of a module for many records.

    Raises:
        PerimeterError: any of the collection's errors.
    """
    task = _Task(resource, params, client, check_mode)
    return task.absent() if params["state"] == "absent" else task.present()


@dataclasses.dataclass(frozen=True)
class _Task:
    resource: Resource
    params: Written
    client: QualysClient
    check_mode: bool

    @property
    def option(self) -> str:
        """The option that lists the records."""
        return f"{self.resource.option}s"

    # Present

    def present(self) -> Result:
        wanted: list[Written] = self.params.get(self.option) or []
        self._check_wanted(wanted)
        prune_criteria = self._prune_criteria(wanted)
        estate = self._read([], verbose=self.resource.verbose and self._level(wanted) >= VERBOSE)
        items = self._plan_all(wanted, estate)
        # One may be listed by its id and again by its name.
        self._refuse_repeated(self.resource.label(item.raw) for item in items if item.raw is not None)
        doomed = self._orphans(prune_criteria, items) if prune_criteria else []
        if self.check_mode:
            outcomes: list[Outcome[int | None]] = [Outcome(value=item.known_id) for item in items]
            return self._present_result(items, outcomes, doomed, [])
        outcomes = each(items, self._carry_out, workers=self.client.workers)
        failed = any(outcome.error for outcome in outcomes)
        spared = len(doomed) if failed else 0
        # Nothing is deleted after a failure: what could not be written may be why something looks superfluous.
        deleted = [] if failed else self._delete_all(doomed)
        return self._present_result(items, outcomes, [] if failed else doomed, deleted, spared=spared)

    def _check_wanted(self, wanted: t.Sequence[Written]) -> None:
        for index, options in enumerate(wanted):
            check_identity(self.resource, options, f"{self.option}[{index}]: ")
        self._refuse_repeated(self.resource.label(options) for options in wanted)
        for options in wanted:
            self._naming(options, functools.partial(check_options, self.resource, options))

    def _refuse_repeated(self, labels: t.Iterable[str]) -> None:
        twice = [label for label, count in collections.Counter(labels).items() if count > 1]
        if twice:
            raise OptionError(
                f"{self.option}: listed more than once: {', '.join(twice[:5])}.",
                hint=f"Each {self.resource.short} belongs in the list once.",
            )

    def _prune_criteria(self, wanted: t.Sequence[Written]) -> list[Criterion]:
        if not self.params.get("prune"):
            return []
        if not wanted:
            raise OptionError(
                f"{self.option} is empty, and prune would delete everything.", hint="List what shall stay."
            )
        if not self.params.get("prune_filters") or self.params.get("max_deletes") is None:
            raise OptionError(
                "prune needs prune_filters and max_deletes.",
                hint=f"prune_filters says which {self.resource.short}s this task owns; max_deletes how many may go at"
                " most.",
            )
        return self._build(self.params["prune_filters"])

    def _build(self, filters: t.Sequence[t.Mapping[str, t.Any]]) -> list[Criterion]:
        return build(filters, self.resource.object, strict=self.params["filters_strict"])

    def _level(self, wanted: t.Iterable[Written]) -> int:
        fields = self.resource.fields
        return max((field.read for options in wanted for field in given_fields(fields, options)), default=SEARCH)

    def _read(self, criteria: t.Sequence[Criterion], *, verbose: bool = False) -> list[Raw]:
        return read_complete(self.client, self.resource.object, criteria, f"{self.resource.word}s", verbose=verbose)

    def _plan_all(self, wanted: t.Sequence[Written], estate: t.Sequence[Raw]) -> list[Item]:
        by_id = {number(raw.get("id")): raw for raw in estate}
        by_name: dict[str | None, list[Raw]] = collections.defaultdict(list)
        for raw in estate:
            by_name[text(raw.get("name"))].append(raw)
        references = References(self.client)

        def plan(options: Written) -> Item:
            if options.get("id") is not None:
                raw = by_id.get(int(options["id"]))
            else:
                raw = pick(self.resource, by_name[str(options["name"]).strip()], options)
            level = self._level([options])
            if raw is not None and level >= GET:
                raw = self.client.get(self.resource.object, int(raw["id"]))
            before = self.resource.from_raw(raw, level) if raw is not None else None
            planned, values = self._naming(options, lambda: plan_record(self.resource, options, before, references))
            return Item(options, raw, planned, values)

        return every(wanted, plan, workers=self.client.threads)

    def _naming(self, options: Written, work: t.Callable[[], T]) -> T:
        """Do something with one entry, whose error then names the entry."""
        try:
            return work()
        except (OptionError, AmbiguousMatch) as error:
            # Nothing was written yet, and a list with a mistake in it is not carried out by halves.
            error.message = f"{self.option}, {self.resource.label(options)}: {error.message}"
            raise

    def _carry_out(self, item: Item) -> int | None:
        if not item.plan.changed:
            return item.known_id
        return write(self.resource, self.client, item.plan, item.options, item.raw)[0]

    def _orphans(self, criteria: list[Criterion], items: t.Sequence[Item]) -> list[Record]:
        """What the task owns and does not list. Read after the plan, so that a rename in it spares its record."""
        listed = {item.known_id for item in items}
        found = [self._identity(raw) for raw in self._read(criteria)]
        doomed = [record for record in found if record["id"] not in listed]
        self._check_ceiling(len(doomed), "prune_filters")
        return doomed

    def _present_result(
        self,
        items: t.Sequence[Item],
        outcomes: t.Sequence[Outcome[int | None]],
        doomed: list[Record],
        deleted: list[Record],
        *,
        spared: int = 0,
    ) -> Result:
        plan = self._empty_plan(doomed)
        for item in items:
            if item.plan.changed:
                plan[item.plan.action].append(item.plan.label)
            else:
                plan["unchanged"] += 1
        results = [_item_result(item, outcome) for item, outcome in zip(items, outcomes, strict=True)]
        results += [record for record in deleted if record["failed"]]
        diffs = [diff_of(item.plan) for item in items if item.plan.changed]
        diffs += [self._deletion_diff(record) for record in doomed]
        return Result(
            changed=any(result["changed"] for result in results) or bool(_gone(doomed, deleted)),
            values={"plan": plan, "results": results, "deleted": _gone(doomed, deleted)},
            diff=diffs,
            error=self._first_failure(results, spared),
        )

    # Absent

    def absent(self) -> Result:
        ids, filters = self.params.get("ids"), self.params.get("filters")
        if bool(ids) == bool(filters):
            raise OptionError(
                "state absent needs either ids or filters, and neither may be empty.",
                hint=f"To delete {self.resource.article} {self.resource.word} by name, use"
                f" qualys_was_{self.resource.option}.",
            )
        if filters and self.params.get("max_deletes") is None:
            raise OptionError("filters with state absent needs max_deletes.", hint="Say how many may go at most.")
        # A filter is only ever used to find out ids: a delete call never sees it.
        criteria = self._build([{"field": "id", "operator": "IN", "value": ids}] if ids else filters or [])
        doomed = [self._identity(raw) for raw in self._read(criteria)]
        if self.params.get("max_deletes") is not None:
            self._check_ceiling(len(doomed), "filters" if filters else "ids")
        deleted = [] if self.check_mode else self._delete_all(doomed)
        failures = [record for record in deleted if record["failed"]]
        return Result(
            changed=bool(_gone(doomed, deleted)),
            values={
                "plan": self._empty_plan(doomed),
                "results": failures,
                "deleted": _gone(doomed, deleted),
            },
            diff=[self._deletion_diff(record) for record in doomed],
            error=self._first_failure(failures),
        )

    # Deletions

    def _check_ceiling(self, count: int, option: str) -> None:
        ceiling = self.params["max_deletes"]
        if count > ceiling:
            raise OptionError(
                f"{option} matches {count} {self.resource.word}s to delete, more than max_deletes ({ceiling}).",
                hint="Nothing was changed. Narrow the filter, or raise max_deletes.",
            )

    def _delete_all(self, doomed: t.Sequence[Record]) -> list[Record]:
        def remove(record: Record) -> None:
            delete(self.resource, self.client, record["id"], self.params)

        outcomes = each(doomed, remove, workers=self.client.workers)
        return [
            {**record, "action": "delete", "changed": outcome.error is None, "failed": outcome.error is not None}
            | ({"msg": str(outcome.error), "error": outcome.error.to_dict()} if outcome.error else {})
            for record, outcome in zip(doomed, outcomes, strict=True)
        ]

    def _identity(self, raw: Raw) -> Record:
        names = self.resource.identity.items()
        return {"id": number(raw.get("id")), **{name: text(raw.get(element)) for name, element in names}}

    def _empty_plan(self, doomed: t.Sequence[Record]) -> Record:
        return {"create": [], "update": [], "delete": [self._named(record) for record in doomed], "unchanged": 0}

    def _named(self, record: Record) -> str:
        return f"{self.resource.word} {record['id']} ({record['name']})"

    def _deletion_diff(self, record: Record) -> Record:
        header = self._named(record)
        return {"before": record, "after": {}, "before_header": header, "after_header": header}

    def _first_failure(self, results: t.Sequence[Record], spared: int = 0) -> PerimeterError | None:
        failed = [result for result in results if result["failed"]]
        if not failed:
            return None
        first = failed[0]
        hint = "results has one entry for each; the others were carried out."
        if spared:
            short = self.resource.short if spared == 1 else f"{self.resource.short}s"
            hint = (
                "results has one entry for each; the others were written, but nothing was pruned:"
                f" {spared} {short} that would have been deleted stayed. Run again once the errors are mended."
            )
        return PartialFailure(
            f"{len(failed)} of the {self.resource.word}s failed; the first is {first['name']!r}:"
            f" {first['error']['message']}",
            hint=hint,
            code=first["error"]["code"],
        )


def _item_result(item: Item, outcome: Outcome[int | None]) -> Record:
    result: Record = {
        "id": item.known_id if outcome.value is None else outcome.value,
        "name": text(item.options.get("name")) or (text(item.raw.get("name")) if item.raw else None),
        "action": item.plan.action,
        "changed": item.plan.changed and outcome.error is None,
        "failed": outcome.error is not None,
        "fields": [change.field.name for change in item.plan.changes],
        **item.values,
    }
    if outcome.error is not None:
        result |= {"msg": str(outcome.error), "error": outcome.error.to_dict()}
    return result


def _gone(doomed: t.Sequence[Record], deleted: t.Sequence[Record]) -> list[Record]:
    """What was deleted or, in check mode, would be."""
    failed = {record["id"] for record in deleted if record["failed"]}
    return [record for record in doomed if record["id"] not in failed]
