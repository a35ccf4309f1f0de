# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One record of any kind that can be written: find, plan, write, read back (docs/vendors/qualys_was.md 8.4 to 8.6).

This module is private to the collection and may change at any time.

A kind is described once, as a :class:`Resource`; what modules do with one record or with many follows from it.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._base.errors import AmbiguousMatch, NotFound, OptionError, PerimeterError, TransportError, VendorError
from ..._reconcile.desired import check_edits
from ..._reconcile.plan import Plan, diff_of, holds, plan_absent, plan_present, shown_record
from ..._reconcile.settle import settle
from ..._reconcile.spec import Field, Fields, Record
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.shapes import Raw, number, text
from ..api.xml import Node
from .elements import GET
from .references import Reference, References
from .withheld import withhold

Written = t.Mapping[str, t.Any]
"""What a user wrote about one record."""

_CANDIDATES = 50
"""How many records of one name are looked at; names are not unique at Qualys."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Options that can be compared with what there is.

    Attributes:
        options: the given options.
        before: the record as it is compared and shown, None when there is none.
        values: what the module returns besides.
    """

    options: Record
    before: Record | None
    values: Record = dataclasses.field(default_factory=dict)


def _any_of(candidates: list[Raw], _options: Written) -> list[Raw]:
    return candidates


def _no_check(_options: Written) -> None:
    return None


def _as_given(_options: Written, prepared: Record, before: Record | None) -> Prepared:
    return Prepared(prepared, before)


def _no_data(_options: Written) -> None:
    return None


def _no_secrets(_plan: Plan) -> t.Iterable[str]:
    return ()


def _none_held(_raw: Raw) -> t.Iterable[str]:
    return ()


def _as_planned(plan: Plan, present: Record) -> bool:
    return all(holds(change, present) for change in plan.changes)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resource:
    """A kind of record.

    Attributes:
        object: its name in paths.
        element: its element in request bodies.
        option: key of one record in results; with an ``s``, of many, and the option of the module for many.
        word: what messages call it; with an ``s``, many.
        short: the same in one word, where it is clear what is meant.
        fields: its fields.
        references: fields that name other records, and the object that they name.
        from_raw: a record in option form, from Qualys' record and the level at which it was read.
        write_data: the ``data`` of a create or an update, from the plan and Qualys' record.
        needed: fields without which none can be.
        verbose: whether a verbose search says more than a short one.
        identity: keys and elements of what is shown of a record that is deleted.
        on_create: options that are written on a create only, and their elements.
        delete_data: the ``data`` of a delete, from the options; None for none.
        narrow: of several records of one name, those that the options mean.
        narrow_hint: what to do when the name is not enough.
        check: refuses options that no record could make good, before anything is sent.
        prepare: the last step before the plan: from the options as written, those given (with references resolved)
            and the present record.
        secrets: the secrets that a plan writes or replaces, which no error may quote.
        held: the same of Qualys' record, where the plan does not know them.
        settled: whether a record that was read again shows that a planned update happened.
        verify: looks at a record after its update, and raises if something was lost. It costs one more request for
            each update in a module for many.
    """

    object: str
    element: str
    option: str
    word: str
    short: str
    fields: Fields
    references: t.Mapping[str, str]
    from_raw: t.Callable[[Raw, int], Record]
    write_data: t.Callable[[Plan, Raw | None], dict[str, Node]]
    needed: tuple[str, ...] = ("name",)
    verbose: bool = False
    identity: t.Mapping[str, str] = dataclasses.field(default_factory=lambda: {"name": "name"})
    on_create: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    delete_data: t.Callable[[Written], dict[str, Node] | None] = _no_data
    narrow: t.Callable[[list[Raw], Written], list[Raw]] = _any_of
    narrow_hint: str = "Give id."
    check: t.Callable[[Written], None] = _no_check
    prepare: t.Callable[[Written, Record, Record | None], Prepared] = _as_given
    secrets: t.Callable[[Plan], t.Iterable[str]] = _no_secrets
    held: t.Callable[[Raw], t.Iterable[str]] = _none_held
    settled: t.Callable[[Plan, Record], bool] = _as_planned
    verify: t.Callable[[Plan, Record], None] | None = None

    @property
    def article(self) -> str:
        """What stands before the word."""
        return "an" if self.word[0] in "aeiou" else "a"

    def label(self, options: Written) -> str:
        """How messages call the record that the options are about."""
        if options.get("id") is not None:
            return f"{self.word} {options['id']}"
        return f"{self.word} {str(options['name']).strip()!r}"


