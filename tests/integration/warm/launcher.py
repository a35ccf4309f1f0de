# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interpreter that Ansible starts for each module: it hands its work to the warm Python of ``server.py``.

Where that one would be another Python, as with another locale or another ``PYTHONPATH``, it becomes a new Python
instead, as it does for arguments that are no script. It imports only what is built into Python.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FIXED_AT_START = ("PYTHON", "LC_", "LANG")
"""Variables with these beginnings take effect when Python starts, so the warm one has to have the same."""


def fixed(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """What must be the same in both."""
    return sorted(item for item in environment.items() if item[0].startswith(FIXED_AT_START))


def main(interpreter: str, address: str, served: list[tuple[str, str]]) -> None:
    """Hand the work over, and end with its exit status.

    Args:
        interpreter: the path of Python.
        address: the socket of the warm one.
        served: its variables that took effect when it started.
    """
    arguments = sys.argv[1:]
    if (arguments and arguments[0].startswith("-")) or fixed(os.environ) != served:
        os.execv(interpreter, [interpreter, *arguments])
    # The module `socket` takes longer to import than everything else here.
    import _socket

    umask = os.umask(0o077)
    os.umask(umask)
    request = marshal.dumps(
        {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd(), "umask": umask}
    )
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(address)
    sent = connection.sendmsg([request], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    connection.sendall(request[sent:])
    connection.shutdown(_socket.SHUT_WR)
    status = int(connection.recv(16) or b"1")
    if status < 0:
        os.kill(os.getpid(), -status)
    sys.exit(status)
