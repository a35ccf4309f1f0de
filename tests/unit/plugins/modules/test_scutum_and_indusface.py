# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of Scutum and Indusface as Ansible runs them, and their documentation against the field tables."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._indusface import client as indusface_connection
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.fields import SCAN_LOG, VULNERABILITY
from ansible_collections.appsec.perimeter.plugins.module_utils._records.model import Event, Finding, Scan
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum import client as scutum_connection
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.fields import FIELDS
from tests.sandbox import Sandbox
from tests.tools import house_rules

from ..module_utils import indusface_kit, scutum_kit
from ..module_utils.qualys_kit import Ran, run_main

ROOT = Path(__file__).resolve().parents[4]
ENVIRONMENTS = {"scutum": scutum_connection.ENVIRONMENT, "indusface": indusface_connection.ENVIRONMENT}
LATE = {"scutum_alert_info": "scutum", "indusface_scan_log_info": "indusface"}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    for variables in ENVIRONMENTS.values():
        for name in variables.values():
            monkeypatch.delenv(name, raising=False)
    with Sandbox(webapps=0, findings=0, log_anchor=scutum_kit.ANCHOR, scutum={"records": 40}) as running:
        yield running


def run(name: str, sandbox: Sandbox, **options: Any) -> Ran:
    kit = scutum_kit if name.startswith("scutum") else indusface_kit
    module = importlib.import_module(f"ansible_collections.appsec.perimeter.plugins.modules.{name}")
    check = options.pop("check", False)
    return run_main(module.main, kit.connection(sandbox) | options, check=check)


def section(name: str, which: str) -> dict[str, Any]:
    found: dict[str, Any] = house_rules.module_section(ROOT / "plugins" / "modules" / f"{name}.py", which)
    return found


def test_alerts_are_listed(services: Sandbox) -> None:
    ran = run("scutum_alert_info", services, to="2026-11-02", **{"from": "2026-09-01"})
    assert not ran.failed
    assert not ran.result["changed"]
    assert (ran.result["total"], ran.result["truncated"], ran.result["stats"]["requests"]) == (40, False, 1)
    assert set(ran.result["alerts"][0]) == set(section("scutum_alert_info", "RETURN")["alerts"]["sample"][0])
    assert services.scutum.settings.api_key not in ran.printed


def test_one_alert_has_its_request(services: Sandbox) -> None:
    wanted = services.scutum.alerts[0].log_id
    ran = run("scutum_alert_info", services, log_id=wanted, check=True)
    assert ran.result["alert"]["details"]["request"].startswith("POST /会員/ログイン?q=")
    assert run("scutum_alert_info", services, log_id="1_1_1").result["alert"] is None


def test_scan_logs_are_listed(services: Sandbox) -> None:
    ran = run("indusface_scan_log_info", services, from_date="2026-10-20", to_date="2026-10-24", chunk_days=5)
    assert not ran.failed
    assert (ran.result["total"], ran.result["stats"]["requests"]) == (10, 1)
    assert set(ran.result["scan_logs"][0]) == set(Scan.__annotations__) - {"raw"}
    assert set(ran.result["findings"][0]) == set(Finding.__annotations__) - {"raw"}
    for secret in (services.indusface.settings.access_key, services.indusface.settings.secret_key):
        assert secret not in ran.printed


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("scutum_alert_info", {"log_id": "1", "ip": "203.0.113.1"}, "mutually exclusive"),
        ("scutum_alert_info", {"log_id": "1", "limit": 3}, "mutually exclusive"),
        ("scutum_alert_info", {"time_order": "newest"}, "value of time_order must be one of: asc, desc"),
        ("scutum_alert_info", {"from": "soon"}, "from: 'soon' is not a date or time"),
        ("indusface_scan_log_info", {}, "one of the following is required: date, from_date"),
        ("indusface_scan_log_info", {"date": "2026-10-20", "from_date": "2026-10-20"}, "mutually exclusive"),
        ("indusface_scan_log_info", {"from_date": "2026-10-20"}, "parameters are required together"),
        ("indusface_scan_log_info", {"date": "20.10.2026"}, "date: '20.10.2026' is not a day"),
    ],
)
def test_what_cannot_be_acted_on_is_refused_unsent(
    services: Sandbox, name: str, options: dict[str, Any], words: str
) -> None:
    ran = run(name, services, **options)
    assert ran.failed
    assert words in ran.result["msg"]
    assert services.counters.requests == 0


