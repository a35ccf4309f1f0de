# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that all roles keep: how a switch is read, and what happens when a background job cannot be started."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

ROLES = ROOT / "roles"
FILES = [path for path in sorted(ROLES.rglob("*.yml")) if path.parent.name in ("defaults", "tasks", "vars")]
SPECS = sorted(ROLES.glob("*/meta/argument_specs.yml"))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def switches() -> set[str]:
    """The variables of all roles that are true or false."""
    options = [spec["options"] for path in SPECS for spec in load(path)["argument_specs"].values()]
    types = load(ROLES / "gate" / "vars" / "main.yml")["_gate_types"]
    found = {name for given in options for name, item in given.items() if item["type"] == "bool"}
    return found | {name for name, item in types.items() if item == {"type": "bool"}}


def texts(data: Any) -> Iterator[str]:
    """Every text that may hold an expression."""
    if isinstance(data, dict):
        for value in data.values():
            yield from texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from texts(value)
    elif isinstance(data, str):
        yield data


def loose_uses(text: str, names: set[str]) -> list[str]:
    """Where a text reads a switch as anything but a switch. One that is all of a template goes on to a module."""
    words = "|".join(sorted(names))
    if re.fullmatch(rf"\{{\{{ ({words}) \}}\}}", text.strip()):
        return []
    return re.findall(rf"\b(?:{words})\b(?! \| appsec\.perimeter\.switch\b)", text)


def expressions(path: Path) -> Iterator[str]:
    """What a file has inside of templates, and as conditions."""
    for text in texts(load(path)):
        if "{{" in text or "{%" in text:
            yield from (found[0] for found in re.finditer(r"\{[{%].*?[%}]\}", text, re.DOTALL))
        elif " | " in text:
            yield text


def test_every_switch_is_read_in_one_way() -> None:
    names = switches()
    assert len(names) >= 16
    uses = {path: [re.sub(r"lookup\([^)]*\)", "", text) for text in expressions(path)] for path in FILES}
    loose = {
        (str(path.relative_to(ROOT)), name)
        for path, found in uses.items()
        for text in found
        for name in loose_uses(text, names)
    }
    assert loose == set()
    read = {name for found in uses.values() for text in found for name in names if name in text}
    # The role awx_setup hands its own on as it is.
    assert names - read == set()


@pytest.mark.parametrize(
    ("text", "loose"),
    [
        ("{{ audit_history | appsec.perimeter.switch and x }}", []),
        ("audit_history | bool", ["audit_history"]),
        ("{{ 'a' if audit_history else 'b' }}", ["audit_history"]),
        ("{{ audit_history }}", []),
    ],
)
def test_a_switch_that_is_read_in_another_way_is_found(text: str, loose: list[str]) -> None:
    assert loose_uses(text, {"audit_history", "scan_inventory"}) == loose


def tasks_of(data: Any, rescued: bool = False) -> Iterator[tuple[dict[str, Any], bool]]:
    """Every task of a file, with whether a block rescues what fails in it."""
    for task in data:
        yield task, rescued
        for part in ("block", "rescue", "always"):
            yield from tasks_of(task.get(part, ()), rescued or (part == "block" and "rescue" in task))


def test_a_job_that_cannot_even_be_started_ends_no_play() -> None:
    """Each file that starts one is included inside a block that rescues, or its task fails for nothing."""
    plain = []
    begun = 0
    for path in sorted(ROLES.glob("*/tasks/*.yml")):
        for task, rescued in tasks_of(load(path)):
            if "async" not in task:
                continue
            begun += 1
            assert task["vars"]["ansible_async_dir"].startswith("{{ _"), task["name"]
            if not rescued and task.get("failed_when") is not False:
                plain.append(path)
    assert begun >= 8
    for path in plain:
        # Alone, a service ends the play in its own words, and has no background.
        includes = [
            (task, rescued) for other in path.parent.glob("*.yml") for task, rescued in tasks_of(load(other))
            if "_audit_s" in str(task.get("ansible.builtin.include_tasks", ""))
        ]  # fmt: skip
        assert path.parent.parent.name == "audit"
        assert [task["name"] for task, rescued in includes if not rescued] == ["Read the service"]
        assert [task["name"] for task, rescued in includes if rescued] != []


def test_where_background_jobs_leave_their_results_has_one_owner() -> None:
    owned = [
        text for path in sorted(ROLES.glob("*/vars/main.yml")) for name, text in load(path).items()
        if name.endswith("_async_dir")
    ]  # fmt: skip
    assert owned == ["{{ 'root' | appsec.perimeter.async_dir }}"] * 2
