# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured with: a Python environment for each client, and a sandbox in a process of its own, behind TLS."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import make_import_tree
from tests.integration.runner import Ansible, TaskResult
from tests.sandbox.carbon_black.room import CarbonBlackSettings
from tests.sandbox.edgecast.room import EdgecastSettings
from tests.sandbox.indusface.room import IndusfaceSettings
from tests.sandbox.scutum.room import ScutumSettings

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
CLIENTS: dict[str, tuple[str, ...]] = {
    "orjson": ("requests", "orjson", "xlsxwriter"),
    "plain": ("requests", "xlsxwriter"),
    "history": ("requests", "orjson", "sqlalchemy"),
    "lake": ("orjson", "duckdb"),
    "qualysdk": ("qualysdk==0.3.17",),
}
"""The environments and what is in them."""
PASSWORD = "bench-password"
USER = "bench_user"


class BenchError(Exception):
    """A measurement that could not be made."""


def client_python(name: str) -> Path:
    """The Python of an environment, which is made at the first call."""
    folder = ROOT / ".nox" / f"bench-{name}"
    python = folder / "bin" / "python"
    stamp = folder / "installed.json"
    wanted = json.dumps([CLIENTS[name], sys.version])
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"  making .nox/bench-{name} with {', '.join(CLIENTS[name])} ...", flush=True)
        quiet = ("--quiet", "--disable-pip-version-check")
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(python), "-m", "pip", "install", *quiet, *CLIENTS[name]],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                said = f"{done.stdout}{done.stderr}"[-2000:]
                raise BenchError(f"{' '.join(command)} failed; pip needs a package index that it reaches.\n{said}")
        stamp.write_text(wanted, encoding="utf-8")
    return python


@dataclass(frozen=True)
class Certificates:
    """Files of a CA that is made for the run."""

    ca: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """A CA, and a certificate for 127.0.0.1."""
    import trustme

    files = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(files.ca))
    issued.private_key_pem.write_to_path(str(files.key))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(files.certificate), append=True)
    return files


def _log_services(url: str) -> dict[str, str]:
    """The environment that leads to the log services of a sandbox."""
    indusface, edgecast = IndusfaceSettings(), EdgecastSettings()
    scutum, carbon_black = ScutumSettings(), CarbonBlackSettings()
    return {
        "INDUSFACE_WAS_URL": url,
        "INDUSFACE_WAS_ACCESS_KEY": indusface.access_key,
        "INDUSFACE_WAS_SECRET_KEY": indusface.secret_key,
        "EDGECAST_URL": url,
        "EDGECAST_ACCOUNT_NUMBER": edgecast.account_number,
        "EDGECAST_TOKEN": edgecast.token,
        "SCUTUM_URL": url,
        "SCUTUM_API_KEY": scutum.api_key,
        "SCUTUM_HOST": scutum.host,
        "SCUTUM_ID": scutum.id,
        "CBC_URL": url,
        "CBC_ORG_KEY": carbon_black.org_key,
        "CBC_API_ID": carbon_black.api_id,
        "CBC_API_SECRET_KEY": carbon_black.api_secret_key,
    }


@dataclass(frozen=True)
class Server:
    """A running sandbox."""

    url: str
    certificates: Certificates

    @property
    def login(self) -> dict[str, str]:
        """The environment that leads to it."""
        return {
            "QUALYS_WAS_URL": self.url,
            "QUALYS_WAS_USERNAME": USER,
            "QUALYS_WAS_PASSWORD": PASSWORD,
            **_log_services(self.url),
            "PERIMETER_CA_PATH": str(self.certificates.ca),
            "REQUESTS_CA_BUNDLE": str(self.certificates.ca),
        }

    def counters(self) -> dict[str, Any]:
        """What it has counted."""
        return dict(self._control("GET", "counters"))

    def set_faults(self, *faults: dict[str, Any]) -> None:
        """Exactly these faults from now on."""
        self._control("POST", "faults", list(faults))

    def reset_counters(self) -> None:
        """All counters to zero."""
        self._control("POST", "counters/reset")

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        context = ssl.create_default_context(cafile=str(self.certificates.ca))
        data = None if body is None else json.dumps(body).encode()
        address = f"{self.url}/_sandbox/{path}"
        request = urllib.request.Request(address, method=method, data=data)  # noqa: S310 (loopback)
        with urllib.request.urlopen(request, context=context) as answer:  # noqa: S310
            return json.load(answer)


@contextlib.contextmanager
def serving(certificates: Certificates, *arguments: str) -> Iterator[Server]:
    """A sandbox with these arguments, in a process of its own as a real server would be."""
    command = [
        sys.executable, "-m", "tests.sandbox", "--certfile", str(certificates.certificate),
        "--keyfile", str(certificates.key), "--username", USER, "--password-env", "BENCH_PASSWORD", *arguments,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"BENCH_PASSWORD": PASSWORD}
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise BenchError(f"The sandbox did not start: {' '.join(command)}")
        yield Server(json.loads(line)["url"], certificates)
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


def task(folder: Path, server: Server, content: dict[str, Any]) -> TaskResult:
    """One task of a real playbook."""
    return playbook(folder, server, content)[0][0]


def playbook(folder: Path, server: Server, *tasks: dict[str, Any]) -> tuple[list[TaskResult], float]:
    """The tasks of a real playbook, and the seconds that the whole playbook takes."""
    ansible = Ansible(folder, make_import_tree(), fresh=True)
    started = time.monotonic()
    run = ansible.play(list(tasks), environment=server.login)
    seconds = time.monotonic() - started
    if run.status:
        raise BenchError(run.output[-3000:])
    return run.results, seconds


def measured_room(
    python: Path, server: Server, logic: str, options: dict[str, Any], *, room: str = "_qualys"
) -> dict[str, Any]:
    """What the logic of a module costs in a fresh process.

    ``logic`` is a file of the vendor's room, or ``file:function`` where that is not ``run``.
    """
    arguments = (make_import_tree(), room, logic, json.dumps(options))
    return measured([python, HERE / "work_room.py", *arguments], server.login)


def measured(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Run a measured process, and return the JSON object that it prints last.

    ``together_mb`` is added to it: the most memory that the process and its children had together, where each page of
    memory that several of them share counts once (the sum of their PSS).
    """
    clean = {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8"}
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as wrong:
        running = subprocess.Popen(
            [str(part) for part in command], env=clean | (environment or {}), stdout=said, stderr=wrong
        )
        most = 0
        while running.poll() is None:
            most = max(most, memory_of_family(running.pid))
            time.sleep(BETWEEN_LOOKS)
        said.seek(0)
        wrong.seek(0)
        if running.returncode:
            raise BenchError(f"{command[1]} failed:\n{wrong.read()[-2000:]}")
        return {**json.loads(said.read().splitlines()[-1]), "together_mb": most / 1024}


BETWEEN_LOOKS = 0.05


def memory_of_family(pid: int) -> int:
    """The summed PSS of a process and its children, in kB; 0 where the system does not tell."""
    total = 0
    for member in (pid, *children_of(pid)):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text(encoding="ascii").splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total


def children_of(pid: int) -> list[int]:
    """The processes whose parent this one is."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            if int(path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found
