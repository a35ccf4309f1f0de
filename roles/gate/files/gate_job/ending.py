# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The code that a job ends with, read from ``gate.json``.

Nothing but Python's own library is imported here, so that no missing package keeps a job from ending with its code.
"""

from __future__ import annotations

import json
import re
import sys
import typing as t

CODES = {"pass": 0, "fail": 10, "inconclusive": 11, "policy_error": 12, "platform_error": 20}
"""The same as ``CODES`` of the module; a test compares them."""
BROKEN = 20
LIMIT = 256 * 1024 * 1024


class NoVerdict(Exception):
    """The file says nothing about this run."""


def plain(value: object) -> str:
    """Text on one line, with nothing in it that a terminal or a CI system would obey."""
    return re.sub(r"[^ -~]", "?", str(value)).replace("##", "#?").replace("::", ":?")[:600]


def say(line: object) -> None:
    """Print a line to the log of the job, after what was printed before by other programs."""
    sys.stdout.write(plain(line) + "\n")
    sys.stdout.flush()


def read(path: str, run_id: str) -> dict[str, t.Any]:
    """The verdict of this run, as a dictionary.

    Raises:
        NoVerdict: the file is absent, unreadable, of another run, or not finished.
    """
    if not run_id:
        raise NoVerdict("no run id was given, so nobody can tell whether it is of this run")
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
        raise NoVerdict(f"it is of the run {found.get('run_id')}, and this is {run_id}")
    if not isinstance(found.get("finished"), str) or found.get("check_mode") is not False:
        raise NoVerdict("the gate did not finish, or ran in check mode")
    verdict, code = found.get("verdict"), found.get("exit_code")
    whole = isinstance(code, int) and not isinstance(code, bool)
    if not isinstance(verdict, str) or verdict not in CODES or not whole or code != CODES[verdict]:
        raise NoVerdict("verdict and code do not belong together")
    return found


def end(path: str, run_id: str, *, with_reasons: bool = True) -> int:
    """Print the verdict.

    Args:
        path: gate.json.
        run_id: the run that it has to be of.
        with_reasons: whether to print the first reasons, which the summary of the role has as well.

    Returns:
        The code.
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
