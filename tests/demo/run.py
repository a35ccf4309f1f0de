# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: the product against the sandbox, with the installed collection; it ends with the path of one page.

Five services are audited twice, a week of findings apart, with what is attacked and the trend; then a gate closes on a
scan, and opens after the fix.

Needs Python 3.11 with its venv module, and a package index that pip reaches. Everything is made in ``.demo``.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import re
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / ".demo"
VENV = DEMO / "venv"
COLLECTIONS = DEMO / "collections"
REPORTS = DEMO / "audit"
GATE = DEMO / "gate"
STATE = DEMO / "state"
LOGS = DEMO / "logs"
CONFIG = DEMO / "ansible.cfg"
PACKAGES = ("ansible-core>=2.18", "requests>=2.32", "jmespath>=1.0", "sqlalchemy>=2.0", "duckdb>=1.5")
USERNAME = "demo"
TITLE = "Northwind: audit of the perimeter"
FINDINGS_BEFORE, FINDINGS_NOW = 4800, 5000
STEPS = 8
SERVICES = "qualys, scutum, indusface, carbon_black, edgecast"
LOG_SERVICES = {
    "scutum": {"records": 400, "days": 7},
    "indusface": {"records": 40, "days": 7},
    "carbon_black": {"records": 400, "days": 7},
    "edgecast": {"records": 4000, "days": 7},
}
"""What the sandbox has of each log. Last is the one whose vendor ended its service; attacks are aimed through it, since
its events name parameters."""
LOG_LOGINS = {
    "EDGECAST_ACCOUNT_NUMBER": "0001",
    "EDGECAST_TOKEN": "11111111-2222-3333-4444-555555555555",
    "SCUTUM_API_KEY": "sandbox-scutum-key-0001",
    "SCUTUM_HOST": "www.example.jp",
    "SCUTUM_ID": "ABC1234",
    "INDUSFACE_WAS_ACCESS_KEY": "AKSANDBOX0001",
    "INDUSFACE_WAS_SECRET_KEY": "sk-sandbox-indusface-0001",
    "CBC_ORG_KEY": "ABCD1234",
    "CBC_API_ID": "APIID00001",
    "CBC_API_SECRET_KEY": "SECRETSECRETSECRET000001",
}
"""What the sandbox accepts for the logs unless it is told otherwise. It listens on this machine only."""
LOG_ADDRESSES = ("EDGECAST_URL", "SCUTUM_URL", "INDUSFACE_WAS_URL", "CBC_URL")
POLICY = {
    "schema": 1,
    "name": "Release gate",
    "limits": {"all": {"vulnerability": {"critical": 0, "high": 0, "medium": 0}}},
}
ATTACKS = {79: "xss", 89: "sqli"}
"""CWE numbers of findings, and the attack that goes with them."""
TARGETS = 12
RECENT_S = 150
"""The firewall shows what is older than two minutes; the first audit has read up to there."""
OLDEST_PYTHON = (3, 11)
TAIL = 25
READY_SECONDS = 60.0
PRIVATE = (
    "ANSIBLE_", "QUALYS_", "EDGECAST_", "SCUTUM_", "INDUSFACE_", "CBC_", "CSP_", "PERIMETER_",
    "PYTHONPATH", "PYTHONHOME",
)  # fmt: skip
"""Variables of the caller's that would change what the demo does."""

TASK = re.compile(r"TASK \[(?:appsec\.perimeter\.\w+ : )?(.+)\] \*")
RESULT = re.compile(r"(ok|changed|skipping|included|fatal|failed): ")
WORDS = {"skipping": "not needed", "fatal": "failed", "included": "ok"}


class DemoError(Exception):
    """One sentence for the user, and the end of what the failed command printed."""

    def __init__(self, sentence: str, output: str = "") -> None:
        super().__init__(sentence)
        self.output = output


class Steps:
    """The steps with their number and the time that each took."""

    def __init__(self) -> None:
        self._number = 0
        self.started = time.monotonic()

    @contextlib.contextmanager
    def step(self, words: str) -> Iterator[None]:
        """Announce a step, and say how long it took when it went well."""
        self._number += 1
        say(f"\n[{self._number}/{STEPS}] {words}")
        started = time.monotonic()
        yield
        say(f"      done in {time.monotonic() - started:.1f} s")


def say(words: str) -> None:
    """Print at once, also into a pipe."""
    print(words, flush=True)


