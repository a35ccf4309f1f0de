# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place for positions, baselines and caches: ``state_dir``.

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
    """The folder for everything that outlives a run; created private when it is missing.

    Args:
        option: the ``state_dir`` option, which already includes PERIMETER_STATE_DIR; None for the user's own folder.
        environ: the environment, for XDG_STATE_HOME.
        create: False for check mode, which leaves a missing folder missing.

    Raises:
        StateError: the folder cannot be created, or the user has no folder of its own.
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
        # A container may run as a number that no user has.
        raise StateError("state_dir: this user has no home directory.", hint=_HINT) from error
