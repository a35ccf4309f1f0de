# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine of a CI system: runs the commands of a definition, with stand-ins for what comes from package registries.

``python3 -m venv`` makes a real virtual environment; its ``pip`` lends it the packages of this one, and
``ansible-galaxy`` installs this tree. Its ``ansible-playbook`` is the real one, led to the sandbox. Unless a job has to
be whole, it runs in a Python that has started already, as in runner.py; payloads and bytecode are kept in any case.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT, make_import_tree
from tests.integration.runner import BIN, COMPILED, SETTINGS, WARM, kept_environment, warm_interpreter
from tests.tools import ci_definitions

PIP = """
import json, pathlib, sys, sysconfig
folder = pathlib.Path({notes!r})
with open(folder / "pip.jsonl", "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
wanted = pathlib.Path(sys.argv[-1]).read_text().replace("\\\\\\n", "").splitlines()
assert wanted and all("==" in line and "--hash=sha256:" in line for line in wanted), wanted
site = pathlib.Path(sysconfig.get_path("purelib"))
(site / "lent.pth").write_text({lent!r})
bin_folder = pathlib.Path(sys.executable).parent
for name in ("ansible-galaxy", "ansible-playbook"):
    program = bin_folder / name
    program.write_text("#!/bin/sh\\nexec '" + sys.executable + "' " + repr({tools!r} + "/" + name + ".py") + ' "$@"\\n')
    program.chmod(0o755)
"""
GALAXY = """
import json, os, pathlib, sys
folder = pathlib.Path({notes!r})
with open(folder / "galaxy.jsonl", "a") as file:
    file.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
target = pathlib.Path(sys.argv[sys.argv.index("--collections-path") + 1]) / "ansible_collections" / "appsec"
target.mkdir(parents=True)
(target / "perimeter").symlink_to({root!r})
"""
PLAYBOOK = """
import json, os, pathlib, runpy, sys
folder = pathlib.Path({notes!r})
with open(folder / "playbook.jsonl", "a") as file:
    file.write(json.dumps([sys.argv[1:], os.getcwd(), sorted(os.listdir()), dict(os.environ)]) + "\\n")
os.environ.pop("QUALYS_WAS_PLATFORM")
os.environ.update(json.loads((folder / "sandbox.json").read_text()))
os.environ.update({kept!r})
sys.argv[0] = {program!r}
if {warm!r} and not (folder / "whole").exists():
    # They take effect when Python starts, and the warm one has started without them.
    del os.environ["PYTHONSAFEPATH"], os.environ["PYTHONNOUSERSITE"]
    os.environ.update(TEST_INTERPRETER={modules!r})
    os.execv({warm!r}, [{warm!r}, *sys.argv])
runpy.run_path(os.path.join({compiled!r}, "sitecustomize.py"))
from ansible.cli.playbook import main
main(sys.argv)
"""
VENV = """
import pathlib, subprocess, sys
assert sys.argv[1:4] == ["-I", "-m", "venv"], sys.argv
subprocess.run([{python!r}, "-I", "-m", "venv", "--without-pip", sys.argv[4]], check=True)
(pip,) = pathlib.Path(sys.argv[4]).glob("lib/python*/site-packages")
(pip / "pip").mkdir()
(pip / "pip" / "__init__.py").touch()
(pip / "pip" / "__main__.py").write_text(pathlib.Path({tools!r}, "pip.py").read_text())
"""


@dataclass(frozen=True)
class Job:
    """One job that ended."""

    code: int
    output: str
    report: Path
    context: ci_definitions.Context

    @property
    def verdict(self) -> dict[str, object]:
        """The verdict file among the files that are uploaded."""
        found: dict[str, object] = json.loads((self.report / "gate.json").read_text(encoding="utf-8"))
        return found

    @property
    def notes(self) -> list[str]:
        """What the verdict says beside its reasons."""
        reasons = self.verdict["reasons"]
        assert isinstance(reasons, list)
        return [item["message"] for item in reasons if item["code"] == "note"]


