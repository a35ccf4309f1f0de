# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of a module as blocks of text: finding a block, replacing it, and writing one from data.

A block is a key of the YAML with everything that is indented below it. What is not replaced stays as it was, to the
letter.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import yaml

WIDTH = 120
_KEY = re.compile(r"( *)([A-Za-z_][\w-]*):")

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Blocks = dict[str, list[str]]
"""The lines of each key, by key, in their order."""


def load(text: str) -> Any:
    """What YAML reads, with the fast reader where PyYAML has it."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 (one of the safe loaders)


def read_section(text: str, name: str) -> list[str]:
    """The lines of DOCUMENTATION or RETURN of a module file."""
    return _section(text, name)[1].splitlines()


def replace_section(text: str, name: str, lines: Sequence[str]) -> str:
    """The module file with other lines in DOCUMENTATION or RETURN."""
    head, _old, tail = _section(text, name)
    return head + "".join(f"{line}\n" for line in lines) + tail


def _section(text: str, name: str) -> tuple[str, str, str]:
    found = re.search(rf'(?ms)^{name} = r"""\n(.*?)^"""', text)
    if found is None:
        raise ValueError(f"no {name}")
    return text[: found.start(1)], found[1], text[found.end(1) :]


def find(lines: Sequence[str], *path: str) -> tuple[int, int]:
    """Where the lines below a key are, as a slice; the whole when there is no path."""
    start, end = 0, len(lines)
    for key in path:
        depth = _depth(lines[start:end])
        start = next(number for number in range(start, end) if lines[number] == f"{' ' * depth}{key}:") + 1
        end = next((number for number in range(start, end) if _indentation(lines[number]) <= depth), end)
    return start, end


def blocks(lines: Sequence[str]) -> Blocks:
    """The lines of each key of one level. A comment at that level belongs to the key behind it."""
    found: Blocks = {}
    depth = _depth(lines)
    above: list[str] = []
    current = above
    for line in lines:
        key = _KEY.match(line)
        if key is not None and len(key[1]) == depth:
            current = found[key[2]] = above
            above = []
        (above if line.startswith(f"{' ' * depth}#") else current).append(line)
    return found


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" ")) if line.strip() else WIDTH


def _depth(lines: Sequence[str]) -> int:
    return min(map(_indentation, lines), default=0)


# Writing


def write(name: str, value: Any, depth: int) -> list[str]:
    """The block of a key, as this collection writes documentation: lists and mappings in one line where they fit.

    Args:
        name: the key.
        value: what YAML reads back.
        depth: how many spaces are before the key.
    """
    head = f"{' ' * depth}{_scalar(name)}:"
    short = _flow(value)
    if short is not None and len(head) + len(short) < WIDTH and not (name == "description" and isinstance(value, list)):
        return [f"{head} {short}"]
    if isinstance(value, dict):
        return [head, *(line for key, item in value.items() for line in write(key, item, depth + 2))]
    if isinstance(value, list):
        return [head, *(line for item in value for line in _item(item, depth + 2))]
    return _wrapped(f"{head} ", _scalar(value), depth + 2)


def _item(item: Any, depth: int) -> list[str]:
    dash = f"{' ' * depth}- "
    if isinstance(item, dict):
        short = _flow(item)
        if short is not None and len(dash) + len(short) <= WIDTH:
            return [dash + short]
        lines = [line for key, value in item.items() for line in write(key, value, depth + 2)]
        return [dash + lines[0].lstrip(" "), *lines[1:]]
    return _wrapped(dash, _scalar(item), depth + 2)


def _wrapped(first: str, text: str, depth: int) -> list[str]:
    """A text over several lines. A quoted one folds as a plain one does."""
    whole = textwrap.TextWrapper(
        width=WIDTH,
        initial_indent=first,
        subsequent_indent=" " * depth,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return whole.wrap(text)


def _flow(value: Any) -> str | None:
    """A value in one line, or None for one that reads better over several: an option, or what has several levels."""
    if isinstance(value, dict) and "description" in value:
        return None
    if isinstance(value, dict) and value:
        inner = {key: _flow(item) for key, item in value.items() if not isinstance(item, dict) or not item}
        parts = [f"{_scalar(key, flow=True)}: {item}" for key, item in inner.items() if item is not None]
        return f"{{{', '.join(parts)}}}" if len(parts) == len(value) else None
    if isinstance(value, list) and value:
        parts = [_scalar(item, flow=True) for item in value if not isinstance(item, dict | list)]
        return f"[{', '.join(parts)}]" if len(parts) == len(value) else None
    return _scalar(value, flow=True) if isinstance(value, dict | list) else _scalar(value)


def _scalar(value: Any, *, flow: bool = False) -> str:
    """A scalar as plain text where YAML reads it back as the same, and in double quotes elsewhere."""
    if not isinstance(value, str):
        return json.dumps(value)
    plain = f"[{value}]" if flow else f"key: {value}"
    try:
        read = load(plain)
    except yaml.YAMLError:
        read = None
    same = read == ([value] if flow else {"key": value})
    return value if value and same else json.dumps(value, ensure_ascii=False)