def environment(url: str = "", password: str = "") -> dict[str, str]:
    """The environment of every command: the caller's without what would interfere; credentials only here."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    own = {"ANSIBLE_CONFIG": str(CONFIG), "ANSIBLE_HOME": str(DEMO / "home"), "ANSIBLE_NOCOLOR": "1"}
    # Its test keeps the bytecode of modules, which each process of a module compiles otherwise.
    if path := os.environ.get("DEMO_PYTHONPATH"):
        own["PYTHONPATH"] = path
    # The sandbox is on this machine, whatever proxy leads out of it.
    proxy = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost") if url else {}
    qualys = {"QUALYS_WAS_URL": url, "QUALYS_WAS_USERNAME": USERNAME, "QUALYS_WAS_PASSWORD": password} if url else {}
    logs = {**LOG_LOGINS, **dict.fromkeys(LOG_ADDRESSES, url)} if url else {}
    audit = {
        "PERIMETER_STATE_DIR": str(STATE),
        "PERIMETER_AUDIT_DIRECTORY": str(REPORTS),
        "PERIMETER_AUDIT_TITLE": TITLE,
        "PERIMETER_AUDIT_SERVICES": SERVICES,
        "PERIMETER_AUDIT_HISTORY": "true",
        "PERIMETER_AUDIT_CORRELATE": "true",
        "PERIMETER_AUDIT_POLICY": str(DEMO / "sla.json"),
        "PERIMETER_GATE_DIRECTORY": str(GATE),
        "PERIMETER_GATE_POLICY": str(DEMO / "gate.json"),
    }
    return kept | own | proxy | qualys | logs | audit


def end(process: subprocess.Popen[str]) -> None:
    """End a process with everything that it started; kill it when it does not listen."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return


@contextlib.contextmanager
def started(command: Sequence[str], env: dict[str, str], errors: int) -> Iterator[subprocess.Popen[str]]:
    """A running command in a process group of its own, ended when the block is left for whatever reason."""
    try:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            text=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        raise DemoError(f"{command[0]} cannot be started: {error.strerror}.") from error
    with process:
        try:
            yield process
        finally:
            end(process)


def lines_of(name: str, command: Sequence[str], failure: str, env: dict[str, str] | None = None) -> Iterator[str]:
    """Run a command and hand on its lines as they come; all of them also go to a log.

    Args:
        name: of the log.
        command: program and arguments.
        failure: what to tell the user when the command fails.
        env: its environment; without it, that of :func:`environment`.

    Raises:
        DemoError: the command failed.
    """
    lines = []
    with (
        (LOGS / f"{name}.log").open("w", encoding="utf-8") as log,
        started(command, env or environment(), subprocess.STDOUT) as process,
    ):
        for line in process.stdout or ():
            log.write(line)
            lines.append(line)
            yield line
        status = process.wait()
    if status:
        raise DemoError(failure, "".join(lines[-TAIL:]))


def run(name: str, command: Sequence[str], failure: str) -> None:
    """Run a command whose output only matters when it fails."""
    for _line in lines_of(name, command, failure):
        pass


def program(name: str) -> str:
    """A program of the demo's virtual environment."""
    return str(VENV / "bin" / name)


