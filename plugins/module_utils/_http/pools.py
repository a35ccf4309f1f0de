# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection pools: the only module that uses urllib3's pools.

This module is private to the collection and may change at any time.

urllib3 is used directly, without ``requests.Session``. A session follows redirects, reads netrc, keeps cookies and
merges settings and environment on each call, all of which would have to be switched off. It also hides whether a
request had been sent when its connection failed, which decides whether a write may be repeated. requests supplies the
CA bundle and the rules of ``NO_PROXY``.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
import traceback
import typing as t
from dataclasses import dataclass

from .._base.errors import MissingLibrary, OptionError
from .deadline import Deadline
from .settings import (
    HttpSettings,
    Proxy,
    check_plain_http,
    check_settings,
    is_loopback,
    origin_of,
    parse_proxy,
    split_host,
)
from .tls import build_context

try:
    import requests.utils
    import urllib3
    import urllib3.connection
    import urllib3.connectionpool

    HAS_REQUESTS = True
    REQUESTS_IMPORT_ERROR: str | None = None
except ImportError:
    HAS_REQUESTS = False
    REQUESTS_IMPORT_ERROR = traceback.format_exc()


ALERT_TIMEOUT = 1.0
"""Seconds to wait for the alert that says why a connection ended during a write."""


class Trace(threading.local):
    """What happened to the connection during the current attempt of this thread.

    ``opened``: a new connection was made for it. ``sent``: a byte of the request (not of a proxy handshake) was written
    to the socket, so from here on the server may have acted. ``greeted``: a proxy was reached and asked for a tunnel.
    ``total``: connections that this thread has opened. ``deadline``: when the attempt has to be over.
    """

    opened = False
    sent = False
    greeted = False
    total = 0
    deadline: Deadline | None = None

    def reset(self, deadline: Deadline | None = None) -> None:
        """Forget the previous attempt."""
        self.opened = self.sent = self.greeted = False
        self.deadline = deadline


@dataclass(frozen=True)
class Route:
    """The connections to one origin.

    Attributes:
        origin: scheme, host and port.
        pool: urllib3's pool for it.
        proxy: the proxy in between, or None.
        absolute: whether the request line carries the whole URL, as a proxy for plain http requires.
    """

    origin: str
    pool: t.Any
    proxy: Proxy | None
    absolute: bool


class QueryFilter(logging.Filter):
    """Removes query strings from urllib3's debug log: some services expect their key there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Remove the text after a question mark, and let the record pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
        return True


_QUERY_FILTER = QueryFilter()


def _classes(trace: Trace, verified: bool) -> dict[str, t.Any]:
    """Pool classes by scheme that report to ``trace``. Made here, because their base classes may not be installed."""

    class Tracked:
        """Mixin: note when a connection is opened and when it first carries a request."""

        sock: t.Any
        _opening = False

        def connect(self) -> None:
            self._opening = True
            try:
                super().connect()  # type: ignore[misc]
            finally:
                self._opening = False
            trace.opened = True
            trace.total += 1

        def send(self, data: t.Any) -> None:
            # http.client opens plain connections from within send(); and connect() itself uses send() to greet a proxy.
            if self.sock is None and not self._opening:
                self.connect()
            if trace.deadline is not None:
                trace.deadline.watch(self.sock)
            if self._opening:
                trace.greeted = True
                super().send(data)  # type: ignore[misc]
                return
            trace.sent = True
            try:
                super().send(data)  # type: ignore[misc]
            except ssl.SSLError:
                self._raise_alert()
                raise

        def _raise_alert(self) -> None:
            # With TLS 1.3 a server may refuse our certificate after we have started to write, and then close. The write
            # fails with "end of file" only; the alert with the reason has to be read.
            with contextlib.suppress(TimeoutError):
                self.sock.settimeout(ALERT_TIMEOUT)
                self.sock.recv(1)

    class PlainConnection(Tracked, urllib3.connection.HTTPConnection):
        pass

    class TlsConnection(Tracked, urllib3.connection.HTTPSConnection):
        pass

    class PlainPool(urllib3.connectionpool.HTTPConnectionPool):
        ConnectionCls = PlainConnection

    class TlsPool(urllib3.connectionpool.HTTPSConnectionPool):
        ConnectionCls = TlsConnection

    class UncheckedTlsPool(TlsPool):
        """Without urllib3's warning for each connection: the user turned verification off, and a filter is global."""

        def _validate_conn(self, conn: t.Any) -> None:
            if conn.sock is None:
                conn.connect()

    return {"http": PlainPool, "https": TlsPool if verified else UncheckedTlsPool}


def _check_plain_proxy(proxy: Proxy, host: str) -> None:
    """Refuse plain http through a proxy on another machine, which could read the request.

    Raises:
        OptionError: the proxy is not on this machine.
    """
    if not is_loopback(split_host(proxy.url)[1]):
        raise OptionError(
            f"proxy: plain http to {host} would pass through {proxy.url}: the credentials could be read on the way.",
            hint="Leave out proxy, list the host in NO_PROXY, use https, or set allow_http to true if you accept that.",
        )


