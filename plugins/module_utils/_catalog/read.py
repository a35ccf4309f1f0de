# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the content of catalog files, before anything is sent.

This module is private to the collection and may change at any time.

All problems are reported at once, each with its file and entry. Messages quote names, but no other value, and are made
safe for a log: an import may have taken the names from the vendor.
"""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import typing as t

from .._base.log_text import fit_for_message
from .kinds import LIKE, Entry, Kind, Options, is_marker

Types = t.Mapping[str, t.Callable[[t.Any], t.Any]]
"""Ansible's conversion function of each type, by the type's name. It raises TypeError for a value that it refuses."""
_CALLED = {"int": "a whole number", "bool": "true or false"}
_NEVER_INHERITED = frozenset({"id", "name", LIKE})


@dataclasses.dataclass
class Catalog:
    """The result of :func:`read`.

    Attributes:
        entries: the entries by kind, in the order of the files, for the kinds that a file has. They are only complete
            if there are no problems.
        problems: a message for each problem.
    """

    entries: dict[str, list[Entry]] = dataclasses.field(default_factory=dict)
    problems: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class _EntryPlace:
    """An entry, and its place in a file."""

    kind: Kind
    path: str
    index: int
    entry: Entry

    def __str__(self) -> str:
        return f"{self.path}: {self.kind.name}[{self.index}] ({self.kind.label(self.entry)})"


def read(documents: t.Iterable[tuple[str, t.Any]], kinds: t.Sequence[Kind], types: Types | None = None) -> Catalog:
    """Combine and check the content of catalog files.

    Args:
        documents: path and content of each file.
        kinds: the kinds that a catalog may have.
        types: Ansible's conversion of ``int`` and ``bool``; without it, these types are left to the modules.
    """
    catalog = Catalog()
    places: dict[str, list[_EntryPlace]] = {}
    for path, content in documents:
        for place in _entries(path, content, kinds, catalog):
            places.setdefault(place.kind.name, []).append(place)
    for kind in kinds:
        found = places.get(kind.name, [])
        for place in found:
            _check(place, types or {}, catalog.problems)
        _check_duplicates(found, catalog.problems)
        if kind.name in catalog.entries:
            catalog.entries[kind.name] = _completed(found, catalog.problems)
    catalog.problems = [fit_for_message(problem) for problem in catalog.problems]
    return catalog


def _entries(path: str, content: t.Any, kinds: t.Sequence[Kind], catalog: Catalog) -> t.Iterator[_EntryPlace]:
    known = {kind.name: kind for kind in kinds}
    for name, listed in (content or {}).items():
        if name not in known:
            catalog.problems.append(f"{path}: {name} is not a key of a catalog.{_suggestion(name, known)}")
            continue
        catalog.entries.setdefault(name, [])
        if not isinstance(listed, (list, tuple)) and listed is not None:
            catalog.problems.append(f"{path}: {name} is not a list.")
            continue
        for index, entry in enumerate(listed or ()):
            if isinstance(entry, dict):
                yield _EntryPlace(known[name], path, index, _plain(entry))
            else:
                catalog.problems.append(f"{path}: {name}[{index}] is not a mapping of options.")


def _plain(value: t.Any) -> t.Any:
    """Return the value with text for each date, which YAML makes of text that looks like one, and lists for tuples."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def _suggestion(name: t.Any, known: t.Iterable[str]) -> str:
    names = list(known)
    similar = difflib.get_close_matches(str(name), names, 1)
    if similar:
        return f" Did you mean {similar[0]}?"
    return f" Use one of {', '.join(names)}." if len(names) < 8 else ""


# One entry


def _check(place: _EntryPlace, types: Types, problems: list[str]) -> None:
    entry, options = place.entry, {**place.kind.options, LIKE: {"type": "str"}}
    if entry.get("id") is None and not str(entry.get("name") or "").strip():
        problems.append(f"{place}: name or id is required.")
    problems += [f"{place}: {problem}" for problem in _misfits(entry, options, types, "")]


def _misfits(value: t.Mapping[str, t.Any], options: Options, types: Types, path: str) -> t.Iterator[str]:
    """Yield a message for each name, type or choice that does not fit the specification."""
    for name, item in value.items():
        spec = options.get(str(name))
        if spec is None:
            yield f"{path}{name} is not an option.{_suggestion(name, options)}"
        elif item is not None:
            yield from _misfit(item, spec, types, f"{path}{name}")
    for name, spec in options.items():
        if spec.get("required") and value.get(name) is None:
            yield f"{path}{name} is required."


