# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL and rsyslog, real ones from Debian's packages, started for a test session in folders of their own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE = 30.0
POSTGRES_USER = "postgres"
PASSWORD = "sandbox_database_password"


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def find(name: str, *folders: str, package: str) -> str:
    """The path of a program; the error says which package has it."""
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([*map(str, newest), *folders, os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    if found is None:
        raise RuntimeError(f"{name} was not found: install it (Debian: apt-get install {package})")
    return found


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers; its log is in the error when it does not."""
    until = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            shown = log.read_text(errors="replace")[-3000:] if log.exists() else ""
            raise RuntimeError(f"{process.args!r} did not come up:\n{shown}")
        time.sleep(0.1)


def listens(port: int) -> bool:
    """Whether somebody accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _as_postgres() -> dict[str, int]:
    """PostgreSQL refuses to run as root; its package made a user for it."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(POSTGRES_USER)
    return {"user": entry.pw_uid, "group": entry.pw_gid}


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A database server with one database; gives its URL."""
    identity = _as_postgres()
    data, log, port = folder / "data", folder / "log", free_port()
    folder.mkdir(parents=True, exist_ok=True)
    password = folder / "password"
    password.write_text(PASSWORD)
    if identity:
        for path in (folder, password):
            os.chown(path, identity["user"], identity["group"])
    initdb = find("initdb", package="postgresql")
    subprocess.run(
        [initdb, "-D", data, "-U", "waf", "-E", "UTF8", "--no-sync", "--auth=scram-sha-256", "--pwfile", password],
        check=True, capture_output=True, cwd=folder, **identity,
    )  # fmt: skip
    command = [find("postgres", package="postgresql"), "-D", data, "-p", str(port), "-k", "", "-h", "127.0.0.1"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, **identity)
    try:
        wait_for(lambda: b"ready to accept connections" in log.read_bytes(), process, log)
        yield f"postgresql://waf:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


_RSYSLOG = """\
global(workDirectory="{folder}" maxMessageSize="64k" {tls_global})
module(load="imtcp" maxSessions="50" {tls_module})
template(name="line" type="string" string="%rawmsg-after-pri:::drop-last-lf%\\n")
template(name="parts" type="list" option.jsonf="on") {{
  property(outname="pri" name="pri" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}}
ruleset(name="in") {{ action(type="omfile" file="{folder}/received" template="parts" flushOnTXEnd="on") }}
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="in" supportOctetCountedFraming="on")
"""


class Rsyslog:
    """A running rsyslogd."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def lines(self, count: int) -> list[str]:
        """What was received, after waiting until it is so many lines: rsyslog writes behind its queue."""
        path = self.folder / "received"
        until = time.monotonic() + PATIENCE
        while True:
            lines = path.read_text().splitlines() if path.exists() else []
            if len(lines) >= count or time.monotonic() > until:
                return lines
            time.sleep(0.05)


@contextlib.contextmanager
def rsyslog(folder: Path, *, ca: Path | None = None, certificate: Path | None = None) -> Iterator[Rsyslog]:
    """A syslog receiver on TCP, or on TLS when it gets a certificate (a PEM file with its key) and the CA."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    tls_global = tls_module = ""
    if certificate is not None:
        files = f'defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{certificate}"'
        tls_global = f'defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{ca}" {files}'
        tls_module = 'streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon"'
    config = folder / "rsyslog.conf"
    config.write_text(_RSYSLOG.format(folder=folder, port=port, tls_global=tls_global, tls_module=tls_module))
    log = folder / "log"
    program = find("rsyslogd", "/usr/sbin", package="rsyslog rsyslog-openssl")
    with log.open("wb") as output:
        command = [program, "-n", "-f", str(config), "-i", str(folder / "pid")]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for(lambda: listens(port), process, log)
        yield Rsyslog(folder, port)
    finally:
        process.terminate()
        process.wait(PATIENCE)
