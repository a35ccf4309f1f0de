# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the get-pip script of ansible-test, for networks in which only a package index can be reached.

``ansible-test sanity`` makes a virtual environment without pip for each test, and installs pip with a get-pip script,
which it downloads into ``~/.ansible/test/cache``. The nox sessions put this file there under the expected name if that
download is not possible. ansible-test runs it with get-pip's own arguments: requirement specifiers, options of pip, and
``--no-setuptools`` / ``--no-wheel``, which the standard library's ensurepip makes needless.

One run of ansible-test makes half a dozen environments, and installing pip takes longer than most of its tests. The
packages of the first environment are kept beside the home folders of the sessions and copied into the next ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

GET_PIP_ONLY = frozenset({"--no-setuptools", "--no-wheel"})
"""Options of get-pip that pip itself does not know."""


def main(arguments: list[str]) -> int:
    """Install pip into the running interpreter's environment, in the requested version.

    Args:
        arguments: command line of get-pip, without the program name.

    Returns:
        Exit status of the last pip command.
    """
    packages = Path(sysconfig.get_path("purelib"))
    kept = _kept(arguments)
    if kept.is_dir():
        shutil.copytree(kept, packages, dirs_exist_ok=True)
        return 0
    status = _install(arguments)
    if status == 0:
        _keep(packages, kept)
    return status


def _kept(arguments: list[str]) -> Path:
    """Where the packages are kept that these arguments gave: they differ with the version of Python too."""
    asked = json.dumps([sys.version, arguments])
    return Path.home().parent / f"pip-{hashlib.sha256(asked.encode()).hexdigest()[:16]}"


def _keep(packages: Path, kept: Path) -> None:
    """Copy under a name of its own first: another session may do the same at this moment."""
    own = kept.with_name(f"{kept.name}.{os.getpid()}")
    shutil.copytree(packages, own)
    try:
        own.rename(kept)
    except OSError:
        shutil.rmtree(own)


def _install(arguments: list[str]) -> int:
    # In a process of its own: ensurepip turns pip's configuration off for the process that it runs in.
    subprocess.run(
        [sys.executable, "-m", "ensurepip", "--upgrade", "--default-pip"], check=True, stdout=subprocess.DEVNULL
    )
    wanted = [argument for argument in arguments if argument not in GET_PIP_ONLY]
    if all(argument.startswith("-") for argument in wanted):
        return 0
    return subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", *wanted])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
