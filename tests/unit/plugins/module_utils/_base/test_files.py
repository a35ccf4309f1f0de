# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are either wholly there or not at all, and the one folder for state."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base import files
from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError, StateError
from ansible_collections.appsec.perimeter.plugins.module_utils._base.files import (
    StagedFile,
    check_target,
    reason,
    replace_file,
    sha256_of,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._state import directory
from ansible_collections.appsec.perimeter.plugins.module_utils._state.directory import state_directory


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_appears_only_when_its_block_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "data"
    with replace_file(target) as file:
        file.write(b"new")
        file.flush()
        assert not target.exists()
        assert all(name.startswith(".data.") for name in names(tmp_path))
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["data"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "data"
    target.write_bytes(b"old")

    def fail() -> None:
        with replace_file(target) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["data"]


def test_a_new_file_is_private_and_a_replaced_one_keeps_its_permissions(tmp_path: Path) -> None:
    new, old, asked = tmp_path / "new", tmp_path / "old", tmp_path / "asked"
    old.write_bytes(b"")
    old.chmod(0o640)
    for path, wanted in ((new, None), (old, None), (asked, 0o644)):
        with replace_file(path, mode=wanted):
            pass
    assert [mode(path) for path in (new, old, asked)] == [0o600, 0o640, 0o644]


def test_a_file_that_cannot_be_given_its_permissions_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _mode: int) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuse)
    with pytest.raises(OSError, match="not permitted"):
        StagedFile(tmp_path / "data")
    assert names(tmp_path) == []


def test_discarding_is_harmless_after_a_commit_and_twice(tmp_path: Path) -> None:
    staged = StagedFile(tmp_path / "data")
    staged.file.write(b"x")
    staged.commit()
    staged.close()
    staged.discard()
    staged.discard()
    assert (tmp_path / "data").read_bytes() == b"x"


def test_the_folder_is_made_durable_after_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[Path, bool]] = []
    monkeypatch.setattr(files, "sync_directory", lambda folder: synced.append((folder, (tmp_path / "data").is_file())))
    with replace_file(tmp_path / "data"):
        pass
    assert synced == [(tmp_path, True)]


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "data"
    data = b"abc" * 700_000
    path.write_bytes(data)
    assert sha256_of(path) == hashlib.sha256(data).hexdigest()
    path.write_bytes(b"")
    assert sha256_of(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_good_target_leaves_no_trace_of_the_check(tmp_path: Path) -> None:
    check_target(tmp_path / "data", "dest")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "is a directory"),
        ("missing/data", "does not exist"),
        ("file/data", "does not exist"),
        ("n" * 300, "cannot be used"),
        ("nul\0byte", "cannot be used"),
        ("pipe", "is not a regular file"),
        ("link", "is a symbolic link"),
        ("dangling", "is a symbolic link"),
    ],
)
def test_a_target_that_cannot_be_written_is_one_sentence_about_the_option(
    tmp_path: Path, path: str, words: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    with pytest.raises(FileError, match=words) as caught:
        check_target(tmp_path / path, "dest")
    assert caught.value.message.startswith("dest: ")
    assert caught.value.hint


def test_a_folder_without_write_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    with pytest.raises(FileError, match=r"dest: cannot write in .*: permission denied\.") as caught:
        check_target(tmp_path / "data", "dest")
    assert str(tmp_path) in caught.value.message


def test_a_folder_that_may_not_be_searched_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path, **_options: object) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(FileError, match=r"^dest: .*permission denied"):
        check_target(tmp_path / "data", "dest")


@pytest.mark.parametrize(
    ("error", "words"),
    [(OSError(errno.ENOSPC, "No space left on device"), "no space left on device"), (OSError("odd"), "oserror")],
)
def test_the_reason_is_in_the_words_of_the_system(error: OSError, words: str) -> None:
    assert reason(error) == words


