# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a catalog with the estate: records that no entry lists, references that are pending, and differences.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import itertools
import typing as t

from .._base.log_text import fit_for_message, short
from .kinds import Entry, Kind

Record = t.Mapping[str, t.Any]


def orphans(records: t.Iterable[Record], entries: t.Iterable[Entry]) -> list[dict[str, t.Any]]:
    """Return the records that no entry lists, each with its id, name and, if it has one, URL.

    An entry without an id lists every record of its name, even if only one of them is meant: orphans may be deleted, so
    a record is kept in case of doubt.
    """
    listed = list(entries)
    ids = {str(entry["id"]) for entry in listed if entry.get("id") is not None}
    names = {str(entry.get("name") or "").strip() for entry in listed if entry.get("id") is None}
    left = [record for record in records if str(record["id"]) not in ids]
    return [
        {name: record[name] for name in ("id", "name", "url") if name in record}
        for record in left
        if str(record.get("name") or "").strip() not in names
    ]


def created(entries: t.Sequence[Entry], result: Record, held: t.Sequence[Record] = ()) -> list[dict[str, t.Any]]:
    """Return the names of the records that a run creates or renames.

    The names are taken from the catalog, because Ansible masks whatever looks like a secret in a result, names
    included.

    Args:
        entries: the entries that the module was given, in the same order.
        result: the result of the plural module, such as ``qualys_was_webapps``.
        held: the records before the run, with id and name.

    Returns:
        For each name ``name``, ``id`` (of the renamed record; None for a new one) and ``was`` (the record's old name,
        if it is known and no record has it after the run; else None).
    """
    results = list(result.get("results") or ())[: len(entries)]
    found = [
        {"name": str(entry["name"]).strip(), "id": item.get("id") if item["action"] == "update" else None}
        for entry, item in zip(entries, results, strict=False)
        if not item["failed"] and entry.get("name") and _is_new_name(item)
    ]
    renamed = {str(row["id"]) for row in found if row["id"] is not None}
    before = {str(record["id"]): str(record.get("name") or "").strip() for record in held}
    there = {name for key, name in before.items() if key not in renamed} | {row["name"] for row in found}
    was = {key: name for key, name in before.items() if key in renamed and name not in there}
    return [row | {"was": was.get(str(row["id"]))} for row in found]


def _is_new_name(item: Record) -> bool:
    return item["action"] == "create" or (item["action"] == "update" and "name" in (item.get("fields") or ()))


Pending = t.Mapping[str, t.Collection[Record]]
"""What :func:`created` returns, by kind."""


class Split(t.NamedTuple):
    """Entries, sorted by whether check mode can plan them.

    Attributes:
        planned: the entries to plan, without references to records that do not exist yet.
        waiting: ``id``, ``name`` and ``fields`` of each entry from which a reference was removed; ``fields`` has the
            desired values, with these references. If the only record that an option names does not exist yet, the entry
            is not planned at all, and ``fields`` is empty.
        missing: ``entry`` and ``unresolved`` of each entry that refers to the old name of a record that the run
            renames. ``unresolved`` has ``option``, ``kind`` and ``name`` for each such name. A real run fails for such
            an entry, so it is not planned.
    """

    planned: list[Entry]
    waiting: list[Entry]
    missing: list[dict[str, t.Any]]


def split_pending(entries: t.Iterable[Entry], kind: Kind, pending: Pending) -> Split:
    """Split entries by whether check mode can plan them.

    References to records that a real run would have created by then are removed. References to records that it would
    have renamed by then are replaced by their ids.

    Args:
        entries: the entries of one kind.
        kind: this kind; it defines which fields refer to which other kinds.
        pending: the names that a real run would have created by then.
    """
    split = Split([], [], [])
    for entry in entries:
        unresolved = list(_taken_away(entry, kind, pending))
        if unresolved:
            split.missing.append({"entry": entry, "unresolved": unresolved})
            continue
        whole, lost = _without_pending(entry, kind, pending)
        if whole is not None:
            split.planned.append(whole)
        if whole is None or lost:
            split.waiting.append({"id": entry.get("id"), "name": entry.get("name"), "fields": lost})
    return split


def _taken_away(entry: Entry, kind: Kind, pending: Pending) -> t.Iterator[dict[str, str]]:
    """Yield the references of an entry to names that no record has after the renaming."""
    for field, other in kind.references.items():
        gone = {row["was"] for row in pending.get(other) or () if row.get("was")}
        for key in (field, f"{field}_add") if entry.get(f"{field}_mode") != "remove" else (f"{field}_add",):
            value = entry.get(key)
            for item in value if isinstance(value, list) else [value]:
                name = str(item or "").strip()
                if name in gone:
                    yield {"option": field, "kind": other, "name": name}


