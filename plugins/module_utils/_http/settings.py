# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options that all vendors share, and the checks on them.

This module is private to the collection and may change at any time.

Nothing here opens a connection. Messages name the option, and never repeat a value that can contain a credential (a
proxy URL, a URL with a user name).
"""

from __future__ import annotations

import base64
import ipaddress
import math
import os
import re
import typing as t
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from .._base.errors import OptionError

VERSION = "1.0.0"
USER_AGENT = f"appsec.perimeter/{VERSION}"
MAX_CONNECT_TIMEOUT = 15.0
"""Seconds. A host that has not completed a TCP or TLS handshake by then is unreachable."""
DEFAULT_PORTS = {"http": 80, "https": 443}

# A name has letters, digits, dots, hyphens and underscores. Other characters (a backslash, a control character, a
# percent sign) can make two URL parsers disagree about the host.
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?\Z")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True, repr=False)
class HttpSettings:
    """How to reach a vendor. Durations are seconds, sizes are bytes.

    Attributes:
        timeout: longest silence of the server; the connect time-out is ``min(timeout, 15)``, and a whole answer may
            take ten times as long.
        retries: attempts after the first.
        max_wait: one wall-clock budget for all waiting of a run (throttling, rate limit and retry pauses together).
        max_connections: ceiling of concurrent requests, and size of the connection pool.
        validate_certs: whether the certificate of the server must be trusted.
        ca_path: file with CA certificates, or directory with OpenSSL's hashed names; replaces the default CAs.
        client_cert: PEM file with our certificate (and its key, unless ``client_key`` is given).
        client_key: PEM file with the key of ``client_cert``.
        proxy: URL of the proxy; overrides the environment. ``NO_PROXY`` applies in both cases.
        allow_http: whether plain http may be used to a host that is not loopback.
        max_response_bytes: ceiling for one answer, after decompression.
    """

    timeout: float = 60.0
    retries: int = 5
    max_wait: float = 900.0
    max_connections: int = 4
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    proxy: str | None = None
    allow_http: bool = False
    max_response_bytes: int = 512 * 1024 * 1024

    def __repr__(self) -> str:
        """Shows all settings but the proxy, whose URL can contain a password."""
        shown = {name: value for name, value in vars(self).items() if name != "proxy"}
        shown["proxy"] = None if self.proxy is None else "(set)"
        return f"HttpSettings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def connect_timeout(self) -> float:
        """Seconds for a TCP or TLS handshake."""
        return min(self.timeout, MAX_CONNECT_TIMEOUT)


@dataclass(frozen=True)
class Proxy:
    """A proxy without its credentials (``url``), and the headers that carry them (never shown)."""

    url: str
    headers: t.Mapping[str, str] = field(repr=False)


def check_settings(settings: HttpSettings) -> None:
    """Check all settings that can be checked without a connection.

    Raises:
        OptionError: a value out of range, a file that cannot be read, a key without a certificate, a bad proxy URL.
    """
    _check_number("timeout", settings.timeout, above=0)
    _check_number("retries", settings.retries, least=0)
    _check_number("max_wait", settings.max_wait, least=0)
    _check_number("max_connections", settings.max_connections, least=1)
    _check_number("max_response_bytes", settings.max_response_bytes, least=1)
    if settings.client_key and not settings.client_cert:
        raise OptionError("client_key is given without client_cert.", hint="Give both, or neither.")
    for name in ("client_cert", "client_key"):
        path = getattr(settings, name)
        if path is not None:
            check_readable(name, path)
    if settings.proxy is not None:
        parse_proxy(settings.proxy, "proxy")


def _check_number(name: str, value: object, *, least: float = -math.inf, above: float = -math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise OptionError(f"{name} must be a number.")
    if value < least:
        raise OptionError(f"{name} must be at least {least:g}, not {value:g}.")
    if value <= above:
        raise OptionError(f"{name} must be more than {above:g}, not {value:g}.")


def check_readable(name: str, path: str) -> None:
    """Check that the file ``path``, given by the option or variable ``name``, can be read.

    Raises:
        OptionError: the file cannot be read.
    """
    try:
        with open(path, "rb") as handle:
            handle.read(1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise OptionError(
            f"{name} cannot be read: {path}: {reason}.", hint=f"Check the path given in {name}."
        ) from None


def is_loopback(host: str) -> bool:
    """Whether ``host`` (no brackets) is this machine: 127.0.0.0/8, ::1 or localhost."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin_of(scheme: str, host: str, port: int) -> str:
    """``scheme://host:port``, with the brackets of an IPv6 address: the form used in all messages."""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def split_host(url: str) -> tuple[SplitResult, str, int]:
    """Return the parts of a URL, its host in lower case, and its port.

    Raises:
        ValueError: not http or https, a missing or invalid host or port, a user name, or a character that is not
            allowed in a URL. Its text is part of a sentence and repeats nothing of the URL.
    """
    if _UNSAFE.search(url):
        raise ValueError("holds a character that a URL may not hold")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError("does not start with https://")
    if "@" in parts.netloc:
        raise ValueError("holds a user name or password")
    if port == 0 or not _usable_host(host, bracketed="[" in parts.netloc):
        raise ValueError("has no usable host name or port")
    return parts, host, port or DEFAULT_PORTS[parts.scheme]


