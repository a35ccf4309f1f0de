# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real receivers, one of each for the session."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import trustme
from psycopg import sql

from .servers import Rsyslog, postgresql, rsyslog


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that another user can enter: pytest's own are closed, and PostgreSQL does not run as root."""
    with tempfile.TemporaryDirectory(prefix="receivers-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="session")
def database_url(folder: Path) -> Iterator[str]:
    """A PostgreSQL of our own."""
    with postgresql(folder / "postgresql") as url:
        yield url


@pytest.fixture
def history_url(database_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A schema of its own in that PostgreSQL."""
    schema = f"history_{abs(hash(request.node.name))}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        yield f"{database_url}?options=-csearch_path%3D{schema}"
        connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_path(folder: Path, authority: trustme.CA) -> Path:
    """Its certificate."""
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def syslog(folder: Path, request: pytest.FixtureRequest) -> Iterator[Rsyslog]:
    """An rsyslog on plain TCP."""
    with rsyslog(folder / request.node.name) as running:
        yield running


@pytest.fixture
def syslog_tls(folder: Path, ca_path: Path, authority: trustme.CA, request: pytest.FixtureRequest) -> Iterator[Rsyslog]:
    """An rsyslog on TLS, whose certificate is for 127.0.0.1."""
    path = folder / f"{request.node.name}.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    with rsyslog(folder / request.node.name, ca=ca_path, certificate=path) as running:
        yield running