def _without_pending(entry: Entry, kind: Kind, pending: Pending) -> tuple[Entry | None, Entry]:
    """Return the entry without pending references (None if it cannot be planned), and the fields that had some."""
    whole, lost = dict(entry), Entry()
    for field, other in kind.references.items():
        rows = pending.get(other) or ()
        ids = {row["name"]: row["id"] for row in rows}
        names = {name for name, key in ids.items() if key is None}
        if str(entry.get(field) or "").strip() in names:
            return None, {}
        for key in (name for name in (field, f"{field}_add", f"{field}_remove") if entry.get(name) is not None):
            value = _by_id(entry[key], ids)
            whole[key] = value
            if not isinstance(value, list):
                continue
            removed = key.endswith("_remove") or (key == field and entry.get(f"{field}_mode") == "remove")
            # By then no record has the old name any more, so there is nothing to remove by that name.
            without = {row.get("was") for row in rows} if removed else names
            whole[key] = [item for item in value if str(item).strip() not in without]
            lost |= {field: entry[key]} if whole[key] != value and not removed else {}
    return whole, lost


def _by_id(value: t.Any, ids: t.Mapping[str, t.Any]) -> t.Any:
    """Return references in which the new names of renamed records are replaced by ids."""
    if isinstance(value, list):
        return [_by_id(item, ids) for item in value]
    found = ids.get(str(value).strip())
    return value if found is None else str(found)


def to_check(entries: t.Iterable[Entry], records: t.Sequence[Record]) -> list[dict[str, t.Any]]:
    """Return the entries that may differ from the estate, for a module that takes one record at a time.

    An entry is only left out if exactly one record has its id or name, and this record has every value exactly as the
    entry has it. For the others, the module finds the record and compares the values.

    Args:
        entries: the entries of one kind.
        records: all records of this kind, in option form, with all fields.

    Returns:
        For each entry ``entry`` and ``before``, the only record with its id or name, or None.
    """
    left: list[dict[str, t.Any]] = []
    for entry in entries:
        key, wanted = ("id", str(entry["id"])) if entry.get("id") is not None else ("name", str(entry["name"]).strip())
        found = [record for record in records if str(record.get(key)) == wanted]
        if len(found) > 1 and entry.get("webapp"):
            found = [record for record in found if record.get("webapp") == entry["webapp"]]
        before = found[0] if len(found) == 1 else None
        if before is None or not _has_all(before, entry):
            left.append({"entry": entry, "before": before})
    return left


def _has_all(record: Record, entry: Entry) -> bool:
    given = {name: value for name, value in entry.items() if value is not None and name != "id"}
    return all(name in record and _same(record[name], value) for name, value in given.items())


def _same(held: t.Any, written: t.Any) -> bool:
    if _is_nothing(held) and _is_nothing(written):
        return True
    if isinstance(written, dict):
        members = {name: value for name, value in written.items() if value is not None}
        present = {name: value for name, value in (held or {}).items() if value is not None}
        return isinstance(held, dict) and members == present
    if isinstance(written, list):
        return isinstance(held, list) and sorted(map(str, held)) == sorted(map(str, written))
    return held is written if isinstance(written, bool) else str(held) == str(written)


def _is_nothing(value: t.Any) -> bool:
    return not value


def differences(
    kind: Kind, result: Record, waiting: t.Iterable[Record] = (), entries: t.Sequence[t.Any] = ()
) -> list[dict[str, t.Any]]:
    """Return one row for each record that differs from its entry.

    Args:
        kind: the kind of the records.
        result: the result of the plural module; or of a loop with the singular module over the rows of
            :func:`to_check`.
        waiting: ``waiting`` of :func:`split_pending`.
        entries: what was given to the module, in the order of the results: entries, or rows of :func:`to_check`. The
            names in the rows come from here, because Ansible may have masked those in the results.
    """
    told = _told(kind, result, entries)
    if kind.singular is not None:
        rows = [_single(kind, item, about) for item, about in told if item.get("changed")]
    else:
        diffs = iter(result.get("diff") or ())
        changed = [(item, about) for item, about in told if item.get("changed")]
        rows = [_row(kind, item | _named(about), next(diffs, {})) for item, about in changed]
    for item in waiting:
        _add_waiting(rows, kind, item)
    return rows


