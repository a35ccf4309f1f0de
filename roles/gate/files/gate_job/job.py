# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole job: fetches policy, waivers and baseline, runs the playbook, stores the baseline, and ends with the code.

The author of a pull request cannot influence any of it. Policy and waivers come from the protected branch. The baseline
comes from a branch that only the job of the protected branch writes. Ansible runs in an empty folder, with an
environment that this module makes. The pull request is fetched only to report what it would change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

from ending import BROKEN, end, plain, say
from repository import GitError, Moved, Repository, place_of

BASELINE = "baseline.json"
GONE = "baseline.json.gone.json"
"""The file that the module writes beside the baseline."""
DATABASE = "PERIMETER_GATE_DATABASE_URL"
"""If the definition of the job passes this variable, the baseline is in a database instead of the branch."""
NAME = "PERIMETER_GATE_BASELINE_NAME"
PUSHES = 3
"""How often to try to store the baseline, each time on top of the newest one."""
KEPT = ("gate.json", "summary.md", "gate.sarif", "junit.xml", "gl-dast-report.json", "gl-annotations.json",
        "annotations.github.txt", "annotations.azure.txt")  # fmt: skip
"""The files to upload by default: those without requests, responses or evidence."""
COLLECTIONS = pathlib.Path(os.path.abspath(os.path.join(__file__, *([".."] * 8))))
"""The folder that contains ``ansible_collections``. This file is part of an installed collection."""
_SYSTEM = ("LANG", "LC_ALL", "TZ")
Closed = t.Literal["inconclusive", "policy_error", "platform_error"]
_YES = ("1", "true", "yes", "public")


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of the command ``run``; ``__main__`` describes each."""

    directory: str
    repository: str
    branch: str
    ref: str
    run_id: str
    policy: str
    waivers: str
    baseline_branch: str
    watch: t.Sequence[str]
    public: str
    keep_in: str
    keep: t.Sequence[str] | None
    names: t.Sequence[str]

    @property
    def is_protected(self) -> bool:
        """Whether the job runs for the protected branch itself. Otherwise it runs for a proposed change."""
        return self.ref == f"refs/heads/{self.branch}"


class Folders:
    """The folders of the job."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.home = root / "home"
        self.empty = root / "empty"
        self.inputs = root / "inputs"
        self.results = root / "results"
        self.settings = root / "ansible.cfg"

    def make(self) -> None:
        """Delete the folders of an earlier job, and create all folders."""
        _remove(self.root)
        self.root.mkdir(mode=0o700, parents=True)
        for folder in (self.home, self.empty, self.inputs, self.results):
            folder.mkdir(mode=0o700)
        self.settings.touch(0o600)

    @property
    def verdict(self) -> pathlib.Path:
        """The path of the verdict file."""
        return self.results / "gate.json"


@dataclasses.dataclass
class InForce:
    """The policy, waivers and baseline that the job judges by.

    Attributes:
        commit: commit of the protected branch.
        baseline_commit: commit of the baseline's branch; None if there is no such branch.
        policy: path of the copy; None if the protected branch has no policy.
        waivers: path of the copy; None if the protected branch has no waivers.
        notes: notes about them for the summary.
    """

    commit: str
    baseline_commit: str | None = None
    policy: pathlib.Path | None = None
    waivers: pathlib.Path | None = None
    notes: list[str] = dataclasses.field(default_factory=list)


def run(options: Options) -> int:
    """Run the job, and return the exit code of the gate."""
    os.umask(0o077)
    folders = Folders(pathlib.Path(options.directory).absolute())
    kept = pathlib.Path(options.keep_in).absolute()
    folders.make()
    _remove(kept)
    try:
        code = Job(options, folders).run()
    except GitError as error:
        say(f"The gate is closed: platform_error (code 20). {plain(error)}.")
        code = BROKEN
    _keep(folders.results, kept, options.keep)
    return code


