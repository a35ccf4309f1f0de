# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quarantine: a file for records that the receiver will never accept, so that they do not block the others.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

from .._base.errors import FileError
from .._base.files import PRIVATE, reason
from .._records.codec import dump_line
from .._records.times import now_text
from .sink import Rejected

_CHUNK = 1 << 16


def append(path: pathlib.Path, rejected: t.Iterable[Rejected]) -> int:
    """Append records to the quarantine durably; the position moves past them afterwards.

    Returns:
        The number of records.

    Raises:
        FileError: the file cannot be written.
    """
    lines = [
        dump_line(
            {
                "record": "quarantined",
                "schema": 1,
                "at": now_text(),
                "segment": item.segment,
                "line": item.number,
                "reason": f"{item.reason}: {item.detail}" if item.detail else item.reason,
                "text": item.line.decode("utf-8", "replace"),
            }
        )
        for item in rejected
    ]
    if not lines:
        return 0
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
        with os.fdopen(descriptor, "r+b") as file:
            file.seek(_whole(file))
            file.truncate()
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FileError(
            f"The quarantine {path} cannot be written: {reason(error)}.",
            hint="The position stays before the records that belong there.",
        ) from error
    return len(lines)


def _whole(file: t.BinaryIO) -> int:
    """Return the number of bytes up to the end of the last complete line.

    An incomplete line, left by a full disk, is cut off: the position never moved past its record, so it is sent again.
    """
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _CHUNK)
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0
