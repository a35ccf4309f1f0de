# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real certificates: whom we trust, who trusts us, and how a refusal is told."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests.utils
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError, TlsError, TransportError
from ansible_collections.appsec.perimeter.plugins.module_utils._http import pools

from .conftest import MakeSession, Pki
from .servers import FakeTime, Server


@pytest.fixture
def secure(pki: Pki) -> Iterator[Server]:
    with Server(tls=pki.server()) as running:
        yield running


def hashed_name(pem: bytes) -> str:
    """The name under which OpenSSL looks for a CA: a hash of its subject, each value in lower case and UTF-8."""

    def der(tag: int, content: bytes) -> bytes:
        return bytes([tag, len(content)]) + content

    canonical = b""
    for relative in x509.load_pem_x509_certificate(pem).subject.rdns:
        for item in relative:
            oid = x509.ObjectIdentifier(item.oid.dotted_string)
            arcs = [int(arc) for arc in oid.dotted_string.split(".")]
            encoded = bytes([arcs[0] * 40 + arcs[1], *arcs[2:]])
            text = " ".join(str(item.value).lower().split()).encode()
            canonical += der(0x31, der(0x30, der(0x06, encoded) + der(0x0C, text)))
    return f"{int.from_bytes(hashlib.sha1(canonical).digest()[:4], 'little'):08x}.0"


def get(server: Server, make: MakeSession, **options: object) -> int:
    return make(**options).request("GET", server.url, idempotent=True).status


def test_a_private_ca_from_a_file(secure: Server, make: MakeSession, pki: Pki) -> None:
    assert get(secure, make, ca_path=pki.ca_file) == 200


def test_a_private_ca_from_a_directory(secure: Server, make: MakeSession, pki: Pki, tmp_path: Path) -> None:
    pem = pki.ca.cert_pem.bytes()
    (tmp_path / "README").write_text("not a certificate")
    (tmp_path / hashed_name(pem)).write_bytes(pem)
    assert get(secure, make, ca_path=str(tmp_path)) == 200


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_private_ca_from_the_environment(
    secure: Server, make: MakeSession, pki: Pki, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, pki.ca_file)
    assert get(secure, make) == 200
    monkeypatch.setenv(name, "/nowhere/ca.pem")
    with pytest.raises(OptionError, match=f"{name} cannot be read: /nowhere/ca.pem: No such file"):
        get(secure, make)
    assert secure.connections == 1
    assert get(secure, make, ca_path=pki.ca_file) == 200


def test_an_unknown_ca_is_refused(secure: Server, make: MakeSession, fake: FakeTime) -> None:
    session = make()
    with pytest.raises(TlsError) as caught:
        session.request("POST", secure.url, idempotent=False)
    assert caught.value.message == (
        f"The certificate of https://127.0.0.1:{secure.port} is not trusted: unable to get local issuer certificate."
    )
    assert "ca_path" in caught.value.hint
    assert not caught.value.sent
    assert secure.seen == []
    assert fake.slept == []  # another try cannot help


def test_a_wrong_host_name_is_refused(make: MakeSession, pki: Pki) -> None:
    with (
        Server(tls=pki.server("other.example.com")) as server,
        pytest.raises(TlsError, match="it is for another host name") as caught,
    ):
        get(server, make, ca_path=pki.ca_file)
    assert "api_url" in caught.value.hint


def test_an_expired_certificate_is_refused(make: MakeSession, pki: Pki) -> None:
    context = pki.server(not_after=datetime.now(UTC) - timedelta(days=1))
    with Server(tls=context) as server, pytest.raises(TlsError, match="certificate has expired") as caught:
        get(server, make, ca_path=pki.ca_file)
    assert "clock" in caught.value.hint


