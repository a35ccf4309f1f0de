# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the text of a catalog file, before Ansible reads it.

This module is private to the collection and may change at any time.

Ansible crashes on a value that contains itself, silently uses the last of two equal keys, and not every version reports
the line on which the YAML is invalid.
"""

from __future__ import annotations

import typing as t

from .._base.errors import MissingLibrary
from .._base.log_text import fit_for_message
from .kinds import Kind
from .unquoted import unquoted_texts

try:
    import yaml
except ImportError as error:
    HAS_YAML = False
    YAML_IMPORT_ERROR = str(error)
else:
    HAS_YAML = True
    YAML_IMPORT_ERROR = ""

_MERGE = "<<"
_NULL = "tag:yaml.org,2002:null"


def need_yaml() -> None:
    """Raise an error if PyYAML is not installed.

    Raises:
        MissingLibrary: PyYAML is not installed.
    """
    if not HAS_YAML:
        raise MissingLibrary("PyYAML", YAML_IMPORT_ERROR)


def encoding_problems(content: bytes, path: str) -> list[str]:
    """Return a message if a file is not UTF-8 text. A byte order mark at the start is allowed."""
    try:
        # UTF-16 text can be valid UTF-8 as well, but then it has null characters, which YAML does not allow.
        broken = "\0" in content.decode("utf-8")
    except UnicodeDecodeError:
        broken = True
    return [fit_for_message(f"{path} is not UTF-8 text. Save it as UTF-8.")] if broken else []


def text_problems(text: str, path: str, kinds: t.Iterable[Kind] = ()) -> list[str]:
    """Return a message, with the line, for each problem in a file. Messages never quote values.

    Args:
        text: the content of the file.
        path: its path, for messages.
        kinds: the kinds of a catalog, to find text without quotes that YAML reads as another type.

    Raises:
        MissingLibrary: PyYAML is not installed.
    """
    need_yaml()
    try:
        # Only composed, because constructing values would fail on Ansible's own tags.
        root = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as problem:
        where = f"line {problem.problem_mark.line + 1}: " if problem.problem_mark else ""
        return [f"{path}: {where}invalid YAML: {problem.problem}."]
    except yaml.YAMLError:
        return [f"{path}: invalid YAML: the file has a character that YAML does not allow."]
    problems: list[str] = []
    if root is not None and root.tag != _NULL:
        if not isinstance(root, yaml.MappingNode):
            return [f"{path}: this is not a mapping of kinds, such as webapps, to lists."]
        _walk(root, path, problems, set(), set())
        # Not after a problem: this function needs nodes that do not contain themselves.
        problems += [] if problems else unquoted_texts(root, path, kinds)
    return [fit_for_message(problem) for problem in problems]


def entry_places(text: str, path: str, kinds: t.Iterable[Kind]) -> dict[str, list[str]]:
    """Return file and line of each entry, by kind, in the order of the file. The file must have no problems.

    Raises:
        MissingLibrary: PyYAML is not installed.
    """
    need_yaml()
    root = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    known = {kind.name for kind in kinds}
    found: dict[str, list[str]] = {}
    for key, listed in root.value if isinstance(root, yaml.MappingNode) else ():
        if isinstance(listed, yaml.SequenceNode) and isinstance(key, yaml.ScalarNode) and key.value in known:
            places = (f"{path}: line {entry.start_mark.line + 1}" for entry in listed.value)
            found.setdefault(key.value, []).extend(map(fit_for_message, places))
    return found


def _walk(node: t.Any, path: str, problems: list[str], above: set[int], done: set[int]) -> None:
    """Add the problems of a node and everything below it.

    Args:
        node: the node.
        path: path of the file.
        problems: the messages so far.
        above: the ids of the nodes that contain this one.
        done: the ids of the nodes that were checked already.
    """
    if id(node) in above:
        problems.append(f"{path}: line {node.start_mark.line + 1}: an anchor contains itself through an alias.")
        return
    if id(node) in done or isinstance(node, yaml.ScalarNode):
        return
    above.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != _MERGE:
                if key.value in seen:
                    problems.append(f"{path}: line {key.start_mark.line + 1}: the key {key.value!r} appears twice.")
                seen.add(key.value)
            _walk(value, path, problems, above, done)
    else:
        for item in node.value:
            _walk(item, path, problems, above, done)
    above.discard(id(node))
    done.add(id(node))