class Pools:
    """All connections of a session. Thread-safe.

    Args:
        settings: the connection options.

    Raises:
        OptionError: an option that cannot be used.
        MissingLibrary: requests is not installed.
    """

    def __init__(self, settings: HttpSettings) -> None:
        if not HAS_REQUESTS:
            raise MissingLibrary("requests", REQUESTS_IMPORT_ERROR or "")
        check_settings(settings)
        self.trace = Trace()
        self._settings = settings
        self._classes = _classes(self.trace, settings.validate_certs)
        self._context: ssl.SSLContext | None = None
        if settings.ca_path or settings.client_cert:
            self._server_context()  # report an invalid option at once
        self._own_proxy = None if settings.proxy is None else parse_proxy(settings.proxy, "proxy")
        self._lock = threading.Lock()
        self._routes: dict[tuple[str, str, int], Route] = {}
        self._managers: dict[str, t.Any] = {}
        logger = logging.getLogger("urllib3.connectionpool")
        if _QUERY_FILTER not in logger.filters:
            logger.addFilter(_QUERY_FILTER)

    def locate(self, url: str) -> tuple[Route, str, str]:
        """Find the connections for a URL.

        Returns:
            The route, the path, and the path with its query.

        Raises:
            OptionError: an invalid URL, plain http to another machine, or an invalid proxy.
        """
        try:
            parts, host, port = split_host(url)
        except ValueError as error:
            raise OptionError(f"The address of the request {error}.", hint="Check api_url.") from None
        key = (parts.scheme, host, port)
        route = self._routes.get(key)
        if route is None:
            with self._lock:
                route = self._routes.setdefault(key, self._open(*key))
        path = parts.path or "/"
        return route, path, f"{path}?{parts.query}" if parts.query else path

    def _open(self, scheme: str, host: str, port: int) -> Route:
        check_plain_http(scheme, host, self._settings.allow_http)
        origin = origin_of(scheme, host, port)
        proxy = self._proxy_for(origin, host)
        if proxy is not None and scheme == "http" and not self._settings.allow_http:
            _check_plain_proxy(proxy, host)
        manager = self._manager(proxy)
        options = {**manager.connection_pool_kw, **self._tls_options(scheme, proxy)}
        pool = manager.connection_from_host(host, port, scheme, pool_kwargs=options)
        return Route(origin, pool, proxy, absolute=proxy is not None and scheme == "http")

    def _tls_options(self, scheme: str, proxy: Proxy | None) -> dict[str, t.Any]:
        verify = "CERT_REQUIRED" if self._settings.validate_certs else "CERT_NONE"
        if scheme == "https":
            return {"ssl_context": self._server_context(), "cert_reqs": verify}
        if proxy is not None and proxy.url.startswith("https:"):
            # For plain requests through a TLS proxy, urllib3 1.26 takes the TLS options from the pool.
            return {"ssl_context": self._proxy_context(), "cert_reqs": verify}
        return {}

    def _manager(self, proxy: Proxy | None) -> t.Any:
        key = "" if proxy is None else proxy.url
        if key not in self._managers:
            common: dict[str, t.Any] = {"num_pools": 100, "maxsize": self._settings.max_connections, "block": True}
            if proxy is None:
                manager: t.Any = urllib3.PoolManager(**common)
            else:
                manager = self._proxy_manager(proxy, common)
            manager.pool_classes_by_scheme = self._classes
            self._managers[key] = manager
        return self._managers[key]

    def _proxy_manager(self, proxy: Proxy, common: dict[str, t.Any]) -> t.Any:
        if proxy.url.startswith("https:"):
            common["proxy_ssl_context"] = self._proxy_context()
        return urllib3.ProxyManager(proxy.url, proxy_headers=dict(proxy.headers), **common)

    def _server_context(self) -> ssl.SSLContext:
        # Built when it is needed: reading the CAs of requests takes some 20 ms.
        if self._context is None:
            self._context = self._new_server_context()
        return self._context

    def _new_server_context(self) -> ssl.SSLContext:
        # urllib3 1.26 does not pass a host that is an IP address to OpenSSL, and checks it itself; but not for a proxy.
        check_name = not str(getattr(urllib3, "__version__", "")).startswith("1.")
        return build_context(self._settings, requests.utils.DEFAULT_CA_BUNDLE_PATH, check_name=check_name)

    def _proxy_context(self) -> ssl.SSLContext:
        return build_context(self._settings, requests.utils.DEFAULT_CA_BUNDLE_PATH, with_client_cert=False)

    def _proxy_for(self, origin: str, host: str) -> Proxy | None:
        """The proxy for an origin, from the option or the environment; ``NO_PROXY`` exempts hosts from both.

        The environment's proxy is for the network, so it does not apply to loopback.
        """
        if self._own_proxy is not None:
            return None if requests.utils.should_bypass_proxies(origin, no_proxy=None) else self._own_proxy
        if is_loopback(host):
            return None
        proxies = requests.utils.get_environ_proxies(origin, no_proxy=None)
        chosen = requests.utils.select_proxy(origin, proxies)
        scheme = origin.partition(":")[0].upper()
        return parse_proxy(chosen, f"{scheme}_PROXY or ALL_PROXY") if chosen else None

    def close(self) -> None:
        """Close all idle connections."""
        for manager in self._managers.values():
            manager.clear()