def test_the_state_folder_is_the_option_else_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    given = state_directory(str(tmp_path / "given" / "deep"), {"XDG_STATE_HOME": "/nowhere"})
    xdg = state_directory(None, {"XDG_STATE_HOME": str(tmp_path / "xdg")})
    home = state_directory(None, {})
    tilde = state_directory("~/other", {})
    assert given == tmp_path / "given" / "deep"
    assert xdg == tmp_path / "xdg" / "appsec.perimeter"
    assert home == tmp_path / "home" / ".local" / "state" / "appsec.perimeter"
    assert tilde == tmp_path / "home" / "other"
    assert [mode(folder) for folder in (given, xdg, home, tilde)] == [0o700] * 4


def test_a_state_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(StateError, match=r"^state_dir: cannot create ") as caught:
            state_directory(str(place), {})
        assert "PERIMETER_STATE_DIR" in caught.value.hint


def test_a_user_without_a_home_is_told_to_give_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(directory.pathlib.Path, "home", homeless)
    with pytest.raises(StateError, match="state_dir") as caught:
        state_directory(None, {})
    assert "PERIMETER_STATE_DIR" in caught.value.hint


def test_an_unknown_user_in_the_path_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert state_directory("~no-such-user-here/state", {}).is_dir()


def test_a_state_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    for permissions in (0o777, 0o1777, 0o702, 0o722):
        tmp_path.chmod(permissions)
        for create in (True, False):
            with pytest.raises(StateError, match=r"^state_dir: everybody can write") as caught:
                state_directory(str(tmp_path), {}, create=create)
            assert "chmod o-w" in caught.value.hint


@pytest.mark.parametrize(
    ("owner", "group", "fits"),
    [("me", "mine", True), ("root", "another", True), ("another", "mine", True), ("another", "another", False)],
)
def test_a_state_folder_belongs_to_this_user_or_root_or_a_group_of_theirs(
    tmp_path: Path, owner: str, group: str, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path.stat()
    users, groups = {"me": 1001, "root": 0, "another": 1002}, {"mine": 2001, "another": 2002}
    made = os.stat_result((told.st_mode, *told[1:4], users[owner], groups[group], *told[6:]))
    monkeypatch.setattr(directory.os, "geteuid", lambda: 1001)
    monkeypatch.setattr(directory.os, "getegid", lambda: 1001)
    monkeypatch.setattr(directory.os, "getgroups", lambda: [2001])
    monkeypatch.setattr(Path, "stat", lambda _path, **_options: made)
    if fits:
        assert state_directory(str(tmp_path), {}, create=False) == tmp_path
    else:
        with pytest.raises(StateError, match="neither this user nor root nor a group"):
            state_directory(str(tmp_path), {}, create=False)


@pytest.mark.parametrize(("permissions", "count"), [(0o700, 0), (0o750, 0), (0o770, 1), (0o2775, 1)])
def test_a_state_folder_that_its_group_can_write_gives_a_warning(tmp_path: Path, permissions: int, count: int) -> None:
    tmp_path.chmod(permissions)
    assert len(directory.warn_of_group(state_directory(str(tmp_path), {}))) == count
    assert directory.warn_of_group(tmp_path / "missing") == []


def test_a_file_is_not_read_through_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"data")
    link.symlink_to(real)
    assert files.read_unlinked(real) == b"data"
    with pytest.raises(OSError, match="symbolic links") as caught:
        files.read_unlinked(link)
    assert reason(caught.value) == "it is a symbolic link"


def test_why_nothing_can_be_written_is_the_mount_or_the_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert files.unwritable(tmp_path) is None
    monkeypatch.setattr(files.os, "access", lambda _path, _mode: False)
    assert files.unwritable(tmp_path) == "permission denied"
    told = os.statvfs(tmp_path)
    read_only = os.statvfs_result((*tuple(told)[:8], told.f_flag | os.ST_RDONLY, *tuple(told)[9:]))
    monkeypatch.setattr(files.os, "statvfs", lambda _path: read_only)
    assert files.unwritable(tmp_path) == "its file system is mounted read-only"
