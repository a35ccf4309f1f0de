# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own ``module_utils``, imported once in the warm Python for all modules that it forks for.

A module still imports them from its payload, name by name. A file there that is the imported one byte by byte, and that
gets nothing but such files for its own imports, is taken as it was imported; any other is executed. So a file which
Ansible leaves out of a payload is missed as ever, and a payload of another tree runs as its own.
"""

from __future__ import annotations

import builtins
import collections
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
import zipimport
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PACKAGE = "ansible_collections.appsec.perimeter.plugins.module_utils"


LARGE = ("duckdb", "psycopg", "sqlalchemy")
"""Each fork pays for the memory of the warm Python, and few modules need these."""


class _TooLargeError(Exception):
    """No ``ImportError``, which would be taken for a package that is not installed."""


class _Refusing(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, _path: object, _target: object = None) -> None:
        """Refuse the large ones; the next finder looks for others."""
        if fullname in LARGE:
            raise _TooLargeError(fullname)


class Collection:
    """Modules that were imported from a tree, and are no longer in ``sys.modules``.

    Args:
        tree: the folder that holds ``ansible_collections``.
    """

    def __init__(self, tree: Path) -> None:
        self._needed: dict[str, set[str]] = collections.defaultdict(set)
        self._source: dict[str, tuple[int, int]] = {}
        self._checking: set[str] = set()
        self._modules = self._imported(tree)

    def _imported(self, tree: Path) -> dict[str, types.ModuleType]:
        folder = tree.joinpath(*PACKAGE.split("."))
        for path in folder.rglob("*.py"):
            if path.stem != "__init__":
                source = path.read_bytes()
                name = ".".join((PACKAGE, *path.relative_to(folder).with_suffix("").parts))
                self._source[name] = (len(source), zlib.crc32(source))
        refusing = _Refusing()
        sys.path.insert(0, str(tree))
        sys.meta_path.insert(0, refusing)
        with self._recording():
            for name in self._source:
                # What needs a package that is large or not installed is left to those who need it.
                with contextlib.suppress(ImportError, _TooLargeError):
                    importlib.import_module(name)
        sys.meta_path.remove(refusing)
        sys.path.remove(str(tree))
        taken = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("ansible_collections")}
        return {name: module for name, module in taken.items() if name in self._source}

    @contextlib.contextmanager
    def _recording(self) -> Any:
        """Note which modules each one asks for while it is imported."""
        ask = builtins.__import__

        def recorded(
            name: str,
            variables: Mapping[str, Any] | None = None,
            local: Mapping[str, Any] | None = None,
            items: Sequence[str] | None = (),
            level: int = 0,
        ) -> types.ModuleType:
            importer = (variables or {}).get("__name__", "")
            if variables and importer.startswith(PACKAGE):
                asked = importlib.util.resolve_name("." * level + name, variables["__package__"])
                self._needed[importer] |= {asked, *(f"{asked}.{item}" for item in items or ())}
            return ask(name, variables, local, items or (), level)

        builtins.__import__ = recorded
        try:
            yield
        finally:
            builtins.__import__ = ask

    def serve(self) -> None:
        """Let imports from AnsiballZ's zip file take what is the same here."""
        importer: Any = zipimport.zipimporter
        execute = importer.exec_module

        def create(loader: Any, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
            return self._of(spec.name, loader)

        def execute_others(loader: Any, module: types.ModuleType) -> None:
            if module is not self._modules.get(module.__name__):
                execute(loader, module)

        importer.create_module, importer.exec_module = create, execute_others

    def _of(self, name: str, loader: Any) -> types.ModuleType | None:
        """The imported module, if it is that of this zip file; it is imported with what it needs, or not at all."""
        module = self._modules.get(name)
        files = loader._get_files() if hasattr(loader, "_get_files") else loader._files
        entry = files.get(f"{loader.prefix}{name.rpartition('.')[2]}.py")
        if module is None or entry is None or (entry[3], entry[7]) != self._source[name]:
            return None
        self._checking.add(name)
        for needed in self._needed[name] & self._modules.keys():
            begun = needed in self._checking and needed not in sys.modules
            if not begun and importlib.import_module(needed) is not self._modules[needed]:
                return None
        # As imports set them where they are missing.
        for attribute in ("__loader__", "__file__", "__cached__"):
            module.__dict__.pop(attribute, None)
        return module
