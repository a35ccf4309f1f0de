# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the roles doctor, scan, audit, gate and awx_setup."""

from __future__ import annotations

import pwd

import pytest
from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import BOOLEANS_FALSE, BOOLEANS_TRUE

from ansible_collections.appsec.perimeter.plugins.filter import awx, doctor, slices, variables

DOCTOR = doctor.FilterModule().filters()
AWX = awx.FilterModule().filters()
FIELDS = [
    {"id": "scutum_id", "label": "Id", "env": "SCUTUM_ID"},
    {"id": "api_key", "label": "API key", "env": "SCUTUM_API_KEY", "secret": True},
]


def test_a_service_is_judged_and_told() -> None:
    probes = [{"part": "logs", "result": {"stats": {}}}, {"part": "more", "result": {"skipped": True}}]
    checks = DOCTOR["doctor_checks"](probes, "scutum", True)
    assert [check["check"] for check in checks] == ["connection", "credentials", "read logs"]
    assert DOCTOR["doctor_lines"](checks)[0] == "OK      scutum: connection: The service answers."


def test_a_slice_is_a_part() -> None:
    part = slices.FilterModule().filters()["slice_part"]
    assert part(["4", 1, 2, 3], "1", 2) == [2, 4]
    with pytest.raises(AnsibleFilterError, match="There is no slice 3 of 2"):
        part([1], 3, 2)


def test_a_credential_type_has_what_its_fields_say() -> None:
    assert AWX["awx_inputs"](FIELDS)["fields"][1] == {
        "id": "api_key", "label": "API key", "type": "string", "secret": True,
    }  # fmt: skip
    assert AWX["awx_injectors"](FIELDS) == {
        "env": {"SCUTUM_ID": "{{ scutum_id | default('') }}", "SCUTUM_API_KEY": "{{ api_key | default('') }}"}
    }


def test_credentials_are_those_that_are_set() -> None:
    services = {"scutum": {"fields": FIELDS}, "other": {"fields": [{"id": "x", "label": "X", "env": "X"}]}}
    found = AWX["awx_credentials"](services, {"SCUTUM_ID": "ABC", "SCUTUM_API_KEY": "", "X": ""}, {})
    assert found == {"scutum": {"scutum_id": "ABC"}}
    assert AWX["awx_credentials"](services, {}, {"other": {"x": "1"}}) == {"other": {"x": "1"}}


def test_texts_of_the_environment_are_read_and_what_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    read = variables.FilterModule().filters()["from_environment"]
    good = {"a": '["shop"]', "b": "[shop, portal]", "c": "- {field: id}", "d": "shop", "e": "5", "f": "null"}
    bad = {"g": "[shop", "h": '{"a": 1, "a": 2}', "i": "[!python/name:os.system x]", "j": "[" * 5000, "k": "\udcff"}
    for name, text in (good | bad).items():
        monkeypatch.setenv(f"PERIMETER_{name.upper()}", text)
    monkeypatch.setenv("PERIMETER_L", "")
    # What a user gives stays what it is, whatever the environment has.
    own = {"l": "", "m": "Policy: 4", "n": ["x"], "o": {"y": 1}}
    monkeypatch.setenv("PERIMETER_M", "[x")
    found = read(good | bad | own)
    lists = {"a": ["shop"], "b": ["shop", "portal"], "c": [{"field": "id"}], "d": "shop", "e": 5, "f": None}
    assert found["given"] == lists | bad | own
    assert [problem[:13] for problem in found["problems"]] == [f"PERIMETER_{name.upper()}: " for name in bad]
    assert found["problems"][0].startswith("PERIMETER_G: the text is not YAML: ")
    assert all(problem.endswith('. Give a list as JSON, such as ["first", "second"].') for problem in found["problems"])
    assert "\n" not in "".join(found["problems"])


def test_a_switch_is_on_for_every_word_that_the_check_of_types_takes_for_true() -> None:
    switch = variables.FilterModule().filters()["switch"]
    for word in BOOLEANS_TRUE:
        assert switch(word) is True
        assert switch(str(word).upper() if isinstance(word, str) else word) is True
    for word in (*BOOLEANS_FALSE, "", None, "perhaps", [True], {"a": 1}, 2):
        assert switch(word) is False


def test_the_results_of_background_jobs_are_in_the_home_of_the_environment_or_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = variables.FilterModule().filters()["async_dir"]
    monkeypatch.setenv("HOME", "/srv/home")
    monkeypatch.setenv("USER", "root")
    assert folder("nobody") == "/srv/home/.ansible_async"
    for name in ("root", "nobody"):
        home = pwd.getpwnam(name).pw_dir + "/.ansible_async"
        # Empty is unset.
        monkeypatch.setenv("HOME", "")
        monkeypatch.setenv("USER", name)
        assert folder("daemon") == home
        monkeypatch.delenv("HOME")
        monkeypatch.setenv("USER", "")
        assert folder(name) == home