def _usable_host(host: str, *, bracketed: bool) -> bool:
    if not bracketed:
        return _HOST.match(host) is not None
    try:
        return "%" not in host and ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def check_base_url(url: str, allow_http: bool = False, *, name: str = "api_url") -> str:
    """Check the address of a service, which is ``scheme://host[:port]`` with or without a final slash.

    Args:
        url: what the user gave.
        allow_http: whether plain http may be used to a host that is not loopback.
        name: the option, for the message.

    Returns:
        The address in lower case without the final slash; a path can be appended.

    Raises:
        OptionError: the address has another form, or is plain http to another machine.
    """
    hint = "Give scheme://host or scheme://host:port, for example https://api.example.com."
    try:
        parts, host, _port = split_host(url.strip())
    except ValueError as error:
        raise OptionError(f"{name} {error}.", hint=hint) from None
    if parts.path not in ("", "/") or "?" in url or "#" in url:
        raise OptionError(f"{name} holds more than scheme, host and port.", hint=hint)
    check_plain_http(parts.scheme, host, allow_http, name=name)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def check_plain_http(scheme: str, host: str, allow_http: bool, *, name: str = "api_url") -> None:
    """Refuse plain http to another machine: credentials would be sent in clear text.

    Raises:
        OptionError: the scheme is http, the host is not loopback, and ``allow_http`` is false.
    """
    if scheme == "http" and not allow_http and not is_loopback(host):
        raise OptionError(
            f"{name} uses plain http to {host}: the credentials could be read on the way.",
            hint="Use https, or set allow_http to true if you accept that.",
        )


def parse_proxy(text: str, name: str) -> Proxy:
    """Parse a proxy URL; ``host:port`` means ``http://host:port``.

    Args:
        text: the URL, which can contain credentials.
        name: the option or environment variable, for the message.

    Raises:
        OptionError: the text is not the URL of an http or https proxy. The message never repeats it.
    """
    text = text.strip()
    url = text if "://" in text else f"http://{text}"
    scheme, _sep, rest = url.partition("://")
    credentials, at, address = rest.rpartition("@")
    try:
        parts, host, port = split_host(f"{scheme.lower()}://{address}")
        if parts.path not in ("", "/") or parts.query or parts.fragment or "/" in credentials:
            raise ValueError("holds more than scheme, credentials, host and port")
    except ValueError as error:
        problem = str(error).replace("https://", "http:// or https://")
        raise OptionError(
            f"{name} is not a usable proxy: it {problem}.",
            hint="Give http://host:port or http://user:password@host:port.",
        ) from None
    headers = {"Proxy-Authorization": _basic(credentials)} if at else {}
    return Proxy(origin_of(parts.scheme, host, port), headers)


def _basic(credentials: str) -> str:
    user, _sep, password = credentials.partition(":")
    pair = f"{unquote(user)}:{unquote(password)}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def environment_ca(environ: t.Mapping[str, str] | None = None) -> tuple[str, str] | None:
    """The CA file or directory that the environment names, as (variable, path), or None.

    The first two are those that requests reads, in its order. ``SSL_CERT_FILE`` is OpenSSL's, which company images
    often set. They only choose the trusted CAs: none of them turns verification on again after ``validate_certs:
    false``, as ``REQUESTS_CA_BUNDLE`` does in a plain ``requests.Session``.
    """
    found = os.environ if environ is None else environ
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        if found.get(name):
            return name, found[name]
    return None


def settings_from(params: t.Mapping[str, t.Any]) -> HttpSettings:
    """Return the settings for the options of a task; an option that is missing or None keeps its default."""
    names = (
        "timeout",
        "retries",
        "max_wait",
        "max_connections",
        "validate_certs",
        "ca_path",
        "client_cert",
        "client_key",
        "proxy",
        "allow_http",
    )
    return HttpSettings(**{name: params[name] for name in names if params.get(name) is not None})
