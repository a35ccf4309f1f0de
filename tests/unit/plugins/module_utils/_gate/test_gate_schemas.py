# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The published schemas, the checks of the gate, and what the gate writes agree."""

from __future__ import annotations

import copy
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PolicyError
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.decide.schema_verdict import (
    PUBLISHED as ALL_SCHEMAS,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.policy import load_policy
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.schemas import SCHEMAS
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.validate import validate
from ansible_collections.appsec.perimeter.plugins.module_utils._records.policy.documents import read_document
from tests.unit.plugins.module_utils._gate.gate_kit import Folder, finding, waiver, waivers

ROOT = Path(__file__).resolve().parents[5]
PUBLISHED = ROOT / "docs" / "schemas" / "gate"

FULL_POLICY: dict[str, Any] = {
    "schema": 1,
    "name": "release",
    "description": "What may ship.",
    "scope": {
        "sources": ["qualys"],
        "applications": ["shop"],
        "filters": [{"field": "type", "operator": "IN", "value": ["VULNERABILITY"]}],
        "scans": "required",
        "authentication": "required",
        "profile": "CI quick",
        "min_links": 10,
        "min_links_ratio": 0.5,
        "max_scan_age": "12h",
    },
    "missing_baseline": "all_new",
    "ignored_at_source": "honour",
    "edited_severity": "require_waiver",
    "protected": "require_match",
    "blocked_by_waf": "exclude",
    "limits": {"new": {"vulnerability": {"critical": 0, "high": None}}, "all": {"information": {"info": 5}}},
    "sla": {"critical": "7d", "low": None},
    "rules": [
        {
            "name": "injection",
            "description": "No injection.",
            "states": ["reopened", "escalated"],
            "severities": ["critical"],
            "kinds": ["vulnerability"],
            "rule_ids": {"include": [150001, "150010-150020", "XSS"], "exclude": ["150015"]},
            "cwe": {"include": ["CWE-79", "89-90"]},
            "owasp": {"exclude": ["A03", 4]},
            "tags": {"include": ["prod"]},
            "urls": {"exclude": ["*/legacy/*"]},
            "applications": {"include": ["shop*"]},
            "sources": ["qualys"],
            "confirmed_only": True,
            "cvss_min": 7.5,
            "detection_score_min": 50,
            "without_score": "skip",
            "older_than": "1.5d",
            "attacks": ["attacked_not_blocked", "blocked"],
            "waivable": True,
            "limit": 3,
            "count_per": "run",
            "action": "warn",
        }
    ],
    "exclude": [{"reason": "not ours", "urls": {"include": ["*/cdn/*"]}}],
    "may_exclude_all": ["pay"],
    "applications": [
        {
            "match": ["pay"],
            "limits": {"all": {"vulnerability": {"critical": 0}}},
            "sla": {"high": "2w"},
            "rules": [{"name": "own"}],
            "disable": ["injection"],
            "scope": {"min_links": 5},
        }
    ],
    "images": {
        "malware": "fail",
        "limits": {"critical": 0},
        "required": ["*/shop:*"],
        "max_scan_age": "2d",
        "overrides": [{"match": ["*/pay:*"], "malware": "warn"}],
    },
    "waivers": {"max_days": {"critical": 10}, "expiring_within": "7d", "max_findings": 5, "strict": True},
}
FULL_WAIVERS = waivers(
    waiver(),
    waiver(
        id="W-2",
        created="2026-11-01",
        push=True,
        match={
            "fingerprints": ["a"],
            "ids": ["1"],
            "rule_ids": ["150001-150003", 5],
            "cwe": ["CWE-79"],
            "applications": ["shop"],
            "urls": ["*"],
            "parameters": ["q"],
            "tags": ["prod"],
            "sources": ["qualys"],
            "kinds": ["information"],
            "severities": ["low"],
        },
    ),
)
BASELINE = {
    "record": "baseline",
    "schema": 1,
    "written": "2026-11-20T12:00:00Z",
    "run_id": "7",
    "policy": {"name": None, "sha256": "0"},
    "applications": [
        {
            "source": "qualys",
            "id": "4711",
            "name": "shop",
            "time": "2026-11-20T12:00:00Z",
            "run_id": None,
            "scan": {"id": "1", "profile": None, "auth_status": "NONE", "links_crawled": 4},
            "findings": {"u:1": ["high", "low"]},
            "reopened": [],
            "waived": {"u:2": ["low"]},
        }
    ],
}
GOOD = {"policy": FULL_POLICY, "waivers": FULL_WAIVERS, "baseline": BASELINE}
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**400,
    "",
    "x",
    "7d",
    "2026-01-01",
    [],
    [[]],
    ["x"],
    ["x", "x"],
    {},
    {"x": 1},
]


