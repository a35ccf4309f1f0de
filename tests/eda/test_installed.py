# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both sources of the installed artifact, loaded by path as the engine does it, without an import path to them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LOAD = """
import asyncio, runpy, sys
main = runpy.run_path(sys.argv[1])["main"]
try:
    asyncio.run(main(asyncio.Queue(1), eval(sys.argv[2])))
except Exception as error:
    print(type(error).__name__, error)
    print(sys.modules[type(error).__module__].__file__)
"""
CASES = {
    "waf_events of Edgecast": ("waf_events", {"vendor": "edgecast"}, "OptionError account_number is missing. "),
    "waf_events of Scutum": ("waf_events", {"vendor": "scutum"}, "OptionError api_key is missing. "),
    "waf_events of nobody": ("waf_events", {}, "OptionError vendor is missing. "),
    "findings": ("findings", {"platform": "eu1"}, "OptionError "),
    "findings with a wrong word": ("findings", {"changes": ["lost"]}, "OptionError changes must be one of new, "),
}


@pytest.mark.parametrize("case", CASES)
def test_a_source_finds_its_collection_from_its_own_place(collections: Path, tmp_path: Path, case: str) -> None:
    source, given, sentence = CASES[case]
    root = collections / "ansible_collections" / "appsec" / "perimeter"
    path = root / "extensions" / "eda" / "plugins" / "event_source" / f"{source}.py"
    # -I: neither PYTHONPATH nor the folder of the test.
    command = [sys.executable, "-I", "-c", LOAD, str(path), repr(given)]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    said, place = done.stdout.splitlines()
    assert said.startswith(sentence), said
    assert place.startswith(str(root))
