# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates, servers and sessions for the tests of the HTTP room."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests.utils
import trustme

from ansible_collections.appsec.perimeter.plugins.module_utils._http.session import HttpSession
from ansible_collections.appsec.perimeter.plugins.module_utils._http.settings import HttpSettings

from .servers import FakeTime, Server

ENVIRONMENT = [
    *(f"{scheme}_proxy" for scheme in ("http", "https", "all", "no")),
    *(f"{scheme}_PROXY" for scheme in ("HTTP", "HTTPS", "ALL", "NO")),
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NETRC",
]


class Pki:
    """A private CA, a stranger's CA, and the files of both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.stranger = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.ca_file)
        self.stranger_ca_file = str(folder / "stranger-ca.pem")
        self.stranger.cert_pem.write_to_path(self.stranger_ca_file)
        self.client_cert, self.client_key = self.pair(self.ca, "client")
        self.stranger_cert, self.stranger_key = self.pair(self.stranger, "stranger")

    def pair(self, ca: trustme.CA, name: str) -> tuple[str, str]:
        issued = ca.issue_cert(f"{name}@example.com")
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        issued.cert_chain_pems[0].write_to_path(str(cert))
        issued.private_key_pem.write_to_path(str(key))
        return str(cert), str(key)

    def server(self, *names: str, client_cert: bool = False, **kwargs: Any) -> ssl.SSLContext:
        """The context of a server with a certificate for ``names``, by default 127.0.0.1 and localhost."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*(names or ("127.0.0.1", "localhost")), **kwargs).configure_cert(context)
        if client_cert:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        return context


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, pki: Pki) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    # One CA instead of the real 140, because reading those takes longer than most tests.
    monkeypatch.setattr(requests.utils, "DEFAULT_CA_BUNDLE_PATH", pki.stranger_ca_file)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def fake() -> FakeTime:
    return FakeTime()


MakeSession = Callable[..., HttpSession]


@pytest.fixture
def make(fake: FakeTime) -> Iterator[MakeSession]:
    """Makes sessions whose waits take no time; keywords of the session are taken out, the rest are settings."""
    sessions: list[HttpSession] = []

    def make_session(**options: Any) -> HttpSession:
        own = {key: options.pop(key) for key in list(options) if key not in HttpSettings.__dataclass_fields__}
        own = {"clock": fake.clock, "sleep": fake.sleep, **own}
        session = HttpSession(HttpSettings(**{"timeout": 5.0, **options}), **own)
        sessions.append(session)
        return session

    yield make_session
    for session in sessions:
        session.close()
