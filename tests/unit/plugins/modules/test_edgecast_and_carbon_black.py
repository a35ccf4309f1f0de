# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules for Edgecast and Carbon Black as Ansible runs them: real arguments in, one JSON result out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black import fields as carbon_black_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.client import ENVIRONMENT as CBC
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast import fields as edgecast_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.client import ENVIRONMENT as EDGECAST
from tests.sandbox import Sandbox
from tests.tools import house_rules
from tests.unit.plugins.module_utils import carbon_black_kit, edgecast_kit
from tests.unit.plugins.module_utils.qualys_kit import Ran, run_module

ROOT = Path(__file__).resolve().parents[4]
ANCHOR = "2026-11-20T12:00:00Z"
SPAN = edgecast_kit.SPAN
CANARY = "canary-0000-1111-2222-333333333333"
EXPORTS = ("edgecast_waf_event_export", "carbon_black_scan_log_export")


@pytest.fixture(scope="module")
def services() -> Iterator[Sandbox]:
    settings = {"edgecast": {"records": 2880}, "carbon_black": {"records": 420}}
    with Sandbox(findings=0, webapps=1, log_anchor=ANCHOR, **settings) as running:
        yield running


@pytest.fixture
def sandbox(services: Sandbox) -> Iterator[Sandbox]:
    services.reset()
    services.reset_counters()
    yield services
    services.faults.clear()
    assert services.counters.internal_errors == 0


def run(name: str, sandbox: Sandbox, **options: Any) -> Ran:
    kit: Any = edgecast_kit if name.startswith("edgecast") else carbon_black_kit
    return run_module(name, None, **{**kit.connection(sandbox), **options})


READING: list[tuple[str, dict[str, Any], str]] = [
    ("edgecast_waf_event_info", SPAN, "events"),
    ("edgecast_waf_event_info", {**SPAN, "event_filters": {"Host": ["shop.example.com"]}, "limit": 3}, "events"),
    ("edgecast_waf_event_info", {**SPAN, "page": 2, "page_size": 5}, "events"),
    ("edgecast_waf_event_info", {"fields": True}, "fields"),
    ("edgecast_waf_event_info", {**SPAN, "query": "[].id", "sensitive": "keep", "include_raw": True}, "events"),
    ("carbon_black_scan_log_info", {}, "scan_logs"),
    ("carbon_black_scan_log_info", {"criteria": {"time_range": {"range": "-1w"}, "sources": "CLI"}}, "scan_logs"),
    (
        "carbon_black_scan_log_info",
        {"sort": [{"field": "scan_time", "order": "DESC"}], "start": 0, "rows": 5},
        "scan_logs",
    ),
    (
        "carbon_black_scan_log_info",
        {"search": "nginx", "limit": 3, "query": "[].name", "include_raw": True},
        "scan_logs",
    ),
    ("carbon_black_scan_log_facet_info", {}, "facets"),
    (
        "carbon_black_scan_log_facet_info",
        {"fields": ["clusters"], "rows": 1, "criteria": {"sources": ["CLI"]}},
        "facets",
    ),
    ("carbon_black_scan_log_metadata_info", {}, "clusters"),
]


@pytest.mark.parametrize("limit", [None, 700])
def test_rows_in_an_order_of_ones_own_are_read_whatever_is_announced(sandbox: Sandbox, limit: int | None) -> None:
    """A service that says 500 where there are 1,700 rows."""
    with Sandbox(carbon_black={"records": 1700, "days": 2}) as large:
        large.faults.add({"kind": "wrong_count", "n": -1200, "times": -1})
        order = {"sort": [{"field": "scan_time", "order": "DESC"}], "rows": 300, "limit": limit}
        found = run("carbon_black_scan_log_info", large, **order).result
    assert len(found["scan_logs"]) == (limit or 1700)
    assert found["truncated"] is (limit is not None)
    if limit is None:
        assert "announced 500 rows, and sent 1700" in str(found["warnings"])


@pytest.mark.parametrize(("module", "options", "key"), READING, ids=lambda value: str(value)[:50])
@pytest.mark.parametrize("check", [False, True])
def test_what_only_reads(sandbox: Sandbox, module: str, options: dict[str, Any], key: str, check: bool) -> None:
    ran = run(module, sandbox, check=check, **options)
    assert (ran.failed, ran.result["changed"]) == (False, False), ran.msg
    assert ran.result[key]
    assert ran.result["stats"]["requests"] == sandbox.counters.requests > 0
    assert sandbox.counters.writes == 0
    for secret in (edgecast_kit.TOKEN, carbon_black_kit.SECRET):
        assert secret not in ran.printed.partition('"invocation"')[0]
        assert secret not in ran.printed.partition('"invocation"')[2]


