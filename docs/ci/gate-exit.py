# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""End a CI job with the code of the gate: 0 pass, 10 fail, 11 inconclusive, 12 policy error, 20 anything else.

    python3 gate-exit.py gate/gate.json RUN_ID

A file that is absent, cannot be read, belongs to another run or was not finished is 20. Needs Python 3.7 and no
package.
"""

from __future__ import annotations

import json
import re
import sys
import typing as t

CODES = {"pass": 0, "fail": 10, "inconclusive": 11, "policy_error": 12, "platform_error": 20}
BROKEN = 20
LIMIT = 256 * 1024 * 1024


class NoVerdict(Exception):
    """The file says nothing about this run."""


def plain(value: object) -> str:
    """Text on one line, with nothing in it that a terminal or a CI system would obey."""
    return re.sub(r"[^ -~]", "?", str(value)).replace("##", "#?").replace("::", ":?")[:600]


def read(path: str, run_id: str) -> dict[str, t.Any]:
    """The verdict of this run, as a dictionary."""
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


def main(arguments: list[str]) -> int:
    """Print the verdict; returns the code."""
    if len(arguments) != 2:
        print("usage: gate-exit.py GATE_JSON RUN_ID")
        return BROKEN
    path, run_id = arguments
    try:
        found = read(path, run_id)
    except NoVerdict as trouble:
        print(f"The gate is closed: platform_error (code 20). {plain(path)}: {plain(trouble)}.")
        return BROKEN
    print(f"The verdict of the gate is {found['verdict']} (code {found['exit_code']}).")
    reasons = found.get("reasons")
    for reason in reasons[:5] if isinstance(reasons, list) else ():
        if isinstance(reason, dict):
            print(f"  {plain(reason.get('application') or 'run')}: {plain(reason.get('message'))}")
    return int(found["exit_code"])


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not open the gate
        sys.stderr.write(f"The gate is closed: platform_error (code 20). {type(error).__name__}\n")
        code = BROKEN
    sys.exit(code)
