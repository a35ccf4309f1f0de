# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validates data against the part of JSON Schema that the published schemas use, with messages for people.

This module is private to the collection and may change at any time.

The schemas are the ones under ``docs/schemas/gate``, so an editor and the gate agree on what is allowed. The jsonschema
package is not needed to run the gate; a test makes sure that both agree.
"""

from __future__ import annotations

import difflib
import math
import re
import typing as t

from ..._base.errors import PolicyError
from ..._base.log_text import short

Schema = t.Mapping[str, t.Any]


def _is_number(value: t.Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, int) or math.isfinite(value)


_TYPES: dict[str, t.Callable[[t.Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    "number": _is_number,
}
_WORDS = {"object": "a mapping", "array": "a list", "string": "text", "boolean": "true or false", "null": "null"}
_WORDS |= {"integer": "a whole number", "number": "a number"}


def validate(data: t.Any, schema: Schema, name: str) -> None:
    """Validate a document.

    Args:
        data: the document.
        schema: a schema of :mod:`.schemas`.
        name: the name of the document in messages.

    Raises:
        PolicyError: the document is invalid; the message names the path of the first wrong key.
    """
    _Checker(schema, name).check(data, schema, "")


class _Checker:
    def __init__(self, root: Schema, name: str) -> None:
        self._root = root
        self._name = name

    def check(self, value: t.Any, schema: Schema, path: str) -> None:
        if "$ref" in schema:
            schema = self._root["$defs"][schema["$ref"].rpartition("/")[2]]
        self._check_type(value, schema, path)
        if "const" in schema and (value != schema["const"] or isinstance(value, bool)):
            self._fail(path, f"is {_shown(value)}, not {schema['const']}")
        if "enum" in schema and value not in schema["enum"]:
            self._fail(path, f"is {_shown(value)}", f"One of {', '.join(map(str, schema['enum']))}.")
        if isinstance(value, dict):
            self._check_object(value, schema, path)
        elif isinstance(value, list):
            self._check_list(value, schema, path)
        elif isinstance(value, str):
            self._check_text(value, schema, path)
        elif _is_number(value):
            self._check_number(value, schema, path)

    def _fail(self, path: str, words: str, hint: str = "") -> t.NoReturn:
        where = f"{self._name}: {path}" if path else self._name
        raise PolicyError(f"{where} {words}.", hint=hint or "See the reference of the gate's files.")

    def _check_type(self, value: t.Any, schema: Schema, path: str) -> None:
        wanted = schema.get("type")
        if wanted is None:
            return
        kinds = [wanted] if isinstance(wanted, str) else wanted
        if not any(_TYPES[kind](value) for kind in kinds):
            self._fail(path, f"is {_shown(value)}, not {' or '.join(_WORDS[kind] for kind in kinds)}")

    def _check_object(self, value: dict[str, t.Any], schema: Schema, path: str) -> None:
        known: t.Mapping[str, Schema] = schema.get("properties", {})
        for key in schema.get("required", ()):
            if key not in value:
                self._fail(path, f"lacks the key {key}")
        if len(value) < schema.get("minProperties", 0):
            self._fail(path, "is empty", _allowed(known))
        extra = schema.get("additionalProperties", True)
        for key, item in value.items():
            inner = f"{path}.{short(str(key), 60)}" if path else short(str(key), 60)
            if key in known:
                self.check(item, known[key], inner)
            elif extra is False:
                self._fail(inner, "is not a key that is allowed here", _advice(str(key), known))
            elif isinstance(extra, dict):
                self.check(item, extra, inner)

    def _check_list(self, value: list[t.Any], schema: Schema, path: str) -> None:
        if len(value) < schema.get("minItems", 0):
            self._fail(path, "is an empty list", "Give at least one item, or leave the key out.")
        items = schema.get("items")
        for index, item in enumerate(value):
            if items is not None:
                self.check(item, items, f"{path}[{index}]")
        if schema.get("uniqueItems"):
            for index, item in enumerate(value):
                if any(_same(item, other) for other in value[:index]):
                    self._fail(f"{path}[{index}]", f"repeats {_shown(item)}", "List each once.")

    def _check_text(self, value: str, schema: Schema, path: str) -> None:
        if len(value) < schema.get("minLength", 0):
            self._fail(path, "is empty", "Give some text.")
        if len(value) > schema.get("maxLength", math.inf):
            self._fail(path, f"is longer than {schema['maxLength']} characters")
        if "pattern" in schema and not _fits(schema["pattern"], value):
            self._fail(
                path, f"is {_shown(value)}", f"It has to be {schema.get('description', 'of the documented form')}."
            )

    def _check_number(self, value: float, schema: Schema, path: str) -> None:
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        if not low <= value <= high:
            bounds = f"at least {low}" if high == math.inf else f"from {low} to {high}"
            self._fail(path, f"is {value}", f"It has to be {bounds}.")


def _fits(pattern: str, value: str) -> bool:
    """Whether a text matches a pattern. In JSON Schema ``$`` is the end of the text; in Python it also matches before a
    final line break."""
    return re.search(re.sub(r"(?<!\\)\$$", r"\\Z", pattern), value) is not None


def _same(one: t.Any, other: t.Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _shown(value: t.Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return repr(short(value, 60) if isinstance(value, str) else value)


def _allowed(known: t.Iterable[str]) -> str:
    names = ", ".join(sorted(known))
    return f"Allowed: {names}." if names else "Nothing is allowed there."


def _advice(key: str, known: t.Mapping[str, t.Any]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return (f"Did you mean {close[0]}? " if close else "") + _allowed(known)
