# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor makes of the results of info modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black import client as carbon_black
from ansible_collections.appsec.perimeter.plugins.module_utils._doctor.judge import Probe, Service, judge, lines
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast import client as edgecast
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface import client as indusface
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api import connection as qualys
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum import client as scutum

ROOT = Path(__file__).resolve().parents[5]
GOOD = {"total": 1, "stats": {"requests": 1, "clock_offset": 1}}


def bad(kind: str, message: str = "It failed.", hint: str = "Mend it.") -> dict[str, Any]:
    return {"msg": f"{message} {hint}", "error": {"kind": kind, "message": message, "hint": hint, "code": None}}


def states(*results: dict[str, Any], configured: bool = True, optional: bool = False) -> dict[str, str]:
    probes = [Probe(f"part {number}", result, optional and number > 0) for number, result in enumerate(results)]
    return {check.check: check.state for check in judge(Service("scutum", probes, configured))}


def test_a_service_that_works_has_a_line_for_each_thing() -> None:
    assert states(GOOD, GOOD) == {
        "connection": "ok", "credentials": "ok", "clock": "ok", "read part 0": "ok", "read part 1": "ok",
    }  # fmt: skip


def test_a_service_without_any_credential_is_skipped() -> None:
    assert states(bad("option", "api_key is missing."), configured=False) == {"configuration": "skipped"}
    assert states(bad("missing_library"), configured=False) == {"configuration": "skipped"}


@pytest.mark.parametrize(
    ("error", "configured"),
    [
        (bad("option", "api_key is missing."), True),
        (bad("option", "api_url is not a URL."), False),
        (bad("missing_library"), True),
        ({"msg": "parameters are mutually exclusive: password|client_secret", "failed": False}, False),
    ],
)
def test_half_a_configuration_is_a_failure(error: dict[str, Any], configured: bool) -> None:
    assert states(error, configured=configured) == {"configuration": "failed"}


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (bad("tls"), "tls"),
        (bad("timeout"), "connection"),
        (bad("connection", "https://api refused the connection."), "connection"),
        (bad("connection", "The proxy http://proxy:3128 refused the connection."), "proxy"),
        (bad("redirect"), "connection"),
        (bad("response"), "connection"),
        (bad("server"), "connection"),
        (bad("state"), "state"),
    ],
)
def test_the_cause_is_named_and_nothing_that_follows_from_it(error: dict[str, Any], failed: str) -> None:
    assert states(error, {"skipped": True}) == {failed: "failed"}


def test_refused_credentials_say_that_the_service_was_reached() -> None:
    assert states(bad("authentication"), {"skipped": True}) == {"connection": "ok", "credentials": "failed"}


@pytest.mark.parametrize("kind", ["vendor", "not_found", "authentication"])
def test_a_missing_permission_is_told_for_each_part(kind: str) -> None:
    told = states(GOOD, bad(kind), GOOD)
    assert (told["credentials"], told["read part 1"], told["read part 2"]) == ("ok", "failed", "ok")
    assert states(GOOD, bad(kind), optional=True)["read part 1"] == "warning"


def test_the_first_permission_may_be_the_missing_one() -> None:
    told = states(bad("vendor"), GOOD)
    assert (told["connection"], told["read part 0"], told["read part 1"]) == ("ok", "failed", "ok")


def test_a_limit_of_calls_is_no_proof_of_anything() -> None:
    assert states(bad("rate_limit"))["read part 0"] == "warning"


@pytest.mark.parametrize(
    ("offset", "state", "words"),
    [(60, "ok", "agrees"), (61, "failed", "61 seconds behind"), (-86400, "failed", "86400 seconds ahead of")],
)
def test_the_clock_is_compared(offset: int, state: str, words: str) -> None:
    checks = judge(Service("scutum", [Probe("logs", {"stats": {"clock_offset": offset}})], True))
    clock = next(check for check in checks if check.check == "clock")
    assert clock.state == state
    assert words in clock.message


def test_a_service_that_does_not_tell_its_time_has_no_line_about_it() -> None:
    assert "clock" not in states({"stats": {"requests": 1}})


def test_each_line_that_needs_mending_says_how() -> None:
    results = [bad("tls"), bad("authentication"), bad("option"), bad("vendor", hint=""), bad("rate_limit", hint="")]
    for result in results:
        for check in judge(Service("scutum", [Probe("logs", result)], True)):
            assert check.state == "ok" or check.hint
    [first, *_rest] = judge(Service("scutum", [Probe("logs", bad("tls"))], True))
    assert lines([first.to_dict()]) == ["FAILED  scutum: tls: It failed. Mend it."]


def test_the_role_knows_the_variables_that_the_modules_read() -> None:
    text = (ROOT / "roles" / "doctor" / "vars" / "main.yml").read_text(encoding="utf-8")
    variables = yaml.safe_load(text)["_doctor_variables"]
    rooms = {
        "qualys": qualys, "edgecast": edgecast, "scutum": scutum, "indusface": indusface, "carbon_black": carbon_black,
    }  # fmt: skip
    assert {name: sorted(room.ENVIRONMENT.values()) for name, room in rooms.items()} == {
        name: sorted(names) for name, names in variables.items()
    }
