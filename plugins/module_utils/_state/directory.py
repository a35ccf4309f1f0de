# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory for positions, baselines and caches: ``state_dir``.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

from .._base.errors import StateError
from .._base.files import reason

_FOLDER = "appsec.perimeter"
_HINT = "Give a folder that this user can write, with state_dir or PERIMETER_STATE_DIR."


def state_directory(option: str | None, environ: t.Mapping[str, str], *, create: bool = True) -> pathlib.Path:
    """Return the directory for everything that is kept between runs; a missing one is created, mode 0700.

    Args:
        option: the ``state_dir`` option, which already includes PERIMETER_STATE_DIR; None for the user's own directory.
        environ: the environment, for XDG_STATE_HOME.
        create: False for check mode, which creates nothing.

    Raises:
        StateError: the directory cannot be created, or the user has none.
    """
    folder = pathlib.Path(os.path.expanduser(option)) if option else _own_folder(environ)
    if not create:
        return folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"state_dir: cannot create {folder}: {reason(error)}.", hint=_HINT) from error
    return folder


def _own_folder(environ: t.Mapping[str, str]) -> pathlib.Path:
    base = environ.get("XDG_STATE_HOME")
    try:
        return (pathlib.Path(base) if base else pathlib.Path.home() / ".local" / "state") / _FOLDER
    except RuntimeError as error:
        # A container may run with a user id that belongs to no user.
        raise StateError("state_dir: this user has no home directory.", hint=_HINT) from error
