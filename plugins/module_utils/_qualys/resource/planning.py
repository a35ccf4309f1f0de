# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a plan from the options and the present record, with references resolved to ids.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import typing as t

from ..._base.errors import OptionError
from ..._reconcile.desired import check_words
from ..._reconcile.plan import Plan, plan_present
from ..._reconcile.spec import Record
from ..api.client import QualysClient
from ..api.shapes import text
from .field import Field
from .reference import Reference
from .references import References
from .resource import Resource, Written


class Planned(t.NamedTuple):
    """The plan, further values for the result, and warnings."""

    plan: Plan
    values: Record
    warnings: tuple[str, ...]


def references_for(
    resource: Resource, client: QualysClient, wanted: t.Iterable[Written], *, predicting: bool
) -> References:
    """Return a resolver that knows all references in these options, so that it needs few requests."""
    references = References(client, predicting=predicting)
    words: dict[str, set[str]] = collections.defaultdict(set)
    for options in wanted:
        for field in resource.referring():
            for key in (field.name, f"{field.name}_add"):
                value = options.get(key)
                words[field.refers].update(map(str, value if isinstance(value, list) else [value or ""]))
    for referred, written in words.items():
        references.expect(referred, written)
    return references


def plan_record(resource: Resource, options: Written, before: Record | None, references: References) -> Planned:
    """Return the plan that makes a record match the options.

    Raises:
        OptionError: an option is invalid, or required to create the record and missing.
        AmbiguousMatch: a name in an option matches several records.
    """
    check_words(resource.fields, options, before)
    resource.check(options, before)
    if before is None:
        _check_creatable(resource, options)
    prepared = _given(resource, resource.resolve(options, before, references))
    for field in resource.referring():
        _resolve(prepared, field, before or {}, references)
    ready = resource.prepare(options, prepared, before)
    if before is not None:
        for name in resource.needed:
            if str(before.get(name) or "").strip() and name in ready.options and not str(ready.options[name]).strip():
                raise OptionError(f"{name}: {resource.article} {resource.word} must have one.", hint=f"Omit {name}.")
    plan = plan_present(resource.fields, resource.label(options), ready.before, ready.options)
    if plan.changed:
        resource.check_plan(plan)
    return Planned(plan, ready.values, ready.warnings)


def _check_creatable(resource: Resource, options: Written) -> None:
    if options.get("id") is not None:
        raise OptionError(
            f"id: there is no {resource.word} {options['id']}, or this account may not see it.",
            hint=f"To create one, give {' and '.join(resource.needed)} without id; Qualys chooses the id.",
        )
    for name in resource.needed:
        if not text(options.get(name)):
            raise OptionError(
                f"{name} is required to create the {resource.label(options)}, which does not exist.",
                hint=f"Give {name}, or check the spelling of the name.",
            )


def _given(resource: Resource, options: Written) -> Record:
    """Return the options that were given, by name."""
    names = {name for field in resource.fields for name in _option_names(field)}
    return {name: value for name, value in options.items() if name in names and value is not None}


def _option_names(field: Field) -> tuple[str, ...]:
    if field.kind == "scalar":
        return (field.name,)
    return (field.name, f"{field.name}_mode", f"{field.name}_add", f"{field.name}_remove")


def _resolve(options: Record, field: Field, present: Record, references: References) -> None:
    name, value = field.name, present.get(field.name)
    held: list[Reference] = value if isinstance(value, list) else [value] if value is not None else []
    for key in (name, f"{name}_add"):
        written = options.get(key)
        if written is None or written == "":
            continue
        removing = key == name and options.get(f"{name}_mode") == "remove"
        if removing:
            options[key] = _held_among(written, held)
        elif isinstance(written, list):
            options[key] = [references.resolve(field.refers, name, item, held) for item in written]
        else:
            options[key] = references.resolve(field.refers, name, written, held)
    if options.get(f"{name}_remove") is not None:
        options[f"{name}_remove"] = _held_among(options[f"{name}_remove"], held)


def _held_among(written: t.Iterable[t.Any], held: t.Iterable[Reference]) -> list[Reference]:
    """Return the references to remove that the record has. The others need not exist at all."""
    words = {str(item).strip() for item in written}
    return [reference for reference in held if str(reference.id) in words or reference.name in words]