def _told(kind: Kind, result: Record, entries: t.Sequence[t.Any]) -> list[tuple[dict[str, t.Any], t.Any]]:
    """Pair each result with its entry. Results of failed deletions come last, and have none."""
    results = [dict(item) for item in result.get("results") or ()]
    if kind.singular is not None and not entries:
        return [(item, item.get("item")) for item in results]
    return list(itertools.zip_longest(results, entries[: len(results)]))


def _named(entry: Record | None) -> dict[str, t.Any]:
    """Return the name of the entry. It replaces that of the result, in which Ansible may have masked a part."""
    return {"name": str(entry["name"]).strip()} if entry and entry.get("name") else {}


def _row(kind: Kind, result: Record, diff: Record) -> dict[str, t.Any]:
    return {
        "kind": kind.name,
        "id": result.get("id"),
        "name": result.get("name"),
        "action": result["action"],
        "fields": list(result.get("fields") or ()),
        "before": dict(diff.get("before") or {}),
        "after": dict(diff.get("after") or {}),
    }


def _single(kind: Kind, result: Record, about: Record) -> dict[str, t.Any]:
    entry, before = about["entry"], about["before"]
    after = (result[str(kind.singular)] or {}) | _named(entry)
    diff = result.get("diff") or {}
    given = [name for name in kind.options if entry.get(name) is not None and name != "id"]
    # The result has a diff only if the run was asked for one. Without it, a missing value and its default seem to
    # differ.
    told = diff.get("after") or [name for name in given if not _same((before or {}).get(name), after.get(name))]
    # With several records of one name, only the module knows which one is meant; then only the diff shows that it
    # exists.
    new = before is None and not diff.get("before")
    about = {"id": after.get("id"), "name": after.get("name"), "fields": given if new else list(told)}
    return _row(kind, {**about, "action": "create" if new else "update"}, diff)


def _add_waiting(rows: list[dict[str, t.Any]], kind: Kind, item: Record) -> None:
    row = next((row for row in rows if item["name"] == row["name"] and item["id"] in (None, row["id"])), None)
    if row is None:
        blank = {"id": item["id"], "name": item["name"], "action": "update" if item["fields"] else "create"}
        row = {"kind": kind.name, **blank, "fields": [], "before": {}, "after": {}}
        rows.append(row)
    row["fields"] += [name for name in item["fields"] if name not in row["fields"]]
    row["after"] |= item["fields"]


def failures(
    kind: Kind, result: Record, entries: t.Sequence[t.Any] = (), places: t.Mapping[tuple[str, ...], str] | None = None
) -> list[dict[str, t.Any]]:
    """Return the entries that could not be compared or applied, each with its place and the reason.

    In check mode, modules only warn about a name that does not exist. Here it is a failure: references to records that
    the run creates were removed before (:func:`split_pending`), so no entry creates this one.

    Args:
        kind: the kind of the records.
        result: as for :func:`differences`.
        entries: as for :func:`differences`.
        places: file and line of each entry, by :meth:`Kind.identify`.
    """
    found: list[dict[str, t.Any]] = []
    for item, about in _told(kind, result, entries):
        entry = (about or {}).get("entry") if kind.singular is not None else about
        messages = [item["msg"]] if item.get("error") else []
        messages += map(_missing, item.get("unresolved") or ())
        place = (places or {}).get(kind.identify(entry)) if entry else None
        row = {"kind": kind.name, "id": item.get("id"), "name": item.get("name"), "place": place}
        if entry:
            held = (about.get("before") or {}) if kind.singular is not None else {}
            row |= {"id": entry.get("id") or held.get("id") or row["id"]} | _named(entry)
        label = f"{kind.word} {kind.label(entry)}" if entry else kind.word
        for message in messages:
            # The messages of plural modules name the entry already.
            words = message if not entry or kind.label(entry) in message else f"{label}: {message}"
            found.append(row | {"message": words})
    return found


def _missing_failures(
    kind: Kind,
    missing: t.Iterable[Record],
    places: t.Mapping[tuple[str, ...], str],
    words: t.Mapping[str, str],
) -> list[dict[str, t.Any]]:
    """Return the same for ``missing`` of :func:`split_pending`."""
    rows = list(missing)
    entries = [row["entry"] for row in rows]
    results = [{"unresolved": [name | {"kind": words[name["kind"]]} for name in row["unresolved"]]} for row in rows]
    if kind.singular is not None:
        return failures(kind, {"results": results}, [{"entry": entry, "before": None} for entry in entries], places)
    return failures(kind, {"results": results}, entries, places)


