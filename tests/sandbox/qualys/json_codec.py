# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON in and out, with the vendor's habits: string booleans, lists of single-key objects."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from .node import Malformed, Node, node_from_json
from .tree import Attributed, Null, Padded, QList, SetList, Shared, Url, assemble, marker, pad_marker, shared_text

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
# Never in the data (the seed has no NUL), so it can mark where a shared text goes.
_MARK = "\\u0000"


def plain(value: Any) -> Any:
    """A reply tree as JSON values."""
    kind = type(value)
    if kind is str or kind is int or kind is float:
        return value
    if kind is bool:
        return "true" if value else "false"
    if kind is dict:
        return {name: plain(item) for name, item in value.items() if item is not None}
    return _special(value)


def _special(value: Any) -> Any:
    if isinstance(value, Url):
        return {"value": str(value)}
    if isinstance(value, Shared):
        return marker(value)
    if isinstance(value, Padded):
        return value.text + pad_marker(value)
    if isinstance(value, Attributed):
        return {**value.attributes, "value": value.value}
    if isinstance(value, QList):
        if not value.values:
            return {"count": 0}
        return {"count": len(value.values), "list": _items(value.item, value.values, bare=value.bare)}
    if isinstance(value, SetList):
        return {"set": _items(value.item, value.values, bare=False)}
    if isinstance(value, Null):
        return None
    if isinstance(value, list):
        return [plain(item) for item in value]
    raise TypeError(f"cannot encode {type(value).__name__}")


def _items(item: str, values: list[Any], *, bare: bool) -> list[Any]:
    if bare:
        return [plain(value) for value in values]
    return [{item: plain(value)} for value in values]


@lru_cache(maxsize=4096)
def _shared_bytes(number: int) -> bytes:
    return _ENCODER.encode(shared_text(number))[1:-1].encode()


def encode(element: str, tree: dict[str, Any]) -> tuple[bytes, ...]:
    """One record as ``{"Element": {...}}``, in chunks that share the shared texts."""
    return assemble(_ENCODER.encode({element: plain(tree)}), _MARK, _shared_bytes)


def dump(value: Any) -> bytes:
    """A JSON document."""
    return _ENCODER.encode(value).encode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Malformed("duplicate key in a JSON object")
    return result


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON")


def parse(body: bytes) -> Node:
    """A request document; its root must be the only key. Raises Malformed."""
    try:
        value = json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the JSON body cannot be parsed: {error}") from error
    if not isinstance(value, dict) or len(value) != 1:
        raise Malformed("the JSON body must be an object with one key, ServiceRequest")
    ((name, content),) = value.items()
    nodes = node_from_json(name, content)
    if len(nodes) != 1:
        raise Malformed("ServiceRequest must be an object")
    return nodes[0]