def test_the_event_by_its_id(sandbox: Sandbox) -> None:
    event = run("edgecast_waf_event_info", sandbox, **SPAN, limit=1).result["events"][0]
    found = run("edgecast_waf_event_info", sandbox, event_id=event["details"]["event_id"]).result
    assert (found["events"], found["total"]) == ([event], 1)


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("edgecast_waf_event_info", {"token": CANARY}),
        ("carbon_black_scan_log_info", {"api_secret_key": CANARY}),
        ("carbon_black_scan_log_metadata_info", {"api_secret_key": CANARY}),
    ],
)
def test_refused_credentials_are_never_shown(sandbox: Sandbox, module: str, options: dict[str, Any]) -> None:
    ran = run(module, sandbox, verbosity=3, **options)
    assert (ran.failed, ran.result["error"]["kind"]) == (True, "authentication")
    assert CANARY not in ran.printed
    assert sandbox.counters.requests == 1


def test_a_login_of_vmware_cloud_as_ansible_runs_it(sandbox: Sandbox) -> None:
    for way in (carbon_black_kit.CSP_CLIENT, carbon_black_kit.CSP_TOKEN):
        arguments = carbon_black_kit.connection(sandbox, **way)
        ran = run_module("carbon_black_scan_log_metadata_info", None, **arguments)
        assert not ran.failed, ran.msg
        assert "csp-client-secret" not in ran.printed
        assert "csp-token-" not in ran.printed
        assert "csp-api-token-000001" not in ran.printed


def test_the_environment_gives_the_connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {**edgecast_kit.connection(sandbox), "x": ""}
    for name, variable in EDGECAST.items():
        monkeypatch.setenv(variable, values[name])
    ran = run_module("edgecast_waf_event_info", None, fields=True)
    assert not ran.failed, ran.msg
    values = carbon_black_kit.connection(sandbox)
    for name, variable in CBC.items():
        if name in values:
            monkeypatch.setenv(variable, values[name])
    ran = run_module("carbon_black_scan_log_metadata_info", None)
    assert not ran.failed, ran.msg
    assert edgecast_kit.TOKEN not in ran.printed


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("edgecast_waf_event_info", {"start_time": "2026-11-19"}),
        ("edgecast_waf_event_info", {"event_id": "1", "page": 1}),
        ("edgecast_waf_event_info", {"page": 1, "limit": 1}),
        ("carbon_black_scan_log_info", {"start": 1, "limit": 1}),
        ("carbon_black_scan_log_info", {"csp_api_token": CANARY}),
        ("carbon_black_scan_log_info", {"sort": [{"order": "ASC"}]}),
    ],
)
def test_options_that_do_not_go_together(sandbox: Sandbox, module: str, options: dict[str, Any]) -> None:
    ran = run(module, sandbox, **options)
    assert ran.failed
    assert sandbox.counters.requests == 0
    assert CANARY not in ran.printed


@pytest.mark.parametrize("variable", [*EDGECAST.values(), *CBC.values()])
def test_every_variable_is_documented(variable: str) -> None:
    fragment = "_edgecast" if variable in EDGECAST.values() else "_carbon_black"
    assert f"E({variable})" in (ROOT / "plugins" / "doc_fragments" / f"{fragment}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", EXPORTS)
def test_exports_have_the_options_of_all_exports(module: str) -> None:
    documented = house_rules.documented(ROOT, ROOT / "plugins" / "modules" / f"{module}.py", "options")
    shared = {"dest", "first_run", "lookback", "lag", "overlap", "sweep", "backfill", "compress", "retain_days"}
    assert shared | {"segment_mode", "segment_group", "sensitive", "include_raw"} <= set(documented)


def cells(page: str) -> list[list[str]]:
    """The rows of the last table of a guide, without its head."""
    text = (ROOT / "docs" / "docsite" / "rst" / f"{page}.rst").read_text(encoding="utf-8")
    rows = text.rpartition(".. list-table::")[2].split("   * - ")[2:]
    return [[cell.strip() for cell in row.split("     - ")] for row in rows]


def test_the_guides_tables_are_the_field_tables() -> None:
    names = {"event": edgecast_fields.EVENT, "sub event": edgecast_fields.SUB_EVENT}
    shown = [
        (vendor, names[where], ours.partition(",")[0], "keep" in ours) for vendor, where, ours in cells("edgecast")
    ]
    assert shown == [
        (f"``{field.vendor}``", field.where, f"``{field.ours}``", field.sensitive) for field in edgecast_fields.FIELDS
    ]
    assert cells("carbon_black") == [
        [f"``{field.vendor}``", ", ".join(f"``{ours}``" for ours in field.ours)] for field in carbon_black_fields.FIELDS
    ]


def test_samples_in_the_documentation_have_our_fields(sandbox: Sandbox) -> None:
    for module, key, options in (
        ("edgecast_waf_event_info", "events", SPAN),
        ("carbon_black_scan_log_info", "scan_logs", {}),
    ):
        sample = house_rules.module_section(ROOT / "plugins" / "modules" / f"{module}.py", "RETURN")[key]["sample"][0]
        real = run(module, sandbox, **options, limit=1).result[key][0]
        assert set(sample) <= set(real), module
        assert set(sample["details"]) <= set(real["details"]), module
