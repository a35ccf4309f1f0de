# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as a user installs it, a database for the engine, and a sandbox with a log."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.conftest import ROOT
from tests.eda.rulebook import Place
from tests.receivers.servers import postgresql


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which ansible-galaxy installed the artifact."""
    folder = tmp_path_factory.mktemp("installed")
    galaxy = [str(Path(sys.executable).parent / "ansible-galaxy"), "collection"]
    subprocess.run(
        [*galaxy, "build", "--force", "--output-path", str(folder)], cwd=ROOT, check=True, capture_output=True
    )
    (artifact,) = folder.glob("appsec-perimeter-*.tar.gz")
    target = ["--collections-path", str(folder / "collections"), "--offline", "--no-deps"]
    subprocess.run([*galaxy, "install", str(artifact), *target], cwd=folder, check=True, capture_output=True)
    return folder / "collections"


@pytest.fixture
def place(collections: Path, tmp_path: Path) -> Place:
    """Where one test runs its rulebooks."""
    return Place(collections, tmp_path)


@pytest.fixture(scope="session")
def database() -> Iterator[dict[str, Any]]:
    """The variables that lead the engine to a PostgreSQL of our own."""
    with tempfile.TemporaryDirectory(prefix="eda-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with postgresql(folder / "postgresql") as url:
            # Rulebooks are killed here and the database is not, so it need not wait for the disk.
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET synchronous_commit = off")
                connection.execute("SELECT pg_reload_conf()")
            parts = urlsplit(url)
            yield {
                "drools_db_host": parts.hostname,
                "drools_db_port": parts.port,
                "drools_db_name": parts.path.lstrip("/"),
                "drools_db_user": parts.username,
                "drools_db_password": parts.password,
            }
