# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes ``docs/schemas/gate/*.json`` from the schemas in the code: ``python docs/schemas/write.py`` in the repository.

A test fails when they are not fresh.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.conftest import make_import_tree  # noqa: E402 (the repository goes on the path first)

sys.path.insert(0, str(make_import_tree()))

from ansible_collections.appsec.perimeter.plugins.module_utils._gate.decide.schema_verdict import PUBLISHED  # noqa: E402


def main() -> None:
    """Entry point."""
    for name, schema in PUBLISHED.items():
        path = ROOT / "docs" / "schemas" / "gate" / f"{name}.json"
        path.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
