# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot is replaced as a whole or not at all, has the same bytes for the same data, and leaves nothing behind."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import threading
import typing as t
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base import files
from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError
from ansible_collections.appsec.perimeter.plugins.module_utils._base.files import StagedFile
from ansible_collections.appsec.perimeter.plugins.module_utils._records.files import snapshot as module
from ansible_collections.appsec.perimeter.plugins.module_utils._records.files.snapshot import (
    SnapshotWriter,
    manifest_path,
)

MANIFEST: Any = {"record": "manifest", "sha256": "x"}
LINES = [f'{{"n":{number}}}\n'.encode() for number in range(2000)]


def fill(snapshot: SnapshotWriter, order: tuple[int, ...] = (0, 1, 2)) -> None:
    for index in order:
        for line in LINES[index::3]:
            snapshot.part(index).write(line, 1)


def write(dest: Path, *, compress: bool = False, order: tuple[int, ...] = (0, 1, 2)) -> tuple[str, int]:
    with SnapshotWriter(dest, compress=compress) as snapshot:
        fill(snapshot, order)
        sealed = snapshot.seal()
        snapshot.commit(MANIFEST)
    return sealed


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def content(dest: Path) -> bytes:
    data = dest.read_bytes()
    return gzip.decompress(data) if dest.suffix == ".gz" else data


@pytest.mark.parametrize("name", ["findings.ndjson", "findings.ndjson.gz"])
def test_parts_are_joined_in_the_order_of_their_windows(tmp_path: Path, name: str) -> None:
    dest = tmp_path / name
    sha256, size = write(dest, compress=name.endswith(".gz"), order=(2, 0, 1))
    assert content(dest) == b"".join(LINES[0::3] + LINES[1::3] + LINES[2::3])
    assert (sha256, size) == (hashlib.sha256(dest.read_bytes()).hexdigest(), dest.stat().st_size)
    assert json.loads(manifest_path(dest).read_text()) == MANIFEST
    assert names(tmp_path) == [name, f"{name}.manifest.json"]


@pytest.mark.parametrize("compress", [False, True])
def test_the_same_data_has_the_same_bytes(tmp_path: Path, compress: bool) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert write(one, compress=compress) == write(two, compress=compress, order=(1, 2, 0))
    assert one.read_bytes() == two.read_bytes()


def test_a_compressed_snapshot_carries_neither_time_nor_name(tmp_path: Path) -> None:
    dest = tmp_path / "a.gz"
    write(dest, compress=True)
    head = dest.read_bytes()[:10]
    assert (head[:4], head[4:8]) == (b"\x1f\x8b\x08\x00", b"\x00\x00\x00\x00")


@pytest.mark.parametrize("name", ["none", "none.gz"])
def test_a_snapshot_of_nothing_is_an_empty_file(tmp_path: Path, name: str) -> None:
    dest = tmp_path / name
    with SnapshotWriter(dest, compress=name.endswith(".gz")) as snapshot:
        snapshot.part(0).write(b"", 0)
        snapshot.seal()
        snapshot.commit(MANIFEST)
    assert content(dest) == b""


