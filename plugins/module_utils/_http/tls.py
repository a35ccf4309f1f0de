# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One TLS context per session.

This module is private to the collection and may change at any time.

The context is built once: reading a bundle of CAs takes some 10 ms, and urllib3 would do it for each new connection.
This also reports every file error before the first request.
"""

from __future__ import annotations

import os
import re
import ssl

from .._base.errors import OptionError
from .settings import HttpSettings, check_readable, environment_ca

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+\Z")


def build_context(
    settings: HttpSettings, default_ca: str, *, check_name: bool = True, with_client_cert: bool = True
) -> ssl.SSLContext:
    """Build the context of a session.

    ``validate_certs: false`` takes precedence. Otherwise the trusted CAs come from ``ca_path``, else from the
    environment (``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``, ``SSL_CERT_FILE``), else from ``default_ca``.

    Args:
        settings: the connection options.
        default_ca: the bundle that requests would use.
        check_name: False when urllib3 compares the host name itself, as version 1.26 does.
        with_client_cert: whether to load ``client_cert``; a TLS proxy is not shown our certificate.

    Raises:
        OptionError: a file or directory is missing, or contains nothing usable.
    """
    # Not ssl.create_default_context(): since Python 3.13 it sets VERIFY_X509_STRICT, which refuses many private CAs
    # that lack an extension. TLS 1.2 is the minimum of this constructor too.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    if settings.validate_certs:
        context.check_hostname = check_name
        _trust(context, settings, default_ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if settings.ca_path is not None and not os.path.isdir(settings.ca_path):
            check_readable("ca_path", settings.ca_path)
    if with_client_cert and settings.client_cert is not None:
        _load_client_cert(context, settings.client_cert, settings.client_key)
    return context


def _trust(context: ssl.SSLContext, settings: HttpSettings, default_ca: str) -> None:
    if settings.ca_path:
        name, path = "ca_path", settings.ca_path
    else:
        name, path = environment_ca() or ("the CA bundle of requests", default_ca)
    try:
        if os.path.isdir(path):
            _check_directory(name, path)
            context.load_verify_locations(capath=path)
        else:
            check_readable(name, path)
            context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise OptionError(f"{name} holds no certificate: {path}.", hint="It must be a file in PEM format.") from None


def _check_directory(name: str, path: str) -> None:
    """Refuse a directory without OpenSSL's hashed file names: OpenSSL silently ignores files with other names."""
    try:
        usable = any(_HASHED.match(entry) for entry in os.listdir(path))
    except OSError as error:
        raise OptionError(f"{name} cannot be read: {path}: {error.strerror}.") from None
    if not usable:
        raise OptionError(
            f"{name} is a directory without hashed certificate names: {path}.",
            hint=f"Run: openssl rehash {path}, or give a file.",
        )


def _load_client_cert(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    try:
        # Without a callback, OpenSSL asks on the terminal for the passphrase of an encrypted key, and waits.
        context.load_cert_chain(cert, key, password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError) as error:
        mismatch = "MISMATCH" in (getattr(error, "reason", None) or "")
        problem = "do not belong together" if mismatch else "hold no usable certificate and key"
        raise OptionError(
            f"client_cert and client_key {problem}: {cert}, {key or cert}.",
            hint="Both must be in PEM format, and the key must not have a passphrase.",
        ) from None
