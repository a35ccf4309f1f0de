# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a Python that stays warm, and makes the program to start in its place: for modules, or for playbooks."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.integration.warm.launcher import fixed

HERE = Path(__file__).resolve().parent
LAUNCHER = """\
#!{python} -IS
import sys
sys.path.insert(0, {here!r})
import launcher
launcher.main({python!r}, {address!r}, {served!r})
"""


@functools.cache
def interpreter(kind: str, environment: tuple[tuple[str, str], ...]) -> str:
    """The path of a program that runs scripts as this Python would; the warm Python ends with this process.

    Args:
        kind: of scripts, ``modules`` or ``playbooks``.
        environment: of the warm Python. Scripts with other settings of Python get a Python of their own.
    """
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    address, program = folder / "socket", folder / "python"
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), str(address), kind],
        env=dict(environment) | {"HOME": str(folder), "ANSIBLE_HOME": str(folder / "home")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(_end, server, folder)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n", "the warm Python did not start"
    program.write_text(
        LAUNCHER.format(python=sys.executable, here=str(HERE), address=str(address), served=fixed(dict(environment))),
        encoding="utf-8",
    )
    program.chmod(0o755)
    return str(program)


def _end(server: subprocess.Popen[bytes], folder: Path) -> None:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.close()
    server.wait(10)
    server.stdout.close()
    shutil.rmtree(folder)