def test_threads_write_their_parts_side_by_side(tmp_path: Path) -> None:
    with SnapshotWriter(tmp_path / "a", compress=False) as snapshot:
        threads = [threading.Thread(target=fill, args=(snapshot, (index,))) for index in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert snapshot.records == len(LINES)
        snapshot.seal()
        snapshot.commit(MANIFEST)
    assert content(tmp_path / "a").count(b"\n") == len(LINES)


def test_reading_again_starts_from_nothing(tmp_path: Path) -> None:
    with SnapshotWriter(tmp_path / "a", compress=False) as snapshot:
        fill(snapshot)
        snapshot.restart()
        assert snapshot.records == 0
        snapshot.part(0).write(b"{}\n", 1)
        snapshot.seal()
        snapshot.commit(MANIFEST)
    assert content(tmp_path / "a") == b"{}\n"


@pytest.mark.parametrize("stage", ["new", "written", "sealed"])
def test_leaving_without_a_commit_leaves_everything_as_it_was(tmp_path: Path, stage: str) -> None:
    dest = tmp_path / "a"
    write(dest)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}

    def fail() -> None:
        with SnapshotWriter(dest, compress=False) as snapshot:
            if stage != "new":
                snapshot.part(0).write(b"other\n", 1)
            if stage == "sealed":
                snapshot.seal()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_a_snapshot_says_whether_it_differs_from_the_file(tmp_path: Path) -> None:
    dest = tmp_path / "a"
    with SnapshotWriter(dest, compress=False) as snapshot:
        fill(snapshot)
        sha256, _size = snapshot.seal()
        assert snapshot.would_change(sha256)
        snapshot.commit(MANIFEST)
        assert not snapshot.would_change(sha256)
        assert snapshot.would_change("0" * 64)


def test_an_existing_file_that_cannot_be_read_counts_as_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    dest = tmp_path / "a"
    dest.write_bytes(b"")
    monkeypatch.setattr(module, "sha256_of", refuse)
    with SnapshotWriter(dest, compress=False) as snapshot:
        assert snapshot.would_change("0" * 64)


def test_a_commit_before_the_seal_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with SnapshotWriter(tmp_path / "a", compress=False) as snapshot, pytest.raises(ValueError):
        snapshot.commit(MANIFEST)


def test_permissions_are_private_and_those_of_an_existing_file_stay(tmp_path: Path) -> None:
    dest = tmp_path / "a"
    write(dest)
    assert [path.stat().st_mode & 0o777 for path in (dest, manifest_path(dest))] == [0o600, 0o600]
    dest.chmod(0o644)
    write(dest, order=(0,))
    assert dest.stat().st_mode & 0o777 == 0o644


def test_a_target_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"^dest: .* does not exist\."):
        SnapshotWriter(tmp_path / "missing" / "a", compress=False)
    with pytest.raises(FileError, match=r"^out: .* is a directory\."):
        SnapshotWriter(tmp_path, compress=False, option="out")


def test_a_manifest_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    dest = tmp_path / "a"
    dest.write_bytes(b"old")
    manifest_path(dest).mkdir()
    with pytest.raises(FileError, match=r"^dest: .*a\.manifest\.json is a directory\."):
        SnapshotWriter(dest, compress=False)
    assert dest.read_bytes() == b"old"
    with pytest.raises(FileError, match="name too long"):
        SnapshotWriter(tmp_path / ("n" * 245), compress=False)


class FullDisk(StagedFile):
    """A temporary file on a disk without room."""

    def __init__(self, target: Path, **options: Any) -> None:
        super().__init__(target, **options)
        self.file.close()
        self.file = open("/dev/full", "wb", buffering=self.room)  # noqa: SIM115

    room = 0


class AlmostFullDisk(FullDisk):
    """A disk that only fails when the buffer is written out."""

    room = 1 << 20


@pytest.mark.parametrize("disk", [FullDisk, AlmostFullDisk])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("when", ["parts", "joining"])
def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: type[StagedFile], compress: bool, when: str
) -> None:
    dest = tmp_path / "a"
    dest.write_bytes(b"old")
    if when == "parts":

        def full(**_options: t.Any) -> t.BinaryIO:
            return open("/dev/full", "wb", buffering=disk.room)

        monkeypatch.setattr(module.tempfile, "TemporaryFile", full)

    def make() -> None:
        with SnapshotWriter(dest, compress=compress) as snapshot:
            fill(snapshot)
            if when == "joining":
                monkeypatch.setattr(module, "StagedFile", disk)
            snapshot.seal()

    with pytest.raises(FileError, match=r"^dest: writing .* failed: no space left on device\.") as caught:
        make()
    assert "MiB free" in caught.value.hint
    assert dest.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_folder_that_vanishes_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with SnapshotWriter(folder / "a", compress=False) as snapshot:
        folder.rmdir()
        with pytest.raises(FileError, match="no such file or directory"):
            snapshot.part(0)


