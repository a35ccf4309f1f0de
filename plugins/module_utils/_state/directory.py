# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory for positions, baselines and caches: ``state_dir``.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import os
import pathlib
import stat
import typing as t

from .._base.errors import StateError
from .._base.files import reason

_FOLDER = "appsec.perimeter"
_HINT = "Give a folder that this user can write, with state_dir or PERIMETER_STATE_DIR."


def state_directory(option: str | None, environ: t.Mapping[str, str], *, create: bool = True) -> pathlib.Path:
    """Return the directory for everything that is kept between runs; a missing one is created with mode 0700.

    Args:
        option: the ``state_dir`` option, which already includes PERIMETER_STATE_DIR; None for the user's own directory.
        environ: the environment, for XDG_STATE_HOME.
        create: False for check mode, which creates nothing.

    Raises:
        StateError: the directory cannot be created, others can write to it, or the user has no home directory.
    """
    folder = pathlib.Path(os.path.expanduser(option)) if option else _own_folder(environ)
    if create:
        make_folder(folder)
    _check_owner(folder)
    return folder


def make_folder(folder: pathlib.Path) -> None:
    """Create a private folder in the state directory, or the state directory itself, if it is missing.

    Raises:
        StateError: the folder cannot be created.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"state_dir: cannot create {folder}: {reason(error)}.", hint=_HINT) from error


def warn_of_group(folder: pathlib.Path) -> list[str]:
    """A warning when the group can write to the state directory, as on Kubernetes volumes; otherwise an empty list."""
    told = _stat(folder)
    if told is None or not told.st_mode & stat.S_IWGRP:
        return []
    who = f"state_dir: every user of the group {told.st_gid} can write {folder}"
    return [f"{who}, and so change what counts as collected and delivered."]


def _check_owner(folder: pathlib.Path) -> None:
    """Refuse a folder in which others could place positions, or links that lead elsewhere."""
    told = _stat(folder)
    if told is None:
        return
    if told.st_mode & stat.S_IWOTH:
        raise StateError(
            f"state_dir: everybody can write {folder}.",
            hint="Give a folder that only this user can write, or remove the write permission of others (chmod o-w).",
        )
    if told.st_uid not in (os.geteuid(), 0) and told.st_gid not in {os.getegid(), *os.getgroups()}:
        raise StateError(
            f"state_dir: {folder} belongs to neither this user nor root nor a group of this user (its owner is"
            f" {told.st_uid}, its group {told.st_gid}).",
            hint="Give a folder of this user, or change its owner (chown).",
        )


def _stat(folder: pathlib.Path) -> os.stat_result | None:
    try:
        return folder.stat()
    except OSError:
        # A folder that cannot be examined cannot be used either; the caller gets the error when it tries.
        return None


def _own_folder(environ: t.Mapping[str, str]) -> pathlib.Path:
    base = environ.get("XDG_STATE_HOME")
    try:
        return (pathlib.Path(base) if base else pathlib.Path.home() / ".local" / "state") / _FOLDER
    except RuntimeError as error:
        # A container may run with a user id that belongs to no user.
        raise StateError("state_dir: this user has no home directory.", hint=_HINT) from error
