# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on the controller: filters, and the inventory as ``ansible-inventory`` shows it.

This runs in a process of its own: beside plugins of the controller, modules behave as if they ran inside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError

from tests.conftest import IMPORT_TREE
from tests.sandbox import Sandbox
from tests.unit.plugins.module_utils._report import factory

from .door import filters
from .keep import Area, Places, file_content

FORMATS = ("sarif", "junit", "gitlab", "ocsf", "csv", "markdown")
CELLS = ("=1+1", "@x", None, 5, -5, "a\nb", "plain", "\t=1", "日本")
SHOP = {"name": "shop", "url": "https://shop.example.com/", "tags": ["prod"], "auth_records": ["login"]}
LOGIN = {"name": "login", "form": {"type": "STANDARD", "fields": [{"name": "username", "value": "bob"}]}}
INVENTORIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": {
        "detail": "full",
        "severities": True,
        "filters": [{"field": "id", "operator": "LESSER", "value": 410009}],
        "keyed_groups": [{"key": "was_tags", "prefix": "tag"}],
        "groups": {"critical": "was_severities.critical > 0"},
        "compose": {"ansible_host": "was_url"},
    },
    "refused": {"filters": [{"field": "colour", "value": 1}]},
}


def record(folder: Path) -> list[Area]:
    """The areas of the controller."""
    area = Area("controller")
    places = Places({str(folder): "{folder}"})
    _reports(area, places)
    _catalog(area, places)
    with Sandbox(webapps=12, findings=60) as sandbox:
        for case, options in INVENTORIES.items():
            _inventory(area, folder, sandbox, case, options)
    return [area]


def _told(call: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"result": call()}
    except AnsibleError as error:
        return {"msg": str(error)}


def _reports(area: Area, places: Places) -> None:
    found = filters("report")
    cases = {"small": list(factory.estate_findings(6, 4)), "hostile": factory.hostile_findings(), "nothing": []}
    for name in FORMATS:
        for case, findings in cases.items():
            text = found[f"to_{name}"](findings, "Recorded & title")
            data = text.encode("utf-8", "surrogatepass")
            area.add(f"to_{name}, {case}", {"file": file_content(data, places)}, places)
        area.add(f"to_{name}, refused", _told(lambda name=name: found[f"to_{name}"]("text")), places)  # type: ignore[misc]
    area.add("to_csv_safe", {"cells": [[cell, found["to_csv_safe"](cell)] for cell in CELLS]}, places)


def _catalog(area: Area, places: Places) -> None:
    found = filters("catalog")
    records = [{"id": 1, **SHOP}, {"id": 2, "name": "old {{ x }}", "url": "https://old.example.com/", "tags": []}]
    problem = {"webapps": [SHOP | {"tgas": 1}, {"url": 7}, SHOP, SHOP], "colours": []}
    plan = {"create": 1, "update": 1, "delete": 0, "unchanged": 2}
    parts = {"webapps": {"count": 4, "result": {"plan": plan, "results": []}, "orphans": records[1:], "deleted": []}}
    cases: dict[str, tuple[str, tuple[Any, ...]]] = {
        "to_catalog": ("to_catalog", (records, "webapps")),
        "to_catalog, empty": ("to_catalog", (records, "webapps", True)),
        "to_catalog, auth records": ("to_catalog", ([{"id": 3, **LOGIN}], "auth_records")),
        "to_catalog, refused": ("to_catalog", (records, "webapp")),
        "from_catalog": ("from_catalog", ([{"webapps": [SHOP], "auth_records": [LOGIN]}], ["a.yml"])),
        "from_catalog, problems": ("from_catalog", ([problem], ["a.yml"])),
        "catalog_text_problems": ("catalog_text_problems", (["webapps: [", "a: {{ x }}\na: 2\n"], ["a.yml", "b.yml"])),
        "catalog_orphans": ("catalog_orphans", (records, [SHOP])),
        "catalog_to_check": ("catalog_to_check", ([SHOP, SHOP | {"name": "new"}, SHOP | {"tags": []}], records)),
        "catalog_pending": ("catalog_pending", ([SHOP], "webapps", {"auth_records": [{"name": "login", "id": None}]})),
        "catalog_summary": ("catalog_summary", (parts, ["webapps"])),
        "catalog_summary, predicted": ("catalog_summary", (parts, ["webapps"], True)),
    }
    for case, (name, arguments) in cases.items():
        told = _told(lambda name=name, arguments=arguments: found[name](*arguments))  # type: ignore[misc]
        area.add(case, {"arguments": list(arguments), **told}, places)


def _inventory(area: Area, folder: Path, sandbox: Sandbox, case: str, options: dict[str, Any]) -> None:
    source = folder / f"{case}.qualys_was.yml"
    login = {"api_url": sandbox.url, "username": sandbox.username, "password": sandbox.password}
    source.write_text(json.dumps({"plugin": "appsec.perimeter.qualys_was", **login, **options}), encoding="utf-8")
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(IMPORT_TREE),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_INVENTORY_ENABLED": "auto",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
        "ANSIBLE_NOCOLOR": "true",
    }
    program = [sys.executable, "-m", "ansible", "inventory", "-i", str(source), "--list"]
    sandbox.reset_counters()
    ran = subprocess.run(program, capture_output=True, text=True, env=environment, check=False)
    places = Places({str(folder): "{folder}", sandbox.url: "{sandbox}"})
    listed = (
        json.loads(ran.stdout, object_hook=lambda item: item.get("__ansible_unsafe", item))
        if ran.returncode == 0
        else None
    )
    document = {"options": options, "status": ran.returncode, "listed": listed}
    area.add(f"inventory, {case}", document, places, {"requests": sandbox.counters.snapshot()["requests"]})
