# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The criteria engine: which fields, operators and values are allowed, and what they match.

See docs/vendors/qualys_was.md 7.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..switches import Switches
from .envelope import Criterion, invalid

Getter = Callable[[Mapping[str, Any]], Any]
Predicate = Callable[[Mapping[str, Any]], bool]

OPERATORS: dict[str, tuple[str, ...]] = {
    "integer": ("EQUALS", "NOT EQUALS", "GREATER", "LESSER", "IN"),
    "text": ("CONTAINS", "EQUALS", "NOT EQUALS"),
    "date": ("EQUALS", "NOT EQUALS", "GREATER", "LESSER"),
    "keyword": ("EQUALS", "NOT EQUALS", "IN"),
    "boolean": ("EQUALS", "NOT EQUALS"),
    "element": (),
    "attribute": ("CONTAINS", "EQUALS", "NOT EQUALS"),
}
TYPE_NAMES = {"integer": "Long", "date": "Date (YYYY-MM-DDTHH:MM:SSZ, UTC)", "boolean": "true, false"}
_INTEGER = re.compile(r"-?\d{1,18}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")


@dataclass(frozen=True, slots=True)
class Field:
    """One searchable field: type, how to read it from a record, enum words, extra operators."""

    kind: str
    get: Getter
    words: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    uncertain: bool = False


Fields = Mapping[str, Field]


@dataclass(slots=True)
class Query:
    """Compiled criteria: an id window, optional id set, and a predicate for the rest."""

    above: int | None = None
    below: int | None = None
    ids: set[int] | None = None
    predicate: Predicate | None = None


