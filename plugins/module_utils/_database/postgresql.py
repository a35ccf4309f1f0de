# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Determines the servers that libpq connects to, and the TLS parameters for them.

This module is private to the collection and may change at any time.

The host of a URL is not always the server: ``?host=`` and ``?hostaddr=`` override it, a service file and the
environment supply what is missing, and each of them may name several servers. So libpq itself is asked. Its answer is
checked, and the connection is made to exactly those servers.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import traceback
import typing as t
from urllib.parse import quote

from .._base.errors import MissingLibrary, OptionError
from .._http.settings import check_readable, environment_ca, is_loopback

try:
    from psycopg import ProgrammingError, pq
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
except ImportError:
    HAS_PSYCOPG = False
    PSYCOPG_IMPORT_ERROR = traceback.format_exc()
else:
    HAS_PSYCOPG = True
    PSYCOPG_IMPORT_ERROR = ""

DEFAULT_PORT = "5432"
_ADDRESS = ("host", "hostaddr", "port")


class Server(t.NamedTuple):
    """One server that libpq may connect to; ``host`` is empty for the local socket."""

    host: str
    port: str

    @property
    def local(self) -> bool:
        """Whether the traffic stays on this machine."""
        return not self.host or self.host.startswith(("/", "@")) or is_loopback(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        return host if self.port == DEFAULT_PORT or not host else f"{host}:{self.port}"


class PostgresqlParameters:
    """A database of PostgreSQL, as libpq understands the parameters.

    Args:
        given: the parameters, as the driver would pass them to libpq.
        option: the option that gave them, for messages.

    Raises:
        OptionError: libpq rejects them.
        MissingLibrary: psycopg is not installed.
    """

    def __init__(self, given: t.Mapping[str, t.Any], option: str) -> None:
        if not HAS_PSYCOPG:
            raise MissingLibrary("psycopg", PSYCOPG_IMPORT_ERROR)
        try:
            explicit = conninfo_to_dict(make_conninfo(**given))
        except (ProgrammingError, ValueError, TypeError):
            # The error's text may quote the parameters, including the password.
            raise OptionError(
                f"{option} has a parameter that PostgreSQL does not know, or a value that is invalid.",
                hint="See the connection parameters of libpq.",
            ) from None
        told = {name: str(value) for name, value in explicit.items() if value is not None}
        self._effective = _defaults(told.get("service")) | told

    @property
    def servers(self) -> list[Server]:
        """All servers that libpq may connect to. ``hostaddr`` overrides ``host``, which is then only a name."""
        hosts, addresses, ports = (self._effective.get(name, "").split(",") for name in _ADDRESS)
        count = max(len(hosts), len(addresses))
        return [
            Server(
                _at(addresses, place) or _at(hosts, place),
                (_at(ports, place) if ports[1:] else ports[0]) or DEFAULT_PORT,
            )
            for place in range(count)
        ]

    @property
    def database(self) -> str:
        """Name of the database; libpq's default is the name of the user."""
        return self._effective.get("dbname") or self._effective.get("user") or ""

    def address(self) -> str:
        """The address of the database, without user, password and other parameters."""
        return f"postgresql+psycopg://{','.join(map(str, self.servers))}/{quote(self.database, safe='')}"

    def arguments(self, asked: t.Collection[str], options: t.Mapping[str, t.Any]) -> dict[str, str]:
        """Return the parameters to add, so that libpq connects to exactly the checked servers, with TLS where needed.

        Args:
            asked: names of the parameters in the URL itself.
            options: the connection options of the task.

        Raises:
            OptionError: the CA file cannot be read.
        """
        pinned = {name: self._effective[name] for name in _ADDRESS if self._effective.get(name)}
        if "sslmode" in asked or options.get("allow_http") or all(server.local for server in self.servers):
            return pinned
        if options.get("validate_certs") is False:
            return pinned | {"sslmode": "require"}
        wanted = pinned | {"sslmode": "verify-full"}
        ca = None if "sslrootcert" in asked else self._authorities(options)
        return wanted | {"sslrootcert": ca} if ca else wanted

    def _authorities(self, options: t.Mapping[str, t.Any]) -> str | None:
        """The CA file to use; None leaves the choice to libpq."""
        given = options.get("ca_path")
        if given:
            check_readable("ca_path", str(given))
            return str(given)
        if self._effective.get("sslrootcert"):
            return None
        named = environment_ca()
        path = named[1] if named else ssl.get_default_verify_paths().cafile
        return path if path and os.path.isfile(path) else None


def _at(values: t.Sequence[str], place: int) -> str:
    return values[place] if place < len(values) else ""


def _defaults(service: str | None) -> dict[str, str]:
    """The values that libpq uses for missing parameters: from the service file, then from the environment."""
    with _named(service):
        return {
            option.keyword.decode(): option.val.decode("utf-8", "replace")
            for option in pq.Conninfo.get_defaults()
            if option.val
        }


@contextlib.contextmanager
def _named(service: str | None) -> t.Iterator[None]:
    """Set PGSERVICE meanwhile: libpq reports the values of a service only if the environment names it."""
    before = os.environ.get("PGSERVICE")
    if service:
        os.environ["PGSERVICE"] = service
    try:
        yield
    finally:
        if before is not None:
            os.environ["PGSERVICE"] = before
        elif service:
            del os.environ["PGSERVICE"]
