# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of the nox sessions: interpreters, copies of the tree, a home for ansible-test."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOX = ROOT / ".nox"
MULTITOOL = NOX / "multitool"
MULTITOOL_PACKAGE = "@microsoft/sarif-multitool-linux@5.7.0"
"""The SARIF multitool from npm: one program without dependencies, which needs no network when it runs."""
AXE = NOX / "axe"
AXE_PACKAGE = "axe-core@4.14.1"
"""Checks the accessibility of the report's page."""
OLDEST_FIRST = ("3.11", "3.12", "3.13")
"""Interpreters on which ansible-core 2.18 and 2.19 run."""
NEWEST_FIRST = ("3.14", "3.13", "3.12")
"""Interpreters on which the newest ansible-core may run."""
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
SANITY_TESTS = ("ansible-doc", "compile", "import", "pep8", "pylint", "validate-modules", "yamllint")
"""Sanity tests that ansible-test skips without failing if it cannot run them."""
NEVER_IN_ARTIFACT = re.compile(
    r"^(\.build|\.ci|\.demo|\.git|\.nox|\.venv|\.coverage|\.mypy_cache|\.pytest_cache|\.ruff_cache|\.yamllint|tests/output)(/|$|\.)"
    r"|__pycache__|\.pyc$|\.tar\.gz$"
)


NOT_FOR_USERS = tuple(f"tests/{name}" for name in (
    "awx", "browser", "controller", "demo", "eda", "ee", "engines", "faults", "formats", "integration", "perf",
    "receivers", "recording", "sandbox", "tools", "unit",
))  # fmt: skip
"""Folders that the sanity tests of older ansible-core versions skip."""
RECORDED = ("tests/recording/expected",)
"""Files that were recorded byte by byte, such as a CSV file that begins with a byte order mark."""


