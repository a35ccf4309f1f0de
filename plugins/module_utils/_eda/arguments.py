# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of an event source: names, types, defaults and environment, checked before anything is sent.

This module is private to the collection and may change at any time.

A rulebook fills arguments from variables, which turns numbers and booleans into texts; both forms are accepted.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import typing as t

from .._base.errors import OptionError
from .._records.times import parse_duration

Arguments = dict[str, t.Any]
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
QUEUE = "eda_feedback_queue"
"""The argument with which ansible-rulebook passes the queue of its confirmations."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument.

    Attributes:
        type: str, int, float, bool, path, duration, dict, list or strings.
        default: the value if neither the rulebook nor the environment sets one.
        choices: the allowed values; for a list, of each item.
        env: the environment variable, unless the client reads it itself.
        least: the smallest number.
        most: the largest number.
        pattern: the expression that the whole text must match.
    """

    type: str = "str"
    default: t.Any = None
    choices: tuple[str, ...] = ()
    env: str = ""
    least: float | None = None
    most: float | None = None
    pattern: str = ""


Table = t.Mapping[str, Argument]

CONNECTION: Table = {
    "timeout": Argument(type="float", default=60.0),
    "retries": Argument(type="int", default=5),
    "max_wait": Argument(type="float", default=900.0),
    "max_connections": Argument(type="int"),
    "validate_certs": Argument(type="bool", default=True),
    "ca_path": Argument(type="path", env="PERIMETER_CA_PATH"),
    "client_cert": Argument(type="path"),
    "client_key": Argument(type="path"),
    "proxy": Argument(env="PERIMETER_PROXY"),
    "state_dir": Argument(type="path", env="PERIMETER_STATE_DIR"),
    "allow_http": Argument(type="bool", default=False),
}
"""The connection options that every vendor has, as in the modules."""

COMMON: Table = {
    "initial": Argument(default="now", choices=("now", "since", "all")),
    "since": Argument(),
    "interval": Argument(type="duration", least=1),
    "max_backoff": Argument(type="duration", default=900.0, least=1),
    "queue_size": Argument(type="int", default=100, least=2, most=10_000),
    "feedback": Argument(type="bool", default=False),
    "feedback_timeout": Argument(type="duration", default=60.0, least=1),
    "consumer": Argument(default="default", pattern="[A-Za-z0-9_-]{1,40}"),
    "where": Argument(),
    "sensitive": Argument(default="redact", choices=("redact", "keep")),
    "include_raw": Argument(type="bool", default=False),
}
"""The arguments of both sources."""


def checked(given: t.Mapping[str, t.Any], table: Table, environ: t.Mapping[str, str]) -> Arguments:
    """Return every argument of the table, checked.

    Raises:
        OptionError: an argument is unknown or invalid. Its value is not repeated: it may be a credential.
    """
    for name in given:
        if name not in table and name != QUEUE:
            near = difflib.get_close_matches(str(name), table, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"The arguments are {', '.join(sorted(table))}."
            raise OptionError(f"{name} is not an argument of this event source.", hint=hint)
    found: Arguments = {}
    for name, argument in table.items():
        value = given.get(name)
        if value in (None, "") and argument.env:
            value = environ.get(argument.env)
        found[name] = argument.default if value in (None, "") else _value(name, value, argument)
    return found


def schema(table: Table) -> dict[str, t.Any]:
    """Return the JSON schema of the arguments."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _property(argument) for name, argument in sorted(table.items())},
    }


_JSON = {"int": "integer", "float": "number", "bool": "boolean", "dict": "object", "list": "array", "strings": "array"}


def _property(argument: Argument) -> dict[str, t.Any]:
    shape: dict[str, t.Any] = {"type": _JSON.get(argument.type, "string")}
    if argument.type == "duration":
        shape = {"type": ["string", "number"], "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*[smhdw]?\s*$"}
    if argument.type == "strings":
        shape["items"] = {"type": "string"} | ({"enum": list(argument.choices)} if argument.choices else {})
    elif argument.pattern:
        shape["pattern"] = f"^{argument.pattern}$"
    elif argument.choices:
        shape["enum"] = list(argument.choices)
    if argument.default is not None:
        shape["default"] = argument.default
    shape |= {
        word: limit for word, limit in (("minimum", argument.least), ("maximum", argument.most)) if limit is not None
    }
    return shape


def _value(name: str, value: t.Any, argument: Argument) -> t.Any:
    """Convert and check a value. Raises OptionError if it has the wrong type, is not allowed or is out of range."""
    try:
        found = _TYPES[argument.type](value)
    except (ValueError, TypeError, OverflowError) as error:
        raise OptionError(f"{name} must be {_WORDS[argument.type]}.") from error
    items = found if argument.type == "strings" else [found]
    if argument.choices and not set(items) <= set(argument.choices):
        raise OptionError(f"{name} must be one of {', '.join(argument.choices)}.")
    if argument.pattern and not re.fullmatch(argument.pattern, found):
        raise OptionError(f"{name} must match {argument.pattern}.")
    if argument.least is not None and found < argument.least:
        raise OptionError(f"{name} must be at least {argument.least:g}.")
    if argument.most is not None and found > argument.most:
        raise OptionError(f"{name} must be at most {argument.most:g}.")
    return found


def _bool(value: t.Any) -> bool:
    word = str(value).lower()
    if word not in _TRUE + _FALSE:
        raise ValueError
    return word in _TRUE


def _int(value: t.Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and value != int(value)):
        raise ValueError
    return int(value)


def _float(value: t.Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    return float(value)


def _duration(value: t.Any) -> float:
    """A number of seconds, with or without a unit."""
    if isinstance(value, (int, float)):
        return _float(value)
    text = str(value)
    return float(text) if text.strip().replace(".", "", 1).isdecimal() else parse_duration(text)


def _text(value: t.Any) -> str:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise TypeError


def _of(kind: type) -> t.Callable[[t.Any], t.Any]:
    def check(value: t.Any) -> t.Any:
        if not isinstance(value, kind):
            raise TypeError
        return value

    return check


def _strings(value: t.Any) -> list[str]:
    return [_text(item) for item in (value.split(",") if isinstance(value, str) else value)]


_TYPES: dict[str, t.Callable[[t.Any], t.Any]] = {
    "str": _text,
    "path": lambda value: os.path.expanduser(_text(value)),
    "int": _int,
    "float": _float,
    "bool": _bool,
    "duration": _duration,
    "dict": _of(dict),
    "list": _of(list),
    "strings": _strings,
}
_WORDS = {
    "str": "a text",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "duration": "a duration such as 90s, 15m or 7d",
    "dict": "an object",
    "list": "a list",
    "strings": "a list of texts",
}
