# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the bytecode of what modules import from AnsiballZ's zip file; else each process compiles it again.

Python loads this file by itself when its folder is on ``PYTHONPATH``. A module then runs as ever, in half the time.
Code is found by its source's hash, as in Python's own hash-based ``.pyc`` files: it is never that of another source.
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
import types
import zipimport
from importlib.util import MAGIC_NUMBER

FOLDER = os.environ.get("TEST_BYTECODE", "")
_compile = zipimport._compile_source  # type: ignore[attr-defined]
_key = int.from_bytes(MAGIC_NUMBER, "little")


def _cached(path: str, source: bytes) -> types.CodeType:
    """The code of this source, which is named after the zip file at hand."""
    name = os.path.join(FOLDER, f"{sys.implementation.cache_tag}-{_imp.source_hash(_key, source).hex()}")
    try:
        with open(name, "rb") as file:
            found: types.CodeType = marshal.loads(file.read())
    except OSError:
        made: types.CodeType = _compile(path, source)
        _keep(name, made)
        return made
    _imp._fix_co_filename(found, path)
    return found


def _keep(name: str, code: types.CodeType) -> None:
    """Write it under a name of its own first: many modules start at the same time."""
    own = f"{name}.{os.getpid()}"
    with open(own, "wb") as file:
        file.write(marshal.dumps(code))
    os.replace(own, name)


if FOLDER:
    zipimport._compile_source = _cached  # type: ignore[attr-defined]
