# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads policy, waivers and baseline: JSON, or YAML if PyYAML is installed.

This module is private to the collection and may change at any time.

YAML is read as data only, in the subset that JSON can express: no tags, no aliases, no duplicate keys, and dates stay
text. So a file means the same in YAML and in JSON, and one piece of code interprets dates.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib
import re
import traceback
import typing as t

from ..._base.errors import MissingLibrary, PolicyError
from ..._base.files import reason
from ..codec import RepeatedKey, unique_object

try:
    import yaml
except ImportError:
    YAML_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    YAML_IMPORT_ERROR = None

SIZE_LIMIT = 16 << 20
DEPTH_LIMIT = 32
_JSON_SUFFIXES = frozenset({".json"})
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")


@dataclasses.dataclass(frozen=True)
class Document:
    """A file as data. ``name`` is the option that gave it; ``path`` is None for data written in the task."""

    name: str
    path: pathlib.Path | None
    data: t.Any
    sha256: str


def read_document(value: t.Any, name: str, *, limit: int = SIZE_LIMIT) -> Document:
    """Return the document that an option gives.

    Args:
        value: a path, or the data itself.
        name: the option, for messages.
        limit: largest file, in bytes.

    Raises:
        PolicyError: the file cannot be read, or is neither JSON nor YAML.
        MissingLibrary: the file is YAML, and PyYAML is not installed.
    """
    if not isinstance(value, (str, pathlib.Path)):
        canonical = _canonical(value, name)
        return Document(name, None, value, hashlib.sha256(canonical).hexdigest())
    path = pathlib.Path(value).expanduser()
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        words = reason(error) if isinstance(error, OSError) else str(error)
        raise PolicyError(f"{name}: cannot read {path}: {words}.", hint="Give the path of a file.") from error
    if len(content) > limit:
        raise PolicyError(f"{name}: {path} is larger than {limit >> 20} MiB.", hint="Split it, or check the path.")
    return Document(name, path, parse(content, name, path), hashlib.sha256(content).hexdigest())


def _canonical(value: t.Any, name: str) -> bytes:
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise PolicyError(f"{name}: this is not data that JSON can hold.", hint="Quote dates.") from error


def parse(content: bytes, name: str, path: pathlib.Path) -> t.Any:
    """Parse JSON or YAML. The suffix of the file decides which it is; without a known suffix, both are tried.

    Raises:
        PolicyError: it is neither, has a duplicate key, or is nested too deeply.
        MissingLibrary: it is YAML, and PyYAML is not installed.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PolicyError(f"{name}: {path} is not UTF-8 text.", hint="Save it as UTF-8.") from error
    try:
        data = _parse_json(text)
    except RepeatedKey as error:
        raise PolicyError(f"{name}: {path} has {error}.", hint="Keep one of them.") from error
    except RecursionError as error:
        raise _too_deep(name, path) from error
    except ValueError as error:
        if path.suffix.lower() in _JSON_SUFFIXES:
            raise PolicyError(f"{name}: {path} is not JSON: {error}.", hint="Check the line that is named.") from error
        data = _parse_yaml(text, name, path)
    _check_tree(data, name, path)
    return data


def _parse_json(text: str) -> t.Any:
    return json.loads(text, object_pairs_hook=unique_object, parse_constant=_no_constant)


def _no_constant(word: str) -> t.NoReturn:
    raise ValueError(f"{word} is not JSON")


def _parse_yaml(text: str, name: str, path: pathlib.Path) -> t.Any:
    if YAML_IMPORT_ERROR is not None:
        raise MissingLibrary("PyYAML", YAML_IMPORT_ERROR)
    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 (a safe loader with less in it)
    except yaml.YAMLError as error:
        raise PolicyError(
            f"{name}: {path} is not YAML: {_where(error)}.", hint="Check the place that is named."
        ) from error
    except RecursionError as error:
        raise _too_deep(name, path) from error
    except (ValueError, TypeError, OverflowError, LookupError) as error:
        raise PolicyError(f"{name}: {path} has a value that cannot be read: {error}.", hint="Quote it.") from error


def _where(error: t.Any) -> str:
    mark = getattr(error, "problem_mark", None)
    words = str(getattr(error, "problem", None) or "the text breaks off").splitlines()[0]
    return f"{words} (line {mark.line + 1}, column {mark.column + 1})" if mark else words


@functools.cache
def _loader() -> t.Any:
    """YAML's safe loader (the C version if available) with JSON's types only: true, false, null and numbers."""
    base: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Strict(base):  # type: ignore[misc]
        """Defined here, because PyYAML may not be installed."""

        def construct_mapping(self, node: t.Any, deep: bool = False) -> t.Any:
            seen: set[t.Any] = set()
            for key_node, _value_node in node.value:
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, str):
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {str(key)[:40]!r} is not text; quote it", key_node.start_mark
                    )
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key[:40]!r} occurs twice in one mapping", key_node.start_mark
                    )
                seen.add(key)
            return super().construct_mapping(node, deep=deep)

    Strict.yaml_implicit_resolvers = {}
    plain = "tag:yaml.org,2002:"
    Strict.add_implicit_resolver(plain + "bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
    Strict.add_implicit_resolver(plain + "null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
    numbers = list("-+0123456789")
    Strict.add_implicit_resolver(plain + "float", re.compile(f"^{_FLOAT.pattern}$"), numbers)
    Strict.add_implicit_resolver(plain + "int", re.compile(f"^{_INTEGER.pattern}$"), numbers)
    scalars = ("bool", "null", "float", "int", "str", "seq", "map")
    Strict.yaml_constructors = {
        tag: make for tag, make in Strict.yaml_constructors.items() if tag is None or tag.removeprefix(plain) in scalars
    }
    return Strict


def _check_tree(data: t.Any, name: str, path: pathlib.Path) -> None:
    """Refuse shared parts (YAML aliases, which can expand to any size) and nesting without end."""
    seen: set[int] = set()
    stack = [(data, 0)]
    while stack:
        item, depth = stack.pop()
        if not isinstance(item, (dict, list)):
            continue
        if id(item) in seen:
            raise PolicyError(f"{name}: {path} uses a YAML alias.", hint="Write the repeated part out.")
        if depth > DEPTH_LIMIT:
            raise _too_deep(name, path)
        seen.add(id(item))
        stack += [(child, depth + 1) for child in (item.values() if isinstance(item, dict) else item)]


def _too_deep(name: str, path: pathlib.Path) -> PolicyError:
    return PolicyError(f"{name}: {path} is nested too deeply.", hint="See the reference of the policy.")