class Job:
    """One run of the job.

    Args:
        options: the options of the command.
        folders: the folders, which exist and are empty.
    """

    def __init__(self, options: Options, folders: Folders) -> None:
        self.options = options
        self.folders = folders
        self.baseline_ref = f"refs/heads/{options.baseline_branch}"
        self.in_database = DATABASE in options.names
        credentials = [os.environ.get(f"PERIMETER_JOB_{name}", "") for name in ("USERNAME", "TOKEN")]
        self.repository = Repository(folders.root / "repository.git", options.repository, *credentials)

    def run(self) -> int:
        """Run the job, and return the exit code of the gate."""
        if self.in_database and not os.environ.get(DATABASE):
            # A missing secret is an empty variable. The branch has no baseline then, so it cannot be used instead.
            self._close("platform_error", f"{DATABASE} is passed to the gate, but it is empty")
            return BROKEN
        given = self._fetch()
        if given.policy is None:
            return self._without_policy(given)
        self._play(given)
        if self.options.is_protected and not self.in_database:
            self._store(given)
        return end(str(self.folders.verdict), self.options.run_id, with_reasons=False)

    # Policy, waivers and baseline

    def _fetch(self) -> InForce:
        options, protected = self.options, f"refs/heads/{self.options.branch}"
        refs = [protected, self.baseline_ref, *([] if options.is_protected else [options.ref])]
        known = self.repository.commits(*refs)
        if protected not in known:
            raise GitError(f"the repository has no branch {options.branch}")
        given = InForce(self.repository.fetch(protected))
        given.policy = self._take(given.commit, options.policy)
        given.waivers = self._take(given.commit, options.waivers)
        words = f"policy and waivers are from commit {given.commit[:12]} of {options.branch}"
        given.notes.append(words)
        if given.waivers is None:
            given.notes.append(f"{options.branch} has no {options.waivers}, so no waiver is in force")
        if self.in_database:
            given.notes.append(f"the baseline is in the database, with the name {self._baseline_name()}")
        else:
            self._take_baseline(given, known)
        if not options.is_protected:
            given.notes += self._proposed(given, known.get(options.ref))
        if options.public.lower() in _YES:
            given.notes.append("this repository is public: everybody can read this log, the summary and the files")
        return given

    def _baseline_name(self) -> str:
        return os.environ.get(NAME) or f"{place_of(self.options.repository)} {self.options.branch}"

    def _take(self, commit: str, path: str) -> pathlib.Path | None:
        """Copy a file of the protected branch, and return the path of the copy; None if there is no such file."""
        file = self.repository.file(commit, path)
        if file is None:
            return None
        copy = self.folders.inputs / pathlib.PurePosixPath(path).name
        copy.write_bytes(file.data)
        return copy

    def _take_baseline(self, given: InForce, known: t.Mapping[str, str]) -> None:
        for name in (BASELINE, GONE):
            (self.folders.inputs / name).unlink(missing_ok=True)
        given.baseline_commit = None
        if self.baseline_ref not in known:
            given.notes.append(f"there is no branch {self.options.baseline_branch}, so there is no baseline yet")
            return
        given.baseline_commit = self.repository.fetch(self.baseline_ref)
        for name in (BASELINE, GONE):
            file = self.repository.file(given.baseline_commit, name)
            if file is not None:
                (self.folders.inputs / name).write_bytes(file.data)
        words = f"the baseline is from commit {given.baseline_commit[:12]} of {self.options.baseline_branch}"
        given.notes.append(words)

    def _proposed(self, given: InForce, commit: str | None) -> list[str]:
        """Return notes about files that the pull request changes. They have no effect until it is merged."""
        if commit is None:
            return [f"{self.options.ref} was not found, so its changes are not shown"]
        commit = self.repository.fetch(self.options.ref)
        found = []
        for path in (self.options.policy, self.options.waivers, *self.options.watch):
            try:
                differs = self.repository.oid(commit, path) != self.repository.oid(given.commit, path)
            except GitError:
                differs = True
            if differs:
                found.append(f"{path} differs from {self.options.branch} in this change: not in force until merged")
        return found

    def _without_policy(self, given: InForce) -> int:
        options = self.options
        if options.is_protected:
            self._close("policy_error", f"{options.branch} has no {options.policy}: add it")
        else:
            words = f"not installed yet: merge this first. {options.branch} has no {options.policy}"
            self._close("inconclusive", words)
        return end(str(self.folders.verdict), options.run_id)

    # Ansible

    def _play(self, given: InForce, **more: str) -> None:
        """Run the playbook. Its exit code is ignored, because it is 2 for every failed play: see the verdict file."""
        program = pathlib.Path(sys.executable).absolute().parent / "ansible-playbook"
        command = [str(program), "appsec.perimeter.gate"]
        sys.stdout.flush()
        with contextlib.suppress(FileNotFoundError):
            self.folders.verdict.unlink()
        subprocess.run(  # noqa: S603 - a list, and no shell
            command, cwd=self.folders.empty, env=self._environment(given) | more, stdin=subprocess.DEVNULL, check=False
        )

    def _environment(self, given: InForce) -> dict[str, str]:
        """Return the environment for Ansible. It has only those variables of the job that the definition names."""
        folders, bin_folder = self.folders, pathlib.Path(sys.executable).absolute().parent
        passed = {name: os.environ[name] for name in (*_SYSTEM, *self.options.names) if os.environ.get(name)}
        return (
            {"LC_ALL": "C.UTF-8"}
            | passed
            | {
                "PATH": f"{bin_folder}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
                "HOME": str(folders.home),
                "TMPDIR": str(folders.home),
                "PYTHONSAFEPATH": "1",
                "PYTHONNOUSERSITE": "1",
                "ANSIBLE_CONFIG": str(folders.settings),
                "ANSIBLE_HOME": str(folders.home / ".ansible"),
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
                "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
                "ANSIBLE_LOCALHOST_WARNING": "false",
                "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
                "PERIMETER_RUN_ID": self.options.run_id,
                "PERIMETER_GATE_DIRECTORY": str(folders.results),
                "PERIMETER_GATE_POLICY": str(given.policy),
                "PERIMETER_GATE_WAIVERS": str(given.waivers or ""),
                "PERIMETER_GATE_BASELINE": "" if self.in_database else str(folders.inputs / BASELINE),
                NAME: self._baseline_name() if self.in_database else "",
                "PERIMETER_GATE_BASELINE_UPDATE": "true" if self.options.is_protected else "false",
                "PERIMETER_GATE_NOTES": json.dumps(given.notes),
                "PERIMETER_STATE_DIR": str(folders.home / "state"),
            }
        )

    # The baseline

    def _store(self, given: InForce) -> None:
        """Push the baseline if the run changed it. If another job has pushed one meanwhile, judge again by that one."""
        for _attempt in range(PUSHES):
            files = self._baseline_files()
            if not files or files == self._stored(given.baseline_commit):
                return
            message = f"Baseline of run {plain(self.options.run_id)}, judged by {given.commit}"
            try:
                self.repository.push(self.baseline_ref, files, given.baseline_commit, message)
            except Moved:
                say("Another job updated the baseline. This run is judged again by the new one.")
                self._decide_again(given)
            except GitError as error:
                self._close("platform_error", f"the baseline could not be stored: {error}")
                return
            else:
                return
        words = f"the baseline could not be stored, because other jobs updated it {PUSHES} times meanwhile"
        self._close("platform_error", words)

    def _baseline_files(self) -> dict[str, bytes]:
        paths = [self.folders.inputs / name for name in (BASELINE, GONE)]
        return {path.name: path.read_bytes() for path in paths if path.is_file()}

    def _stored(self, commit: str | None) -> dict[str, bytes]:
        if commit is None:
            return {}
        files = {name: self.repository.file(commit, name) for name in (BASELINE, GONE)}
        return {name: file.data for name, file in files.items() if file is not None}

    def _decide_again(self, given: InForce) -> None:
        """Judge the same findings and scans by the newest baseline, without requests to the scanner."""
        given.notes = [note for note in given.notes if "baseline" not in note]
        self._take_baseline(given, self.repository.commits(self.baseline_ref))
        results = self.folders.results
        self._play(
            given,
            PERIMETER_GATE_WEBAPPS="",
            PERIMETER_GATE_WEBAPP_FILTERS="",
            PERIMETER_GATE_FINDINGS=json.dumps([str(results / "findings.ndjson.gz")]),
            PERIMETER_GATE_SCANS=json.dumps([str(results / "scans.ndjson")]),
        )

    # The verdict

    def _close(self, verdict: Closed, words: str) -> None:
        """Replace the verdict file, and add the reason to the summary."""
        if str(COLLECTIONS) not in sys.path:
            sys.path.insert(0, str(COLLECTIONS))
        from ansible_collections.appsec.perimeter.plugins.module_utils._gate.outside import close_gate

        say(words)
        close_gate(self.folders.verdict, self.options.run_id, verdict, plain(words))
        summary = self.folders.results / "summary.md"
        old = summary.read_text(encoding="utf-8") if summary.is_file() else ""
        summary.write_text(f"**The gate is closed: {verdict}.** {plain(words)}\n\n{old}", encoding="utf-8")


def _keep(results: pathlib.Path, kept: pathlib.Path, names: t.Sequence[str] | None) -> None:
    """Copy the files to upload."""
    kept.mkdir(mode=0o755, parents=True)
    for name in KEPT if names is None else names:
        source = results / pathlib.PurePosixPath(name).name
        if source.is_file():
            shutil.copyfile(source, kept / source.name)


def _remove(path: pathlib.Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
