# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo`` in a copy of the repository, as on a fresh clone; with one version of ansible-core only."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.runner import BYTECODE, COMPILED
from tests.tools import workbench

# The demo installs an ansible-core of its own, so that one session is enough.
pytestmark = pytest.mark.skipif(
    not importlib.metadata.version("ansible-core").startswith("2.19."), reason="runs with ansible-core 2.19 only"
)
MAKE = shutil.which("make") or "make"
SECONDS = 900


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that a fresh clone would have."""
    target = tmp_path_factory.mktemp("clone") / "perimeter"
    for file in workbench.repository_files():
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(workbench.ROOT / file, target / file)
    return target


def environment(**extra: str) -> dict[str, str]:
    """The caller's, without what belongs to the tests, and with what the demo must not listen to.

    The bytecode of modules is kept (tests/integration/compiled), which changes nothing of what they do.
    """
    ours = ("ANSIBLE_", "COV", "PERIMETER_", "MAKE", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    BYTECODE.mkdir(parents=True, exist_ok=True)
    compiled = {"DEMO_PYTHONPATH": str(COMPILED), "TEST_BYTECODE": str(BYTECODE)}
    unheard = {"ANSIBLE_CONFIG": "/nowhere", "QUALYS_WAS_PLATFORM": "eu1", "PERIMETER_PROXY": "::"}
    return kept | compiled | unheard | extra


def _listen_to_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def demo(clone: Path, **extra: str) -> Iterator[subprocess.Popen[str]]:
    """A running ``make demo``."""
    command = [MAKE, "demo", f"PYTHON={sys.executable}"]
    with subprocess.Popen(
        command,
        cwd=clone,
        env=environment(**extra),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # Whoever runs the tests in the background may have them ignore the key that one of them presses.
        preexec_fn=_listen_to_ctrl_c,  # noqa: PLW1509 (no thread is running here)
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)


def assert_gone(output: str) -> None:
    """No sandbox of the output answers any more."""
    addresses = re.findall(r"it listens on (http://127\.0\.0\.1:\d+)", output)
    assert addresses
    for address in addresses:
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{address}/_sandbox/counters", timeout=2)


def test_the_demo_ends_in_a_report_and_stops_the_sandbox(clone: Path) -> None:
    with demo(clone) as process:
        output = process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 0, output
    report = clone / ".demo" / "audit" / "report.html"
    assert str(report) in "".join(output.splitlines()[-5:])
    assert "Since the previous run" in report.read_text(encoding="utf-8")
    assert re.search(r"Changes: \d+ new, \d+ gone", output)
    steps = re.findall(r"^\[(\d+)/(\d+)\]", output, re.MULTILINE)
    assert steps == [(str(number), str(len(steps))) for number in range(1, len(steps) + 1)], "each step, numbered"
    assert output.index("verdict: fail, exit code 10") < output.index("verdict: pass, exit code 0")
    figures = json.loads((clone / ".demo" / "audit" / "report.json").read_text(encoding="utf-8"))
    assert len(figures["history"]["trend"]) == 2
    assert figures["summary"]["attacked"]["attacked_not_blocked"] > 0
    assert figures["summary"]["attacked"]["blocked"] > 0
    assert_gone(output)
    # What it left in the copy is ignored by git, and nowhere else.
    assert {path.name for path in clone.iterdir()} - {file.parts[0] for file in workbench.repository_files()} <= {
        ".demo"
    }


def test_ctrl_c_stops_the_sandbox_and_the_environment_is_used_again(clone: Path) -> None:
    lines = []
    with demo(clone) as process:
        assert process.stdout
        for line in process.stdout:
            lines.append(line)
            if "$ ansible-playbook" in line:
                # A terminal sends it to make and to all that make started.
                os.killpg(process.pid, signal.SIGINT)
                break
        lines.append(process.communicate(timeout=60)[0])
    output = "".join(lines)
    assert process.returncode != 0
    assert "it is there already" in output
    assert "Interrupted; the sandbox is stopped." in output
    assert "Traceback" not in output
    assert_gone(output)


def test_a_failure_is_one_sentence_and_the_end_of_the_output(clone: Path, tmp_path: Path) -> None:
    shutil.rmtree(clone / ".demo", ignore_errors=True)
    with demo(clone, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path)) as process:
        output = process.communicate(timeout=SECONDS)[0]
    assert process.returncode != 0
    assert "The demo failed. pip could not install the packages: a package index that it reaches is needed." in output
    assert "No matching distribution found" in output
    assert "Traceback" not in output
