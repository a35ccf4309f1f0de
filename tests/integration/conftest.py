# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the integration tests share: a sandbox, and the real ansible-playbook beside this Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.conftest import make_import_tree
from tests.integration.runner import Ansible
from tests.sandbox import Sandbox


@pytest.fixture(scope="session")
def collections_path() -> Path:
    """A folder in which Ansible finds the collection as it stands in this tree."""
    return make_import_tree()


@pytest.fixture
def ansible(tmp_path: Path, collections_path: Path) -> Ansible:
    """Runs playbooks in a folder of its own."""
    return Ansible(tmp_path, collections_path)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small estate of its own for each test."""
    with Sandbox(webapps=24, findings=300) as running:
        yield running


@pytest.fixture
def login(sandbox: Sandbox) -> dict[str, str]:
    """The environment that leads to the sandbox."""
    return login_to(sandbox)


@dataclass(frozen=True)
class Certificates:
    """Files of a private CA: its certificate, and the server's with its key."""

    ca: str
    certificate: str
    key: str


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A private CA that nobody trusts, and what it issued for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    files = Certificates(*(str(folder / name) for name in ("ca.pem", "server.pem", "server.key")))
    authority.cert_pem.write_to_path(files.ca)
    issued.private_key_pem.write_to_path(files.key)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(files.certificate, append=True)
    return files


@pytest.fixture
def tls_sandbox(certificates: Certificates) -> Iterator[Sandbox]:
    """A small estate behind TLS."""
    with Sandbox(webapps=24, findings=60, certfile=certificates.certificate, keyfile=certificates.key) as running:
        yield running


def login_to(sandbox: Sandbox) -> dict[str, str]:
    """The variables that lead to a sandbox."""
    return {
        "QUALYS_WAS_URL": sandbox.url,
        "QUALYS_WAS_USERNAME": sandbox.username,
        "QUALYS_WAS_PASSWORD": sandbox.password,
    }
