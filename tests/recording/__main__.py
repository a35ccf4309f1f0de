# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare with the recording, or renew it: ``python -m tests.recording [--write]``."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from . import compare


def main() -> int:
    """Returns the exit code: 1 when something differs and is not written."""
    parser = argparse.ArgumentParser(prog="python -m tests.recording", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew tests/recording/expected")
    write = parser.parse_args().write
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        compare.record(folder)
        everything = sorted(compare.names(folder) | compare.names(compare.EXPECTED))
        changed = {name: found for name in everything if (found := compare.difference(name, folder))}
        for found in changed.values():
            print(found)
        if write:
            shutil.rmtree(compare.EXPECTED, ignore_errors=True)
            shutil.copytree(folder, compare.EXPECTED)
    print(f"{len(changed)} of {len(everything)} files differ" + (", and are written" if write and changed else ""))
    return 1 if changed and not write else 0


if __name__ == "__main__":
    sys.exit(main())
