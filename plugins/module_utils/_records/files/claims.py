# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the manifest of a findings snapshot must state, and its file contain, to represent all findings of its scope.

This module is private to the collection and may change at any time.

Each fault is a code and the end of a sentence. A gate records it; other readers refuse the file.
"""

from __future__ import annotations

import pathlib
import typing as t

from ..._base.log_text import short
from ..coerce import bounded
from ..times import read_time
from .snapshot_reader import BadManifest, SnapshotLines
from .types import MANIFEST, mistyped

Fault = tuple[str, str]

_OTHER_VERSION = ("manifest_damaged", "the file beside it is not a manifest of this version")
_MANIFEST_PROBLEMS = {
    "missing": ("manifest_missing", "there is no manifest beside it, so its scope is unknown"),
    "unreadable": ("manifest_missing", "its manifest cannot be read: "),
    "damaged": ("manifest_damaged", "its manifest is not JSON"),
    "foreign": _OTHER_VERSION,
    "version": _OTHER_VERSION,
}
"""Why no manifest can be used, by the kind of :class:`BadManifest`: a code and the end of a sentence."""
UNCOUNTED_SOURCES = ("indusface",)
"""Sources whose announced totals never match their lists, so a comparison would prove nothing."""


def manifest_problem(path: pathlib.Path, error: BadManifest) -> Fault:
    """Return why a snapshot has no usable manifest.

    Args:
        path: the snapshot.
        error: from reading its manifest.
    """
    if error.kind == "missing" and not path.exists():
        return "manifest_missing", "there is no such file"
    code, words = _MANIFEST_PROBLEMS[error.kind]
    return code, words + str(error)


def whole_faults(manifest: t.Mapping[str, t.Any]) -> t.Iterator[Fault]:
    """Yield the reasons why a snapshot does not have all findings of its scope, as far as its manifest says so."""
    if manifest.get("stream") != "findings":
        yield "manifest_damaged", f"it holds {short(str(manifest.get('stream')), 40)}, not findings"
    if manifest.get("complete") is not True:
        yield "incomplete", "its manifest says that it is not complete"
    if manifest.get("since") is not None:
        yield "incomplete", "it holds only what changed since a time, not everything"


def manifest_faults(manifest: t.Mapping[str, t.Any]) -> t.Iterator[Fault]:
    """Yield the reasons why a manifest proves nothing."""
    yield from whole_faults(manifest)
    if bounded(manifest.get("source")) is None:
        yield "manifest_damaged", "its manifest names no source"
    if not isinstance(manifest.get("filters"), list):
        yield "manifest_damaged", "its manifest does not say which filters were used"


def time_faults(manifest: t.Mapping[str, t.Any]) -> t.Iterator[Fault]:
    """Yield the reasons why a manifest does not establish when its snapshot was made."""
    started, finished = read_time(manifest.get("started")), read_time(manifest.get("finished"))
    if started is None or finished is None:
        yield "manifest_damaged", "its manifest does not say when it was made"
    elif started > finished:
        yield "manifest_damaged", "its manifest says that it was finished before it was begun"


def claim_faults(manifest: t.Mapping[str, t.Any]) -> t.Iterator[Fault]:
    """Yield everything that is wrong with a manifest itself: its statements, types and times."""
    yield from manifest_faults(manifest)
    wrong = mistyped(manifest, MANIFEST)
    if wrong is not None:
        yield "manifest_damaged", f"its manifest has a value of the wrong type in {wrong}"
    yield from time_faults(manifest)


def file_faults(manifest: t.Mapping[str, t.Any], lines: SnapshotLines) -> t.Iterator[Fault]:
    """Yield the reasons why a file that was read to its end is not the one that a manifest describes."""
    same_bytes, same_number = lines.fits(manifest)
    if not same_bytes:
        yield "findings_changed", "its SHA-256 is not the one that its manifest states"
    if not same_number:
        stated = short(str(manifest.get("records")), 20)
        yield "count_mismatch", f"it holds {lines.records} records, and its manifest states {stated}"


def content_faults(manifest: t.Mapping[str, t.Any], lines: SnapshotLines) -> t.Iterator[Fault]:
    """Yield the reasons why a snapshot that was read to its end does not match its manifest, or is not complete."""
    yield from file_faults(manifest, lines)
    counted = not (bounded(manifest.get("source")) or "").startswith(UNCOUNTED_SOURCES)
    if counted and manifest.get("announced_after") != lines.records:
        announced = short(str(manifest.get("announced_after")), 20)
        yield "count_mismatch", f"{announced} findings were announced and {lines.records} are in it"