def test_without_validation_anything_is_accepted_and_nobody_is_warned(
    secure: Server, make: MakeSession, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", pki.stranger_cert)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        assert get(secure, make, validate_certs=False) == 200
        assert get(secure, make, validate_certs=False, ca_path=pki.ca_file) == 200
        assert warnings.filters == before
    assert seen == []
    assert get(secure, make, validate_certs=False, ca_path=str(pki.folder)) == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate(make: MakeSession, pki: Pki, version: ssl.TLSVersion, tmp_path: Path) -> None:
    context = pki.server(client_cert=True)
    context.maximum_version = version
    both = tmp_path / "both.pem"
    both.write_bytes(Path(pki.client_cert).read_bytes() + Path(pki.client_key).read_bytes())
    with Server(tls=context) as server:
        good = {"ca_path": pki.ca_file, "client_cert": pki.client_cert, "client_key": pki.client_key}
        assert get(server, make, **good) == 200
        assert get(server, make, ca_path=pki.ca_file, client_cert=str(both)) == 200
        stranger = {"client_cert": pki.stranger_cert, "client_key": pki.stranger_key}
        for wrong in ({}, stranger):
            with pytest.raises(TlsError) as caught:
                make(ca_path=pki.ca_file, **wrong).request("POST", server.url, body=b"x" * 99999, idempotent=False)
            assert re.search("did not accept our client certificate|handshake failure", caught.value.message), wrong
            assert not caught.value.sent
        assert len(server.seen) == 2


def test_a_port_that_does_not_speak_tls(make: MakeSession, fake: FakeTime) -> None:
    def answer(connection: socket.socket) -> bool:
        connection.recv(9999)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return True

    with (
        Server(on_connect=answer) as server,
        pytest.raises(TlsError, match=r"does not speak TLS: (wrong version number|record layer failure)") as caught,
    ):
        make().request("GET", server.url.replace("http:", "https:"), idempotent=True)
    assert "port" in caught.value.hint
    assert fake.slept == []


def test_no_version_in_common(make: MakeSession, pki: Pki) -> None:
    context = pki.server()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Server(tls=context) as server, pytest.raises(TlsError, match="No TLS connection to https://127"):
        get(server, make, ca_path=pki.ca_file)


def test_a_handshake_that_is_cut_is_repeated_for_a_write(make: MakeSession, pki: Pki) -> None:
    cuts = [True, True]

    def cut(connection: socket.socket) -> bool:
        return bool(cuts) and cuts.pop()

    with Server(tls=pki.server(), on_connect=cut) as server:
        session = make(ca_path=pki.ca_file)
        assert session.request("POST", server.url, body=b"x", idempotent=False).status == 200
        assert len(server.seen) == 1
        assert server.connections == 3
        cuts[:] = [True] * 9
        with pytest.raises(TransportError, match="tried 2 times") as caught:
            make(ca_path=pki.ca_file, retries=1).request("POST", server.url, idempotent=False)
        assert not caught.value.sent


def test_a_handshake_that_never_ends(make: MakeSession, pki: Pki) -> None:
    silence = threading.Event()
    with Server(on_connect=lambda _connection: silence.wait(5)) as server:
        with pytest.raises(TransportError, match=r"No connection to https://127.0.0.1:.* within 0.2 seconds") as caught:
            make(retries=0, timeout=0.2).request("POST", server.url.replace("http:", "https:"), idempotent=False)
        assert not caught.value.sent
        silence.set()


def test_the_cas_are_not_read_before_they_are_needed(
    server: Server, make: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    monkeypatch.setattr(pools, "build_context", lambda *arguments, **options: read.append(arguments))
    assert get(server, make) == 200
    assert read == []


def test_connections_share_one_context(secure: Server, make: MakeSession, pki: Pki) -> None:
    session = make(ca_path=pki.ca_file)
    for _turn in range(3):
        session.request("GET", secure.url, idempotent=True)
        secure.drop_connections()
    assert secure.connections == session.stats.connections


@pytest.mark.parametrize("option", ["ca_path", "client_cert", "client_key"])
def test_files_that_are_not_there(make: MakeSession, pki: Pki, option: str) -> None:
    options = {"client_cert": pki.client_cert} if option == "client_key" else {}
    with pytest.raises(OptionError, match=f"{option} cannot be read: /nowhere: No such file"):
        make(**{**options, option: "/nowhere"})
    with pytest.raises(OptionError, match="not a usable path"):
        make(**{**options, option: "nul\0byte"})
    if option == "ca_path":
        with pytest.raises(OptionError, match="ca_path cannot be read"):
            make(ca_path="/nowhere", validate_certs=False)


def test_files_that_hold_something_else(make: MakeSession, pki: Pki, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("hello")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(OptionError, match="ca_path holds no certificate"):
        make(ca_path=str(text))
    with pytest.raises(OptionError, match="without hashed certificate names") as caught:
        make(ca_path=str(empty))
    assert "openssl rehash" in caught.value.hint
    with pytest.raises(OptionError, match="hold no usable certificate and key"):
        make(client_cert=str(text))
    with pytest.raises(OptionError, match="do not belong together"):
        make(client_cert=pki.client_cert, client_key=pki.stranger_key)
    with pytest.raises(OptionError, match="client_key is given without client_cert"):
        make(client_key=pki.client_key)


def test_a_directory_that_cannot_be_listed(make: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.listdir", fail)
    with pytest.raises(OptionError, match=r"ca_path cannot be read: .*: Permission denied"):
        make(ca_path=str(tmp_path))


def test_an_encrypted_key_does_not_ask_for_its_passphrase(make: MakeSession, pki: Pki, tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(Path(pki.client_key).read_bytes(), None)
    path = tmp_path / "encrypted.key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"c4n4ry"),
        )
    )
    with pytest.raises(OptionError, match="hold no usable certificate and key") as caught:
        make(client_cert=pki.client_cert, client_key=str(path))
    assert "passphrase" in caught.value.hint


def test_the_default_ca_is_the_one_of_requests(make: MakeSession, monkeypatch: pytest.MonkeyPatch, pki: Pki) -> None:
    monkeypatch.setattr(requests.utils, "DEFAULT_CA_BUNDLE_PATH", pki.ca_file)
    with Server(tls=pki.server()) as server:
        assert get(server, make) == 200
