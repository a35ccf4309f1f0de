# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python3 -m tests.sandbox`` or ``python3 tests/sandbox``."""

from __future__ import annotations

import sys
from pathlib import Path


def _run() -> int:
    if __package__:
        from .cli import main

        return main()
    # Started as a directory: Python put this folder on the path, where our module names could hide others.
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    sys.path.insert(0, str(here.parent))
    from importlib import import_module

    return int(import_module("sandbox.cli").main())


if __name__ == "__main__":
    sys.exit(_run())
