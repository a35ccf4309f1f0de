# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict as a file: what ``gate.json`` holds, and writing it so that an old one never passes for a new one.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import typing as t

from ..._base.errors import FileError, PerimeterError
from ..._base.files import PRIVATE, check_target, replace_file
from ..._base.files import reason as os_reason
from ..._base.log_text import short
from ..._records.verdicts import CODES, Word, weight
from ..verdict import Reason, reason

SCHEMA = 1
NOTE = "note"
"""Code of a reason that decides nothing: whoever started the gate says where its input comes from."""
EXPLAIN_SUFFIX = ".explain.ndjson"
_TIMES = ("run_id", "started", "finished")
_RESULT_LIMITS = {"reasons": 200, "applications": 1000, "explain": 100}

Document = dict[str, t.Any]


def explain_path(dest: pathlib.Path) -> pathlib.Path:
    """Where all explanations stand: ``gate.explain.ndjson`` for ``gate.json``."""
    return dest.parent / (dest.stem + EXPLAIN_SUFFIX)


def blank(run_id: str, started: str, *, report_only: bool, check_mode: bool) -> Document:
    """A verdict that nothing is known for: what stands in the file while the gate is at work."""
    document: Document = {
        "record": "gate",
        "schema": SCHEMA,
        "run_id": run_id,
        "started": started,
        "finished": None,
        "verdict": "platform_error",
        "exit_code": CODES["platform_error"],
        "report_only": report_only,
        "check_mode": check_mode,
        "policy": None,
        "waivers_file": None,
        "reasons": [reason("not_finished", "platform_error", "the gate did not finish")],
        "counts": {},
        "applications": [],
        "rules": [],
        "waivers": [],
        "baseline": None,
        "next_steps": [],
        "sync": {"ignore": [], "activate": [], "without_waiver": []},
        "inputs": [],
        "explain": [],
        "explain_file": None,
        "error": None,
    }
    return document


def set_verdict(document: Document, verdict: Word, reasons: list[Reason], finished: str) -> None:
    """Put the verdict and its reasons in, those that decided first."""
    document["verdict"], document["exit_code"] = verdict, CODES[verdict]
    document["reasons"] = sorted(_once(reasons), key=lambda item: -weight(item["verdict"]))
    document["finished"] = finished


def _once(reasons: t.Iterable[Reason]) -> t.Iterator[Reason]:
    """Reasons without repetitions."""
    seen: list[Reason] = []
    for item in reasons:
        if item not in seen:
            seen.append(item)
            yield item


def set_error(document: Document, verdict: Word, error: PerimeterError, finished: str) -> None:
    """Put in that the gate could not judge at all."""
    set_verdict(document, verdict, [reason(verdict, verdict, str(error))], finished)
    document["error"] = error.to_dict()


def add_error(document: Document, error: PerimeterError, finished: str) -> None:
    """Put in that something went wrong after the judging; what was found stays."""
    told = [reason("platform_error", "platform_error", str(error)), *document["reasons"]]
    set_verdict(document, "platform_error", told, finished)
    document["error"] = error.to_dict()


def check_files(dest: pathlib.Path, read: t.Iterable[tuple[str, pathlib.Path]]) -> None:
    """Refuse a target that cannot be written, or that is one of the files that are read.

    Raises:
        FileError: names the option.
    """
    targets = {os.path.realpath(path) for path in (dest, explain_path(dest))}
    for option, path in read:
        if os.path.realpath(path) in targets:
            raise FileError(f"dest: {dest} would replace the file at {option}.", hint="Give each its own path.")
    check_target(dest, "dest")
    check_target(explain_path(dest), "dest")


def write_document(dest: pathlib.Path, document: Document) -> None:
    """Write the verdict, whole or not at all.

    Raises:
        FileError: it could not be written.
    """
    data = json.dumps(document, indent=1, ensure_ascii=True).encode() + b"\n"
    try:
        with replace_file(dest, mode=PRIVATE) as file:
            file.write(data)
    except OSError as error:
        raise FileError(f"dest: writing {dest} failed: {os_reason(error)}.", hint="Make room.") from error


def begin_document(dest: pathlib.Path, document: Document) -> None:
    """Replace the verdict of an earlier run. Where there is no room even for that, none is better than an old one.

    Raises:
        FileError: as :func:`write_document`.
    """
    try:
        write_document(dest, document)
    except FileError:
        with contextlib.suppress(OSError):
            dest.unlink(missing_ok=True)
        raise


def essence(document: Document | None) -> str | None:
    """Everything but the times and the name of the run, to tell whether a verdict is the same again."""
    if document is None:
        return None
    return json.dumps({name: value for name, value in document.items() if name not in _TIMES}, sort_keys=True)


def read_old(dest: pathlib.Path) -> Document | None:
    """The verdict of an earlier run; None for anything that is not one."""
    try:
        found = json.loads(dest.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def values_of(document: Document) -> dict[str, t.Any]:
    """The return values of the module: the verdict file, cut to what a play can carry."""
    names = (
        "verdict", "exit_code", "reasons", "counts", "applications", "explain", "waivers", "baseline", "next_steps",
        "run_id",
    )  # fmt: skip
    return {name: _cut(name, document[name]) for name in names}


def _cut(name: str, value: t.Any) -> t.Any:
    return value[: _RESULT_LIMITS[name]] if name in _RESULT_LIMITS else value


def summary(document: Document, dest: pathlib.Path) -> str:
    """The verdict in a sentence or two, for the message of the failed task."""
    told = _grouped(item for item in document["reasons"] if item["verdict"] != "pass")
    words = "; ".join(f"{', '.join(apps)}: {message}" if apps else message for message, apps in told[:5])
    more = f"; and {len(told) - 5} more" if len(told) > 5 else ""
    return short(f"The gate is closed: {document['verdict']} (code {document['exit_code']}). {words}{more}.", 2500)


def _grouped(reasons: t.Iterable[Reason]) -> list[tuple[str, list[str]]]:
    """Each message once, with the applications that it is about; the first five of them by name."""
    found: dict[str, list[str]] = {}
    for item in reasons:
        apps = found.setdefault(item["message"], [])
        if item["application"] is not None:
            apps.append(item["application"])
    return [
        (message, [*apps[:5], *([f"{len(apps) - 5} more"] if len(apps) > 5 else [])]) for message, apps in found.items()
    ]
