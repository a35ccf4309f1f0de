# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role awx_setup with the modules of awx.awx against a stand-in of AWX: check mode, changed, then unchanged."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black import client as carbon_black
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast import client as edgecast
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface import client as indusface
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import CONNECTION
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api import connection as qualys
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum import client as scutum
from tests.awx.standin import KINDS, Awx
from tests.conftest import ROOT, make_import_tree
from tests.integration.runner import Ansible, Run

PASSWORD, KEY, HOOK = "Cnry-password/&<x>", "Cnry-key/&<y>", "Cnry-hook-path"
ENVIRONMENT = {
    "QUALYS_WAS_PLATFORM": "eu1", "QUALYS_WAS_USERNAME": "acme_xy1", "QUALYS_WAS_PASSWORD": PASSWORD,
    "SCUTUM_API_KEY": KEY, "SCUTUM_HOST": "www.example.jp", "SCUTUM_ID": "ABC1234",
    "PERIMETER_AWX_NOTIFICATION_URL": f"https://hooks.example.com/{HOOK}",
}  # fmt: skip
VARIABLES = {
    "awx_setup_execution_environment": {"name": "Perimeter EE", "image": "registry.example.com/perimeter-ee:1.0.0"},
    "awx_setup_project": {"name": "Perimeter project", "scm_url": "https://git.example.com/perimeter.git"},
    "awx_setup_webapp_filters": [{"field": "tags.name", "value": "prod"}],
    "awx_setup_state": {"directory": "/srv/perimeter", "volume_claim": "perimeter-state", "namespace": "awx"},
}


@dataclass(frozen=True)
class Runs:
    """Three runs, and the writes that AWX had seen after each."""

    awx: Awx
    check: Run
    first: Run
    second: Run
    writes: list[int]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("awx")
    ansible = Ansible(folder, make_import_tree())
    with Awx() as awx:
        environment = ENVIRONMENT | {"CONTROLLER_HOST": awx.url, "CONTROLLER_OAUTH_TOKEN": awx.token}
        found, writes = [], []
        for arguments in (["--check"], ["-vvv"], []):
            command = ("-i", "localhost,", "-e", json.dumps(VARIABLES), *arguments, "appsec.perimeter.awx_setup")
            run = ansible.program(
                "ansible-playbook", *command, environment=environment, results=folder / f"run{len(found)}.jsonl"
            )
            assert run.status == 0, run.output[-6000:]
            found.append(run)
            writes.append(len(awx.writes))
        yield Runs(awx, *found, writes)


def test_check_mode_writes_nothing_and_says_what_would_be_made(runs: Runs) -> None:
    assert runs.writes[0] == 0
    assert "a real run would create the objects that are shown above" in runs.check.stdout


def test_the_first_run_makes_everything_and_the_second_changes_nothing(runs: Runs) -> None:
    assert runs.writes[1] > 40
    assert runs.writes[2] == runs.writes[1], runs.awx.writes[runs.writes[1] :]
    assert [result.task for result in runs.second.results if result.changed] == []


def test_no_secret_is_shown(runs: Runs) -> None:
    for run in (runs.check, runs.first, runs.second):
        for secret in (PASSWORD, KEY, HOOK, runs.awx.token):
            assert secret not in run.output
            assert secret not in json.dumps([result.result for result in run.results])


def test_credentials_hold_what_was_in_the_environment(runs: Runs) -> None:
    found = {item["name"]: item["inputs"] for item in runs.awx.objects["credentials"].values()}
    assert found == {
        "Perimeter Qualys WAS": {"platform": "eu1", "username": "acme_xy1", "password": PASSWORD},
        "Perimeter Scutum WAF": {"api_key": KEY, "scutum_host": "www.example.jp", "scutum_id": "ABC1234"},
        "Perimeter settings": {"state_dir": "/srv/perimeter/state"},
    }


def test_injectors_are_what_the_modules_read(runs: Runs) -> None:
    """The types in AWX set each variable of each room from the field of the same option, and no other one."""
    rooms = {
        "Perimeter Qualys WAS": qualys.ENVIRONMENT, "Perimeter Edgecast WAF": edgecast.ENVIRONMENT,
        "Perimeter Scutum WAF": scutum.ENVIRONMENT, "Perimeter Indusface WAS": indusface.ENVIRONMENT,
        "Perimeter Carbon Black Cloud": carbon_black.ENVIRONMENT,
        "Perimeter settings": {
            name: option["fallback"][1][0] for name, option in CONNECTION.options.items() if "fallback" in option
        },
    }  # fmt: skip
    types = {item["name"]: item for item in runs.awx.objects["credential_types"].values()}
    assert set(types) == set(rooms)
    for name, variables in rooms.items():
        expected = {variable: f"{{{{ {option} | default('') }}}}" for option, variable in variables.items()}
        assert types[name]["injectors"] == {"env": expected}
        assert {field["id"] for field in types[name]["inputs"]["fields"]} == set(variables)
    secrets = {field["id"] for item in types.values() for field in item["inputs"]["fields"] if field.get("secret")}
    assert secrets == {
        "password", "client_secret", "token", "api_key", "access_key", "secret_key", "api_secret_key",
        "csp_client_secret", "csp_api_token", "proxy",
    }  # fmt: skip


