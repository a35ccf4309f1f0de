# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Automation patterns: what Automation Platform reads of them, and that they say the same as the roles and awx_setup.

A survey is in four places, as each is read by another program: in ``pattern.json``, in the argument specification of
the playbook, in the form of the portal, and in the job template of ``awx_setup``. The tests compare them.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
from pathlib import Path
from typing import Any

import ansible.template
import jsonschema
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.policy import load_policy
from tests.conftest import ROOT

FOLDER = ROOT / "extensions" / "patterns"
NAMES = ("nightly_audit", "release_gate")
PREFIX = "appsec.perimeter."
Data = dict[str, Any]
# Before ansible-core 2.19 every text is a template.
_trust = getattr(ansible.template, "trust_as_template", str)

TEXT = {"type": "string", "minLength": 1, "pattern": r"^\S.*\S$"}
NAME = {**TEXT, "maxLength": 200}


def exactly(required: Data, optional: Data | None = None) -> Data:
    """The schema of an object that has these keys and no others."""
    properties = required | (optional or {})
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


QUESTION = exactly(
    {
        "type": {"enum": ["text", "textarea", "integer", "float", "multiplechoice", "multiselect"]},
        "question_name": NAME,
        "question_description": TEXT,
        "variable": {"type": "string", "pattern": "^[a-z0-9_]{1,64}$"},
        "required": {"type": "boolean"},
    },
    {
        "default": {"type": "string"},
        "choices": {"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True},
        "min": {"type": "integer"},
        "max": {"type": "integer"},
    },
)
QUESTION["if"] = {"properties": {"type": {"const": "multiplechoice"}}}
QUESTION["then"], QUESTION["else"] = {"required": ["choices"]}, {"required": ["min", "max"]}
JOB_TEMPLATE = exactly(
    {
        "name": NAME,
        "description": TEXT,
        "execution_environment": NAME,
        "playbook": {"type": "string", "pattern": r"^[a-z_]+\.yml$"},
        # A pattern has no credentials and no inventory of its own.
        "ask_credential_on_launch": {"const": True},
        "ask_inventory_on_launch": {"const": True},
        "survey": exactly(
            {"name": NAME, "description": TEXT, "spec": {"type": "array", "items": QUESTION, "minItems": 1}}
        ),
    },
    {"primary": {"const": True}},
)
SCHEMA = exactly(
    {
        "schema_version": {"const": "3.0.0"},
        "name": {"type": "string", "pattern": "^[a-z0-9_]{1,64}$"},
        "title": {**TEXT, "maxLength": 64},
        "description": {**TEXT, "pattern": r"\.$"},
        "short_description": {**TEXT, "pattern": r"[^.]$"},
        "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z0-9]+$"}, "uniqueItems": True},
        "aap_resources": exactly(
            {
                "controller_project": exactly({"name": NAME, "description": TEXT}),
                "controller_execution_environment": exactly(
                    {"name": NAME, "description": TEXT, "image_name": TEXT, "pull": {"const": "missing"}}
                ),
                "controller_job_templates": {"type": "array", "items": JOB_TEMPLATE, "minItems": 1},
            }
        ),
    }
)
"""What Automation Platform reads, and stricter: a key that it does not know would be lost without a word."""

OWN: dict[str, Data] = {
    # A job template of awx_setup has filters beside it, which choose applications when none is named.
    "gate_webapps": {"required": True, "min": 1, "question_description": "Names or ids with commas between them."},
    # The project of a pattern is the collection, which has a policy to begin with.
    "gate_policy": {"default": "extensions/patterns/release_gate/security/gate.yml"},
}
"""Where a question of a pattern is not that of ``awx_setup``."""


def pattern(name: str) -> Data:
    found: Data = json.loads((FOLDER / name / "meta" / "pattern.json").read_text(encoding="utf-8"))
    return found


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def job_templates() -> list[tuple[str, Data]]:
    """Each job template with the name of its pattern."""
    return [(name, job) for name in NAMES for job in pattern(name)["aap_resources"]["controller_job_templates"]]


JOBS = pytest.mark.parametrize(("name", "job"), job_templates(), ids=lambda value: str(value)[:20])


def role_of(job: Data) -> str:
    """The role that the playbook runs, which has its name."""
    return Path(job["playbook"]).stem


