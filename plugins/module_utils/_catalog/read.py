# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A catalog that was read from files, checked before anything is sent.

This module is private to the collection and may change at any time.

All problems are found at once, and each names its file and its entry. No value is ever quoted, but for names, which an
import may have taken from the vendor: a problem is fit for a log.
"""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import typing as t

from .._base.log_text import fit_for_message
from .kinds import LIKE, Entry, Kind, Options, is_marker

Types = t.Mapping[str, t.Callable[[t.Any], t.Any]]
"""By the name of a type: what a module makes of a value of that type; TypeError for one that it refuses."""
_CALLED = {"int": "a whole number", "bool": "true or false"}
_NEVER_INHERITED = frozenset({"id", "name", LIKE})


@dataclasses.dataclass
class Catalog:
    """The outcome of reading.

    Attributes:
        entries: by kind, in the order of the files; only kinds that a file has are there.
        problems: one sentence each; entries are only complete when there is none.
    """

    entries: dict[str, list[Entry]] = dataclasses.field(default_factory=dict)
    problems: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class _EntryPlace:
    """An entry, and where it stands."""

    kind: Kind
    path: str
    index: int
    entry: Entry

    def __str__(self) -> str:
        return f"{self.path}: {self.kind.name}[{self.index}] ({self.kind.label(self.entry)})"


def read(documents: t.Iterable[tuple[str, t.Any]], kinds: t.Sequence[Kind], types: Types | None = None) -> Catalog:
    """The catalog that files hold together.

    Args:
        documents: path and content of each file.
        kinds: what there may be.
        types: Ansible's own rules for ``int`` and ``bool``; without them these types are left to the modules.
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
            catalog.problems.append(f"{path}: {name} is no part of a catalog.{_suggestion(name, known)}")
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
    """The value with texts for dates, which YAML makes of what looks like one, and lists for tuples."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def _suggestion(name: t.Any, known: t.Iterable[str]) -> str:
    names = list(known)
    similar = difflib.get_close_matches(str(name), names, 1)
    if similar:
        return f" Is {similar[0]} meant?"
    return f" One of {', '.join(names)}." if len(names) < 8 else ""


# One entry


def _check(place: _EntryPlace, types: Types, problems: list[str]) -> None:
    entry, options = place.entry, {**place.kind.options, LIKE: {"type": "str"}}
    if entry.get("id") is None and not str(entry.get("name") or "").strip():
        problems.append(f"{place}: name or id is needed.")
    problems += [f"{place}: {problem}" for problem in _misfits(entry, options, types, "")]


def _misfits(value: t.Mapping[str, t.Any], options: Options, types: Types, path: str) -> t.Iterator[str]:
    """What does not fit the specification: names, shapes, choices and types."""
    for name, item in value.items():
        spec = options.get(str(name))
        if spec is None:
            yield f"{path}{name} is not an option.{_suggestion(name, options)}"
        elif item is not None:
            yield from _misfit(item, spec, types, f"{path}{name}")
    for name, spec in options.items():
        if spec.get("required") and value.get(name) is None:
            yield f"{path}{name} is needed."


def _misfit(item: t.Any, spec: t.Mapping[str, t.Any], types: Types, path: str) -> t.Iterator[str]:
    choices = spec.get("choices")
    chosen = item if isinstance(item, list) and spec.get("type") == "list" else [item]
    texts = [item] if spec.get("type") == "str" else chosen if spec.get("elements") in ("str", "raw") else []
    if any(isinstance(word, (bool, float)) for word in texts):
        # What a template gave: without quotes in the file it is told with its line, before templates are evaluated.
        yield f"{path} is not text. Let the template give a text."
        return
    if choices and any(word not in choices and word != "" for word in chosen):
        yield f"{path} is none of {', '.join(map(str, choices))}."
    if spec.get("type") in types and not _fits(item, types[spec["type"]]):
        yield f"{path} is not {_CALLED[spec['type']]}."
    elif spec.get("type") == "list" and not isinstance(item, list):
        yield f"{path} is not a list."
    elif spec.get("no_log") and any(isinstance(word, str) and word.rstrip().endswith(":") for word in chosen):
        # A header as it is when the variable with its token is not set: it would take the place of the real one.
        yield f"{path} has an entry without a value. Is a variable not set?"
    elif spec.get("type") == "dict" and not isinstance(item, dict):
        yield f"{path} is not a mapping."
    elif "options" in spec:
        for index, inner in enumerate(item if isinstance(item, list) else [item]):
            where = f"{path}[{index}]" if isinstance(item, list) else path
            if isinstance(inner, dict):
                # An empty mapping clears, so that nothing in it can be needed.
                yield from _misfits(inner, spec["options"], types, f"{where}.") if inner else ()
            else:
                yield f"{where} is not a mapping."


def _fits(item: t.Any, convert: t.Callable[[t.Any], t.Any]) -> bool:
    try:
        convert(item)
    except (TypeError, ValueError):
        # Their text quotes the value.
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
                problems.append(f"{place}: the id {entry['id']} is listed already, in {first}.")
            continue
        key = tuple(str(entry.get(name) or "").strip() for name in ("name", *place.kind.identity))
        first = by_name.setdefault(key, place)
        if first is not place and key[0]:
            problems.append(
                f"{place}: listed already, in {first}. Each {place.kind.word} is listed once; "
                "give those of the same name their id."
            )


def _completed(places: t.Sequence[_EntryPlace], problems: list[str]) -> list[Entry]:
    """The entries with what they take from others, and without the placeholders of secrets."""
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
            # A circle is told once for each entry in it, and not for those that lead into it.
            if base is place:
                names = " -> ".join(item.kind.label(item.entry) for item in [*chain, base])
                problems.append(f"{place}: like goes in a circle: {names}.")
            break
        inherited = {key: value for key, value in base.entry.items() if key not in _NEVER_INHERITED}
        entry = inherited | entry
        chain.append(base)
    return entry


def _without_markers(entry: Entry) -> Entry:
    """The entry without placeholders, so that what they stand for is left alone."""
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
            # What is written out is added to what the placeholders stand for.
            found[name if name.endswith(("_add", "_remove")) else f"{name}_add"] = kept
    return found


def _without_marked_members(item: t.Any) -> t.Any:
    if not isinstance(item, dict):
        return item
    return {name: value for name, value in item.items() if not is_marker(value)}
