# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source ``waf_events``: the events of a WAF as they arrive.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import os
import typing as t

from .._base.errors import OptionError
from .._http.session import ServiceClient
from .._spool.disk.source import Source
from .._state.directory import state_directory
from .arguments import COMMON, CONNECTION, Argument, Table, checked
from .delivery import Queue
from .log_feed import LogFeed
from .polling import guarded, run

_OWN: Table = {
    "vendor": Argument(choices=("edgecast", "scutum")),
    "interval": Argument(type="duration", default=60.0, least=1),
    "lag": Argument(type="duration", least=0),
    "overlap": Argument(type="duration", least=0),
    "api_url": Argument(),
}
_OF: t.Mapping[str, Table] = {
    "edgecast": {
        "account_number": Argument(),
        "token": Argument(),
        "event_filters": Argument(type="dict"),
    },
    "scutum": {
        "api_key": Argument(),
        "scutum_host": Argument(),
        "scutum_id": Argument(),
        "ip": Argument(),
        "details": Argument(default="none", choices=("none", "blocked_only", "first_n", "all")),
        "details_limit": Argument(type="int", least=0),
    },
}
TABLE: Table = {**CONNECTION, **COMMON, **_OWN, **_OF["edgecast"], **_OF["scutum"]}
"""Every argument."""


class Vendor(t.NamedTuple):
    """The functions of a vendor's room that the source uses."""

    connect: t.Callable[[t.Mapping[str, t.Any], t.Mapping[str, str]], ServiceClient]
    source: t.Callable[[t.Mapping[str, t.Any], t.Any], Source]


async def main(queue: Queue, given: t.Mapping[str, t.Any], vendors: t.Mapping[str, Vendor]) -> None:
    """Feed the engine until the task is cancelled.

    Args:
        queue: the engine's queue.
        given: the arguments of the rulebook.
        vendors: the vendors' rooms by name.

    Raises:
        PerimeterError: the source cannot start.
    """
    with guarded():
        arguments = checked(given, TABLE, os.environ)
        name = arguments["vendor"]
        if name is None:
            raise OptionError("vendor is missing.", hint="Give edgecast or scutum.")
        foreign = sorted(set(given) & {option for other, table in _OF.items() if other != name for option in table})
        if foreign:
            raise OptionError(f"{foreign[0]} is not an argument of {name}.")
        vendor = vendors[name]

        def connect() -> ServiceClient:
            return vendor.connect(arguments, os.environ)

        # This sends nothing: it determines the stream, and refuses missing options.
        with connect() as client:
            source = vendor.source(arguments, client)
        state = state_directory(arguments["state_dir"], os.environ)
        feed = LogFeed(source, arguments, state)
        await run(
            queue, arguments, given, feed, connect, lambda client: feed.poll(vendor.source(arguments, client)),
            f"waf_events ({name})",
        )  # fmt: skip
