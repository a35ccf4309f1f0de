# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other inputs of a run: the applications, and the options of the stream.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import os
import pathlib
import typing as t

from .._base.errors import FileError, OptionError
from .._records.coerce import bounded
from .._records.files.ndjson import Unreadable, read_documents
from .._records.files.snapshot_reader import Record
from .._spool.disk.options import Options, read_options
from .._spool.disk.source import Timing

_WEBAPPS = "Give the webapps that qualys_was_webapp_info returned, or the path of a JSON file of it."
_NO_TIME = dt.timedelta(0)
_SNAPSHOTS = Timing(lag=_NO_TIME, overlap=_NO_TIME, window=_NO_TIME)
"""A snapshot is not read by windows of time."""

Params = t.Mapping[str, t.Any]


def stream_options(params: Params) -> Options:
    """Return the options of the stream's directory.

    Raises:
        OptionError: an option is invalid.
    """
    return read_options(params, _SNAPSHOTS)


def option_path_of(text: t.Any) -> pathlib.Path:
    """Return the path that an option gives."""
    return pathlib.Path(os.path.expanduser(str(text)))


def read_webapps(given: t.Any) -> list[Record] | None:
    """Return the applications; None if none were given.

    Args:
        given: a list of applications, or the path of a file: JSON or NDJSON, or a result with the key ``webapps``.

    Raises:
        OptionError: it is neither a list nor a path.
        FileError: the file cannot be read, or contains something else.
    """
    if given is None or given == "":
        return None
    if isinstance(given, list):
        found = given
    elif isinstance(given, str):
        found = _from_file(option_path_of(given))
    else:
        raise OptionError("webapps is neither a list nor a path.", hint=_WEBAPPS)
    if not all(isinstance(item, dict) and bounded(item.get("id")) for item in found):
        raise OptionError("webapps holds something that is not an application with an id.", hint=_WEBAPPS)
    return found


def _from_file(path: pathlib.Path) -> list[t.Any]:
    try:
        documents = read_documents(path)
    except Unreadable as error:
        raise FileError(f"webapps: {path} cannot be read: {error}.", hint=_WEBAPPS) from error
    if len(documents) == 1 and isinstance(documents[0], dict) and isinstance(documents[0].get("webapps"), list):
        listed: list[t.Any] = documents[0]["webapps"]
        return listed
    return documents
