# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python packages that the collection uses: which are installed, and which are recent enough.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import re
import typing as t

from .checks import Check

MACHINE = "machine"


@dataclasses.dataclass(frozen=True)
class Library:
    """A package: its name, its lowest version, its purpose, and whether it is always needed."""

    name: str
    minimum: str
    use: str
    always: bool = False


LIBRARIES = (
    Library("requests", "2.28", "all connections", always=True),
    Library("jmespath", "1.0", "the option query", always=True),
    Library("orjson", "3.9", "speed with hundreds of thousands of records"),
    Library("sqlalchemy", "2.0", "delivery to a database"),
    Library("psycopg", "3.2", "PostgreSQL"),
    Library("xlsxwriter", "3.2", "reports as XLSX"),
    Library("duckdb", "1.5", "logs and findings as Parquet"),
)
"""The same packages and versions are in meta/ee-requirements.txt and docs/ee."""
OPTIONAL = tuple(library.name for library in LIBRARIES if not library.always)


def check_libraries(needed: t.Collection[str]) -> list[Check]:
    """Check each package on the machine where this runs.

    Args:
        needed: optional packages that the user's jobs require.
    """
    return [_check(library, needed=library.always or library.name in needed) for library in LIBRARIES]


def _check(library: Library, *, needed: bool) -> Check:
    name = f"package {library.name}"
    found = _version(library.name)
    hint = f"Install {library.name}>={library.minimum} where modules run."
    if found is None:
        text = f"{library.name} is not installed, or cannot be imported; it is for {library.use}."
        return Check(MACHINE, name, "failed", text, hint) if needed else Check(MACHINE, name, "skipped", text)
    if version_numbers(found) < version_numbers(library.minimum):
        text = f"{library.name} {found} is older than {library.minimum}."
        return Check(MACHINE, name, "failed" if needed else "warning", text, hint)
    return Check(MACHINE, name, "ok", f"{library.name} {found} is installed.")


def _version(name: str) -> str | None:
    """The version of a package that can be imported; an installed package may still lack a system library."""
    try:
        importlib.import_module(name)
        return importlib.metadata.version(name)
    except Exception:  # noqa: BLE001 - whatever an import raises, the package cannot be used
        return None


def version_numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparing."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
