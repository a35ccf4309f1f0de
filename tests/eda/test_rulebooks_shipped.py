# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebooks of the collection, as ansible-rulebook itself reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_rulebook import collection
from ansible_rulebook.json_generator import generate_dict_rulesets
from ansible_rulebook.rules_parser import parse_rule_sets
from ansible_rulebook.validators import Validate

from tests.conftest import ROOT

RULEBOOKS = sorted((ROOT / "extensions" / "eda" / "rulebooks").glob("*.yml"))
VARIABLES = {"notify_url": "https://hooks.example.com/x", "ticket_url": "https://t.example.com", "gate_policy": "p.yml"}


@pytest.mark.parametrize("path", RULEBOOKS, ids=lambda path: path.stem)
def test_a_rulebook_is_valid_and_its_playbooks_are_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It would look for sources that were renamed, with ansible-galaxy.
    monkeypatch.setattr(collection, "find_collection", lambda _name: None)
    data = yaml.safe_load(path.read_text())
    Validate.rulebook(data)
    sets = parse_rule_sets(data, VARIABLES)
    assert generate_dict_rulesets(sets, VARIABLES)
    actions = [action for rules in sets for rule in rules.rules for action in rule.actions]
    for action in actions:
        name = action.action_args.get("name", "")
        if action.action == "run_playbook":
            assert (ROOT / "playbooks" / f"{name.rpartition('.')[2]}.yml").exists(), name
