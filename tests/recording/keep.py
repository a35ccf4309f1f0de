# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an output is recorded: normalised, with messages apart from data, and a hash for what is long.

Each area has three files: ``<area>.json`` with the data, ``<area>.messages.json`` with the sentences for people (a
commit that only changes language changes only these), and ``<area>.cost.json`` with requests, pages and segments (a
commit that only changes speed changes only these).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LONGEST_TEXT = 300
LONGEST_LIST = 4
"""More than that is a head and a hash."""
WIDTH = 118
MESSAGES = frozenset({"msg", "message", "hint", "warnings", "deprecations", "why"})
"""Keys of sentences for people. In a vendor's event, ``message`` is data."""
EVENT_KEY = "client_ip"
COST = frozenset({"stats", "segments"})
DROPPED = frozenset({"uid", "gid", "owner", "group", "size", "elapsed", "invocation", "exception"})
"""What Ansible adds about a file, and what no two runs have in common."""
STREAM = re.compile(r"(?<=-)[0-9a-f]{16}(?=\.)")
"""Part of a file name that is made of the address of a service, and so of its port."""


class Places:
    """What stands for what differs between two runs: directories, addresses, ports."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = sorted(names.items(), key=lambda item: -len(item[0]))

    def text(self, value: str) -> str:
        """``value`` with the placeholders."""
        for seen, name in self._names:
            value = value.replace(seen, name)
        return STREAM.sub("{stream}", value)

    def data(self, value: Any) -> Any:
        """The same in all texts of JSON data; what no two runs have in common is left out."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.data(item) for key, item in value.items() if key not in DROPPED}
        if isinstance(value, (list, tuple)):
            return [self.data(item) for item in value]
        return value

    def bytes(self, value: bytes) -> bytes:
        """The same in a file."""
        for seen, name in self._names:
            value = value.replace(seen.encode(), name.encode())
        return value


def digest(value: Any) -> str:
    """A hash of bytes, of a text, or of JSON data whatever the order of its keys."""
    if not isinstance(value, (bytes, str)):
        value = json.dumps(value, sort_keys=True, ensure_ascii=True)
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return hashlib.sha256(data).hexdigest()[:32]


def separate(value: Any, path: str = "") -> tuple[Any, dict[str, Any]]:
    """Data, with a mark where there was a message; and the messages by their place."""
    if isinstance(value, list):
        parts = [separate(item, f"{path}[{number}]") for number, item in enumerate(value)]
        return [part for part, _found in parts], {key: text for _part, found in parts for key, text in found.items()}
    if not isinstance(value, dict):
        return value, {}
    data, messages = {}, {}
    for key, item in value.items():
        place = f"{path}.{key}" if path else str(key)
        if key in MESSAGES and item and EVENT_KEY not in value:
            data[key] = f"<{len(item)} messages>" if isinstance(item, list) else "<message>"
            messages[place] = [_sentence(one) for one in item] if isinstance(item, list) else item
        else:
            data[key], found = separate(item, place)
            messages.update(found)
    return data, messages


def _sentence(warning: Any) -> Any:
    """The text of a warning, which newer versions of ansible-core wrap."""
    return warning["event"]["msg"] if isinstance(warning, dict) and "event" in warning else warning


def shortened(value: Any) -> Any:
    """The same with a head and a hash for what is long."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:100]}... {len(value)} characters, sha256 {digest(value)}"
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) > LONGEST_LIST and any(isinstance(item, (dict, list)) for item in value):
        rest = f"... {len(value)} items, sha256 {digest(value)}"
        return [*(shortened(item) for item in value[:2]), rest]
    if len(value) > LONGEST_LIST * 10:
        return [*(shortened(item) for item in value[:5]), f"... {len(value)} items, sha256 {digest(value)}"]
    return [shortened(item) for item in value]


def file_content(data: bytes, places: Places, *, head: int = 2) -> dict[str, Any]:
    """A file: its size, its hash and its first lines."""
    data = places.bytes(data)
    lines = data.decode("utf-8", "replace").splitlines()
    shown = [shortened(line) for line in lines[:head]]
    return {"bytes": len(data), "lines": len(lines), "sha256": digest(data), "head": shown}


def pretty(value: Any, indent: int = 0) -> str:
    """JSON with one line for each thing that fits into one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= WIDTH or not isinstance(value, (dict, list)) or not value:
        return line
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        items = [
            f"{pad}{json.dumps(key, ensure_ascii=False)}: {pretty(item, indent + 1)}" for key, item in value.items()
        ]
    else:
        items = [pad + pretty(item, indent + 1) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n" + ",\n".join(items) + f"\n{' ' * indent}{closing}"


def _safe(text: str) -> str:
    """No control character and no lone surrogate in a file that people read."""
    return re.sub("[\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]", _escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


class Area:
    """What is recorded about one part of the collection."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._data: dict[str, Any] = {}
        self._messages: dict[str, Any] = {}
        self._cost: dict[str, Any] = {}
        self._texts: dict[str, str] = {}

    def add(self, case: str, document: dict[str, Any], places: Places, cost: dict[str, Any] | None = None) -> None:
        """One case: what went in and came out. ``cost`` is what a change for speed may change."""
        if case in self._data:
            raise ValueError(f"{self.name}: {case} is recorded twice")
        whole = places.data(document)
        data, messages = separate(_without_cost(whole))
        self._data[case] = shortened(data)
        if messages:
            self._messages[case] = messages
        spent = {**places.data(cost or {}), **_costs(whole)}
        if spent:
            self._cost[case] = spent

    def text(self, name: str, content: str) -> None:
        """A text that is kept in a file of its own."""
        self._texts[f"{self.name}/{name}"] = content

    def files(self) -> Iterable[tuple[str, str]]:
        """Names and contents."""
        parts = {"": self._data, ".messages": self._messages, ".cost": self._cost}
        for part, content in parts.items():
            if content:
                yield f"{self.name}{part}.json", _safe(pretty(content)) + "\n"
        yield from self._texts.items()


def _without_cost(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_cost(item) for key, item in value.items() if key not in COST}
    return [_without_cost(item) for item in value] if isinstance(value, list) else value


UNSTEADY = frozenset({"bytes", "connections", "waited", "throttled", "clock_offset"})
"""What depends on how threads happen to run, and on the clock."""


def _costs(value: Any, path: str = "") -> dict[str, Any]:
    """The members of COST by their place."""
    found: dict[str, Any] = {}
    if isinstance(value, dict):
        for key, item in value.items():
            place = f"{path}.{key}" if path else str(key)
            if key == "stats" and isinstance(item, dict):
                found[place] = {name: number for name, number in item.items() if name not in UNSTEADY}
            elif key in COST:
                found[place] = item
            else:
                found |= _costs(item, place)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            found |= _costs(item, f"{path}[{number}]")
    return found


def write(areas: Iterable[Area], folder: Path) -> None:
    """Write the files of these areas."""
    for area in areas:
        for name, content in area.files():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            # Line ends are in the hash of the file; here git would change them.
            path.write_text(content.replace("\r\n", "\n"), encoding="utf-8", newline="")
