# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate as a job of a CI system: ``python -I gate_job run`` does the whole job, ``exit`` reads a verdict file.

Both end with the code of the gate: 0 pass, 10 fail, 11 inconclusive, 12 policy error, 20 anything else. Start it with
``-I``, so that Python ignores environment variables, the user's packages and the directory of the job. It needs git and
the environment in which ansible-core is installed.
"""

from __future__ import annotations

import argparse
import sys

from ending import BROKEN, end
from job import Options, run


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    root = argparse.ArgumentParser(prog="gate_job", description=__doc__, allow_abbrev=False)
    commands = root.add_subparsers(dest="command", required=True)
    ending = commands.add_parser("exit", help="end with the code of a verdict", allow_abbrev=False)
    ending.add_argument("path", help="path of gate.json")
    ending.add_argument("run_id", help="the id of the run that has to have written it")
    job = commands.add_parser("run", help="fetch policy and waivers, scan, decide, report", allow_abbrev=False)
    job.add_argument("--directory", required=True, help="folder for all files; it is deleted and created again")
    job.add_argument("--repository", required=True, help="URL of the repository that holds policy and waivers")
    job.add_argument("--branch", required=True, help="the protected branch, such as main")
    job.add_argument("--ref", required=True, help="ref that the job runs for: refs/heads/main, refs/pull/7/head, ...")
    job.add_argument("--run-id", required=True, help="unique id of the run")
    job.add_argument("--policy", default="security/gate.yml", help="path of the policy on the protected branch")
    job.add_argument("--waivers", default="security/waivers.yml", help="path of the waivers on the protected branch")
    job.add_argument("--baseline-branch", default="perimeter-baseline", help="the branch that holds the baseline")
    job.add_argument("--watch", nargs="*", default=[], help="further paths of which changes are reported")
    job.add_argument("--public", default="", help="true or public if everybody can read the log and the files")
    job.add_argument("--keep-in", required=True, help="folder for copies of the files to upload")
    job.add_argument("--keep", nargs="*", default=None, help="names of these files; by default those without evidence")
    job.add_argument("--pass", nargs="*", default=[], dest="names", help="environment variables to pass to the gate")
    return root


def main(arguments: list[str]) -> int:
    """Run a command, and return the exit code."""
    try:
        given = vars(parser().parse_args(arguments))
    except SystemExit as stop:
        return 0 if stop.code in (None, 0) else BROKEN
    command = given.pop("command")
    return end(given["path"], given["run_id"]) if command == "exit" else run(Options(**given))


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - no error may open the gate
        sys.stderr.write(f"The gate is closed: platform_error (code 20). {type(error).__name__}\n")
        code = BROKEN
    sys.exit(code)
