# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records which stream a directory contains, in the hidden file ``.stream.json``.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import secrets
import typing as t

from ..._base.errors import StateError
from ..._records.times import now_text
from ..._state.document import StateDocument
from .source import Identity

STREAM_FILE = ".stream.json"
VERSION = 1
RESTORE_STREAM = "Restore it from a backup, or move the directory away and begin a new one."
"""The hint for a damaged file in a directory of a stream."""


@dataclasses.dataclass(frozen=True)
class Stream:
    """The content of the hidden file.

    Attributes:
        identity: hash of the identity, which depends on nothing else.
        owner: random number of this directory, which the position contains too.
        about: the identity as plain data: source, account, stream and parameters.
    """

    identity: str
    owner: str
    about: dict[str, t.Any]


def describe(identity: Identity) -> dict[str, t.Any]:
    """Return an identity as plain data, in a fixed order."""
    about = {
        "source": identity.source,
        "account": identity.account,
        "stream": identity.stream,
        "parameters": dict(identity.parameters),
    }
    plain: dict[str, t.Any] = json.loads(json.dumps(about, sort_keys=True, default=str))
    return plain


def identity_hash(identity: Identity) -> str:
    """Return 32 hexadecimal digits that hash an identity."""
    return hashlib.sha256(json.dumps(describe(identity), sort_keys=True).encode()).hexdigest()[:32]


def new_owner() -> str:
    """Return a random name for a directory."""
    return secrets.token_hex(16)


def read_stream_document(dest: pathlib.Path) -> Stream | None:
    """Return the content of a directory's hidden file, or None if there is none.

    Raises:
        StateError: the hidden file cannot be read, is damaged, or was written by a newer release.
    """
    return _document(dest).read(
        lambda content: Stream(str(content["identity"]), str(content["owner"]), dict(content["about"]))
    )


def _document(dest: pathlib.Path) -> StateDocument:
    return StateDocument(dest / STREAM_FILE, VERSION, restore=RESTORE_STREAM)


def write_stream(dest: pathlib.Path, stream: Stream, *, mode: int) -> None:
    """Write the hidden file durably.

    Raises:
        OSError: the file cannot be written.
    """
    content = {
        "identity": stream.identity,
        "owner": stream.owner,
        "about": stream.about,
        "created_at": now_text(),
    }
    _document(dest).replace(content, mode=mode)


def check_same(dest: pathlib.Path, held: Stream, identity: Identity) -> None:
    """Refuse a directory of another stream.

    Raises:
        StateError: the directory belongs to another stream; the message names what differs.
    """
    if held.identity == identity_hash(identity):
        return
    ours = describe(identity)
    differs = [name for name in ("source", "account", "stream") if ours[name] != held.about.get(name)]
    theirs = held.about.get("parameters") or {}
    parameters: dict[str, t.Any] = ours["parameters"]
    differs += sorted(name for name in {*parameters, *theirs} if parameters.get(name) != theirs.get(name))
    raise StateError(
        f"dest: {dest} holds another stream: {', '.join(differs) or 'its identity'} differs.",
        hint="Give each stream a directory of its own; other filters make another stream.",
    )


def check_directory(dest: pathlib.Path, held: Stream | None, identity: Identity, *, has_segments: bool) -> None:
    """Refuse a directory that cannot belong to this stream.

    Raises:
        StateError: it belongs to another stream, or has segments but does not say whose they are.
    """
    if held is not None:
        check_same(dest, held, identity)
    elif has_segments:
        raise StateError(
            f"dest: {dest} holds segments, but its file {STREAM_FILE} is missing; nothing was changed.",
            hint="Restore that file, or give each stream a directory of its own.",
        )


def check_owner(dest: pathlib.Path, held: Stream | None, owner: str, *, known_as: str, fresh: bool) -> None:
    """Refuse a directory whose owner differs from the one that is stored elsewhere for the stream.

    Args:
        dest: the directory.
        held: the content of its hidden file.
        owner: the owner that is stored.
        known_as: where it is stored, for messages, such as ``the position <path>``.
        fresh: whether nothing was ever committed, in which case the directory may still be missing.

    Raises:
        StateError: it is another directory.
    """
    hint = "Give the previous directory, or give this stream a state_dir of its own."
    if held is None and not fresh:
        raise StateError(
            f"dest: {dest} is not the directory that {known_as} belongs to; nothing was changed.", hint=hint
        )
    if held is not None and held.owner != owner:
        raise StateError(f"dest: {dest} has another owner than {known_as}; nothing was changed.", hint=hint)


def stream_id(dest: pathlib.Path) -> str | None:
    """Return the identity of the stream in a directory, for its readers; None if the directory has no hidden file.

    It does not change when the position is lost, the directory is moved, or the collection is restarted.

    Raises:
        StateError: the hidden file cannot be read, is damaged, or was written by a newer release.
    """
    held = read_stream_document(dest)
    return None if held is None else f"{held.about['source']}/{held.about['stream']}/{held.identity}"
