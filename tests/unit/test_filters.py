# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a filter costs: the process of each task that uses one imports what is behind it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import IMPORT_TREE, ROOT

PACKAGE = "ansible_collections.appsec.perimeter.plugins.plugin_utils"
FILES = sorted(path.stem for path in (ROOT / "plugins" / "plugin_utils").glob("_*.py") if path.stem != "__init__")
SLOW = ("requests", "urllib3", "sqlite3")


def imported(name: str) -> set[str]:
    """The modules that this one imports in a new Python; what measures its coverage imports some before."""
    code = f"import sys; before = set(sys.modules); import {name}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], cwd=IMPORT_TREE, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_check_finds_a_client() -> None:
    assert set(SLOW[:2]) <= imported("ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client")


@pytest.mark.parametrize("file", FILES)
def test_no_filter_imports_a_client_or_a_database(file: str) -> None:
    assert not imported(f"{PACKAGE}.{file}") & set(SLOW)


@pytest.mark.parametrize(("file", "behind"), [
    ("_switch_filters", set()),
    ("_text_filters", {"_base.log_text", "_records.times", "_report.cells", "_report.text"}),
])  # fmt: skip
def test_what_many_tasks_use_imports_next_to_nothing(file: str, behind: set[str]) -> None:
    room = "ansible_collections.appsec.perimeter.plugins.module_utils."
    files = {name.removeprefix(room) for name in imported(f"{PACKAGE}.{file}") if name.startswith(room)}
    assert {name for name in files if "." in name} <= behind
