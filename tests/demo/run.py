# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: audits the sandbox with the installed collection, and says where the report is.

Needs Python 3.11 with its venv module, and a package index that pip reaches. Everything is made in ``.demo``.
"""

from __future__ import annotations

import contextlib
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
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / ".demo"
VENV = DEMO / "venv"
COLLECTIONS = DEMO / "collections"
REPORTS = DEMO / "audit"
LOGS = DEMO / "logs"
CONFIG = DEMO / "ansible.cfg"
PACKAGES = ("ansible-core>=2.18", "requests>=2.32", "jmespath>=1.0")
USERNAME = "demo"
TITLE = "Northwind: audit of the web applications"
FINDINGS_BEFORE, FINDINGS_NOW = 4800, 5000
STEPS = 6
OLDEST_PYTHON = (3, 11)
TAIL = 25
READY_SECONDS = 60.0
PRIVATE = ("ANSIBLE_", "QUALYS_", "PERIMETER_", "PYTHONPATH", "PYTHONHOME")
"""Variables of the caller's that would change what the demo does."""

TASK = re.compile(r"TASK \[(?:appsec\.perimeter\.audit : )?(.+)\] \*")
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
    # The sandbox is on this machine, whatever proxy leads out of it.
    proxy = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost") if url else {}
    qualys = {"QUALYS_WAS_URL": url, "QUALYS_WAS_USERNAME": USERNAME, "QUALYS_WAS_PASSWORD": password} if url else {}
    audit = {"PERIMETER_AUDIT_DIRECTORY": str(REPORTS), "PERIMETER_AUDIT_TITLE": TITLE}
    return kept | own | proxy | qualys | audit


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
def sandbox(findings: int) -> Iterator[dict[str, str]]:
    """A running sandbox, as the environment of the commands that talk to it; stopped when the block is left."""
    password = secrets.token_urlsafe(18)
    command = [sys.executable, "-m", "tests.sandbox", "--findings", str(findings), "--username", USERNAME]
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


def demo() -> None:
    """All steps."""
    steps = Steps()
    say("Demo of appsec.perimeter: it audits a stand-in for Qualys WAS that runs on this machine.")
    LOGS.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(REPORTS, ignore_errors=True)
    write_config()
    with steps.step(f"Make a virtual environment with ansible-core in {shown(VENV)}"):
        make_environment()
    with steps.step("Build the collection and install it"):
        install_collection()
    with steps.step("Audit the estate of last week: 200 web applications"), sandbox(FINDINGS_BEFORE) as env:
        play("audit-1", "appsec.perimeter.audit", env)
    with contextlib.ExitStack() as stack:
        with steps.step("A week later the scanner has found more: start the sandbox anew"):
            env = stack.enter_context(sandbox(FINDINGS_NOW))
        with steps.step("Manage the estate: onboard one application, retire another"):
            play("estate", "tests/demo/estate.yml", env)
        with steps.step("Audit again, with what changed since last week"):
            play("audit-2", "appsec.perimeter.audit", env)
    farewell(time.monotonic() - steps.started)


def farewell(seconds: float) -> None:
    """Where everything is."""
    say(f"\nThe demo took {seconds:.0f} s, and the sandbox is stopped. Open the report in a browser:\n")
    say(f"  {REPORTS / 'report.html'}\n")
    say(f"The same as JSON, CSV and Markdown, and the findings themselves, are in {shown(REPORTS)}.")
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
