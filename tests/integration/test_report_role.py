# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ``report`` as a user runs it: from what is stored, with no network and no credentials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.runner import Ansible, Run
from tests.unit.plugins.module_utils._report import attack_factory, factory

PLAYBOOK = "appsec.perimeter.report"


def stored(folder: Path) -> Path:
    """A directory as the role audit leaves it."""
    source = folder / "audit"
    source.mkdir()
    findings = list(factory.estate_findings(40, 6))
    factory.write_snapshot(source / "findings.ndjson.gz", findings)
    attack_factory.write_stream(source / "logs" / "edgecast", attack_factory.events(50))
    attack_factory.write_stream(source / "logs" / "carbon_black", map(attack_factory.image, range(1, 6)))
    attack_factory.write_lines(source / "matches.ndjson", attack_factory.matches(findings))
    (source / "history.json").write_text(json.dumps(attack_factory.history(findings)))
    return source


def report(ansible: Ansible, *arguments: str, **variables: Any) -> Run:
    """One run, in an environment that leads nowhere."""
    return ansible.program("ansible-playbook", PLAYBOOK, "-e", json.dumps(variables), *arguments, environment={})


def test_the_role_reports_what_is_stored_and_nothing_twice(ansible: Ansible) -> None:
    source, directory = stored(ansible.folder), ansible.folder / "out"
    given = {"report_source": str(source), "report_directory": str(directory), "report_formats": "html, json,xlsx"}
    foretold = report(ansible, "--check", **given)
    assert foretold.status == 0, foretold.output
    assert not directory.exists()
    first = report(ansible, **given)
    assert first.status == 0, first.output
    assert {path.name for path in directory.iterdir()} == {"report.html", "report.json", "report.xlsx"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (directory, *directory.iterdir()))
    content = json.loads((directory / "report.json").read_bytes())
    assert content["summary"]["total"] == 40
    assert content["attacks"]["total"] == 50
    assert len(content["images"]) == 5
    assert content["history"]["breached_total"] == 61
    assert sum(content["summary"]["attacked"].values()) == content["summary"]["states"]["open"]
    again = report(ansible, **given)
    assert "changed=0" in again.stdout


def test_with_nothing_to_report_it_says_what_to_set(ansible: Ansible) -> None:
    nothing = report(ansible, report_source=str(ansible.folder))
    assert nothing.status == 2
    assert "Set report_source to the directory of an audit" in nothing.output.replace("\n", " ")
