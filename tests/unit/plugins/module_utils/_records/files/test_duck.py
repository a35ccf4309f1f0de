# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DuckDB is held to the folders and the memory that it was given, and says in our words what it lacks."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError, MissingLibrary
from ansible_collections.appsec.perimeter.plugins.module_utils._records.files import duck


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temp'orary"
    folder.mkdir()
    return folder


def test_it_reads_what_it_was_given_and_nothing_else(tmp_path: Path, temporary: Path) -> None:
    inside, file, outside = tmp_path / "in", tmp_path / "one.csv", tmp_path / "in-not"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.csv").write_text("a\n1\n")
    file.write_text("a\n2\n")
    with duck.open_duck(temporary, [inside], files=[file]) as connection:
        for path in (inside / "a.csv", file):
            assert connection.execute(f"SELECT a FROM read_csv({duck.quoted(path)})").fetchone()
        for path in (outside / "a.csv", Path("/etc/passwd")):
            with pytest.raises(duckdb.PermissionException):
                connection.execute(f"SELECT * FROM read_csv({duck.quoted(path)})")
        for statement in ("SET enable_external_access = true", "SET memory_limit = '9GB'", "INSTALL httpfs"):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)


def test_what_does_not_fit_in_memory_goes_to_the_temporary_folder_and_is_removed(temporary: Path) -> None:
    with duck.open_duck(temporary, memory="32MiB") as connection:
        connection.execute("CREATE TABLE t AS SELECT md5(i::VARCHAR) AS a FROM range(1200000) r(i)")
        assert any(temporary.iterdir())
        assert connection.execute("SELECT count(a) FROM t").fetchone() == (1200000,)
    assert not any(temporary.iterdir())


def test_too_little_memory_is_an_error_of_ours(temporary: Path) -> None:
    with pytest.raises(FileError, match="too little memory"), duck.open_duck(temporary, memory="8MiB") as connection:
        connection.execute("SELECT list(i ORDER BY md5(i::VARCHAR)) FROM range(5000000) r(i)").fetchall()


def test_times_are_utc(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with duck.open_duck(temporary) as connection:
        assert connection.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)


@pytest.mark.parametrize("version", ["1.4.9", "0.10.0", "", "next"])
def test_a_version_that_is_too_old_counts_as_missing(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(duckdb, "__version__", version)
    with pytest.raises(MissingLibrary, match=r"duckdb >= 1\.5"), duck.open_duck(temporary):
        pass


def test_without_the_library_there_is_the_error_of_the_house(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duck, "HAS_DUCKDB", False)
    with pytest.raises(MissingLibrary, match="duckdb"), duck.open_duck(temporary):
        pass
