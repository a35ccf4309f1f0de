# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor with everything wrong at once, and with nothing configured."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Certificates, login_to
from tests.integration.log_kit import GROUP, log_sandbox, logins
from tests.integration.runner import PREFIX, Ansible, Run
from tests.sandbox import Sandbox

CANARY = "Cnry-doctor/&<x>"
SERVICES = ["qualys", "edgecast", "scutum", "indusface", "carbon_black"]


def closed_port() -> int:
    """A port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def without(folder: Path, package: str) -> Path:
    """A folder for PYTHONPATH in which a package cannot be imported."""
    folder.mkdir()
    (folder / f"{package}.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def ill(
    tmp_path_factory: pytest.TempPathFactory, collections_path: Path, certificates: Certificates
) -> Iterator[tuple[Run, Sandbox]]:
    """Each service has another fault, and so has the machine."""
    folder = tmp_path_factory.mktemp("ill")
    (folder / "state").write_text("no folder", encoding="utf-8")
    tls = {"certfile": certificates.certificate, "keyfile": certificates.key}
    with log_sandbox(webapps=2, password=CANARY) as plain, log_sandbox(webapps=1, **tls) as secured:
        plain.log_clock.advance(600)
        found = logins(plain)
        nowhere = f"http://127.0.0.1:{closed_port()}"
        faults = {
            "qualys": {"api_url": plain.url, "username": plain.username, "password": f"{CANARY} wrong"},
            "edgecast": found["edgecast"] | {"api_url": nowhere},
            "scutum": logins(secured)["scutum"],
            "indusface": found["indusface"] | {"proxy": nowhere},
            "carbon_black": found["carbon_black"],
        }
        role = {"name": PREFIX + "doctor"}
        variables = {"doctor_required_libraries": ["xlsxwriter"], "doctor_retries": 0}
        run = Ansible(folder, collections_path).play(
            [{"name": "doctor", "ansible.builtin.include_role": role, "vars": variables}],
            module_defaults={f"{GROUP}{name}": options for name, options in faults.items()},
            environment={
                "PERIMETER_STATE_DIR": str(folder / "state"),
                "PYTHONPATH": str(without(folder / "absent", "xlsxwriter")),
            },
            arguments=["-vvv"],
        )
        yield run, plain


def failures(run: Run) -> dict[tuple[str, str], str]:
    """The lines that the role fails with, by subject and check."""
    told = run.results[-1]["msg"]
    lines = [line.removeprefix("FAILED").strip().split(": ", 2) for line in told[1:]]
    return {(subject, check): text for subject, check, text in lines}


def test_each_fault_is_told_with_what_to_mend_and_hides_no_other(ill: tuple[Run, Sandbox]) -> None:
    found = failures(ill[0])
    words = {
        ("machine", "package xlsxwriter"): "Install xlsxwriter",
        ("machine", "state directory"): "Give a folder that this user can write",
        ("qualys", "credentials"): "Check username and password",
        ("edgecast", "connection"): "Check host, port and firewall",
        ("scutum", "tls"): "ca_path",
        ("indusface", "proxy"): "proxy",
        ("carbon_black", "clock"): "Set the clock",
    }
    assert set(found) == set(words)
    for place, word in words.items():
        assert word in found[place], place


def test_wrong_credentials_are_sent_once(ill: tuple[Run, Sandbox]) -> None:
    counters = ill[1].counters.snapshot()
    assert counters["failed_auth"] == 1
    assert counters["writes"] == 0


def test_the_play_fails_at_its_end_and_shows_no_secret(ill: tuple[Run, Sandbox]) -> None:
    run, sandbox = ill
    assert run.status == 2
    assert "FAILED  qualys: credentials" in run.stdout
    secrets = [CANARY, *(value for options in logins(sandbox).values() for name, value in options.items()
                         if name in ("token", "api_key", "access_key", "secret_key", "api_secret_key"))]  # fmt: skip
    for secret in secrets:
        assert secret not in run.output
        assert secret not in json.dumps([result.result for result in run.results])


def test_a_service_without_credentials_is_skipped_and_half_of_them_are_a_mistake(
    ansible: Ansible, sandbox: Sandbox
) -> None:
    # An empty variable counts as not set.
    environment = login_to(sandbox) | {"QUALYS_WAS_PASSWORD": "", "PERIMETER_STATE_DIR": str(ansible.folder)}
    run = ansible.play(
        [{"name": "doctor", "ansible.builtin.include_role": {"name": PREFIX + "doctor"}}], environment=environment
    )
    assert list(failures(run)) == [("qualys", "configuration")]
    lines = next(result["msg"] for result in run.results if result.task.endswith("Sum up"))
    skipped = [line for line in lines if "is not configured" in line]
    assert [line.split()[1].rstrip(":") for line in skipped] == SERVICES[1:]
    assert sandbox.counters.requests == 0
