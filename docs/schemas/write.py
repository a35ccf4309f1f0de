# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes ``docs/schemas/{gate,eda}/*.json`` from the code: ``python docs/schemas/write.py`` in the repository.

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

from ansible_collections.appsec.perimeter.plugins.module_utils._eda import findings, waf_events  # noqa: E402
from ansible_collections.appsec.perimeter.plugins.module_utils._eda.arguments import schema  # noqa: E402
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.decide.schema_verdict import PUBLISHED  # noqa: E402

EVENT_SOURCES = {"waf_events": schema(waf_events.TABLE), "findings": schema(findings.TABLE)}


def main() -> None:
    """Entry point."""
    for folder, schemas in (("gate", PUBLISHED), ("eda", EVENT_SOURCES)):
        for name, content in schemas.items():
            path = ROOT / "docs" / "schemas" / folder / f"{name}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
