# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record anew, and what differs from what was recorded."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = Path(__file__).resolve().parent / "expected"
PROCESSES = (("qualys", "logs", "verdicts", "attacks", "reports", "changes", "history"), ("controller",))
"""The parts that share a process."""
SHOWN = 60


def record(folder: Path) -> None:
    """Record everything into a folder.

    Raises:
        RuntimeError: a recording process failed; the message holds its output.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for parts in PROCESSES:
        program = [sys.executable, "-m", "tests.recording.process", str(folder), *parts]
        ran = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(f"recording {', '.join(parts)} failed:\n{ran.stdout}\n{ran.stderr}")


def names(folder: Path) -> set[str]:
    """The files of a recording."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def difference(name: str, folder: Path) -> str:
    """What differs in one file, as a unified diff that is cut when it is long; empty when nothing does."""
    before, now = ((place / name) for place in (EXPECTED, folder))
    old, new = (path.read_text(encoding="utf-8") if path.exists() else "" for path in (before, now))
    if old == new and before.exists() == now.exists():
        return ""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), f"expected/{name}", "now", lineterm="", n=2))
    rest = [f"... {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
    return (
        "\n".join([*(line[:300] for line in lines[:SHOWN]), *rest]) or f"{name} differs in its line ends, or is missing"
    )