def in_words(failure: Record) -> str:
    """Return a row of :func:`failures` as one line of text."""
    return f"{failure['place']}: {failure['message']}" if failure["place"] else str(failure["message"])


def _missing(unresolved: Record) -> str:
    return (
        f"{unresolved['option']}: there is no {unresolved['kind']} named {unresolved['name']!r},"
        " and no entry of the catalog creates one."
    )


# Summing up

_NAMES_SHOWN = 20
_PREDICTED = {"create": "to create", "update": "to update", "delete": "to delete"}
_DONE = {"create": "created", "update": "updated", "delete": "deleted"}


def summary(parts: t.Mapping[str, Record], kinds: t.Sequence[Kind], *, predicted: bool) -> dict[str, t.Any]:
    """Return the report of a run.

    Args:
        parts: for each kind: ``wanted`` (all its entries), ``count`` (how many these are) and ``places`` (file and line
            of each); ``result`` and ``entries`` as for :func:`differences`; ``waiting`` and ``missing`` of
            :func:`split_pending`; ``orphans``; ``deleted`` (the records that were, or would be, pruned).
        kinds: the kinds, in the order of the report.
        predicted: whether the run was a check that wrote nothing.

    Returns:
        ``counts`` by kind, ``objects`` (a row for each record that differs), ``orphans`` by kind, ``failures`` (see
        :func:`failures`), and ``lines`` for people: numbers, names and the reasons of failures, safe for a log.
    """
    counts: dict[str, dict[str, int]] = {}
    objects: list[dict[str, t.Any]] = []
    lines: list[str] = []
    failed: list[dict[str, t.Any]] = []
    for kind in kinds:
        part = parts[kind.name]
        result = part.get("result") or {}
        waiting = (part.get("waiting") or ()) if predicted else ()
        entries = part.get("entries") or ()
        rows = differences(kind, result, waiting, entries)
        places = _places(kind, part)
        misses = failures(kind, result, entries, places)
        words = {other.name: other.word for other in kinds}
        misses += _missing_failures(kind, (part.get("missing") or ()) if predicted else (), places, words)
        counts[kind.name] = _counts(rows, part, misses)
        objects += rows
        failed += misses
        lines += _lines(kind, rows, part, counts[kind.name], _PREDICTED if predicted else _DONE)
    orphaned = {kind.name: list(parts[kind.name].get("orphans") or ()) for kind in kinds}
    lines += [fit_for_message(f"Failed: {in_words(miss)}") for miss in failed]
    return {"counts": counts, "objects": objects, "orphans": orphaned, "failures": failed, "lines": lines}


def _places(kind: Kind, part: Record) -> dict[tuple[str, ...], str]:
    told = zip(part.get("wanted") or (), part.get("places") or (), strict=False)
    return {kind.identify(entry): place for entry, place in told}


def _counts(rows: t.Sequence[Record], part: Record, misses: t.Sequence[Record]) -> dict[str, int]:
    found = {action: sum(row["action"] == action for row in rows) for action in ("create", "update")}
    return {
        **found,
        "delete": len(part.get("deleted") or ()),
        "unchanged": int(part.get("count") or 0) - len({_about(row) for row in (*rows, *misses)}),
        "orphans": len(part.get("orphans") or ()),
    }


def _about(row: Record) -> tuple[str, str]:
    # An entry that differs and also has a failure is in both lists, and must be counted once.
    return str(row.get("id") or ""), str(row.get("name") or "")


def _lines(
    kind: Kind, rows: t.Sequence[Record], part: Record, found: t.Mapping[str, int], verbs: t.Mapping[str, str]
) -> t.Iterator[str]:
    told = ", ".join(f"{found[action]:,} {verb}" for action, verb in verbs.items())
    title = f"{kind.word}s".capitalize()
    yield f"{title}: {told}, {found['unchanged']:,} unchanged, {found['orphans']:,} not in the catalog."
    named = {
        verbs["create"]: [row for row in rows if row["action"] == "create"],
        verbs["update"]: [row for row in rows if row["action"] == "update"],
        verbs["delete"]: list(part.get("deleted") or ()),
        "not in the catalog": list(part.get("orphans") or ()),
    }
    for words, records in named.items():
        if records:
            names = ", ".join(short(str(record.get("name") or record.get("id"))) for record in records[:_NAMES_SHOWN])
            more = f" and {len(records) - _NAMES_SHOWN:,} more" if len(records) > _NAMES_SHOWN else ""
            yield f"- {words}: {names}{more}"
