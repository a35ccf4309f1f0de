# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python that has started already: it forks for each module that Ansible runs, or for each ``ansible-playbook``.

Most of the time of a module goes into starting Python and importing what every module imports. This program has done
both: the standard library, requests, Ansible's own ``module_utils``, and the collection's (``collection.py``). Ansible
starts ``launcher.py`` in the place of Python. For ``ansible-playbook``, see ``controller.py``.

A request has the arguments, the environment, the folder and the umask, with the three standard streams as file
descriptors; the answer is the exit status. Both sides are the same Python, so that ``marshal`` is their format.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import marshal
import os
import pathlib
import select
import socket
import sys
import threading
import time
import traceback
import types
from typing import Any

from collection import Collection
from controller import Controller

IMPORTED = (
    "ansible.module_utils.basic",
    "ansible.module_utils.common.arg_spec",
    "ansible.module_utils.urls",
    "asyncio",
    "concurrent.futures.thread",
    "csv",
    "difflib",
    "email.message",
    "gzip",
    "jmespath",
    "orjson",
    "requests",
    "runpy",
    "shlex",
    "sqlite3",
    "ssl",
    "urllib3",
    "xml.etree.ElementTree",
    "zipfile",
)
"""What modules import, of everything that is not in the collection."""
REQUEST_S = 5
"""For one request, which a launcher sends at once."""


def main(address: str, kind: str) -> None:
    """Serve until standard input ends, which it does when the process that started this one has ended.

    Args:
        address: the socket.
        kind: what it runs, ``modules`` or ``playbooks``.
    """
    controller = Controller() if kind == "playbooks" else None
    if controller is None:
        for name in IMPORTED:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        Collection(pathlib.Path(os.environ["TEST_TREE"])).serve()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen(64)
        gc.collect()
        gc.freeze()
        print("ready", flush=True)
        Server(listener, controller).serve()


class Server:
    """Forks for each request, and answers it when the fork has ended."""

    def __init__(self, listener: socket.socket, controller: Controller | None) -> None:
        self._listener = listener
        self._controller = controller
        self._poll = select.poll()
        self._running: dict[int, tuple[int, socket.socket]] = {}

    def serve(self) -> None:
        """Serve until standard input ends."""
        self._poll.register(self._listener, select.POLLIN)
        self._poll.register(sys.stdin, select.POLLIN)
        while True:
            for number, _event in self._poll.poll():
                if number == sys.stdin.fileno():
                    return
                if number == self._listener.fileno():
                    self._begin(self._listener.accept()[0])
                else:
                    self._end(number)

    def _begin(self, connection: socket.socket) -> None:
        connection.settimeout(REQUEST_S)
        try:
            request, streams = _receive(connection)
        except (OSError, EOFError, ValueError, TypeError):
            # The launcher was killed before it had sent everything.
            connection.close()
            return
        connection.settimeout(None)
        child = os.fork()
        if child == 0:
            self._close(connection)
            _become(request, streams, self._controller)
        for stream in streams:
            os.close(stream)
        # It becomes readable when the process ends.
        handle = os.pidfd_open(child)
        self._poll.register(handle, select.POLLIN)
        self._running[handle] = (child, connection)

    def _close(self, connection: socket.socket) -> None:
        """Close, in a fork, what is the server's."""
        for inherited in (self._listener, connection, *(waiting for _child, waiting in self._running.values())):
            inherited.close()
        for handle in self._running:
            os.close(handle)

    def _end(self, handle: int) -> None:
        child, connection = self._running.pop(handle)
        self._poll.unregister(handle)
        os.close(handle)
        status = os.waitpid(child, 0)[1]
        # Whoever asked may have been killed meanwhile.
        with contextlib.suppress(OSError), connection:
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One request, which ends where the launcher stops sending, and the three streams that came with it."""
    streams = array.array("i")
    text, ancillary = connection.recvmsg(1 << 16, socket.CMSG_LEN(3 * streams.itemsize))[:2]
    for message in ancillary:
        streams.frombytes(message[2])
    while more := connection.recv(1 << 16):
        text += more
    return marshal.loads(text), list(streams)


def _become(request: dict[str, Any], streams: list[int], controller: Controller | None) -> None:
    """Turn this process into the one that the launcher was asked for. Never returns."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0, closefd=False)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    os.umask(request["umask"])
    time.tzset()
    if controller:
        controller.become(request["arguments"])
    os._exit(_run(request["arguments"]))


def _run(arguments: list[str]) -> int:
    """Run the script that the arguments name, or that standard input holds, to its end, as Python does."""
    sys.argv = arguments or [""]
    path = sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(path)) if path else ""
    script = types.ModuleType("__main__")
    sys.modules["__main__"] = script
    status = 0
    try:
        if path:
            script.__dict__["__file__"] = path
        with open(path, "rb") if path else contextlib.nullcontext(sys.stdin.buffer) as source:
            code = compile(source.read(), path or "<stdin>", "exec", dont_inherit=True)
        exec(code, script.__dict__)
    except SystemExit as end:
        status = _exit_status(end.code)
    except BaseException:  # noqa: BLE001  (as Python itself does)
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return status


def _exit_status(code: object) -> int:
    """What Python makes of the argument of ``sys.exit``."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    main(*sys.argv[1:])