def _misfit(item: t.Any, spec: t.Mapping[str, t.Any], types: Types, path: str) -> t.Iterator[str]:
    choices = spec.get("choices")
    chosen = item if isinstance(item, list) and spec.get("type") == "list" else [item]
    texts = [item] if spec.get("type") == "str" else chosen if spec.get("elements") in ("str", "raw") else []
    if any(isinstance(word, (bool, float)) for word in texts):
        # This came from a template: text without quotes in the file was reported with its line (unquoted.py).
        yield f"{path} is not text. Make the template return text."
        return
    if choices and any(word not in choices and word != "" for word in chosen):
        yield f"{path} is not one of {', '.join(map(str, choices))}."
    if spec.get("type") in types and not _fits(item, types[spec["type"]]):
        yield f"{path} is not {_CALLED[spec['type']]}."
    elif spec.get("type") == "list" and not isinstance(item, list):
        yield f"{path} is not a list."
    elif spec.get("no_log") and any(isinstance(word, str) and word.rstrip().endswith(":") for word in chosen):
        # A header whose token comes from a variable that is not set. It would replace the real header.
        yield f"{path} has an entry without a value. Is a variable not set?"
    elif spec.get("type") == "dict" and not isinstance(item, dict):
        yield f"{path} is not a mapping."
    elif "options" in spec:
        for index, inner in enumerate(item if isinstance(item, list) else [item]):
            where = f"{path}[{index}]" if isinstance(item, list) else path
            if isinstance(inner, dict):
                # An empty mapping clears the option, so it needs no required member.
                yield from _misfits(inner, spec["options"], types, f"{where}.") if inner else ()
            else:
                yield f"{where} is not a mapping."


def _fits(item: t.Any, convert: t.Callable[[t.Any], t.Any]) -> bool:
    try:
        convert(item)
    except (TypeError, ValueError):
        # The exception is not passed on, because its text quotes the value.
        return False
    return True


# All entries of a kind


def _check_duplicates(places: t.Sequence[_EntryPlace], problems: list[str]) -> None:
    by_name: dict[tuple[str, ...], _EntryPlace] = {}
    by_id: dict[str, _EntryPlace] = {}
    for place in places:
        entry = place.entry
        if entry.get("id") is not None:
            first = by_id.setdefault(str(entry["id"]), place)
            if first is not place:
                problems.append(f"{place}: the id {entry['id']} is already listed in {first}.")
            continue
        key = tuple(str(entry.get(name) or "").strip() for name in ("name", *place.kind.identity))
        first = by_name.setdefault(key, place)
        if first is not place and key[0]:
            problems.append(
                f"{place}: already listed in {first}. List each {place.kind.word} once; "
                "if several have the same name, give each its id."
            )


def _completed(places: t.Sequence[_EntryPlace], problems: list[str]) -> list[Entry]:
    """Return the entries with what they inherit, and without the markers for secrets."""
    by_name = {str(place.entry.get("name") or "").strip(): place for place in places}
    done: list[Entry] = []
    for place in places:
        entry = _with_inherited(place, by_name, problems)
        done.append(entry if place.kind.knows_marker else _without_markers(entry))
    return done


def _with_inherited(place: _EntryPlace, by_name: t.Mapping[str, _EntryPlace], problems: list[str]) -> Entry:
    chain = [place]
    entry = {key: value for key, value in place.entry.items() if key != LIKE}
    while (name := chain[-1].entry.get(LIKE)) is not None:
        base = by_name.get(str(name).strip())
        if base is None:
            problems.append(f"{chain[-1]}: like: there is no {place.kind.word} {str(name)!r} in the catalog.")
            break
        if any(base is seen for seen in chain):
            # A circle is reported once for each entry in it, and not for those that lead into it.
            if base is place:
                names = " -> ".join(item.kind.label(item.entry) for item in [*chain, base])
                problems.append(f"{place}: like refers back to itself: {names}.")
            break
        inherited = {key: value for key, value in base.entry.items() if key not in _NEVER_INHERITED}
        entry = inherited | entry
        chain.append(base)
    return entry


def _without_markers(entry: Entry) -> Entry:
    """Return the entry without markers, so that the secrets for which they stand are left alone."""
    found: Entry = {}
    for name, value in entry.items():
        if is_marker(value):
            continue
        if not isinstance(value, list):
            found[name] = value
            continue
        kept = [_without_marked_members(item) for item in value if not is_marker(item)]
        if len(kept) == len(value):
            found[name] = kept
        elif kept:
            # Setting the list would remove the secrets for which the markers stand, so the other items are added.
            found[name if name.endswith(("_add", "_remove")) else f"{name}_add"] = kept
    return found


def _without_marked_members(item: t.Any) -> t.Any:
    if not isinstance(item, dict):
        return item
    return {name: value for name, value in item.items() if not is_marker(value)}