def test_each_template_needs_no_further_variable(runs: Runs) -> None:
    playbooks = {path.name for path in (ROOT / "docs" / "awx" / "project").glob("*.yml")}
    templates = runs.awx.objects["job_templates"].values()
    assert {item["playbook"] for item in templates} == playbooks - {"import_estate.yml"}
    for item in templates:
        survey = runs.awx.surveys.get(("job_templates", item["id"]), {"spec": []})
        assert item["survey_enabled"] == bool(survey["spec"])
        # A schedule and a workflow answer no question.
        assert all(question["default"] not in (None, "") for question in survey["spec"] if question["required"])
        assert item["job_slice_count"] == 1
        assert runs.awx.links("job_templates", item, "instance_groups") == ["Perimeter jobs"]
        assert "Perimeter settings" in runs.awx.links("job_templates", item, "credentials")
    collect = json.loads(runs.awx.named("job_templates", "Perimeter collect")["extra_vars"])
    assert collect == {"collect_logs_directory": "/srv/perimeter/logs", "collect_logs_sources": ["scutum"]}
    gate = json.loads(runs.awx.named("job_templates", "Perimeter gate")["extra_vars"])
    assert gate["gate_webapp_filters"] == VARIABLES["awx_setup_webapp_filters"]


def test_variables_of_templates_and_surveys_are_those_of_the_roles(runs: Runs) -> None:
    roles = {"apply": "catalog", "drift": "catalog", "collect": "collect_logs"}
    for item in runs.awx.objects["job_templates"].values():
        name = item["name"].removeprefix("Perimeter ")
        defaults = yaml.safe_load((ROOT / "roles" / roles.get(name, name) / "defaults" / "main.yml").read_text())
        survey = runs.awx.surveys.get(("job_templates", item["id"]), {"spec": []})
        given = {*json.loads(item["extra_vars"] or "{}"), *(question["variable"] for question in survey["spec"])}
        assert given <= set(defaults), name


def test_the_workflow_leads_from_the_catalog_to_the_report(runs: Runs) -> None:
    nodes = runs.awx.objects["workflow_job_template_nodes"].values()
    leads = {
        node["identifier"]: {
            name: found for name in ("success", "failure")
            if (found := runs.awx.links("workflow_job_template_nodes", node, f"{name}_nodes"))
        }
        for node in nodes
    }  # fmt: skip
    assert leads == {
        "apply": {"success": ["scan"]}, "scan": {"success": ["gate"]},
        "gate": {"success": ["report"], "failure": ["approval"]}, "approval": {"success": ["report accepted"]},
        "report": {}, "report accepted": {},
    }  # fmt: skip
    assert len(runs.awx.objects["workflow_approval_templates"]) == 1
    assert len(runs.awx.objects["schedules"]) == 3


def test_the_state_is_on_the_volume(runs: Runs) -> None:
    pod = json.loads(runs.awx.named("instance_groups", "Perimeter jobs")["pod_spec_override"])
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "perimeter-state"}
    assert pod["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] == "/srv/perimeter"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"awx_setup_project": {"name": "x", "scm_type": "cvs"}}, "value of scm_type must be one of"),
        ({"awx_setup_webapp_filters": []}, "the applications that scan and gate process"),
    ],
)
def test_mistakes_are_told_before_anything_is_sent(tmp_path: Path, variables: dict[str, Any], words: str) -> None:
    with Awx() as awx:
        environment = ENVIRONMENT | {"CONTROLLER_HOST": awx.url, "CONTROLLER_OAUTH_TOKEN": awx.token}
        run = Ansible(tmp_path, make_import_tree()).program(
            "ansible-playbook", "-i", "localhost,", "-e", json.dumps(VARIABLES | variables),
            "appsec.perimeter.awx_setup", environment=environment,
        )  # fmt: skip
        assert run.status == 2
        assert words in " ".join(run.output.split()), run.output
        assert awx.writes == []
        assert PASSWORD not in run.output


def test_the_stand_in_knows_no_field_that_the_modules_do_not(tmp_path: Path) -> None:
    """A field of the stand-in that AWX does not have would hide a mistake."""
    for kind in KINDS.values():
        if kind.singular == "workflow_approval_template":
            continue
        module = importlib.import_module(f"ansible_collections.awx.awx.plugins.modules.{kind.singular}")
        options = yaml.safe_load(module.DOCUMENTATION)["options"]
        assert {*kind.fields, *kind.links} <= set(options), kind.singular
