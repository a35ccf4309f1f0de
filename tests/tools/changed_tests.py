# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selects the unit tests of files that differ from a commit, for ``make quick``.

A changed file of a room selects the tests of that room, a changed test selects itself, and everything else selects the
house rules.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ALWAYS = ("tests/unit/test_citations.py", "tests/unit/test_house_rules.py")
UNIT = Path("tests/unit")
ROOMS = Path("plugins/module_utils")


def changed_files(since: str) -> list[Path]:
    """The files that differ from a commit, including new ones, relative to the root.

    Args:
        since: a commit in git's notation.

    Raises:
        subprocess.CalledProcessError: the commit does not exist.
    """
    commands = (["git", "diff", "--name-only", since, "--"], ["git", "ls-files", "--others", "--exclude-standard"])
    listed = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True) for command in commands]
    return [Path(line) for done in listed for line in done.stdout.splitlines()]


def tests_of(file: Path) -> str | None:
    """The folder or file of unit tests that a changed file selects, or None."""
    if file.is_relative_to(UNIT):
        return str(file) if file.name.startswith("test_") and (ROOT / file).exists() else _folder(file.parent)
    if file.is_relative_to(ROOMS):
        return _folder(UNIT / file.parent)
    if file.is_relative_to(Path("plugins/modules")):
        return _folder(UNIT / "plugins" / "modules")
    if file.is_relative_to(Path("tests/sandbox")):
        return _folder(UNIT / "sandbox")
    return None


def _folder(folder: Path) -> str | None:
    """The nearest existing folder with tests, below ``tests/unit``."""
    while folder != UNIT and folder.is_relative_to(UNIT):
        if (ROOT / folder).is_dir() and any((ROOT / folder).rglob("test_*.py")):
            return str(folder)
        folder = folder.parent
    return None


def select(files: Iterable[Path]) -> list[str]:
    """The tests for these changed files, without those that another entry already includes."""
    found = {*ALWAYS, *(name for file in files if (name := tests_of(file)))}
    return sorted(name for name in found if not any(name.startswith(f"{other}/") for other in found))
