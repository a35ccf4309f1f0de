# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the get-pip script of ansible-test, for networks that reach a package index and nothing else.

``ansible-test sanity`` makes a virtual environment without pip for each test and fills it with a get-pip script, which
it downloads into ``~/.ansible/test/cache``. The nox sessions put this file there under the expected name when that
download is not possible. ansible-test runs it with get-pip's own arguments: requirement specifiers, options of pip, and
``--no-setuptools`` / ``--no-wheel``, which the standard library's ensurepip makes needless.
"""

from __future__ import annotations

import subprocess
import sys

GET_PIP_ONLY = frozenset({"--no-setuptools", "--no-wheel"})
"""Options of get-pip that pip itself does not know."""


def main(arguments: list[str]) -> int:
    """Put pip into the running interpreter's environment, in the version asked for.

    Args:
        arguments: command line as get-pip would see it, without the program name.

    Returns:
        Exit status of the last pip command.
    """
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
