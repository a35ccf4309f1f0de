# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says of the machine where modules run."""

from __future__ import annotations

import re
import shutil
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._doctor import machine
from ansible_collections.appsec.perimeter.plugins.module_utils._doctor.libraries import (
    LIBRARIES,
    OPTIONAL,
    version_numbers,
)
from ansible_collections.appsec.perimeter.plugins.modules import doctor_info
from tests.tools import house_rules
from tests.unit.plugins.module_utils.qualys_kit import run_main

ROOT = Path(__file__).resolve().parents[5]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "PERIMETER_STATE_DIR", "PERIMETER_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))


def checks(**options: Any) -> dict[str, dict[str, str]]:
    result = machine.run({"required_libraries": [], **options}, False)
    assert not result.changed
    return {check["check"]: check for check in result.values["checks"]}


def test_this_machine_is_well(tmp_path: Path) -> None:
    found = checks(core_version="2.19.4", state_dir=str(tmp_path))
    assert [check for check in found.values() if check["state"] == "failed"] == []
    assert found["state directory"]["message"] == f"{tmp_path} can be written."
    assert found["ansible-core"]["state"] == "ok"
    assert list(tmp_path.iterdir()) == []


def test_the_own_state_directory_is_looked_at_and_not_made(tmp_path: Path) -> None:
    assert checks()["state directory"]["message"].endswith("appsec.perimeter can be created.")
    assert not (tmp_path / "xdg").exists()


def test_an_old_core_is_told() -> None:
    assert checks(core_version="2.15.12")["ansible-core"]["state"] == "failed"


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    assert checks()["package xlsxwriter"]["state"] == "skipped"
    needed = checks(required_libraries=["xlsxwriter"])["package xlsxwriter"]
    assert needed["state"] == "failed"
    assert needed["hint"] == "Install xlsxwriter>=3.2 where modules run."
    monkeypatch.setitem(sys.modules, "jmespath", None)
    assert checks()["package jmespath"]["state"] == "failed"


def test_an_old_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "0.9.1rc1")
    assert checks()["package requests"]["state"] == "failed"
    assert checks()["package orjson"]["state"] == "warning"
    assert checks(required_libraries=["orjson"])["package orjson"]["state"] == "failed"


def test_versions_are_compared_as_numbers() -> None:
    assert version_numbers("2.10.1") > version_numbers("2.9") > version_numbers("2") > version_numbers("unknown")


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda folder: folder.write_text(""), "is not a directory"),
        (lambda folder: (folder.mkdir(), folder.chmod(0o777)), "everybody can write"),
    ],
)
def test_a_state_directory_that_cannot_be_used_is_told(tmp_path: Path, prepare: Any, words: str) -> None:
    prepare(tmp_path / "state")
    found = checks(state_dir=str(tmp_path / "state"))["state directory"]
    assert found["state"] == "failed"
    assert words in found["message"]
    assert found["hint"]


def test_a_file_system_without_the_right_to_write_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "unwritable", lambda _folder: "its file system is mounted read-only")
    found = checks(state_dir=str(tmp_path / "not" / "there"))["state directory"]
    assert found["state"] == "failed"
    assert f"because of {tmp_path}: its file system is mounted read-only" in found["message"]


def test_little_space_and_a_group_that_can_write_are_worth_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o770)
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(10, 9, 1))
    result = machine.run({"required_libraries": [], "state_dir": str(tmp_path)}, False)
    told = [check["message"] for check in result.values["checks"] if check["state"] == "warning"]
    assert [any(word in text for text in told) for word in ("MiB are free", "every user of the group")] == [True, True]


def test_settings_that_cannot_work_are_told_before_anything_is_sent(tmp_path: Path) -> None:
    found = checks(ca_path=str(tmp_path / "ca.pem"))
    assert found["network settings"]["state"] == "failed"
    assert "ca_path" in found["network settings"]["message"]
    assert checks(validate_certs=False)["tls"]["state"] == "warning"


def test_the_proxy_is_shown_without_its_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks()["proxy"]["message"] == "No proxy is set."
    monkeypatch.setenv("HTTPS_PROXY", "http://me:Cnry-proxy@proxy.example.com:3128")
    assert checks()["proxy"]["message"] == "The proxy is http://proxy.example.com:3128, from HTTPS_PROXY."
    monkeypatch.setenv("HTTPS_PROXY", "ftp://me:Cnry-proxy@proxy.example.com")
    assert checks()["proxy"]["state"] == "failed"
    assert "Cnry" not in str(checks())


@pytest.mark.parametrize("proxy", ["http://proxy.example.com:3128", "http://me:Cnry-proxy@proxy.example.com:3128"])
def test_the_module_shows_the_proxy_and_no_password(proxy: str, tmp_path: Path) -> None:
    ran = run_main(doctor_info.main, {"proxy": proxy, "state_dir": str(tmp_path)})
    assert "The proxy is http://proxy.example.com:3128, from proxy." in str(ran.result)
    assert "Cnry" not in ran.printed


def test_without_requests_only_the_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = sys.modules[machine.HttpSession.__module__.replace("session", "pools")]
    monkeypatch.setattr(pools, "HAS_REQUESTS", False)
    assert "network settings" not in checks()


def test_the_same_packages_are_in_every_list() -> None:
    options = house_rules.documented(ROOT, ROOT / "plugins" / "modules" / "doctor_info.py", "options")
    assert tuple(options["required_libraries"]["choices"]) == OPTIONAL
    role = (ROOT / "roles" / "doctor" / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    assert f"choices: [{', '.join(OPTIONAL)}]" in role
    tests = (ROOT / "tests" / "requirements-tests.txt").read_text(encoding="utf-8")
    for library in LIBRARIES:
        if library.always:
            assert re.search(rf"^{library.name}>=", tests, re.MULTILINE)
