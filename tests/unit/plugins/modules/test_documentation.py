# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation says what the code does, and the two modules for web applications say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import (
    CARBON_BLACK,
    CONNECTION,
    EDGECAST,
    INDUSFACE,
    QUALYS,
    SCUTUM,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.connection import ENVIRONMENT, PLATFORMS
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.criteria import TABLES
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp_fields import (
    FIELDS,
    READ_ONLY,
    from_raw,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.spec import option_spec
from ansible_collections.appsec.perimeter.plugins.module_utils._records.model import Finding
from tests.tools import house_rules

ROOT = Path(__file__).resolve().parents[4]


def path(module: str) -> Path:
    return ROOT / "plugins" / "modules" / f"{module}.py"


def options_of(module: str) -> dict[str, dict[str, Any]]:
    return house_rules.documented(ROOT, path(module), "options")


ONE = options_of("qualys_was_webapp")
MANY = options_of("qualys_was_webapps")["webapps"]["suboptions"]
FIELD_OPTIONS = option_spec(FIELDS)


def flat(value: Any) -> Any:
    """Documentation with the paths of options cut down to their last part."""
    if isinstance(value, dict):
        return {key: flat(item) for key, item in value.items()}
    if isinstance(value, list):
        return [flat(item) for item in value]
    return re.sub(r"O\(webapps\[\]\.", "O(", value) if isinstance(value, str) else value


def test_both_modules_have_the_same_options_for_an_application() -> None:
    own = {"state", "remove_from_subscription", *options_of("qualys_was_webapps")}
    assert set(MANY) == set(ONE) - (own - set(MANY))
    assert {"id", "reactivate_if_exists", *FIELD_OPTIONS} == set(MANY)


@pytest.mark.parametrize("name", sorted(MANY))
def test_an_option_is_described_the_same_in_both_modules(name: str) -> None:
    assert flat(MANY[name]) == flat(ONE[name])


@pytest.mark.parametrize("name", sorted(FIELD_OPTIONS))
def test_every_field_is_documented_as_it_is_checked(name: str) -> None:
    spec, documented = FIELD_OPTIONS[name], ONE[name]
    for key in ("type", "elements", "choices", "default"):
        assert documented.get(key) == spec.get(key), key
    assert set(documented.get("suboptions") or {}) == set(spec.get("options") or {})


def test_every_field_and_every_read_only_key_is_in_the_sample() -> None:
    sample = house_rules.module_section(path("qualys_was_webapp"), "RETURN")["webapp"]["sample"]
    assert set(sample) == {field.name for field in FIELDS} | set(READ_ONLY) == set(from_raw({}))


def test_the_sample_of_a_finding_has_every_key() -> None:
    returned = house_rules.module_section(path("qualys_was_finding_info"), "RETURN")["findings"]
    (sample,) = returned["sample"] if isinstance(returned["sample"], list) else [returned["sample"]]
    assert set(sample) - set(Finding.__annotations__) == set()
    assert set(Finding.__annotations__) - {"raw", "details"} <= set(sample)


@pytest.mark.parametrize("variable", sorted(ENVIRONMENT.values()))
def test_every_variable_of_the_environment_is_documented(variable: str) -> None:
    text = str(options_of("qualys_was_webapp_info"))
    assert f"E({variable})" in text


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_platform_is_documented(platform: str) -> None:
    text = str(options_of("qualys_was_webapp_info")["platform"])
    assert platform in text or platform in ("us2", "us3")


def test_examples_filter_by_fields_that_exist() -> None:
    fields = set().union(*TABLES.values())
    for module in ("webapps", "webapp_info", "finding_info", "finding_export"):
        examples = str(house_rules.module_section(path(f"qualys_was_{module}"), "EXAMPLES"))
        assert set(re.findall(r"'field': '([^']+)'", examples)) <= fields


CONNECTION_OPTIONS = {
    name for spec in (CONNECTION, QUALYS, INDUSFACE, EDGECAST, SCUTUM, CARBON_BLACK) for name in spec.options
}


@pytest.mark.parametrize("module", sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")))
def test_no_option_of_a_module_has_the_name_of_a_connection_option(module: str) -> None:
    own = house_rules.module_section(path(module), "DOCUMENTATION").get("options") or {}
    # state_dir is no matter of the connection, and modules without one have it too.
    assert not CONNECTION_OPTIONS & set(own) - {"state_dir"}


@pytest.mark.parametrize("module", sorted(file.stem for file in (ROOT / "plugins" / "modules").glob("*.py")))
def test_no_return_value_has_a_name_to_which_ansible_gives_a_meaning(module: str) -> None:
    """A result with ``skipped`` is shown as a task that did not run, whatever was written."""
    names = house_rules.module_section(path(module), "RETURN")
    assert names
    assert not {"skipped", "failed", "unreachable", "rc", "ansible_facts", "exception", "deprecations"} & set(names)
