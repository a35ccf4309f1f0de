# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the get-pip script of ansible-test, for networks in which only a package index can be reached.

``ansible-test sanity`` makes a virtual environment without pip for each test, and installs pip with a get-pip script,
which it downloads into ``~/.ansible/test/cache``. The nox sessions put this file there under the expected name if that
download is not possible. ansible-test runs it with get-pip's own arguments: requirement specifiers, options of pip, and
``--no-setuptools`` / ``--no-wheel``, which the standard library's ensurepip makes unnecessary.
"""

from __future__ import annotations

import subprocess
import sys

GET_PIP_ONLY = frozenset({"--no-setuptools", "--no-wheel"})
"""Options of get-pip that pip itself does not know."""


def main(arguments: list[str]) -> int:
    """Install pip into the running interpreter's environment, in the requested version.

    Args:
        arguments: command line of get-pip, without the program name.

    Returns:
        Exit status of the last pip command.
    """
    # In a separate process, because ensurepip disables pip's configuration for its own process.
    subprocess.run(
        [sys.executable, "-m", "ensurepip", "--upgrade", "--default-pip"], check=True, stdout=subprocess.DEVNULL
    )
    wanted = [argument for argument in arguments if argument not in GET_PIP_ONLY]
    if all(argument.startswith("-") for argument in wanted):
        return 0
    return subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", *wanted])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