class Machine:
    """Runs jobs of one system in a repository of its own.

    Args:
        folder: for everything.
        system: of docs/ci.
        leads: variables that lead to the sandbox.
        settings: secrets and variables that somebody set in the CI system.
    """

    def __init__(self, folder: Path, system: str, leads: dict[str, str], settings: dict[str, str]) -> None:
        self.system = system
        self.settings = {"token": "git-token", **settings}
        self.folder = folder
        self.notes = folder / "notes"
        self.workspace = folder / "workspace"
        self.bin = folder / "bin"
        self.remote = folder / "host" / "shop.git"
        for path in (self.notes, self.workspace, self.bin, self.remote.parent):
            path.mkdir(parents=True)
        (self.notes / "sandbox.json").write_text(json.dumps(leads), encoding="utf-8")
        self._tools()
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.remote), at=folder)
        self._runs = 0

    def _tools(self) -> None:
        tools = self.folder / "tools"
        tools.mkdir()
        # The output of a job has no colours in any case, but the warm Python has to have the same setting.
        same = ("ANSIBLE_CALLBACK_PLUGINS", "ANSIBLE_CALLBACKS_ENABLED", "ANSIBLE_NOCOLOR")
        kept = kept_environment(make_import_tree()) | {name: SETTINGS[name] for name in same}
        start = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **kept}
        values = {
            "notes": str(self.notes),
            "tools": str(tools),
            "root": str(ROOT),
            "python": sys.executable,
            "lent": sysconfig.get_path("purelib") + "\n",
            "compiled": str(COMPILED),
            "kept": kept | {"TEST_RESULTS": os.devnull},
            "program": str(BIN / "ansible-playbook"),
            "warm": warm_interpreter("playbooks", start) if WARM else "",
            "modules": warm_interpreter("modules", start) if WARM else "",
        }
        for name, text in (("pip", PIP), ("ansible-galaxy", GALAXY), ("ansible-playbook", PLAYBOOK), ("venv", VENV)):
            (tools / f"{name}.py").write_text(text.format(**values), encoding="utf-8")
        python = self.bin / "python3"
        python.write_text(f"#!/bin/sh\nexec '{sys.executable}' -I '{tools / 'venv.py'}' \"$@\"\n", encoding="utf-8")
        python.chmod(0o755)

    def git(self, *arguments: str, at: Path | None = None) -> str:
        """Git, as somebody who works on the repository."""
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            **{
                f"GIT_{role}_{what}": "dev@example.com"
                for role in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        }
        done = subprocess.run(
            ["git", *arguments], cwd=at or self.remote, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, ref: str, tree: Path, *, parent: str | None = None) -> str:
        """Put the files of a folder into the repository as a commit, at a ref."""
        clone = self.folder / f"clone-{ref.replace('/', '-')}"
        self.git("init", "--quiet", "--initial-branch=work", str(clone), at=self.folder)
        if parent:
            self.git("fetch", "--quiet", str(self.remote), parent, at=clone)
            self.git("reset", "--quiet", "--hard", "FETCH_HEAD", at=clone)
        shutil.copytree(tree, clone, dirs_exist_ok=True, symlinks=True)
        self.git("add", "--all", "--force", at=clone)
        self.git("commit", "--quiet", "--allow-empty", "-m", "files", at=clone)
        self.git("push", "--quiet", "--force", str(self.remote), f"HEAD:{ref}", at=clone)
        return self.git("rev-parse", "HEAD", at=clone)

    def run(self, number: int | None = None, *, whole: bool = False) -> Job:
        """Run the job, for the main branch or for a pull request.

        Args:
            number: of the pull request.
            whole: whether each Python of the playbook starts anew.
        """
        self._runs += 1
        (self.notes / "whole").touch() if whole else (self.notes / "whole").unlink(missing_ok=True)
        temp = self.folder / f"temp-{self._runs}"
        temp.mkdir()
        repository = f"file://{self.remote.parent}/{self.remote.stem}"
        context = ci_definitions.Context(repository, number, self._runs, temp, self.workspace, self.settings)
        base = {
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.workspace),
            "LC_ALL": "C.UTF-8",
            # What a branch may bring along, were it obeyed.
            "PIP_CONFIG_FILE": str(self.workspace / "pip.conf"),
            "PYTHONPATH": str(self.workspace),
        }
        code, output = 0, ""
        for step in ci_definitions.steps_of(self.system, context):
            done = subprocess.run(
                [*step.shell, step.script], cwd=self.workspace, env=base | step.environment,
                capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            code, output = done.returncode, output + done.stdout + done.stderr
            if code:
                break
        return Job(code, output, ci_definitions.report_of(self.system, context), context)

    def noted(self, name: str) -> list[list[object]]:
        """What a stand-in was called with, each time."""
        lines = (self.notes / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]
