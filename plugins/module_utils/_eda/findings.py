# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source ``findings``: changes in the findings of the scanner.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

from .._http.session import ServiceClient
from .._records.model import SEVERITIES
from .._records.result import Result
from .._spool.disk.source import Identity
from .._state.directory import state_directory
from .arguments import COMMON, CONNECTION, Argument, Table, checked
from .delivery import Queue
from .finding_feed import OFFERED, FindingFeed
from .polling import guarded, run

TABLE: Table = {
    **CONNECTION,
    **COMMON,
    "interval": Argument(type="duration", default=900.0, least=1),
    "changes": Argument(type="strings", default=("new", "reopened", "escalated"), choices=OFFERED),
    "severities": Argument(type="strings", choices=tuple(SEVERITIES)),
    "filters": Argument(type="list"),
    "filters_strict": Argument(type="bool", default=True),
    "detail": Argument(default="verbose", choices=("summary", "verbose", "full")),
    "platform": Argument(),
    "api_url": Argument(),
    "username": Argument(),
    "password": Argument(),
    "client_id": Argument(),
    "client_secret": Argument(),
    "gateway_url": Argument(),
    "shared_limit": Argument(type="path", env="PERIMETER_SHARED_LIMIT"),
}
"""Every argument."""


class ScannerRoom(t.NamedTuple):
    """The name and the functions of the scanner's room that the source uses."""

    source: str
    connect: t.Callable[[t.Mapping[str, t.Any], t.Mapping[str, str]], t.Any]
    export: t.Callable[[t.Mapping[str, t.Any], t.Any, bool], Result]


async def main(queue: Queue, given: t.Mapping[str, t.Any], scanner: ScannerRoom) -> None:
    """Feed the engine until the task is cancelled.

    Args:
        queue: the engine's queue.
        given: the arguments of the rulebook.
        scanner: the scanner's room.

    Raises:
        PerimeterError: the source cannot start.
    """
    with guarded():
        arguments = checked(given, TABLE, os.environ)

        def connect() -> ServiceClient:
            return t.cast("ServiceClient", scanner.connect(arguments, os.environ))

        with scanner.connect(arguments, os.environ) as client:
            identity = _identity(scanner.source, client.connection, arguments)
        feed = FindingFeed(identity, arguments, state_directory(arguments["state_dir"], os.environ))

        def export(client: t.Any, path: pathlib.Path) -> Result:
            options = {**arguments, "dest": str(path), "since": None, "compress": False}
            return scanner.export(options, client, False)

        await run(
            queue, arguments, given, feed, connect,
            lambda client: feed.poll(lambda path: export(client, path)), "findings",
        )  # fmt: skip


def _identity(source: str, connection: t.Any, arguments: t.Mapping[str, t.Any]) -> Identity:
    parameters = {name: arguments[name] for name in ("filters", "detail", "sensitive", "include_raw")}
    account = f"{connection.api_url}/{connection.username or connection.client_id}"
    return Identity(source=source, account=account, stream="findings", parameters=parameters)