def _works(candidate: str, version: str) -> bool:
    """Whether a program is a working Python of this version (a pyenv shim on PATH may lead nowhere)."""
    command = [candidate, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def _pyenv_versions(version: str) -> list[Path]:
    folder = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = [path for path in folder.glob(f"{version}.*") if re.fullmatch(r"\d+(\.\d+)+", path.name)]
    return sorted(found, key=lambda path: [int(part) for part in path.name.split(".")], reverse=True)


def find_python(version: str) -> str | None:
    """The path of a Python of this version: the running one, on PATH, or among pyenv's.

    Args:
        version: such as ``3.11``.

    Returns:
        An absolute path, or None if there is no such interpreter.
    """
    candidates = [sys.executable] if "{}.{}".format(*sys.version_info[:2]) == version else []
    candidates += [path for path in (shutil.which(f"python{version}"),) if path]
    candidates += [str(path / "bin" / f"python{version}") for path in _pyenv_versions(version)]
    return next((candidate for candidate in candidates if _works(candidate, version)), None)


def oldest_python() -> str | None:
    """The oldest installed Python on which all supported versions of ansible-core run, or None."""
    return next((path for version in OLDEST_FIRST if (path := find_python(version))), None)


def newest_python() -> str | None:
    """The newest installed Python that is newer than 3.11, or None."""
    return next((path for version in NEWEST_FIRST if (path := find_python(version))), None)


def monitored_python() -> str | None:
    """A Python that counts lines for coverage itself (3.12 and newer) and runs the main ansible-core."""
    return next((path for version in reversed(OLDEST_FIRST[1:]) if (path := find_python(version))), None)


def find_chromium() -> str | None:
    """The path of a Chromium, or None."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


SERVERS_HINT = "Install them (Debian: apt-get install postgresql rsyslog rsyslog-openssl)."


JAVA_HINT = "Install it (Debian: apt-get install openjdk-17-jre-headless)."


def has_java() -> bool:
    """Whether Java runs here, which Spark requires."""
    if shutil.which("java") is None:
        return False
    return subprocess.run(["java", "-version"], capture_output=True, check=False).returncode == 0


def sarif_multitool() -> Path:
    """The path of the SARIF multitool that npm installs below ``.nox``."""
    return MULTITOOL / "node_modules" / "@microsoft" / "sarif-multitool-linux" / "Sarif.Multitool"


def axe_core() -> Path:
    """The path of axe-core that npm installs below ``.nox``."""
    return AXE / "node_modules" / "axe-core" / "axe.min.js"


def missing_servers() -> list[str]:
    """The receivers that the tests start and that are not installed on this machine."""
    return [name for name in ("initdb", "postgres", "rsyslogd") if find_program(name) is None]


def find_program(name: str) -> str | None:
    """The path of a system program, including folders where Debian puts programs for administrators."""
    places = [*map(str, Path("/usr/lib/postgresql").glob("*/bin")), "/usr/sbin", os.environ.get("PATH", os.defpath)]
    return shutil.which(name, path=os.pathsep.join(places))


MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 4 * 1024**3


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for everything temporary, in memory where there is enough, and gone afterwards.

    Most of what the tests write is flushed to the disk, file by file, as the product must; in memory that is free.
    """
    with tempfile.TemporaryDirectory(prefix="p", dir=MEMORY if _memory_suits() else None) as folder:
        # PostgreSQL, which does not run as root, has a folder of its own in it.
        Path(folder).chmod(0o711)
        yield Path(folder)


def _memory_suits() -> bool:
    """Whether there is room, and programs may be started from it, as the tests do."""
    try:
        if shutil.disk_usage(MEMORY).free < MEMORY_NEEDED:
            return False
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            program = Path(folder) / "program"
            program.write_text("#!/bin/sh\n", encoding="utf-8")
            program.chmod(0o700)
            return subprocess.run([str(program)], check=False).returncode == 0
    except OSError:
        return False


def repository_files() -> list[Path]:
    """The files of the repository according to git: tracked or new, not ignored; relative to the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = sorted({Path(name) for name in listed.split("\0") if name})
    return [name for name in names if (ROOT / name).is_file()]


def copy_tree(name: str, without: tuple[str, ...] = ()) -> Path:
    """Copy the repository to where Ansible's tools look for a collection.

    Args:
        name: distinguishes the copies of several sessions.
        without: folders to leave out.

    Returns:
        The root of the copy, which ends in ``ansible_collections/appsec/perimeter``.
    """
    base = NOX / "trees" / name
    shutil.rmtree(base, ignore_errors=True)
    target = base / "ansible_collections" / "appsec" / "perimeter"
    for file in repository_files():
        if any(file.is_relative_to(folder) for folder in without):
            continue
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, target / file)
    # A separate repository: ansible-test asks git for the files, and this copy is in a folder that ours ignores.
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)
    return target


def collections_path(tree: Path) -> str:
    """The value of ANSIBLE_COLLECTIONS_PATH for a copy of the tree."""
    return str(tree.parents[2])


def _pip_options() -> dict[str, dict[str, str]]:
    """The pip settings in force, from the environment and every file: for each section, its options."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    sections: dict[str, dict[str, str]] = {"global": {}}
    for line in listed.splitlines():
        key, value = line.split("=", maxsplit=1)
        section, option = key.rsplit(".", maxsplit=1)
        name = "global" if section == ":env:" else section
        sections.setdefault(name, {})[option] = str(ast.literal_eval(value))
    return sections


def _pip_settings() -> str:
    """The pip settings in force as one configuration file."""
    sections = _pip_options()
    cache = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=False)
    if cache.returncode == 0:
        sections["global"].setdefault("cache-dir", cache.stdout.strip())
    sections["global"]["quiet"] = "1"
    lines = []
    for name, options in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{option} = " + value.replace("\n", "\n    ") for option, value in options.items()]
    return "\n".join(lines) + "\n"


UV_NAMES = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
"""Options of pip, and the variables through which uv takes the same."""


def uv_settings() -> dict[str, str]:
    """The variables that lead uv to the package index that pip is configured for; the caller's own come first."""
    options = _pip_options()["global"]
    return {name: options[key] for key, name in UV_NAMES.items() if key in options and name not in os.environ}


