# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a finding to its text, its retest and its application's script, in one playbook."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.runner import Ansible, Task
from tests.sandbox import Sandbox

SECRET = "type name=pw S3cret"


def test_a_finding_is_looked_up_explained_and_retested(
    ansible: Ansible, sandbox: Sandbox, login: dict[str, str], tmp_path: Path
) -> None:
    state = sandbox.qualys
    webapp_id = state.webapps.ids[0]
    state.webapps[webapp_id]["crawlingScripts"] = [{"id": 55999, "name": "login.html", "data": SECRET}]
    record = next(item for item in state.findings.in_order() if item["type"] == "VULNERABILITY")
    sandbox.switches["retest_outcome"] = "fixed"
    script, knowledge = tmp_path / "login.html", tmp_path / "knowledge.json"
    download = {"webapp_id": webapp_id, "script_id": 55999, "dest": str(script)}
    tasks: list[Task] = [
        {"name": "tag", "qualys_was_tag_info": {"name": "prod"}},
        {"name": "profile", "qualys_was_option_profile_info": {"detail": "full", "limit": 1}},
        {"name": "found", "qualys_was_finding_info": {"id": record["uniqueId"]}, "register": "found"},
        {
            "name": "meaning",
            "qualys_kb_info": {"qids": "{{ found.findings | map(attribute='rule_id') }}", "dest": str(knowledge)},
        },
        {"name": "kept", "qualys_kb_info": {"qids": [record["qid"]]}},
        {"name": "script predicted", "qualys_was_selenium_script": download, "check_mode": True},
        {"name": "script", "qualys_was_selenium_script": download},
        {"name": "script again", "qualys_was_selenium_script": download},
        {
            "name": "retest",
            "qualys_was_finding": {
                "ids": "{{ found.findings | map(attribute='id') }}",
                "retest": True,
                "poll_interval": 0.05,
            },
        },
    ]
    environment = login | {"PERIMETER_STATE_DIR": str(tmp_path / "state")}
    run = ansible.play(tasks, environment=environment, arguments=["-vvv", "--diff"], counters=sandbox.url)
    assert run.status == 0, run.output

    assert [tag["name"] for tag in run["tag"]["tags"]] == ["prod"]
    assert run["profile"]["option_profiles"][0]["max_crawl_requests"] > 0
    assert [entry["qid"] for entry in json.loads(knowledge.read_bytes())["entries"]] == [record["qid"]]
    assert (run["meaning"].changed, run["kept"].changed, run["kept"]["cached"]) == (True, False, 1)
    assert [run[name].changed for name in ("script predicted", "script", "script again")] == [True, True, False]
    assert script.read_text(encoding="utf-8") == SECRET
    assert "S3cret" not in run.output
    assert run["retest"]["findings"][0]["retest"]["finding_status"] == "FIXED"
    writes = [path for path in sandbox.counters.snapshot()["by_route"] if "/retest/" in path or "/purge/" in path]
    assert writes == ["POST /qps/rest/3.0/retest/was/finding/<id>"]
    assert sandbox.counters.writes == 1
