# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README names every switch and every fault."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.faults import ARGUMENTS, GROUPS
from tests.sandbox.switches import SWITCHES

README = Path(__file__).resolve().parents[2] / "sandbox" / "README.md"


def test_every_switch_with_its_default() -> None:
    text = README.read_text(encoding="utf-8")
    for name, switch in SWITCHES.items():
        assert any(
            line.startswith(f"| `{name}` |") and f"| `{switch.default}` |" in line for line in text.splitlines()
        ), name


def test_every_fault() -> None:
    text = README.read_text(encoding="utf-8")
    assert set(ARGUMENTS) == set(GROUPS)
    for kind in ARGUMENTS:
        assert f"| `{kind}` |" in text
