# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many records of one kind in one task: one listing of all records, concurrent writes, pruning with a limit.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ..._base.errors import AmbiguousMatch, OptionError, PartialFailure, PerimeterError
from ..._reconcile.apply import ItemOutcome, each
from ..._reconcile.desired import check_edits, given_fields
from ..._reconcile.plan import Plan, diff_of
from ..._reconcile.spec import Record
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.criteria import Criterion, build
from ..api.shapes import Raw, number, text
from ..api.targets import look_up, read_complete, read_exact
from .elements import GET, SEARCH, VERBOSE
from .find import check_identity, pick
from .planning import plan_record, references_for
from .proof import Proof, gone, prove, shows_all, unread
from .references import Unresolved
from .resource import Resource, Written
from .write import Sent, delete, write

T = t.TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Item:
    """One entry of the list.

    Attributes:
        options: the entry as the user wrote it.
        raw: the record at Qualys; None if there is none.
        plan: what to write. For an entry with an ``error``, a plan that does nothing.
        values: further values for the result.
        error: why the entry could not be planned.
        warnings: warnings about the entry.
        unresolved: in check mode, the names in the entry that do not exist.
    """

    options: Written
    raw: Raw | None
    plan: Plan
    values: Record
    error: PerimeterError | None = None
    warnings: tuple[str, ...] = ()
    unresolved: t.Sequence[Unresolved] = ()

    @property
    def known_id(self) -> int | None:
        """The id of the present record; None if there is none."""
        return number(self.raw.get("id")) if self.raw is not None else None