def accepted(name: str, document: Any) -> bool:
    try:
        validate(document, SCHEMAS[name], name)
    except PolicyError:
        return False
    return True


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(document, dict):
        for key, value in document.items():
            yield from places(value, (*path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from places(value, (*path, index))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    target = changed
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return changed


def without(document: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(document)
    target = changed
    for step in path[:-1]:
        target = target[step]
    del target[path[-1]]
    return changed


@pytest.mark.parametrize("name", sorted(ALL_SCHEMAS))
def test_the_published_schema_is_the_one_in_the_code(name: str) -> None:
    published = json.loads((PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))
    assert published == ALL_SCHEMAS[name], "run python docs/schemas/write.py"


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_document_with_every_key_is_accepted(name: str) -> None:
    validate(GOOD[name], SCHEMAS[name], name)


def test_the_full_policy_has_every_key_of_the_schema() -> None:
    assert set(FULL_POLICY) == set(SCHEMAS["policy"]["properties"])
    assert set(FULL_POLICY["rules"][0]) == set(SCHEMAS["policy"]["$defs"]["rule"]["properties"])


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_jsonschema_judges_every_changed_document_alike(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    judge = jsonschema.Draft202012Validator(SCHEMAS[name])
    judged = 0
    for path in places(GOOD[name]):
        changed = [replaced(GOOD[name], path, value) for value in ODD]
        if path:
            changed.append(without(GOOD[name], path))
        for document in changed:
            judged += 1
            assert judge.is_valid(document) is accepted(name, document), (path, document)
    assert judged > 100


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("limits", "new", "vulnerability", "critcal"), 0, "Did you mean critical?"),
        (("rules", 0, "limit"), -1, "rules[0].limit is -1"),
        (("rules", 0, "limit"), True, "is true, not a whole number"),
        (("missing_baseline",), "none", "One of all_new, adopt, inconclusive."),
        (("sla", "critical"), "7 days", "a number with s, m, h, d or w"),
        (("scope", "min_links_ratio"), 2, "from 0 to 1"),
        (("name",), ["x"], "name is a list, not text"),
    ],
)
def test_a_message_names_the_key_and_what_is_allowed(path: tuple[Any, ...], value: Any, words: str) -> None:
    with pytest.raises(PolicyError) as caught:
        validate(replaced(FULL_POLICY, path, value), SCHEMAS["policy"], "policy")
    assert words in str(caught.value)
    assert str(caught.value).startswith("policy: ")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([*SCHEMAS["policy"]["properties"], "x"]), inner)
        ),
        max_leaves=8,
    )
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_no_policy_is_refused(document: Any) -> None:
    if accepted("policy", document):
        assert document["schema"] == 1
        assert document["schema"] is not True


def test_a_written_baseline_is_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.adopt([finding(), finding(2, status="reopened"), finding(3, unique_id=None)])
    written = json.loads(folder.baseline.read_text(encoding="utf-8"))
    validate(written, SCHEMAS["baseline"], "baseline")
    assert written["applications"][0]["findings"].keys() == {"u:uuid-1", "u:uuid-2", f"f:{3:032x}"}
    assert written["applications"][0]["reopened"] == ["u:uuid-2"]


def examples() -> list[tuple[str, str]]:
    """The documents in the guide: code blocks that begin with the name of a schema."""
    text = (ROOT / "docs" / "docsite" / "rst" / "gate.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"\.\. code-block:: yaml\n\n((?: {4}.*\n|\n)+)", text)
    return [
        (first.removeprefix("# "), rest) for first, rest in (textwrap.dedent(block).split("\n", 1) for block in blocks)
    ]


@pytest.mark.parametrize(("name", "text"), examples())
def test_the_examples_of_the_guide_are_valid(name: str, text: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    path = folder.write("example.yml", text)
    validate(read_document(path, name).data, SCHEMAS[name], name)
    if name == "policy":
        load_policy(path)


def test_the_guide_names_every_key_of_the_policy() -> None:
    assert len(examples()) == 3
    text = (ROOT / "docs" / "docsite" / "rst" / "gate.rst").read_text(encoding="utf-8")
    defined = SCHEMAS["policy"]["$defs"]["rule"]["properties"]
    scope = SCHEMAS["policy"]["properties"]["scope"]["properties"]
    waiver_keys = SCHEMAS["waivers"]["properties"]["waivers"]["items"]["properties"]
    for key in (*SCHEMAS["policy"]["properties"], *defined, *scope, *waiver_keys["match"]["properties"]):
        assert f"``{key}``" in text, key


def test_a_verdict_that_lacks_a_key_or_contradicts_itself_is_none(tmp_path: Path) -> None:
    judge = jsonschema.Draft202012Validator(ALL_SCHEMAS["gate"])
    judge.check_schema(ALL_SCHEMAS["gate"])
    folder = Folder(tmp_path)
    folder.adopt([finding()])
    folder.gate([finding(), finding(2)], waivers=waivers(waiver(push=True)), baseline=str(folder.baseline))
    written = folder.verdict()
    assert judge.is_valid(written)
    assert judge.is_valid({**written, "later": 1})
    lacking = [path for path in places(written) if path and isinstance(path[-1], str)]
    # The figures of a run are all there, or there are none.
    assert len(lacking) > 100
    assert [path for path in lacking if judge.is_valid(without(written, path))] == []
    assert not judge.is_valid({**written, "exit_code": 0})
    assert not judge.is_valid({**written, "verdict": "passed"})
