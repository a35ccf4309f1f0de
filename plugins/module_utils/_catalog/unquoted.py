# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds text in a catalog that YAML reads as another type, because it has no quotes: ``0755``, ``1_000``, ``yes``.

This module is private to the collection and may change at any time.

The original text is lost once YAML is constructed: 0755 becomes 493, and an application of that name would be planned.
So this checks the composed nodes, which still have the text and the line, against the options, which define where text
is expected.
"""

from __future__ import annotations

import re
import typing as t

from .kinds import LIKE, Kind, Options

# text.py, the only caller, has checked that PyYAML is installed.
try:
    import yaml
except ImportError:
    pass

_MERGE = "<<"
_TAGS = {
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:bool": "true or false",
    "tag:yaml.org,2002:timestamp": "a date",
    "tag:yaml.org,2002:null": "nothing",
}
_NULL = "nothing"
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]*")
"""A number that becomes the same text again, such as an id, which references accept as well as a name."""

_TEXT: dict[str, t.Any] = {"type": "str"}
_MEMBERS_OF_RAW: Options = {"value": _TEXT}
"""The member that must be text in the mappings of a list with ``elements: raw``."""


def unquoted_texts(root: t.Any, path: str, kinds: t.Iterable[Kind]) -> list[str]:
    """Return a message for each text that YAML reads as another type, with file, line and option, without the value.

    Args:
        root: the composed mapping of a file, in which no node contains itself.
        path: path of the file.
        kinds: the kinds of a catalog.
    """
    known = {kind.name: kind for kind in kinds}
    problems: list[str] = []
    for key, value in root.value:
        kind = known.get(key.value) if isinstance(key, yaml.ScalarNode) else None
        if kind is None or not isinstance(value, yaml.SequenceNode):
            continue
        look = _Look(path, kind, problems)
        for index, entry in enumerate(value.value):
            look.mapping(entry, {**kind.options, LIKE: _TEXT}, f"{kind.name}[{index}].")
    return problems


class _Look:
    """Checks the entries of one kind. A node that aliases repeat is checked once for each set of options."""

    def __init__(self, path: str, kind: Kind, problems: list[str]) -> None:
        self._path = path
        self._kind = kind
        self._problems = problems
        self._done: set[tuple[int, int]] = set()

    def mapping(self, node: t.Any, options: Options, where: str) -> None:
        """Check the options of an entry, or of a mapping inside an entry."""
        if not isinstance(node, yaml.MappingNode) or (id(node), id(options)) in self._done:
            return
        self._done.add((id(node), id(options)))
        for key, value in node.value:
            name = getattr(key, "value", None)
            if name == _MERGE:
                for base in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    self.mapping(base, options, where)
            elif isinstance(name, str) and name in options:
                self._option(value, options[name], f"{where}{name}")

    def _option(self, node: t.Any, spec: t.Mapping[str, t.Any], where: str) -> None:
        if spec.get("type") == "list" and isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._member(item, spec, f"{where}[{index}]")
        elif spec.get("type") == "dict" and "options" in spec:
            self.mapping(node, spec["options"], f"{where}.")
        elif spec.get("type") == "dict" and isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._text(key, f"a name in {where}", strict=True)
                self._text(value, f"a value in {where}")
        elif spec.get("type", "str") == "str":
            self._text(node, where, strict=where.endswith(".name"))

    def _member(self, node: t.Any, spec: t.Mapping[str, t.Any], where: str) -> None:
        if spec.get("elements") == "dict":
            self.mapping(node, spec.get("options", {}), f"{where}.")
        elif isinstance(node, yaml.MappingNode):
            self.mapping(node, _MEMBERS_OF_RAW, f"{where}.")
        elif spec.get("elements") in ("str", "raw"):
            self._text(node, where, in_list=True)

    def _text(self, node: t.Any, where: str, *, strict: bool = False, in_list: bool = False) -> None:
        word = _TAGS.get(node.tag) if isinstance(node, yaml.ScalarNode) else None
        if word is None or (word == "a date" and where.rpartition(".")[2] in self._kind.times):
            return
        if word == _NULL and not (in_list or (strict and node.value)):
            # An option without a value counts as not given.
            return
        if not strict and _WHOLE_NUMBER.fullmatch(node.value):
            return
        line = node.start_mark.line + 1
        problem = f"{where} must be text, but YAML reads {word}. Put it in quotes."
        self._problems.append(f"{self._path}: line {line}: {problem}")