@pytest.mark.parametrize("fails_on", ["a", "a.manifest.json"])
def test_a_rename_that_fails_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_on: str
) -> None:
    dest = tmp_path / "a"
    write(dest)
    before = dest.read_bytes()
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == fails_on:
            raise OSError(errno.EIO, "Input/output error")
        real(source, target)

    with SnapshotWriter(dest, compress=False) as snapshot:
        snapshot.part(0).write(b"new\n", 1)
        sha256, _size = snapshot.seal()
        monkeypatch.setattr(files.os, "replace", replace)
        with pytest.raises(FileError, match="input/output error") as caught:
            snapshot.commit({**MANIFEST, "sha256": sha256})
    # Either nothing happened, or the old manifest does not fit the new file, and the message says so.
    assert ("An existing file is unchanged" in caught.value.hint) is (fails_on == "a")
    assert ("was replaced" in caught.value.message) is (fails_on != "a")
    assert names(tmp_path) == ["a", "a.manifest.json"]
    assert dest.read_bytes() == (before if fails_on == "a" else b"new\n")
    assert json.loads(manifest_path(dest).read_text())["sha256"] == "x"


class Crash(BaseException):
    """The process is gone: nothing after this instant runs."""


@pytest.mark.parametrize("instant", range(3))
def test_a_crash_at_any_instant_of_a_commit_never_leaves_a_manifest_that_fits_a_wrong_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instant: int
) -> None:
    dest = tmp_path / "a"
    with SnapshotWriter(dest, compress=False) as snapshot:
        snapshot.part(0).write(b"old\n", 1)
        snapshot.commit({**MANIFEST, "sha256": snapshot.seal()[0]})
    steps = 0
    real_replace, real_sync = os.replace, module.sync_directory

    def step(work: Any) -> Any:
        def run(*arguments: Any) -> None:
            nonlocal steps
            if steps == instant:
                raise Crash
            steps += 1
            work(*arguments)

        return run

    snapshot = SnapshotWriter(dest, compress=False)
    snapshot.part(0).write(b"new\n", 1)
    sha256, _size = snapshot.seal()
    monkeypatch.setattr(files.os, "replace", step(real_replace))
    monkeypatch.setattr(module, "sync_directory", step(real_sync))
    with pytest.raises(Crash):
        snapshot.commit({**MANIFEST, "sha256": sha256})
    monkeypatch.undo()
    data = dest.read_bytes()
    assert data in (b"old\n", b"new\n")
    fits = json.loads(manifest_path(dest).read_text())["sha256"] == hashlib.sha256(data).hexdigest()
    assert fits == (instant in (0, 2))
    snapshot.__exit__()


def test_a_manifest_that_cannot_be_staged_leaves_the_old_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dest = tmp_path / "a"
    write(dest)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    with SnapshotWriter(dest, compress=False) as snapshot:
        snapshot.part(0).write(b"new\n", 1)
        snapshot.seal()
        monkeypatch.setattr(module, "StagedFile", FullDisk)
        with pytest.raises(FileError, match="no space left") as caught:
            snapshot.commit(MANIFEST)
    assert "An existing file is unchanged" in caught.value.hint
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_an_export_that_is_killed_leaves_no_parts(tmp_path: Path) -> None:
    snapshot = SnapshotWriter(tmp_path / "a", compress=False)
    fill(snapshot)
    assert names(tmp_path) == []
    snapshot.__exit__()


def test_what_is_under_construction_has_a_name_that_engines_skip(tmp_path: Path) -> None:
    with SnapshotWriter(tmp_path / "a", compress=False) as snapshot:
        fill(snapshot)
        snapshot.seal()
        assert names(tmp_path)
        assert all(name.startswith(".") for name in names(tmp_path))
