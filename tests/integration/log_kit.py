# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the log modules share: a sandbox with all four services, its logins, and the modules' own words."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT
from tests.integration.runner import PREFIX, TaskResult
from tests.sandbox import Sandbox

MODULES = ROOT / "plugins" / "modules"
GROUP = f"group/{PREFIX}"
SERVICES = ("edgecast", "scutum", "indusface", "carbon_black")
EXPORTS = {
    "edgecast": "edgecast_waf_event_export",
    "scutum": "scutum_alert_export",
    "indusface": "indusface_scan_log_export",
    "carbon_black": "carbon_black_scan_log_export",
}
INFOS = {
    "edgecast_waf_event_info": "edgecast",
    "scutum_alert_info": "scutum",
    "indusface_scan_log_info": "indusface",
    "carbon_black_scan_log_info": "carbon_black",
    "carbon_black_scan_log_facet_info": "carbon_black",
    "carbon_black_scan_log_metadata_info": "carbon_black",
}
LOG_MODULES = (*INFOS, *EXPORTS.values(), "deliver", "gate")

_ANSIBLES_OWN = {"changed", "failed", "msg", "invocation", "warnings", "deprecations", "exception", "diff"}
# Ansible adds what it knows of the file that a result calls dest.
_ANSIBLES_OWN |= {"owner", "group", "mode", "size", "state", "uid", "gid", "secontext"}


def log_sandbox(**settings: Any) -> Sandbox:
    """Small logs of the last days in all four services; settings of a service are laid over those."""
    small: dict[str, dict[str, Any]] = {
        "edgecast": {"records": 60, "days": 2},
        "scutum": {"records": 30, "days": 2},
        "indusface": {"records": 12, "days": 3},
        "carbon_black": {"records": 40, "days": 2},
    }
    services = {name: given | settings.pop(name, {}) for name, given in small.items()}
    return Sandbox(**{"webapps": 1, "findings": 0} | services | settings)


def logins(logs: Sandbox) -> dict[str, dict[str, str]]:
    """The connection options of each service."""
    edgecast, scutum = logs.edgecast.settings, logs.scutum.settings
    indusface, carbon_black = logs.indusface.settings, logs.carbon_black.settings
    address = {"api_url": logs.url}
    return {
        "edgecast": address | {"account_number": edgecast.account_number, "token": edgecast.token},
        "scutum": address | {"api_key": scutum.api_key, "scutum_host": scutum.host, "scutum_id": scutum.id},
        "indusface": address | {"access_key": indusface.access_key, "secret_key": indusface.secret_key},
        "carbon_black": address
        | {
            "org_key": carbon_black.org_key,
            "api_id": carbon_black.api_id,
            "api_secret_key": carbon_black.api_secret_key,
        },
    }


VARIABLES = {
    "edgecast": {"api_url": "EDGECAST_URL", "account_number": "EDGECAST_ACCOUNT_NUMBER", "token": "EDGECAST_TOKEN"},
    "scutum": {
        "api_url": "SCUTUM_URL", "api_key": "SCUTUM_API_KEY", "scutum_host": "SCUTUM_HOST", "scutum_id": "SCUTUM_ID",
    },
    "indusface": {
        "api_url": "INDUSFACE_WAS_URL", "access_key": "INDUSFACE_WAS_ACCESS_KEY",
        "secret_key": "INDUSFACE_WAS_SECRET_KEY",
    },
    "carbon_black": {
        "api_url": "CBC_URL", "org_key": "CBC_ORG_KEY", "api_id": "CBC_API_ID", "api_secret_key": "CBC_API_SECRET_KEY",
    },
}  # fmt: skip
"""The environment variable of each connection option."""


def environment(logs: Sandbox, state: Path) -> dict[str, str]:
    """The same as variables of the environment, with a state directory."""
    found = {"PERIMETER_STATE_DIR": str(state), "ANSIBLE_PIPELINING": "true"}
    for service, options in logins(logs).items():
        found |= {VARIABLES[service][name]: value for name, value in options.items()}
    return found


def literals(module: str) -> dict[str, str]:
    """The texts of a module's file, by name: DOCUMENTATION, EXAMPLES, RETURN."""
    tree = ast.parse((MODULES / f"{module}.py").read_text(encoding="utf-8"))
    return {
        node.targets[0].id: str(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }  # fmt: skip


def documented(module: str) -> dict[str, str]:
    """The keys that a module says it returns, and when."""
    described: Mapping[str, Any] = yaml.safe_load(literals(module)["RETURN"])
    return {name: entry["returned"] for name, entry in described.items()}


def assert_documented(module: str, result: TaskResult) -> None:
    """The result has every documented key of its case, and no other one."""
    given = {name for name in result.result if name not in _ANSIBLES_OWN and not name.startswith("_")}
    known = documented(module)
    assert given <= set(known), f"{result.task}: {sorted(given - set(known))} is in no RETURN"
    case = "failure" if result.failed else "success"
    due = {name for name, when in known.items() if when.split(",")[0] in (case, "always")}
    assert due <= given, f"{result.task}: {sorted(due - given)} is missing"
    if not result.failed:
        assert "error" not in given