def make_environment() -> None:
    """The virtual environment, unless the one of an earlier demo is still right."""
    wanted = hashlib.sha256(repr((PACKAGES, sys.version, str(VENV))).encode()).hexdigest()
    stamp = VENV / "installed.sha256"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        say("      it is there already")
        return
    shutil.rmtree(VENV, ignore_errors=True)
    hint = "Python's venv module is needed (Debian: apt-get install python3-venv)"
    run("venv", [sys.executable, "-m", "venv", str(VENV)], f"The virtual environment could not be made: {hint}.")
    pip = [program("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    say(f"      pip installs {', '.join(PACKAGES)}")
    run("pip", [*pip, *PACKAGES], "pip could not install the packages: a package index that it reaches is needed.")
    with contextlib.suppress(DemoError):
        # Makes large exports faster where there is a wheel for this machine; nothing needs it.
        run("pip-orjson", [*pip, "--only-binary=:all:", "orjson"], "")
    stamp.write_text(wanted, encoding="utf-8")


def install_collection() -> None:
    """Build the artifact as a release would, and install it."""
    galaxy = program("ansible-galaxy")
    for old in DEMO.glob("appsec-perimeter-*.tar.gz"):
        old.unlink()
    shutil.rmtree(COLLECTIONS, ignore_errors=True)
    build = [galaxy, "collection", "build", "--force", "--output-path", str(DEMO), str(ROOT)]
    run("build", build, "The collection could not be built.")
    artifact = next(DEMO.glob("appsec-perimeter-*.tar.gz"))
    install = [galaxy, "collection", "install", str(artifact), "--collections-path", str(COLLECTIONS), "--offline"]
    run("install", install, "The collection could not be installed.")
    say(f"      {artifact.name} is in {shown(COLLECTIONS)}")


@contextlib.contextmanager
def sandbox(findings: int, port: int = 0) -> Iterator[dict[str, str]]:
    """A running sandbox, as the environment of the commands that talk to it; stopped when the block is left.

    Args:
        findings: how many it has.
        port: where it listens; 0 picks a free one.
    """
    password = secrets.token_urlsafe(18)
    command = [sys.executable, "-m", "tests.sandbox", "--findings", str(findings), "--username", USERNAME]
    command += ["--port", str(port), "--switch", "clock=real", "--switch", "scan_polls=0"]
    for name, settings in LOG_SERVICES.items():
        command += [f"--{name.replace('_', '-')}", json.dumps(settings)]
    log = LOGS / "sandbox.log"
    with (
        log.open("w", encoding="utf-8") as errors,
        started(
            [*command, "--password-env", "DEMO_PASSWORD"],
            environment() | {"DEMO_PASSWORD": password},
            errors.fileno(),
        ) as process,
    ):
        url = wait_until_ready(process, log)
        say(f"      it listens on {url}")
        yield environment(url, password)


def wait_until_ready(process: subprocess.Popen[str], log: Path) -> str:
    """The address of the sandbox, as soon as it says so.

    Raises:
        DemoError: it ended, or it took too long.
    """
    stdout = process.stdout
    ready = stdout and select.select([stdout], [], [], READY_SECONDS)[0]
    line = stdout.readline() if stdout and ready else ""
    if not line:
        tail = "".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[-TAIL:])
        raise DemoError("The sandbox did not start.", tail)
    return str(json.loads(line)["url"])


class Story:
    """Turns what ansible-playbook prints into one line for each task, and the lines that a task sums up."""

    def __init__(self) -> None:
        self._waiting = False
        self._message = False

    def line(self, line: str) -> None:
        """Take the next line of the output."""
        if task := TASK.match(line):
            self.end()
            print(f"      - {task[1]}", end="", flush=True)
            self._waiting = True
        elif self._waiting and (result := RESULT.match(line)):
            self.end(f": {WORDS.get(result[1], result[1])}")
        self._message = line.strip() not in ("]", "}") if self._message else line.strip() == '"msg": ['
        if self._message and (text := re.fullmatch(r'\s+(".*"),?', line.rstrip())):
            say(f"          {json.loads(text[1])}")

    def end(self, words: str = "") -> None:
        """End the line of the present task."""
        if self._waiting:
            say(words)
        self._waiting = False


def play(name: str, playbook: str, env: dict[str, str]) -> None:
    """Run a playbook, and show its tasks as they start and what it sums up."""
    say(f"      $ ansible-playbook {playbook}")
    story = Story()
    try:
        for line in lines_of(
            name, [program("ansible-playbook"), playbook], f"ansible-playbook {playbook} failed.", env
        ):
            story.line(line)
    finally:
        story.end()


def gate(name: str, env: dict[str, str], expected: str) -> None:
    """Run the gate, and show its verdict.

    Raises:
        DemoError: the verdict is another one than expected.
    """
    say("      $ ansible-playbook appsec.perimeter.gate")
    output: list[str] = []
    # A gate that is closed is a failed play.
    with contextlib.suppress(DemoError):
        output += lines_of(name, [program("ansible-playbook"), "appsec.perimeter.gate"], "", env)
    try:
        verdict = json.loads((GATE / "gate.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DemoError("The gate left no verdict.", "".join(output[-TAIL:])) from error
    say(f"      verdict: {verdict['verdict']}, exit code {verdict['exit_code']}")
    for reason in verdict["reasons"][:3]:
        say(f"          {reason if isinstance(reason, str) else reason.get('message', '')}")
    if verdict["verdict"] != expected:
        raise DemoError(f"The verdict should be {expected}.", "".join(output[-TAIL:]))


def control(env: dict[str, str], name: str, body: Any) -> None:
    """Tell the sandbox what happens next."""
    url = f"{env['QUALYS_WAS_URL']}/_sandbox/{name}"
    # No proxy leads to this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")  # noqa: S310 (our own sandbox)
    with opener.open(request, timeout=30):
        pass


def open_findings() -> list[dict[str, Any]]:
    """What the last audit has read that is open."""
    with gzip.open(REPORTS / "findings.ndjson.gz", "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    return [item for item in found if item["status"] in ("new", "open", "reopened") and item["ignored"] is None]


def attack(env: dict[str, str]) -> None:
    """Let somebody attack what the scanner has found: most of it is blocked, and some is not."""
    aims = [
        (item, ATTACKS[item["cwe"][0]])
        for item in open_findings()
        if item["parameter"] and item["url"] and (item["cwe"] or [0])[0] in ATTACKS and len(item["url"]) < 200
    ]
    for number, (item, kind) in enumerate(aims[:TARGETS]):
        control(env, "edgecast/aim", [item["url"], item["parameter"], kind, 20, 20 if number % 3 else 13, RECENT_S])
    say(f"      {min(len(aims), TARGETS)} findings are attacked; the firewall blocks most of it")


def application_to_release() -> str:
    """The id of an application with few findings, all of which a scan can judge."""
    with gzip.open(REPORTS / "findings.ndjson.gz", "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    odd = {item["asset"]["id"] for item in found if item["status"] not in ("new", "open", "reopened", "fixed")}
    odd |= {item["asset"]["id"] for item in found if item["ignored"] is not None}
    counts: dict[str, int] = {}
    for item in found:
        if item["asset"]["id"] not in odd and item["kind"] == "vulnerability":
            counts[item["asset"]["id"]] = counts.get(item["asset"]["id"], 0) + 1
    return str(min(counts, key=lambda key: (counts[key], str(key))))


def shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def write_config() -> None:
    """Settings of Ansible for the demo only."""
    settings = f"""[defaults]
collections_path = {COLLECTIONS}
localhost_warning = False

[inventory]
inventory_unparsed_warning = False
"""
    CONFIG.write_text(settings, encoding="utf-8")
    (DEMO / "gate.json").write_text(json.dumps(POLICY), encoding="utf-8")
    (DEMO / "sla.json").write_text(json.dumps({"critical": 7, "high": 30, "medium": 90}), encoding="utf-8")


def demo() -> None:
    """All steps."""
    steps = Steps()
    say("Demo of appsec.perimeter, against stand-ins for five services that run on this machine.")
    LOGS.mkdir(parents=True, exist_ok=True)
    for old in (REPORTS, GATE, STATE):
        shutil.rmtree(old, ignore_errors=True)
    STATE.mkdir(mode=0o700)
    write_config()
    with steps.step(f"Make a virtual environment with ansible-core in {shown(VENV)}"):
        make_environment()
    with steps.step("Build the collection and install it"):
        install_collection()
    with (
        steps.step("Audit five services as they were last week: 200 web applications"),
        sandbox(FINDINGS_BEFORE) as env,
    ):
        play("audit-1", "appsec.perimeter.audit", env)
        # The same services a week later: what is stored of them belongs to their address.
        port = urlsplit(env["QUALYS_WAS_URL"]).port or 0
    with contextlib.ExitStack() as stack:
        with steps.step("A week later the scanner has found more, and somebody attacks"):
            env = stack.enter_context(sandbox(FINDINGS_NOW, port))
            attack(env)
        with steps.step("Manage the estate: onboard one application, retire another"):
            play("estate", "tests/demo/estate.yml", env)
        with steps.step("Audit again: what changed, the trend, and which findings are attacked"):
            play("audit-2", "appsec.perimeter.audit", env)
        release = env | {"PERIMETER_GATE_WEBAPPS": json.dumps([application_to_release()])}
        with steps.step("Scan a release: the gate closes"):
            control(env, "qualys/next_scan_outcome", [{"outcome": "finished", "new": 9, "fixed": 0}])
            gate("gate-1", release, "fail")
        with steps.step("Fix what was found, and scan again: the gate opens"):
            control(env, "qualys/next_scan_outcome", [{"outcome": "finished", "new": 0, "fixed": 999}])
            gate("gate-2", release, "pass")
    farewell(time.monotonic() - steps.started)


def farewell(seconds: float) -> None:
    """Where everything is."""
    say(f"\nThe demo took {seconds:.0f} s, and the sandbox is stopped. Open the report in a browser:\n")
    say(f"  {REPORTS / 'report.html'}\n")
    say(f"The same as JSON, CSV and Markdown, the findings, logs and matches are in {shown(REPORTS)}.")
    say(f"The verdict of the gate and what explains it are in {shown(GATE)}.")
    say(f"What the commands printed is in {shown(LOGS)}. README.md shows how to audit a real subscription.")


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """A polite end is an end by Ctrl-C."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo; returns the exit status."""
    if sys.version_info[:2] < OLDEST_PYTHON:
        say("Python 3.11 or newer is needed: install it, or say make demo PYTHON=/path/to/python3.11.")
        return 1
    signal.signal(signal.SIGTERM, interrupt)
    try:
        demo()
    except KeyboardInterrupt:
        say("\nInterrupted; the sandbox is stopped.")
        return 130
    except DemoError as error:
        say(f"\nThe demo failed. {error}")
        if error.output:
            say(f"\nThe end of what the command printed (all of it is in {shown(LOGS)}):\n\n{error.output}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