def run(resource: Resource, params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Run a module for many records.

    Raises:
        PerimeterError: an option is invalid, or the estate cannot be read. An error of one entry is part of the result.
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
        # The same record may be listed once by its id and once by its name.
        self._refuse_repeated(self.resource.label(item.raw) for item in items if item.raw is not None)
        doomed, warnings = self._orphans(prune_criteria, items) if prune_criteria else ([], [])
        failed = any(item.error for item in items)
        if self.check_mode:
            proofs = [Proof(item.plan, item.plan.changed, item.error) for item in items]
            known = [item.known_id for item in items]
            spared = len(doomed) if failed else 0
            return self._present_result(items, known, proofs, [] if failed else doomed, [], warnings, spared=spared)
        known, proofs = self._write_all(items)
        failed = failed or any(proof.error for proof in proofs)
        spared = len(doomed) if failed else 0
        # Nothing is deleted after a failure: a record may only look superfluous because an entry could not be written.
        deleted = [] if failed else self._delete_all(doomed)
        return self._present_result(items, known, proofs, [] if failed else doomed, deleted, warnings, spared=spared)

    def _write_all(self, items: t.Sequence[Item]) -> tuple[list[int | None], list[Proof]]:
        """Write what differs and check it. Returns the id and the outcome for each item."""
        work = [item for item in items if item.error is None and item.plan.changed]
        outcomes = each(work, self._carry_out, workers=self.client.workers)
        done = [(item, outcome.value) for item, outcome in zip(work, outcomes, strict=True) if outcome.value]
        proven = {id(item): proof for (item, _sent), proof in zip(done, self._prove_all(done), strict=True)}
        sent_ids = {id(item): sent.id for item, sent in done}
        errors = {id(item): outcome.error for item, outcome in zip(work, outcomes, strict=True)}
        proofs = [proven.get(id(item)) or Proof(item.plan, False, item.error or errors.get(id(item))) for item in items]
        return [sent_ids.get(id(item), item.known_id) for item in items], proofs

    def _prove_all(self, done: t.Sequence[tuple[Item, Sent]]) -> list[Proof]:
        """Compare each record with its plan: by one search for all if its fields are enough, else by a get.

        Only a get shows that Qualys ignored something: the answer to a create may be short, and a search may lag
        behind.
        """
        answers = {sent.id: sent.answer for item, sent in done if sent.answer and self._shows_all(item, sent.answer)}
        short = [sent.id for item, sent in done if sent.id not in answers and self._proof_level(item) < GET]
        try:
            found = look_up(self.client, self.resource.object, short, verbose=self.resource.verbose) if short else {}
        except PerimeterError:
            # Each record is then read separately, which reports an error of its own.
            found = {}

        def prove_one(pair: tuple[Item, Sent]) -> Proof:
            item, sent = pair
            for read, level in ((answers.get(sent.id), GET), (found.get(sent.id), VERBOSE)):
                proof = None if read is None else self._proof(item, read, level)
                if proof is not None and proof.whole:
                    return proof
            try:
                raw = self.client.get(self.resource.object, sent.id)
            except PerimeterError as error:
                return unread(item.plan, error)
            return gone(item.plan) if raw is None else self._proof(item, raw, GET)

        return [t.cast(Proof, outcome.value) for outcome in each(done, prove_one, workers=self.client.threads)]

    def _shows_all(self, item: Item, answer: Raw) -> bool:
        return shows_all(self.resource, item.plan, self.resource.from_raw(answer, GET))

    def _proof(self, item: Item, raw: Raw, level: int) -> Proof:
        try:
            return prove(self.resource, item.plan, self.resource.from_raw(raw, level))
        except PerimeterError as lost:
            return Proof(item.plan, error=lost)

    def _proof_level(self, item: Item) -> int:
        if self.resource.proven_by_get:
            return GET
        return max(change.field.read for change in item.plan.changes)

    def _check_wanted(self, wanted: t.Sequence[Written]) -> None:
        for index, options in enumerate(wanted):
            check_identity(self.resource, options, f"{self.option}[{index}]: ")
        self._refuse_repeated(self.resource.label(options) for options in wanted)

    def _refuse_repeated(self, labels: t.Iterable[str]) -> None:
        twice = [label for label, count in collections.Counter(labels).items() if count > 1]
        if twice:
            raise OptionError(
                f"{self.option}: listed more than once: {', '.join(twice[:5])}.",
                hint=f"List each {self.resource.short} once.",
            )

    def _prune_criteria(self, wanted: t.Sequence[Written]) -> list[Criterion]:
        if not self.params.get("prune"):
            return []
        if not wanted:
            raise OptionError(
                f"{self.option} is empty, so prune would delete everything.",
                hint=f"List each {self.resource.short} to keep.",
            )
        if not self.params.get("prune_filters") or self.params.get("max_deletes") is None:
            raise OptionError(
                "prune requires prune_filters and max_deletes.",
                hint=f"prune_filters selects the {self.resource.short}s that this task owns; max_deletes limits"
                " how many may be deleted.",
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
        references = references_for(self.resource, self.client, wanted, predicting=self.check_mode)

        def plan(options: Written) -> Item:
            found: list[Raw | None] = [None]

            def planned() -> Item:
                check_edits(self.resource.fields, options)
                if options.get("id") is not None:
                    raw = by_id.get(int(options["id"]))
                else:
                    raw = pick(self.resource, by_name[str(options["name"]).strip()], options)
                found[0] = raw
                level = self._level([options])
                if raw is not None and level >= GET:
                    raw = self.client.get(self.resource.object, int(raw["id"]))
                before = self.resource.from_raw(raw, level) if raw is not None else None
                own = references.for_one()
                made = plan_record(self.resource, options, before, own)
                return Item(
                    options, raw, made.plan, made.values, warnings=made.warnings, unresolved=tuple(own.unresolved)
                )

            try:
                return self._naming(options, planned)
            except PerimeterError as error:
                if self.client.http.stopped is not None:
                    raise
                # An entry that cannot be planned does not stop the others.
                return Item(options, found[0], Plan("none", self.resource.label(options), None, None), {}, error)

        return [t.cast(Item, outcome.value) for outcome in self._each_or_raise(wanted, plan)]

    def _each_or_raise(self, wanted: t.Sequence[Written], plan: t.Callable[[Written], Item]) -> list[ItemOutcome[Item]]:
        outcomes = each(wanted, plan, workers=self.client.threads)
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        return outcomes

    def _naming(self, options: Written, work: t.Callable[[], T]) -> T:
        """Do something with one entry, whose error then names the entry."""
        try:
            return work()
        except (OptionError, AmbiguousMatch) as error:
            error.message = f"{self.option}, {self.resource.label(options)}: {error.message}"
            error.args = (error.message,)
            raise

    def _carry_out(self, item: Item) -> Sent:
        return write(self.resource, self.client, item.plan, item.options, item.raw)

    def _orphans(self, criteria: list[Criterion], items: t.Sequence[Item]) -> tuple[list[Record], list[str]]:
        """Return the records that match the criteria and that the task does not list, and warnings.

        They are compared by id, after planning: so a record that an entry renames is not deleted.
        """
        listed = {item.known_id for item in items}
        found, warnings = self._doomed(criteria)
        doomed = [record for record in found if record["id"] not in listed]
        self._check_ceiling(len(doomed), "prune_filters")
        return doomed, warnings

    def _present_result(
        self,
        items: t.Sequence[Item],
        ids: t.Sequence[int | None],
        proofs: t.Sequence[Proof],
        doomed: list[Record],
        deleted: list[Record],
        warnings: t.Sequence[str],
        *,
        spared: int = 0,
    ) -> Result:
        plan = self._empty_plan(doomed)
        for item in items:
            if item.plan.changed:
                plan[item.plan.action].append(item.plan.label)
            elif item.error is None:
                plan["unchanged"] += 1
        results = [_item_result(*told) for told in zip(items, ids, proofs, strict=True)]
        results += [record for record in deleted if record["failed"]]
        diffs = [
            diff_of(proof.plan)
            for item, proof in zip(items, proofs, strict=True)
            if item.plan.changed and proof.changed
        ]
        diffs += [self._deletion_diff(record) for record in doomed]
        values = {"plan": plan, "results": results, "deleted": _gone(doomed, deleted)}
        missing = [found for item in items for found in item.unresolved]
        if missing:
            values["unresolved"] = [found.to_dict() for found in dict.fromkeys(missing)]
        return Result(
            changed=any(result["changed"] for result in results) or bool(_gone(doomed, deleted)),
            values=values,
            diff=diffs,
            warnings=[
                *warnings,
                *(warning for item in items for warning in item.warnings),
                *(warning for proof in proofs for warning in proof.warnings),
                *(found.warning for found in dict.fromkeys(missing)),
            ],
            error=self._first_failure(results, spared),
        )

    # Absent

    def absent(self) -> Result:
        ids, filters = self.params.get("ids"), self.params.get("filters")
        if bool(ids) == bool(filters):
            raise OptionError(
                "state absent requires either ids or filters, and neither may be empty.",
                hint=f"To delete {self.resource.article} {self.resource.word} by name, use"
                f" qualys_was_{self.resource.option}.",
            )
        if filters and self.params.get("max_deletes") is None:
            raise OptionError(
                "filters with state absent requires max_deletes.", hint="It limits how many records may be deleted."
            )
        # A filter is only used to find ids, and never sent with a delete.
        criteria = self._build([{"field": "id", "operator": "IN", "value": ids}] if ids else filters or [])
        doomed, warnings = self._doomed(criteria)
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
            warnings=warnings,
            error=self._first_failure(failures),
        )

    # Deletions

    def _doomed(self, criteria: t.Sequence[Criterion]) -> tuple[list[Record], list[str]]:
        """Return the records that match the criteria exactly, and warnings about those that only Qualys matched."""
        warnings: list[str] = []
        found = read_exact(self.client, self.resource.object, criteria, f"{self.resource.word}s", warnings)
        return [self._identity(raw) for raw in found], warnings

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
        hint = "results has an entry for each; the others were written."
        if spared:
            short = self.resource.short if spared == 1 else f"{self.resource.short}s"
            hint = (
                "results has an entry for each; the others were written, but nothing was pruned:"
                f" {spared} {short} that would have been deleted remain. Run again when the errors are fixed."
            )
        return PartialFailure(
            f"{len(failed)} of the {self.resource.word}s failed; the first is {first['name']!r}:"
            f" {first['error']['message']}",
            hint=hint,
            code=first["error"]["code"],
        )


def _item_result(item: Item, record_id: int | None, proof: Proof) -> Record:
    result: Record = {
        "id": record_id,
        "name": text(item.options.get("name")) or (text(item.raw.get("name")) if item.raw else None),
        "action": item.plan.action,
        "changed": proof.changed and item.plan.changed,
        "failed": proof.error is not None,
        "fields": [change.field.name for change in proof.plan.changes],
        **item.values,
        **({"unresolved": [found.to_dict() for found in item.unresolved]} if item.unresolved else {}),
    }
    if proof.error is not None:
        result |= {"msg": str(proof.error), "error": proof.error.to_dict()}
    return result


def _gone(doomed: t.Sequence[Record], deleted: t.Sequence[Record]) -> list[Record]:
    """Return the records that were deleted or, in check mode, would be."""
    failed = {record["id"] for record in deleted if record["failed"]}
    return [record for record in doomed if record["id"] not in failed]
