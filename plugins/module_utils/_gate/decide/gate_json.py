# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict file: the content of ``gate.json``, and how it is written so that an old verdict is never taken for new.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
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
"""Code of a reason that decides nothing: a note of the caller, such as where the input comes from."""
EXPLAIN_SUFFIX = ".explain.ndjson"
_TIMES = ("run_id", "started", "finished")
_RESULT_LIMITS = {"reasons": 200, "applications": 1000, "explain": 100}

Document = dict[str, t.Any]


def explain_path(dest: pathlib.Path) -> pathlib.Path:
    """Return the path of the explanations file: ``gate.explain.ndjson`` for ``gate.json``."""
    return dest.parent / (dest.stem + EXPLAIN_SUFFIX)


@dataclasses.dataclass(frozen=True)
class Order:
    """What a run was asked to do.

    Attributes:
        dest: path of the verdict file.
        run_id: the id of the run.
        started: when the run began, UTC, as text.
        report_only: the task does not fail, and the baseline is not updated.
        check_mode: nothing is written, and the verdict is not a conclusion.
    """

    dest: pathlib.Path
    run_id: str
    started: str
    report_only: bool = False
    check_mode: bool = False


@dataclasses.dataclass(frozen=True)
class Conclusion:
    """The result of a run.

    Attributes:
        verdict: the verdict of the whole run.
        reasons: the reasons of the verdict, in any order.
        error: the error that kept the gate from judging or storing, or None.
        sections: members of the document that only exist if the run judged.
        remarks: sentences about waivers, for the user.
        next_steps: what a person can do next, line by line.
        rule_ids: Qualys rules that the findings have, or that the policy names.
    """

    verdict: Word
    reasons: t.Sequence[Reason]
    error: PerimeterError | None = None
    sections: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    remarks: t.Sequence[str] = ()
    next_steps: t.Sequence[str] = ()
    rule_ids: t.Sequence[str] = ()

    def in_order(self) -> list[Reason]:
        """Return the reasons without duplicates, those that decided first."""
        return ordered(self.reasons)

    def but(self, error: PerimeterError, *more: Reason) -> Conclusion:
        """Return this conclusion with the verdict ``platform_error``. Its sections stay.

        Args:
            error: the error that occurred after the judging.
            more: reasons to keep beside the error.
        """
        told = [reason("platform_error", "platform_error", str(error)), *more]
        return dataclasses.replace(self, verdict="platform_error", reasons=told, error=error)


UNFINISHED = Conclusion("platform_error", [reason("not_finished", "platform_error", "the gate did not finish")])
"""The content of the file while the gate is running."""


def failed(verdict: Word, error: PerimeterError, next_steps: t.Sequence[str]) -> Conclusion:
    """Return the conclusion of a run that could not judge at all."""
    return Conclusion(verdict, [reason(verdict, verdict, str(error))], error, next_steps=next_steps)


def document_of(order: Order, conclusion: Conclusion, finished: str | None = None) -> Document:
    """Return the content of the verdict file. A run never reads its own file back.

    Args:
        order: what the run was asked to do.
        conclusion: the result of the run.
        finished: when the run finished, UTC; None while it is running.
    """
    document: Document = {
        "record": "gate",
        "schema": SCHEMA,
        "run_id": order.run_id,
        "started": order.started,
        "finished": finished,
        "verdict": conclusion.verdict,
        "exit_code": CODES[conclusion.verdict],
        "report_only": order.report_only,
        "check_mode": order.check_mode,
        "policy": None,
        "waivers_file": None,
        "reasons": conclusion.in_order(),
        "counts": {},
        "applications": [],
        "rules": [],
        "exclusions": [],
        "waivers": [],
        "baseline": None,
        "next_steps": list(conclusion.next_steps),
        "sync": {"ignore": [], "activate": [], "without_waiver": []},
        "inputs": [],
        "explain": [],
        "explain_file": None,
        "error": conclusion.error.to_dict() if conclusion.error else None,
    }
    return document | dict(conclusion.sections)


