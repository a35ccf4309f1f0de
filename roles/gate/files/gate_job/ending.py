# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the exit code of a job from ``gate.json``.

It imports only Python's standard library, so that a missing package cannot keep a job from ending with its code.
"""

from __future__ import annotations

import json
import re
import sys
import typing as t

CODES = {"pass": 0, "fail": 10, "inconclusive": 11, "policy_error": 12, "platform_error": 20}
"""A copy of ``CODES`` of the module; a test compares them."""
BROKEN = 20
LIMIT = 256 * 1024 * 1024


class NoVerdict(Exception):
    """The file is not a valid verdict of this run."""


def plain(value: object) -> str:
    """Return a text on one line, without control characters or commands of a CI system."""
    return re.sub(r"[^ -~]", "?", str(value)).replace("##", "#?").replace("::", ":?")[:600]


def say(line: object) -> None:
    """Print a line to the log of the job, and flush it so that it is in order with the output of other programs."""
    sys.stdout.write(plain(line) + "\n")
    sys.stdout.flush()


def read(path: str, run_id: str) -> dict[str, t.Any]:
    """Return the verdict of this run, as a dictionary.

    Raises:
        NoVerdict: the file is missing or unreadable, belongs to another run, or is not finished.
    """
    if not run_id:
        raise NoVerdict("no run id was given, so the run that wrote it cannot be checked")
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(LIMIT).decode("utf-8"))
    except OSError as error:
        raise NoVerdict(f"it cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise NoVerdict("it is not JSON") from None
    if not isinstance(found, dict) or found.get("record") != "gate" or found.get("schema") != 1:
        raise NoVerdict("it is not a verdict of this version")
    if found.get("run_id") != run_id:
        raise NoVerdict(f"it belongs to the run {found.get('run_id')}, not to {run_id}")
    if not isinstance(found.get("finished"), str) or found.get("check_mode") is not False:
        raise NoVerdict("the gate did not finish, or ran in check mode")
    verdict, code = found.get("verdict"), found.get("exit_code")
    whole = isinstance(code, int) and not isinstance(code, bool)
    if not isinstance(verdict, str) or verdict not in CODES or not whole or code != CODES[verdict]:
        raise NoVerdict("its verdict and its code do not match")
    return found


def end(path: str, run_id: str, *, with_reasons: bool = True) -> int:
    """Print the verdict.

    Args:
        path: path of gate.json.
        run_id: the id of the run that has to have written it.
        with_reasons: whether to print the first reasons; the summary of the role has them too.

    Returns:
        The exit code.
    """
    try:
        found = read(path, run_id)
    except NoVerdict as trouble:
        say(f"The gate is closed: platform_error (code 20). {plain(path)}: {plain(trouble)}.")
        return BROKEN
    say(f"The verdict of the gate is {found['verdict']} (code {found['exit_code']}).")
    reasons = found.get("reasons")
    for reason in reasons[:5] if with_reasons and isinstance(reasons, list) else ():
        if isinstance(reason, dict):
            say(f"  {plain(reason.get('application') or 'run')}: {plain(reason.get('message'))}")
    return int(found["exit_code"])