@pytest.mark.parametrize(("name", "vendor"), LATE.items())
def test_the_environment_serves_and_a_task_beats_it(
    services: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str, vendor: str
) -> None:
    kit: Any = scutum_kit if vendor == "scutum" else indusface_kit
    given = kit.connection(services)
    for option, variable in ENVIRONMENTS[vendor].items():
        monkeypatch.setenv(variable, given[option])
    module = importlib.import_module(f"ansible_collections.appsec.perimeter.plugins.modules.{name}")
    options = {"date": "2026-10-20"} if vendor == "indusface" else {"to": "2026-11-02"}
    assert not run_main(module.main, dict(options)).failed
    secret = "api_key" if vendor == "scutum" else "secret_key"
    ran = run_main(module.main, {**options, secret: "a-key-of-the-task"})
    assert ran.result["error"]["kind"] == "authentication"
    assert given[secret] not in ran.printed
    assert "a-key-of-the-task" not in ran.printed


@pytest.mark.parametrize("name", [*LATE, "scutum_alert_export", "indusface_scan_log_export"])
def test_options_are_documented_as_they_are_checked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"ansible_collections.appsec.perimeter.plugins.modules.{name}")
    specs: list[Any] = []
    monkeypatch.setattr(module, "run_vendor_module", lambda spec, *_rest: specs.append(spec))
    module.main()
    documented = house_rules.documented(ROOT, ROOT / "plugins" / "modules" / f"{name}.py", "options")
    assert set(documented) == set(specs[0].options)
    for option, spec in specs[0].options.items():
        for key in ("type", "choices", "default", "required"):
            assert documented[option].get(key) == spec.get(key), (option, key)
    vendor = name.partition("_")[0]
    for variable in ENVIRONMENTS[vendor].values():
        assert f"E({variable})" in json.dumps(documented)


def test_the_samples_have_every_key() -> None:
    (alert,) = section("scutum_alert_info", "RETURN")["alerts"]["sample"]
    assert set(alert) == set(Event.__annotations__) - {"raw"}
    returned = section("indusface_scan_log_info", "RETURN")
    assert set(returned["scan_logs"]["sample"][0]) == set(Scan.__annotations__) - {"raw"}
    assert set(returned["findings"]["sample"][0]) == set(Finding.__annotations__) - {"raw"}


def rows(page: str) -> set[tuple[str, ...]]:
    """The rows of all tables of a guide, without markup."""
    text = (ROOT / "docs" / "docsite" / "rst" / f"{page}.rst").read_text(encoding="utf-8")
    found = re.findall(r"^   \* - (.*(?:\n     -.*)+)", text, re.MULTILINE)
    return {tuple(cell.strip().strip("`") for cell in re.split(r"\n     -", row)) for row in found}


def test_the_tables_of_the_guides_are_the_field_tables() -> None:
    assert {(name, entry.ours, entry.meaning) for name, entry in FIELDS.items()} <= rows("scutum")
    table = rows("indusface")
    scans = {(name, entry.scan or "", entry.finding or "", entry.meaning) for name, entry in SCAN_LOG.items()}
    assert scans | {(name, entry.finding or "", entry.meaning) for name, entry in VULNERABILITY.items()} <= table


@pytest.mark.parametrize("name", ["scutum_alert_export", "indusface_scan_log_export"])
def test_what_is_new_is_collected_and_then_nothing(name: str, tmp_path: Path) -> None:
    """In real time, as the collector goes by its own clock."""
    place = {"dest": str(tmp_path / "spool"), "state_dir": str(tmp_path / "state"), "first_run": "lookback"}
    place |= {"lookback": "2d"}
    with Sandbox(webapps=0, findings=0, scutum={"records": 40, "days": 2}, indusface={"days": 3}) as services:
        services.scutum.add(3, 600)
        predicted = run(name, services, check=True, **place)
        assert not predicted.failed, predicted.printed
        assert predicted.result["changed"]
        assert not Path(place["dest"]).exists()
        first = run(name, services, **place)
        assert not first.failed, first.printed
        assert first.result["records"] == predicted.result["records"] > 0
        assert set(section(name, "RETURN")) - {"error"} == set(first.result) - {"changed", "invocation"}
        second = run(name, services, **place)
        assert (second.result["changed"], second.result["records"], second.result["complete"]) == (False, 0, True)
