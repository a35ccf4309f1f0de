# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads files of a Git repository without a checkout: it fetches into a bare repository, and reads by commit.

No file of the repository is ever checked out, so that its hooks, attributes and configuration have no effect.
"""

from __future__ import annotations

import base64
import os
import pathlib
import re
import subprocess
import typing as t
import urllib.parse

SIZE_LIMIT = 1 << 30
"""Maximum size in bytes of a file, such as a baseline."""
TIMEOUT = 300
"""Time limit in seconds for one git command."""
_NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "GIT_SSL_CAINFO")
_REF = re.compile(r"refs/[A-Za-z0-9][A-Za-z0-9._/-]*\Z")
_REGULAR = ("100644", "100755")


class GitError(Exception):
    """A git command failed, or a file or ref of the repository cannot be used."""


class Moved(Exception):
    """The branch has a newer commit than the parent of the pushed one."""


class File(t.NamedTuple):
    """A regular file: the id of its blob, and its content."""

    oid: str
    data: bytes


class Repository:
    """A bare repository of this job, and the remote repository that it fetches from.

    Args:
        folder: path of the bare repository, which is created.
        url: URL of the remote repository.
        username: the user name for the token.
        token: a token or password; empty for none. It is passed to git only in the environment.

    Raises:
        GitError: the URL is missing, or the bare repository cannot be created.
    """

    def __init__(self, folder: pathlib.Path, url: str, username: str = "", token: str = "") -> None:
        if not url or url.startswith("-"):
            raise GitError("the URL of the repository is missing")
        self._folder = folder
        self._url = url
        self._environment = _environment(folder, url, username, token)
        self._git("init", "--quiet", "--bare", "--template=", str(folder), inside=False)

    def commits(self, *refs: str) -> dict[str, str]:
        """Return the current commits of refs of the remote repository. Refs that do not exist are left out.

        Raises:
            GitError: the remote repository cannot be read.
        """
        for ref in refs:
            check_ref(ref)
        listed = self._git("ls-remote", "--quiet", "--", self._url, *refs).decode("utf-8", "replace")
        pairs = (line.split("\t", 1) for line in listed.splitlines() if "\t" in line)
        return {name: commit for commit, name in pairs if name in refs}

    def fetch(self, ref: str) -> str:
        """Fetch the commit of a ref without its history, and return its id.

        Raises:
            GitError: it cannot be fetched.
        """
        name = f"refs/gate/{check_ref(ref)}"
        options = ("--quiet", "--no-tags", "--depth=1", "--no-recurse-submodules", "--no-write-fetch-head")
        self._git("fetch", *options, "--", self._url, f"+{ref}:{name}")
        return self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()

    def oid(self, commit: str, path: str) -> str | None:
        """Return the blob id of a regular file in a commit; None if there is no such file.

        Raises:
            GitError: it is a link or a folder.
        """
        entry = self._git("ls-tree", "--full-tree", "-z", commit, "--", path).decode("utf-8", "replace")
        if not entry:
            return None
        mode, _kind, oid = entry.split("\t", 1)[0].split()
        if mode not in _REGULAR:
            raise GitError(f"{path} is not a regular file in commit {commit[:12]}")
        return oid

    def file(self, commit: str, path: str) -> File | None:
        """Return a regular file of a commit; None if there is no such file.

        Raises:
            GitError: it is a link, a folder, or larger than a gigabyte.
        """
        oid = self.oid(commit, path)
        if oid is None:
            return None
        if int(self._git("cat-file", "-s", oid)) > SIZE_LIMIT:
            raise GitError(f"{path} is larger than a gigabyte in commit {commit[:12]}")
        return File(oid, self._git("cat-file", "blob", oid))

    def push(self, ref: str, files: t.Mapping[str, bytes], parent: str | None, message: str) -> None:
        """Create a commit with exactly these files, and push it without force.

        Args:
            ref: the branch, which is created if it does not exist.
            files: content by file name, without folders.
            parent: the last known commit of the branch; None if there was no such branch.
            message: the commit message.

        Raises:
            Moved: the branch has another commit than ``parent``.
            GitError: git failed for another reason.
        """
        lines = [f"100644 blob {self._oid_of(data)}\t{name}\n" for name, data in sorted(files.items())]
        tree = self._git("mktree", data="".join(lines).encode()).decode().strip()
        parents = ("-p", parent) if parent else ()
        commit = self._git("commit-tree", tree, *parents, "-m", message).decode().strip()
        try:
            self._git("push", "--quiet", "--", self._url, f"{commit}:{check_ref(ref)}")
        except GitError:
            if self.commits(ref).get(ref) != parent:
                raise Moved(ref) from None
            raise

    def _oid_of(self, data: bytes) -> str:
        return self._git("hash-object", "-w", "--stdin", data=data).decode().strip()

    def _git(self, *arguments: str, data: bytes = b"", inside: bool = True) -> bytes:
        place = (f"--git-dir={self._folder}",) if inside else ()
        command = ["git", "--no-pager", *place, *arguments]
        try:
            done = subprocess.run(  # noqa: S603 - a list, and no shell
                command, input=data, env=self._environment, capture_output=True, timeout=TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise GitError(f"git {arguments[0]} failed: {type(error).__name__}") from None
        if done.returncode:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise GitError(f"git {arguments[0]} failed: {words[-1] if words else done.returncode}")
        return done.stdout


def place_of(url: str) -> str:
    """Return host and path of a repository, without ``.git`` and without the parts of the URL that may be secret."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.hostname or ''}{parts.path}".removesuffix("/").removesuffix(".git")


def check_ref(ref: str) -> str:
    """Return the ref if it is a full and unambiguous name.

    Raises:
        GitError: it is not.
    """
    if not _REF.match(ref) or ".." in ref or ref.endswith((".lock", "/", ".")) or "//" in ref:
        raise GitError(f"{ref!r} is not the full name of a branch or a pull request, such as refs/heads/main")
    return ref


def _environment(folder: pathlib.Path, url: str, username: str, token: str) -> dict[str, str]:
    """Return the environment for git, in which settings of the system, the user and the repository have no effect."""
    settings = {"http.followRedirects": "false", "core.hooksPath": "/dev/null", "gc.auto": "0"}
    if token:
        parts = urllib.parse.urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"
        pair = base64.b64encode(f"{username or 'gate'}:{token}".encode()).decode("ascii")
        # For this origin only, and never on a command line, which other processes could read.
        settings[f"http.{origin}.extraHeader"] = f"Authorization: Basic {pair}"
    known = {name: os.environ[name] for name in ("PATH", *_NETWORK) if os.environ.get(name)}
    person = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "security gate"), ("EMAIL", "security-gate@invalid"))
    }
    numbered = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return (
        known
        | person
        | numbered
        | {
            "HOME": str(folder.parent),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_ATTR_NOSYSTEM": "1",
        }
    )