class Engine:
    """Compiles criteria of one object and remembers the compiled form."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._compiled: dict[tuple[int, int, tuple[Criterion, ...]], Query] = {}

    def compile(self, fields: Fields, criteria: Sequence[Criterion]) -> Query:
        """Check and compile; all criteria are ANDed. Raises Refusal."""
        others = tuple(item for item in criteria if item.field != "id" or item.operator == "NOT EQUALS")
        query = Query(predicate=self._predicate(fields, others))
        for criterion in criteria:
            if criterion.field == "id" and criterion.operator != "NOT EQUALS":
                self._narrow(query, fields, criterion)
        return query

    def _predicate(self, fields: Fields, criteria: tuple[Criterion, ...]) -> Predicate | None:
        if not criteria:
            return None
        key = (id(fields), self._switches.generation, criteria)
        known = self._compiled.get(key)
        if known is None:
            tests = [self._test(fields, criterion) for criterion in criteria]
            known = Query(predicate=tests[0] if len(tests) == 1 else _all_of(tests))
            if len(self._compiled) > 256:
                self._compiled.clear()
            self._compiled[key] = known
        return known.predicate

    def _narrow(self, query: Query, fields: Fields, criterion: Criterion) -> None:
        self._allowed(fields, criterion)
        if criterion.operator == "GREATER":
            bound = _long(criterion, criterion.value)
            query.above = bound if query.above is None else max(query.above, bound)
        elif criterion.operator == "LESSER":
            bound = _long(criterion, criterion.value)
            query.below = bound if query.below is None else min(query.below, bound)
        else:
            values = criterion.value.split(",") if criterion.operator == "IN" else [criterion.value]
            wanted = {_long(criterion, value) for value in values}
            query.ids = wanted if query.ids is None else query.ids & wanted

    def _allowed(self, fields: Fields, criterion: Criterion) -> Field:
        field = fields.get(criterion.field)
        rejected = field is not None and field.uncertain and self._switches["uncertain_criteria"] == "reject"
        if field is None or rejected:
            allowed = ", ".join(sorted(fields))
            raise invalid(f"Unknown criterion {criterion.field}.", f"Allowed criteria: {allowed}.")
        operators = OPERATORS[field.kind] + field.extra
        if criterion.operator not in operators:
            message = f"Operator {criterion.operator} is not allowed for criterion {criterion.field}."
            raise invalid(message, f"Allowed operators: {', '.join(operators)}.")
        if criterion.name and field.kind != "attribute":
            raise invalid(f"Criterion {criterion.field} takes no name.")
        return field

    def _test(self, fields: Fields, criterion: Criterion) -> Predicate:
        field = self._allowed(fields, criterion)
        if criterion.operator in ("NONE", "IS EMPTY"):
            return _none_test(field, criterion)
        if field.kind == "attribute":
            return self._attribute_test(field, criterion)
        match = self._match(field, criterion)
        if criterion.operator == "NOT EQUALS":
            return _negated(field.get, match, missing=self._switches["not_equals_missing"] == "match")
        return _any_of(field.get, match)

    def _attribute_test(self, field: Field, criterion: Criterion) -> Predicate:
        if not criterion.name:
            raise invalid("Criterion attributes needs the name of the attribute.", "Send the attribute name.")
        name = criterion.name
        matches = self._text_match(criterion)
        equal = criterion.operator != "NOT EQUALS"

        def test(record: Mapping[str, Any]) -> bool:
            values = [item["value"] for item in field.get(record) or () if item["name"] == name]
            return any(matches(value) for value in values) is equal

        return test

    def _match(self, field: Field, criterion: Criterion) -> Callable[[Any], bool]:
        """A test of one value, for the operator without its negation."""
        if field.kind == "text":
            return self._text_match(criterion)
        parse = {"integer": _long, "date": _date, "boolean": _boolean, "keyword": _keyword(field.words)}[field.kind]
        if criterion.operator == "IN":
            wanted = {parse(criterion, value) for value in criterion.value.split(",")}
            return wanted.__contains__
        bound: Any = parse(criterion, criterion.value)
        if criterion.operator == "GREATER":
            return lambda value: bool(value > bound)
        if criterion.operator == "LESSER":
            return lambda value: bool(value < bound)
        return lambda value: bool(value == bound)

    def _text_match(self, criterion: Criterion) -> Callable[[Any], bool]:
        wanted = criterion.value
        contains = criterion.operator == "CONTAINS"
        if self._switches.on("text_case_sensitive"):
            return (lambda value: wanted in value) if contains else (lambda value: bool(value == wanted))
        fold = _loose if self._switches["text_case_sensitive"] == "loose" else str.casefold
        folded = fold(wanted)
        if contains:
            return lambda value: folded in fold(value)
        return lambda value: bool(fold(value) == folded)


def _loose(value: str) -> str:
    """As a database compares texts whose collation minds nothing but the letters."""
    letters = unicodedata.normalize("NFKD", value)
    return "".join(
        letter for letter in letters if not letter.isspace() and not unicodedata.combining(letter)
    ).casefold()


def _all_of(tests: list[Predicate]) -> Predicate:
    return lambda record: all(test(record) for test in tests)


def _any_of(get: Getter, match: Callable[[Any], bool]) -> Predicate:
    def test(record: Mapping[str, Any]) -> bool:
        value = get(record)
        if value is None:
            return False
        return any(map(match, value)) if isinstance(value, list) else match(value)

    return test


def _negated(get: Getter, match: Callable[[Any], bool], *, missing: bool) -> Predicate:
    def test(record: Mapping[str, Any]) -> bool:
        value = get(record)
        if value is None or value == []:
            return missing
        return not (any(map(match, value)) if isinstance(value, list) else match(value))

    return test


def _none_test(field: Field, criterion: Criterion) -> Predicate:
    if criterion.value:
        raise invalid(f"Operator {criterion.operator} of criterion {criterion.field} takes no value.")
    return lambda record: not field.get(record)


def _wrong(criterion: Criterion, value: str, expected: str) -> Exception:
    return invalid(f"Invalid value '{value}' for criterion {criterion.field}.", f"Expected: {expected}.")


def _long(criterion: Criterion, value: str) -> int:
    if not _INTEGER.fullmatch(value):
        raise _wrong(criterion, value, TYPE_NAMES["integer"])
    return int(value)


def _date(criterion: Criterion, value: str) -> str:
    try:
        if not _DATE.fullmatch(value):
            raise ValueError(value)
        datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError as error:
        raise _wrong(criterion, value, TYPE_NAMES["date"]) from error
    return value if len(value) > 10 else value + "T00:00:00Z"


def _boolean(criterion: Criterion, value: str) -> bool:
    if value not in ("true", "false"):
        raise _wrong(criterion, value, TYPE_NAMES["boolean"])
    return value == "true"


def _keyword(words: tuple[str, ...]) -> Callable[[Criterion, str], str]:
    def parse(criterion: Criterion, value: str) -> str:
        if value not in words:
            raise _wrong(criterion, value, ", ".join(words))
        return value

    return parse
