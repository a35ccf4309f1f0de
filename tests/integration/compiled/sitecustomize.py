# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps bytecode that Python compiles again in each process: of modules in AnsiballZ's zip file, and of a collection.

Python loads this file by itself when its folder is on ``PYTHONPATH``. A module then runs as ever, in half the time.
Code is found by its source's hash, as in Python's own hash-based ``.pyc`` files: it is never that of another source.
"""

from __future__ import annotations

import _imp
import hashlib
import marshal
import os
import sys
import types
import typing
import zipimport
from importlib.util import MAGIC_NUMBER

FOLDER = os.environ.get("TEST_BYTECODE", "")
CONTROLLER = ("ansible-playbook", "ansible-inventory")
"""The programs that import a collection by Ansible's own loader, once in the process of each task."""
_compile = zipimport._compile_source  # type: ignore[attr-defined]
_key = int.from_bytes(MAGIC_NUMBER, "little")


def kept(path: str, source: bytes, make: typing.Callable[[], types.CodeType]) -> types.CodeType:
    """The code of this source, which is named after the file at hand."""
    name = os.path.join(FOLDER, f"{sys.implementation.cache_tag}-{_imp.source_hash(_key, source).hex()}")
    try:
        with open(name, "rb") as file:
            found: types.CodeType = marshal.loads(file.read())
    except OSError:
        made = make()
        keep(name, made)
        return made
    _imp._fix_co_filename(found, path)
    return found


def keep(name: str, value: object) -> None:
    """Write a file under a name of its own first: many modules start at the same time."""
    own = f"{name}.{os.getpid()}"
    with open(own, "wb") as file:
        file.write(marshal.dumps(value))
    os.replace(own, name)


def _from_zip(path: str, source: bytes) -> types.CodeType:
    return kept(path, source, lambda: _compile(path, source))


def _from_collection(source: bytes | str, filename: str, **rest: typing.Any) -> types.CodeType:
    text = source.encode() if isinstance(source, str) else source
    return kept(filename, text, lambda: compile(source=source, filename=filename, **rest))


def keep_collection() -> None:
    """Keep the bytecode of what Ansible's own loader imports of a collection."""
    from ansible.utils.collection_loader import _collection_finder

    _collection_finder.compile = _from_collection  # type: ignore[attr-defined]


def keep_templates() -> None:
    """Keep the bytecode of templates: Jinja makes Python of them in the process of each task."""
    from jinja2.environment import Environment

    compiled = Environment.compile

    def from_template(_environment: Environment, source: str, filename: str) -> types.CodeType:
        return kept(filename, source.encode(), lambda: compile(source, filename, "exec"))

    def compile_once(
        environment: Environment, source: object, name: str | None = None, filename: str | None = None, **how: object
    ) -> typing.Any:
        folder = os.environ.get("TEST_PAYLOADS")
        # An optimizer calls filters that have only constants: what they return may differ from one time to the next.
        if how or not folder or not isinstance(source, str) or environment.optimized:
            return compiled(environment, source, name, filename, **how)  # type: ignore[call-overload]
        facts = (source, name, filename, _settings_of(environment))
        path = os.path.join(folder, f"template-{hashlib.sha256(repr(facts).encode()).hexdigest()}")
        try:
            with open(path, "rb") as file:
                return marshal.loads(file.read())
        except OSError:
            code = compiled(environment, source, name, filename)
            keep(path, code)
            return code

    Environment._compile = from_template  # type: ignore[method-assign]
    Environment.compile = compile_once  # type: ignore[assignment]


def _settings_of(environment: typing.Any) -> tuple[object, ...]:
    """What decides, beside its text, what a template becomes."""
    marks = ("block", "variable", "comment")
    words = [getattr(environment, f"{mark}_{end}_string") for mark in marks for end in ("start", "end")]
    others = ("line_statement_prefix", "line_comment_prefix", "trim_blocks", "lstrip_blocks", "newline_sequence",
              "keep_trailing_newline", "autoescape")  # fmt: skip
    bits = sys.modules.get("ansible._internal._templating._jinja_bits")
    context = bits._TemplateCompileContext.current(optional=True) if bits else None
    return (
        type(environment).__qualname__, *words, *(getattr(environment, name) for name in others),
        sorted(environment.extensions), context and context.escape_backslashes,
    )  # fmt: skip


if FOLDER:
    zipimport._compile_source = _from_zip  # type: ignore[attr-defined]
    if any(os.path.basename(word).removesuffix(".py") in CONTROLLER for word in sys.orig_argv[:3]):
        keep_collection()
        # What Ansible calls the Python of the playbook, with which it runs modules on this machine.
        sys.executable = os.environ.get("TEST_INTERPRETER") or sys.executable