def closed_over(document: Document, item: Reason, finished: str) -> Document:
    """Return a document that another process wrote, with one more reason that decides the verdict."""
    verdict = item["verdict"]
    reasons = ordered([item, *document["reasons"]])
    return {**document, "verdict": verdict, "exit_code": CODES[verdict], "reasons": reasons, "finished": finished}


def ordered(reasons: t.Iterable[Reason]) -> list[Reason]:
    """Return reasons without duplicates, those that decide first."""
    return sorted(_once(reasons), key=lambda item: -weight(item["verdict"]))


def _once(reasons: t.Iterable[Reason]) -> t.Iterator[Reason]:
    """Yield each reason once."""
    seen: list[Reason] = []
    for item in reasons:
        if item not in seen:
            seen.append(item)
            yield item


def check_files(dest: pathlib.Path, read: t.Iterable[tuple[str, pathlib.Path]]) -> None:
    """Make sure that the target can be written, and is not one of the files that are read.

    Raises:
        FileError: the target cannot be used; the message names the option.
    """
    targets = {os.path.realpath(path) for path in (dest, explain_path(dest))}
    for option, path in read:
        if os.path.realpath(path) in targets:
            raise FileError(f"dest: {dest} would replace the file at {option}.", hint="Give each its own path.")
    check_target(dest, "dest")
    check_target(explain_path(dest), "dest")


def write_document(dest: pathlib.Path, document: Document) -> None:
    """Write the verdict atomically.

    Raises:
        FileError: it could not be written.
    """
    data = json.dumps(document, indent=1, ensure_ascii=True).encode() + b"\n"
    try:
        with replace_file(dest, mode=PRIVATE) as file:
            file.write(data)
    except OSError as error:
        raise FileError(
            f"dest: writing {dest} failed: {os_reason(error)}.",
            hint="Check that the directory can be written to and has free space.",
        ) from error


def begin_document(dest: pathlib.Path, document: Document) -> None:
    """Replace the verdict of an earlier run, or remove it if it cannot be replaced.

    Raises:
        FileError: it could not be written.
    """
    try:
        write_document(dest, document)
    except FileError:
        with contextlib.suppress(OSError):
            dest.unlink(missing_ok=True)
        raise


def essence(document: Document | None) -> str | None:
    """Return everything but the times and the id of the run, to compare verdicts. None for no document."""
    if document is None:
        return None
    return json.dumps({name: value for name, value in document.items() if name not in _TIMES}, sort_keys=True)


def read_old(dest: pathlib.Path) -> Document | None:
    """Return the verdict of an earlier run; None if there is no readable one."""
    try:
        found = json.loads(dest.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def values_of(document: Document) -> dict[str, t.Any]:
    """Return the return values of the module: parts of the verdict file, with long lists cut."""
    names = (
        "verdict", "exit_code", "reasons", "counts", "applications", "explain", "waivers", "baseline", "next_steps",
        "run_id",
    )  # fmt: skip
    return {name: _cut(name, document[name]) for name in names}


def _cut(name: str, value: t.Any) -> t.Any:
    return value[: _RESULT_LIMITS[name]] if name in _RESULT_LIMITS else value


def summary(conclusion: Conclusion) -> str:
    """Summarise the verdict in a sentence or two, for the message of the failed task."""
    told = _grouped(item for item in conclusion.in_order() if item["verdict"] != "pass")
    words = "; ".join(f"{', '.join(apps)}: {message}" if apps else message for message, apps in told[:5])
    more = f"; and {len(told) - 5} more" if len(told) > 5 else ""
    code = CODES[conclusion.verdict]
    return short(f"The gate is closed: {conclusion.verdict} (code {code}). {words}{more}.", 2500)


def _grouped(reasons: t.Iterable[Reason]) -> list[tuple[str, list[str]]]:
    """Return each message once, with the applications that it is about: five by name, then the number of the others."""
    found: dict[str, list[str]] = {}
    for item in reasons:
        apps = found.setdefault(item["message"], [])
        if item["application"] is not None:
            apps.append(item["application"])
    return [
        (message, [*apps[:5], *([f"{len(apps) - 5} more"] if len(apps) > 5 else [])]) for message, apps in found.items()
    ]
