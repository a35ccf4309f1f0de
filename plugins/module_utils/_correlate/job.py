# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checked options of ``correlate``.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import pathlib
import typing as t

from .._base.errors import OptionError
from .._records.times import parse_duration

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
Params = t.Mapping[str, t.Any]

_LONGEST = 36_600 * 86_400


@dataclasses.dataclass(frozen=True)
class Scanners:
    """Sources whose events are known tests.

    Attributes:
        networks: networks of their addresses; a single address is a network of one.
        agents: patterns of their user agents in the syntax of SQL's LIKE, with ``\\`` before literal wildcards.
    """

    networks: tuple[Network, ...] = ()
    agents: tuple[str, ...] = ()

    def has(self, address: str) -> bool:
        """Whether an address belongs to a scanner; False for a text that is not an address."""
        try:
            found = ipaddress.ip_address(address.strip().strip("[]"))
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self.networks if network.version == found.version)


@dataclasses.dataclass(frozen=True)
class CorrelationJob:
    """The checked options of a run.

    Attributes:
        findings: the snapshots.
        events: streams, files and folders of a lake.
        since: time from which events count; None for all of them.
        now: when the run began.
        scanners: the sources whose events are tests.
        dest: the file of matches.
    """

    findings: tuple[pathlib.Path, ...]
    events: tuple[pathlib.Path, ...]
    since: dt.datetime | None
    now: dt.datetime
    scanners: Scanners
    dest: pathlib.Path


def job_from(params: Params, now: dt.datetime) -> CorrelationJob:
    """Read the options.

    Raises:
        OptionError: an option is invalid.
    """
    for option in ("findings", "events"):
        if not params[option]:
            raise OptionError(f"{option} is empty.", hint="Give at least one path.")
    return CorrelationJob(
        findings=_paths(params["findings"]),
        events=_paths(params["events"]),
        since=_since(params.get("window"), now),
        now=now,
        scanners=_scanners(params.get("scanner_sources") or {}),
        dest=pathlib.Path(params["dest"]).expanduser().absolute(),
    )


def _paths(given: t.Iterable[str]) -> tuple[pathlib.Path, ...]:
    # A path that is given twice counts once, because its events happened once.
    return tuple(dict.fromkeys(pathlib.Path(path).expanduser().absolute() for path in given))


def _since(window: str | None, now: dt.datetime) -> dt.datetime | None:
    if not window:
        return None
    try:
        seconds = parse_duration(window)
    except ValueError as error:
        raise OptionError(f"window: {error}.") from error
    if not 0 < seconds <= _LONGEST:
        raise OptionError(f"window: {window} is not a valid span of time.", hint="Give more than 0, such as 30d.")
    return (now - dt.timedelta(seconds=seconds)).replace(microsecond=0)


def _scanners(given: Params) -> Scanners:
    networks = [
        _network(text, f"scanner_sources.{kind}[{number}]")
        for kind in ("addresses", "networks")
        for number, text in enumerate(given.get(kind) or ())
    ]
    agents = [
        _pattern(text, f"scanner_sources.user_agents[{number}]")
        for number, text in enumerate(given.get("user_agents") or ())
    ]
    return Scanners(tuple(networks), tuple(agents))


def _network(text: str, where: str) -> Network:
    try:
        found = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise OptionError(
            f"{where}: {text!r} is neither an address nor a network.",
            hint="Give one such as 192.0.2.7 or 192.0.2.0/24.",
        ) from None
    if not found.prefixlen:
        raise OptionError(f"{where}: {text!r} matches everything.", hint="Name the networks that scanners are in.")
    return found


def _pattern(text: str, where: str) -> str:
    if not text.strip("* "):
        raise OptionError(f"{where}: {text!r} matches everything.", hint="Give a part of the text, such as *Scanner/*.")
    for sign in ("\\", "%", "_"):
        text = text.replace(sign, f"\\{sign}")
    return text.replace("*", "%")
