# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a catalog file, before Ansible reads it.

This module is private to the collection and may change at any time.

Ansible does not survive a value that contains itself, takes the last of two equal keys, and not every version of it
says on which line a file is no YAML.
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
    """Refuse to go on without PyYAML.

    Raises:
        MissingLibrary: it is not there.
    """
    if not HAS_YAML:
        raise MissingLibrary("PyYAML", YAML_IMPORT_ERROR)


def encoding_problems(content: bytes, path: str) -> list[str]:
    """Whether a file is anything but UTF-8 text. A byte order mark at the start is allowed."""
    try:
        # Text in UTF-16 can be valid UTF-8 too, with a null in each letter, which no YAML has.
        broken = "\0" in content.decode("utf-8")
    except UnicodeDecodeError:
        broken = True
    return [fit_for_message(f"{path} is not UTF-8 text. Save it as UTF-8.")] if broken else []


def text_problems(text: str, path: str, kinds: t.Iterable[Kind] = ()) -> list[str]:
    """What is wrong with a file, one sentence each, with the line. No value is ever quoted.

    Args:
        text: of the file.
        path: of the file, for messages.
        kinds: what there may be, to find texts without quotes that YAML reads as something else.

    Raises:
        MissingLibrary: PyYAML is not there.
    """
    need_yaml()
    try:
        # Only composed, so that Ansible's own tags need not be known.
        root = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as problem:
        where = f"line {problem.problem_mark.line + 1}: " if problem.problem_mark else ""
        return [f"{path}: {where}this is no YAML: {problem.problem}."]
    except yaml.YAMLError:
        return [f"{path}: this is no YAML: it holds a character that is not allowed there."]
    problems: list[str] = []
    if root is not None and root.tag != _NULL:
        if not isinstance(root, yaml.MappingNode):
            return [f"{path}: this is not a mapping of kinds, such as webapps, to lists."]
        _walk(root, path, problems, set(), set())
        # Nothing may contain itself for this.
        problems += [] if problems else unquoted_texts(root, path, kinds)
    return [fit_for_message(problem) for problem in problems]


def entry_places(text: str, path: str, kinds: t.Iterable[Kind]) -> dict[str, list[str]]:
    """File and line of each entry of a file without problems, by kind, in the order of the file.

    Raises:
        MissingLibrary: PyYAML is not there.
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
    """Look at a node and everything below it."""
    if id(node) in above:
        problems.append(f"{path}: line {node.start_mark.line + 1}: an anchor contains itself, by an alias.")
        return
    if id(node) in done or isinstance(node, yaml.ScalarNode):
        return
    above.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != _MERGE:
                if key.value in seen:
                    problems.append(f"{path}: line {key.start_mark.line + 1}: the key {key.value!r} is there twice.")
                seen.add(key.value)
            _walk(value, path, problems, above, done)
    else:
        for item in node.value:
            _walk(item, path, problems, above, done)
    above.discard(id(node))
    done.add(id(node))
