# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describes database errors: the driver's name for an error, and its meaning in our words.

This module is private to the collection and may change at any time.

The text of an error may quote the record or the connection parameters, so it is only searched and never shown.
"""

from __future__ import annotations

_SQLITE = {
    "SQLITE_BUSY": "another program holds it",
    "SQLITE_CANTOPEN": "the file cannot be opened or created",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "the disk cannot be read or written",
    "SQLITE_LOCKED": "another program holds it",
    "SQLITE_NOTADB": "the file is not an SQLite database",
    "SQLITE_PERM": "permission denied",
    "SQLITE_READONLY": "this user may not write the file, or its file system is read-only",
}
"""Primary result codes, without their extensions."""
_CONNECTING = (
    ("connection refused", "nothing listens at that address and port"),
    ("could not translate host name", "the host name is unknown"),
    ("failed to resolve host", "the host name is unknown"),
    ("name or service not known", "the host name is unknown"),
    ("definition of service", "there is no such service in the service file"),
    ("timeout expired", "the server did not answer in time"),
    ("timed out", "the server did not answer in time"),
    ("no route to host", "the host cannot be reached"),
    ("network is unreachable", "the host cannot be reached"),
    ("no such file or directory", "there is no such file or socket"),
    ("certificate", "a certificate of the server or the client was not accepted"),
    ("does not support ssl", "the server does not speak TLS"),
    ("ssl", "the two sides did not agree on TLS"),
    ("password authentication failed", "the server refused the user or the password"),
    ("no password supplied", "the server requires a password"),
    ("no pg_hba.conf entry", "the server does not allow this user from this machine"),
    ("starting up", "the server is starting"),
    ("shutting down", "the server is stopping"),
    ("too many clients", "the server has too many connections"),
    ("closed the connection", "the server closed the connection"),
)
"""Parts of libpq's messages for a failed connection, which has no code; the first match wins."""


def name_of(error: Exception) -> str:
    """The driver's class of an error, with its code if it has one; never its text."""
    original = _original(error)
    codes = (getattr(original, "sqlite_errorname", None), getattr(original, "sqlstate", None))
    return " ".join([type(original).__name__, *(str(code) for code in codes if code)])


def words_for(error: Exception) -> str:
    """The name of an error, and its meaning if known."""
    means = _meaning(_original(error))
    return f"{name_of(error)}: {means}" if means else name_of(error)


def _original(error: Exception) -> Exception:
    found = getattr(error, "orig", None)
    return found if isinstance(found, Exception) else error


def _meaning(error: Exception) -> str:
    code = str(getattr(error, "sqlite_errorname", None) or "")
    if code:
        return _SQLITE.get("_".join(code.split("_")[:2]), "")
    if getattr(error, "sqlstate", None):
        # psycopg has a class for each of these codes, and its name is already shown.
        return ""
    text = str(error).lower()
    if "does not exist" in text and ("database" in text or "role" in text):
        return (
            "the server has no such database"
            if "database" in text.partition("fatal:")[2]
            else "the server has no such user"
        )
    return next((words for part, words in _CONNECTING if part in text), "")