def _bootstrap_source(site_packages: Path) -> tuple[str, str]:
    """The version of pip that this ansible-test requires, and the address from which it would download get-pip."""
    package = site_packages / "ansible_test"
    versions = (package / "_internal" / "python_requirements.py").read_text(encoding="utf-8")
    script = (package / "_util" / "target" / "setup" / "requirements.py").read_text(encoding="utf-8")
    version = re.search(r"\bpip='([\d.]+)'", versions)
    address = re.search(r"'(https://[^']*get-pip[^']*)'", script)
    if not version or not address:
        raise RuntimeError("This ansible-test bootstraps pip in a way that tests/tools/workbench.py does not know yet.")
    return version[1], address[1].replace("%s", version[1])


def _can_download(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310  (the address is ansible-test's own)
            return bool(answer.status == 200)
    except OSError:
        return False


def ansible_test_home(name: str, site_packages: Path) -> tuple[Path, str]:
    """Make a home folder for ansible-test, in which its sanity tests build their environments.

    ansible-test clears the environment, so pip's settings go into a file there. Each session has its own home, because
    two sessions in one home would compete for the same environments.

    Args:
        name: distinguishes the homes.
        site_packages: where ansible-core is installed.

    Returns:
        The home folder, and one line that says where pip comes from.
    """
    home = NOX / "homes" / name
    settings = home / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(_pip_settings(), encoding="utf-8")
    settings.chmod(0o600)
    version, address = _bootstrap_source(site_packages)
    cached = home / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
    if cached.exists():
        return home, f"pip {version} for the sanity tests: {cached.name} is there already"
    if _can_download(address):
        return home, f"pip {version} for the sanity tests: ansible-test downloads get-pip"
    cached.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "tests" / "tools" / "get_pip.py", cached)
    return home, f"pip {version} for the sanity tests: get-pip cannot be downloaded, ensurepip stands in"


def sanity_gaps(output: str) -> list[str]:
    """The required sanity tests that did not run, according to ansible-test's output."""
    if "All targets skipped" in output:
        return ["anything: it skipped all targets"]
    return [name for name in SANITY_TESTS if f'Running sanity test "{name}"' not in output]


def path_with_interpreters(versions: Iterable[str]) -> str:
    """PATH without pyenv's shims (which also exist for versions that do not run) and with the real interpreters."""
    folder = NOX / "interpreters"
    folder.mkdir(parents=True, exist_ok=True)
    for version in versions:
        found = find_python(version)
        link = folder / f"python{version}"
        if found and not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(Path(found).resolve())
    rest = [entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(entry).name != "shims"]
    return os.pathsep.join([str(folder), *rest])


def module_names(root: Path = ROOT) -> list[str]:
    """Full names of the collection's modules."""
    return [f"appsec.perimeter.{path.stem}" for path in sorted((root / "plugins" / "modules").glob("*.py"))]


def shows_documentation(output: str, name: str) -> bool:
    """Whether the output of ``ansible-doc --json``, possibly after warnings, has the documentation of a module."""
    try:
        shown = json.JSONDecoder().raw_decode(output, output.index("{"))[0]
    except ValueError:
        return False
    return bool(shown.get(name, {}).get("doc"))


def artifact_problems(artifact: Path) -> list[str]:
    """Problems with the contents of a built collection: files that do not belong there, or that are missing."""
    with tarfile.open(artifact) as archive:
        inside = {name.removeprefix("./") for name in archive.getnames()}
    problems = [
        f"{name} does not belong into the artifact" for name in sorted(inside) if NEVER_IN_ARTIFACT.search(name)
    ]
    needed = [
        file for file in repository_files() if file.parts[0] in {"plugins", "roles", "playbooks", "extensions", "meta"}
    ]
    problems += [f"{file} is not in the artifact" for file in needed if file.as_posix() not in inside]
    return problems
