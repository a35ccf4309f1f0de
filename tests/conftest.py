# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the collection importable under the name that Ansible gives it.

``.build/ansible_collections/appsec/perimeter`` is a link to the repository root, and ``.build`` goes first on the
import path. So a test imports ``ansible_collections.appsec.perimeter.plugins...``, exactly as AnsiballZ names the files
of a module on its way to the target.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMPORT_TREE = ROOT / ".build"


def make_import_tree() -> Path:
    """Create the import tree if it is not there yet.

    Returns:
        The directory to put on the import path, or into ANSIBLE_COLLECTIONS_PATH.
    """
    link = IMPORT_TREE / "ansible_collections" / "appsec" / "perimeter"
    link.parent.mkdir(parents=True, exist_ok=True)
    # Two sessions may start at the same time, so the other one may have made it meanwhile.
    with contextlib.suppress(FileExistsError):
        link.symlink_to(Path("..") / ".." / "..", target_is_directory=True)
    if link.resolve() != ROOT:
        raise RuntimeError(f"{link} does not lead to {ROOT}: remove {IMPORT_TREE} and start again.")
    return IMPORT_TREE


if str(make_import_tree()) not in sys.path:
    sys.path.insert(0, str(IMPORT_TREE))


def pytest_collection() -> None:
    """What is collected lives to the end, so looking for garbage in it is of no use."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From here on, only objects of the tests are searched for garbage, and less often: most are still in use."""
    gc.freeze()
    gc.set_threshold(20_000, 20)
    gc.enable()
