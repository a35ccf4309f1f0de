# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of this collection make no managed nodes of web applications: the guide "Where it runs" says so, and why."""

from __future__ import annotations

import yaml

from tests.conftest import ROOT


def test_no_query_counts_what_a_module_returns() -> None:
    assert not (ROOT / "extensions" / "audit").exists()
    guide = (ROOT / "docs" / "docsite" / "rst" / "where_it_runs.rst").read_text(encoding="utf-8")
    assert "the collection has no** ``extensions/audit/event_query.yml``" in guide


def test_every_play_runs_on_localhost() -> None:
    paths = list((ROOT / "playbooks").glob("*.yml"))
    assert len(paths) > 5
    for path in paths:
        plays = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert [play["hosts"] for play in plays] == ["localhost"] * len(plays), path.name


def test_no_task_goes_to_another_host() -> None:
    for path in (ROOT / "roles").rglob("tasks/*.yml"):
        text = path.read_text(encoding="utf-8")
        assert "delegate_to" not in text, path
        assert "add_host" not in text, path