def run(resource: Resource, params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Logic of a module for one record.

    Raises:
        PerimeterError: any of the collection's errors.
    """
    check_identity(resource, params)
    absent = params["state"] == "absent"
    if not absent:
        check_options(resource, params)
    raw = find(resource, client, params)
    before = resource.from_raw(raw, GET) if raw is not None else None
    if absent:
        gone = plan_absent(resource.label(params), before)
        if gone.changed and not check_mode:
            delete(resource, client, int(t.cast(Record, before)["id"]), params)
        return _result(resource, gone, before, {})
    plan, values = plan_record(resource, params, before, References(client))
    if not plan.changed:
        return _result(resource, plan, before, values)
    if check_mode:
        # What Qualys would choose for a new record is not known, so it is shown as empty.
        predicted = resource.from_raw({}, GET) | t.cast(Record, plan.after)
        return _result(resource, plan, predicted, values)
    record_id, after = write(resource, client, plan, params, raw)
    if after is None:
        # Qualys' answer to an update holds only its id (docs/vendors/qualys_was.md 8.4).
        raw = client.get(resource.object, record_id)
        after = resource.from_raw(raw, GET) if raw is not None else plan.after
    return _result(resource, plan, after, values)


def _result(resource: Resource, plan: Plan, record: Record | None, values: Record) -> Result:
    shown = {resource.option: shown_record(resource.fields, record)}
    return Result(changed=plan.changed, values=shown | values, diff=diff_of(plan))


# Find


def check_options(resource: Resource, options: Written) -> None:
    """Refuse what no present state could make good, before anything is sent.

    Raises:
        OptionError: options that contradict each other, or are malformed.
    """
    check_edits(resource.fields, options)
    resource.check(options)


def check_identity(resource: Resource, options: Written, where: str = "") -> None:
    """A record is named by ``id`` or by ``name``.

    Raises:
        OptionError: neither is given.
    """
    if options.get("id") is None and not (text(options.get("name")) or "").strip():
        raise OptionError(f"{where}id or name is needed.", hint=f"They say which {resource.word} is meant.")


def find(resource: Resource, client: QualysClient, options: Written) -> Raw | None:
    """The record in full, by id or by exact name; None when there is none.

    Raises:
        AmbiguousMatch: several have the name, and no other option tells them apart.
    """
    if options.get("id") is not None:
        return client.get(resource.object, options["id"])
    criteria = [{"field": "name", "operator": "EQUALS", "value": str(options["name"]).strip()}]
    page = client.page(resource.object, criteria, limit=_CANDIDATES)
    match = pick(resource, page.records, options)
    return None if match is None else client.get(resource.object, int(match["id"]))


def pick(resource: Resource, candidates: t.Iterable[Raw], options: Written) -> Raw | None:
    """The one candidate that the options mean.

    Raises:
        AmbiguousMatch: as :func:`find`.
    """
    name = str(options["name"]).strip()
    # Whether Qualys' EQUALS minds upper and lower case is not documented, so it is compared here.
    named = [raw for raw in candidates if text(raw.get("name")) == name]
    if len(named) > 1:
        named = resource.narrow(named, options) or named
    if len(named) > 1:
        ids = ", ".join(str(raw.get("id")) for raw in named)
        raise AmbiguousMatch(f"name: {name!r} names several {resource.word}s: {ids}.", hint=resource.narrow_hint)
    return named[0] if named else None


# Plan


def plan_record(
    resource: Resource, options: Written, before: Record | None, references: References
) -> tuple[Plan, Record]:
    """What has to be written so that the record is as the options say, and what the module returns besides.

    Raises:
        OptionError, AmbiguousMatch: an option cannot be acted on.
    """
    if before is None:
        _check_creatable(resource, options)
    prepared = _given(resource, options)
    for name, referred in resource.references.items():
        _resolve(prepared, name, referred, before or {}, references)
    ready = resource.prepare(options, prepared, before)
    if before is not None:
        for name in resource.needed:
            if name in ready.options and not str(ready.options[name]).strip():
                raise OptionError(f"{name}: {resource.article} {resource.word} cannot be without one.")
    return plan_present(resource.fields, resource.label(options), ready.before, ready.options), ready.values


def _check_creatable(resource: Resource, options: Written) -> None:
    if options.get("id") is not None:
        raise OptionError(
            f"id: there is no {resource.word} {options['id']}, or these credentials may not see it.",
            hint=f"Give {' and '.join(resource.needed)} to create one; Qualys chooses the id.",
        )
    for name in resource.needed:
        if not text(options.get(name)):
            raise OptionError(
                f"{name} is needed to create the {resource.label(options)}, which does not exist.",
                hint=f"Give {name}, or check the name.",
            )


def _given(resource: Resource, options: Written) -> Record:
    """The options that were given at all, by name."""
    names = {name for field in resource.fields for name in _option_names(field)}
    return {name: value for name, value in options.items() if name in names and value is not None}


def _option_names(field: Field) -> tuple[str, ...]:
    if field.kind == "scalar":
        return (field.name,)
    return (field.name, f"{field.name}_mode", f"{field.name}_add", f"{field.name}_remove")


def _resolve(options: Record, name: str, referred: str, present: Record, references: References) -> None:
    value = present.get(name)
    held: list[Reference] = value if isinstance(value, list) else [value] if value is not None else []
    for key in (name, f"{name}_add"):
        written = options.get(key)
        if written is None or written == "":
            continue
        removing = key == name and options.get(f"{name}_mode") == "remove"
        if removing:
            options[key] = _held_among(written, held)
        elif isinstance(written, list):
            options[key] = [references.resolve(referred, name, item, held) for item in written]
        else:
            options[key] = references.resolve(referred, name, written, held)
    if options.get(f"{name}_remove") is not None:
        options[f"{name}_remove"] = _held_among(options[f"{name}_remove"], held)


def _held_among(written: t.Iterable[t.Any], held: t.Iterable[Reference]) -> list[Reference]:
    """Of what shall go, what is there. The rest is gone already, so it need not even exist."""
    words = {str(item).strip() for item in written}
    return [reference for reference in held if str(reference.id) in words or reference.name in words]


# Write


def write(
    resource: Resource, client: QualysClient, plan: Plan, options: Written, raw: Raw | None
) -> tuple[int, Record | None]:
    """Carry out a plan to create or update.

    Args:
        resource: the kind of record.
        client: the account.
        plan: what to write.
        options: the options, for what is only written on a create, and to find the record again.
        raw: the record as Qualys holds it, for an update.

    Returns:
        The id of the record; and the record after the write, if it was looked at.

    Raises:
        AmbiguousWrite: the connection failed, and the write did not become visible.
    """
    try:
        return _write(resource, client, plan, options, raw)
    except PerimeterError as error:
        withhold(error, [*resource.secrets(plan), *resource.held(raw or {})])
        raise


def _write(
    resource: Resource, client: QualysClient, plan: Plan, options: Written, raw: Raw | None
) -> tuple[int, Record | None]:
    data = resource.write_data(plan, raw)
    if plan.action == "create":
        return _create(resource, client, plan, options, data), None
    record_id = int(t.cast(Record, plan.before)["id"])
    try:
        answered = client.write("update", resource.object, data, record_id)
    except TransportError as error:
        if not error.sent:
            raise
        settle(
            f"update of {plan.label}",
            lambda: _if_as_planned(resource, client, record_id, plan),
            error,
            sleep=client.http.wait,
        )
    except VendorError as error:
        if client.get(resource.object, record_id) is None:
            raise _vanished(plan, error.code) from error
        raise
    else:
        # A success that names no record is one of the answers for a missing one (docs/vendors/qualys_was.md 4.3).
        if not answered and client.get(resource.object, record_id) is None:
            raise _vanished(plan)
    return record_id, _verified(resource, client, record_id, plan)


def _verified(resource: Resource, client: QualysClient, record_id: int, plan: Plan) -> Record | None:
    if resource.verify is None:
        return None
    raw = client.get(resource.object, record_id)
    if raw is None:
        return plan.after
    record = resource.from_raw(raw, GET)
    resource.verify(plan, record)
    return record


def _vanished(plan: Plan, code: str | None = None) -> NotFound:
    return NotFound(
        f"The {plan.label} vanished while it was being updated.",
        hint="Somebody deleted it; run again to create it.",
        code=code,
    )


def _create(resource: Resource, client: QualysClient, plan: Plan, options: Written, data: dict[str, t.Any]) -> int:
    for option, element in resource.on_create.items():
        if options.get(option):
            data[resource.element][element] = True
    try:
        records = client.write("create", resource.object, data)
    except TransportError as error:
        if not error.sent:
            raise
        return settle(
            f"create of {plan.label}", lambda: _id_of(find(resource, client, options)), error, sleep=client.http.wait
        )
    created = _id_of(records[0]) if records else _id_of(find(resource, client, options))
    if created is None:
        raise NotFound(f"Qualys reported the create of {plan.label} as done, but does not list it.")
    return created


def _id_of(raw: Raw | None) -> int | None:
    return None if raw is None else number(raw.get("id"))


def _if_as_planned(resource: Resource, client: QualysClient, record_id: int, plan: Plan) -> int | None:
    """The id, once the record holds everything that the plan changes."""
    raw = client.get(resource.object, record_id)
    if raw is None:
        return None
    return record_id if resource.settled(plan, resource.from_raw(raw, GET)) else None


def delete(resource: Resource, client: QualysClient, record_id: int, options: Written) -> None:
    """Delete one record by its id; one that is gone already is no error.

    Raises:
        AmbiguousWrite: the connection failed, and the record is still there.
    """
    try:
        client.write("delete", resource.object, resource.delete_data(options), record_id)
    except TransportError as error:
        if not error.sent:
            raise
        settle(
            f"delete of {resource.word} {record_id}",
            lambda: _if_gone(resource, client, record_id),
            error,
            sleep=client.http.wait,
        )
    except VendorError:
        if _if_gone(resource, client, record_id) is None:
            raise


def _if_gone(resource: Resource, client: QualysClient, record_id: int) -> int | None:
    return record_id if client.get(resource.object, record_id) is None else None
