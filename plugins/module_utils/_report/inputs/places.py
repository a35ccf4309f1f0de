# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the line on which a catalog declares each web application, so that annotations and results point to it.

This module is private to the collection and may change at any time.

The files are only parsed into nodes: no tag is resolved, so nothing in them is executed, whatever tag they carry.
"""

from __future__ import annotations

import os
import pathlib
import traceback
import typing as t

from ..._base.errors import FileError, MissingLibrary, OptionError
from ..._base.files import reason
from .model import Place

try:
    import yaml
except ImportError:
    HAS_YAML = False
    YAML_IMPORT_ERROR = traceback.format_exc()
else:
    HAS_YAML = True
    YAML_IMPORT_ERROR = ""

SUFFIXES = (".yml", ".yaml")
KEY = "webapps"


def read_places(catalogs: t.Sequence[pathlib.Path], root: pathlib.Path) -> dict[str, Place]:
    """Find the line of each application's name.

    Args:
        catalogs: files, or directories whose YAML files are read.
        root: root of the repository; the paths in the result are relative to it.

    Returns:
        The places by application name; of a name that occurs twice, the first.

    Raises:
        OptionError: a file is not below the root.
        FileError: a file cannot be read, or is not YAML.
        MissingLibrary: PyYAML is not installed.
    """
    if catalogs and not HAS_YAML:
        raise MissingLibrary("PyYAML", YAML_IMPORT_ERROR)
    places: dict[str, Place] = {}
    for path in _files(catalogs):
        relative = _relative(path, root)
        for name, mark in _names(path):
            places.setdefault(name, Place(relative, mark[0], mark[1], mark[2]))
    return places


def _files(catalogs: t.Sequence[pathlib.Path]) -> t.Iterator[pathlib.Path]:
    for path in catalogs:
        if path.is_dir():
            yield from sorted(item for item in path.iterdir() if item.suffix in SUFFIXES and item.is_file())
        else:
            yield path


def _relative(path: pathlib.Path, root: pathlib.Path) -> str:
    relative = pathlib.PurePath(os.path.relpath(os.path.realpath(path), os.path.realpath(root)))
    if relative.parts[:1] == ("..",):
        raise OptionError(
            f"catalog: {path} is not below {root}.", hint="Set `catalog_root` to the root of the repository."
        )
    return relative.as_posix()


def _names(path: pathlib.Path) -> t.Iterator[tuple[str, tuple[int, int, int]]]:
    try:
        with path.open("rb") as file:
            nodes = list(yaml.compose_all(file, Loader=yaml.SafeLoader))
    except OSError as error:
        raise FileError(f"catalog: {path} cannot be read: {reason(error)}.", hint="Check the path.") from error
    except (yaml.YAMLError, RecursionError, UnicodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark is not None else ""
        raise FileError(f"catalog: {path} is not YAML{line}.", hint="Correct the file.") from None
    for name in (_value(entry, "name") for node in nodes for entry in _members(_value(node, KEY))):
        if isinstance(name, yaml.ScalarNode):
            start, end = name.start_mark, name.end_mark
            stop = end.column + 1 if end.line == start.line else start.column + 2
            yield name.value, (start.line + 1, start.column + 1, stop)


def _value(node: t.Any, key: str) -> t.Any:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def _members(node: t.Any) -> list[t.Any]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