def options(role: str) -> Data:
    found: Data = read(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


def trusted(*path: str) -> Data:
    """A file of variables whose templates may be rendered."""
    text = ROOT.joinpath("roles", *path).read_text(encoding="utf-8")
    # Full names of plugins need the finder of collections, which programs of Ansible install.
    found: Data = DataLoader().load(_trust(text.replace("ansible.builtin.env", "env")))
    return found


class Awx:
    """The role awx_setup, as far as templates go that no other part of the role is needed for."""

    def __init__(self) -> None:
        self.variables = trusted("awx_setup", "defaults", "main.yml") | trusted("awx_setup", "vars", "main.yml")
        self.templar = Templar(DataLoader(), variables=self.variables)

    def job(self, role: str) -> Data:
        """Variables and survey of the job template for a playbook, as AWX gets them."""
        found = next(job for job in self.variables["_awx_setup_job_templates"] if job["playbook"] == f"{role}.yml")
        rendered: Data = self.templar.template({key: found[key] for key in ("extra_vars", "survey")})
        return rendered

    def names(self) -> set[str]:
        jobs = {job["name"] for job in self.variables["_awx_setup_job_templates"]}
        things = [
            self.variables[f"awx_setup_{key}"]["name"] for key in ("execution_environment", "project", "workflow")
        ]
        return {f"Perimeter {name}" for name in jobs} | set(self.templar.template(things))


@pytest.fixture
def awx(monkeypatch: pytest.MonkeyPatch) -> Awx:
    for name in [name for name in os.environ if name.startswith("PERIMETER_")]:
        monkeypatch.delenv(name)
    return Awx()


def test_each_folder_is_a_pattern() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_pattern_is_what_automation_platform_reads(name: str) -> None:
    found = pattern(name)
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    assert found["name"] == name
    resources = found["aap_resources"]
    jobs = resources["controller_job_templates"]
    assert {job["execution_environment"] for job in jobs} == {resources["controller_execution_environment"]["name"]}
    # Of several files in the folder of playbooks, one has to be named as the first.
    assert len([job for job in jobs if job.get("primary")]) == 1
    version = read(ROOT / "galaxy.yml")["version"]
    assert resources["controller_execution_environment"]["image_name"].endswith(f":{version}"), (
        "a new version, a new image"
    )


@pytest.mark.parametrize("name", NAMES)
def test_playbooks_are_thin_and_run_those_of_the_collection(name: str) -> None:
    folder = FOLDER / name
    stems = {role_of(job) for job in pattern(name)["aap_resources"]["controller_job_templates"]}
    expected = {f"{stem}{suffix}" for stem in stems for suffix in (".yml", ".meta.yml")}
    assert {path.name for path in (folder / "playbooks").iterdir()} == expected
    for stem in stems:
        [play] = read(folder / "playbooks" / f"{stem}.yml")
        assert play == {"name": f"Run {stem} of the collection", "ansible.builtin.import_playbook": PREFIX + stem}
        assert (ROOT / "playbooks" / f"{stem}.yml").is_file()


def test_names_differ_from_those_of_awx_setup(awx: Awx) -> None:
    """Both may be in one organization, where the second one of a name would take the place of the first."""
    jobs = [job["name"] for _name, job in job_templates()]
    assert len(set(jobs)) == len(jobs)
    projects = {pattern(name)["aap_resources"]["controller_project"]["name"] for name in NAMES}
    assert len(projects) == len(NAMES)
    assert (set(jobs) | projects).isdisjoint(awx.names())


def as_text(value: Any) -> str:
    """A value as somebody would answer a question with it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def fits(question: Data, option: Data) -> bool:
    """Whether an answer is of the type of the variable."""
    if question["type"] == "multiplechoice":
        return question["choices"] == option.get("choices", ["true", "false"])
    return option["type"] in ("str", "path", "raw") and "choices" not in option


@JOBS
def test_questions_are_about_variables_of_the_role(name: str, job: Data, awx: Awx) -> None:
    role = role_of(job)
    defaults = trusted(role, "defaults", "main.yml")
    templar = Templar(DataLoader(), variables=defaults)
    directories = awx.job(role)["extra_vars"]
    for question in job["survey"]["spec"]:
        variable = question["variable"]
        assert fits(question, options(role)[variable]), question
        # Where files have to outlive the job, both job templates say where.
        value = directories.get(variable, templar.template(defaults[variable]))
        if variable == "gate_scan":
            # awx_setup has a job of its own for the scan.
            assert (directories[variable], value) == (False, False)
            value = templar.template(defaults[variable])
        expected = OWN.get(variable, {}).get("default", as_text(value))
        assert question.get("default", "") == expected, question
        assert question["required"] == bool(expected) or variable in OWN
        assert "choices" not in question or expected in question["choices"]


def plain(question: Data) -> Data:
    """A question without what only the page of AWX needs."""
    return {
        key: value
        for key, value in question.items()
        if key != "new_question" and (key == "default" or value not in ("", None))
    }


@JOBS
def test_questions_are_those_of_awx_setup_word_for_word(name: str, job: Data, awx: Awx) -> None:
    questions = {question["variable"]: question for question in job["survey"]["spec"]}
    for theirs in awx.job(role_of(job))["survey"]:
        ours, own = questions[theirs["variable"]], OWN.get(theirs["variable"], {})
        assert ours == {key: value for key, value in (plain(theirs) | own).items() if key in ours}
        assert set(plain(theirs)) - set(ours) <= ({"default"} if not theirs["default"] else set())
        # An exception that is none any more would hide the next difference.
        assert all(theirs[key] != value for key, value in own.items())
        assert theirs["question_description"].startswith(ours["question_description"])


def test_there_is_no_secret_in_a_survey(awx: Awx) -> None:
    fields = [field for service in awx.variables["_awx_setup_services"].values() for field in service["fields"]]
    secrets = {field["id"] for field in fields}
    for _name, job in job_templates():
        for question in job["survey"]["spec"]:
            assert not any(question["variable"].endswith(f"_{secret}") for secret in secrets)
            assert not re.search("password|secret|token|credential|key", json.dumps(question), re.IGNORECASE)


@JOBS
def test_the_specification_of_a_playbook_is_its_survey(name: str, job: Data) -> None:
    role = role_of(job)
    found = read(FOLDER / name / "playbooks" / f"{role}.meta.yml")
    assert set(found["argument_specs"]) == {role}
    spec = found["argument_specs"][role]
    assert found["short_description"] == spec["short_description"] == job["description"]
    expected = {}
    for question in job["survey"]["spec"]:
        described = {
            "description": question["question_description"],
            "type": options(role)[question["variable"]]["type"],
        }
        rest = {"default": question["default"]} if "default" in question else {"required": True}
        expected[question["variable"]] = described | rest
    assert spec["options"] == expected
    answers = {question["variable"]: question.get("default") for question in job["survey"]["spec"]}
    examples = yaml.safe_load(spec["examples"])
    assert {key: answers[key] or value for key, value in examples.items()} == examples


def field(question: Data) -> Data:
    """A question as a field of a form."""
    names = {
        "question_name": "title", "question_description": "description", "default": "default", "choices": "enum",
        "min": "minLength", "max": "maxLength",
    }  # fmt: skip
    return {"type": "string"} | {names[key]: value for key, value in question.items() if key in names}


@pytest.mark.parametrize("name", NAMES)
def test_the_form_of_the_portal_is_the_survey(name: str) -> None:
    found = pattern(name)
    job = next(job for job in found["aap_resources"]["controller_job_templates"] if job.get("primary"))
    form = read(FOLDER / name / "templates" / "self_service.yml")
    assert (form["apiVersion"], form["kind"]) == ("scaffolder.backstage.io/v1beta3", "Template")
    assert (form["metadata"]["title"], form["metadata"]["tags"]) == (found["title"], found["tags"])
    launch, questions = form["spec"]["parameters"]
    spec = job["survey"]["spec"]
    assert questions["properties"] == {question["variable"]: field(question) for question in spec}
    assert questions["required"] == [question["variable"] for question in spec if question["required"]]
    [step] = form["spec"]["steps"]
    values = step["input"]["values"]
    assert values.pop("template") == job["name"]
    variables = values.pop("extraVariables")
    given = values | variables
    assert set(given) == set(launch["properties"]) | set(questions["properties"])
    assert all(value == f"${{{{ parameters.{key} }}}}" for key, value in given.items())
    # The portal has the token of whoever fills in the form; a field for it would show it.
    assert step["input"]["token"] == "${{ secrets.aapToken }}"


def test_the_policy_of_the_pattern_needs_no_baseline() -> None:
    path = ROOT / OWN["gate_policy"]["default"]
    assert load_policy(path)
    assert set(read(path)["limits"]) == {"all"}


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_names_what_is_made_and_asked(name: str) -> None:
    text = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    resources = pattern(name)["aap_resources"]
    for job in resources["controller_job_templates"]:
        assert job["name"] in text
        assert all(f"`{question['variable']}`" in text for question in job["survey"]["spec"])
    assert resources["controller_execution_environment"]["image_name"] in text


def test_everything_of_a_pattern_is_in_the_artifact() -> None:
    ignored = read(ROOT / "galaxy.yml")["build_ignore"]
    for path in FOLDER.rglob("*"):
        parts = path.relative_to(ROOT).parts
        for index in range(len(parts)):
            name = "/".join(parts[: index + 1])
            assert not any(fnmatch.fnmatch(name, line) or fnmatch.fnmatch(parts[index], line) for line in ignored), name
