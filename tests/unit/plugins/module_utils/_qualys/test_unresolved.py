# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""References in options: in check mode a name that does not exist yet stops nothing; owners go by name or id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError, VendorError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import (
    auth_record,
    webapp,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library import reports
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.references import References
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.resource import Resource
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import schedule
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ..auth_record_kit import record_options, records_options
from ..qualys_kit import client_of, entry, routes, webapp_options, webapps_options
from ..scan_kit import APP, Scans, report_options

Run = Callable[[QualysClient, bool], Result]
NEW_APP = {"name": "new shop", "url": "https://new.example.com/"}
NEW_LOGIN = {"name": "new login", "form": {"type": "STANDARD", "auth_vault": True}}
NIGHTLY = {
    "state": "present",
    "name": "new nightly",
    "profile": "CI quick",
    "start": "2027-01-01T02:00:00Z",
    "recurrence": {"type": "DAILY"},
}
SINGLE = {
    "webapp": lambda **options: lambda client, check: webapp.run(webapp_options(**NEW_APP, **options), client, check),
    "auth_record": lambda **options: (
        lambda client, check: auth_record.run(record_options(**NEW_LOGIN, **options), client, check)
    ),
    "schedule": lambda **options: (
        lambda client, check: schedule.run(
            NIGHTLY | ({} if "webapp" in options or "tags" in options else {"tags": ["prod"]}) | options, client, check
        )
    ),
}
MANY = {
    "webapp": lambda **options: (
        lambda client, check: webapp.run_many(webapps_options(entry(**NEW_APP, **options)), client, check)
    ),
    "auth_record": lambda **options: (
        lambda client, check: auth_record.run_many(records_options(NEW_LOGIN | options), client, check)
    ),
}
KINDS: dict[str, Resource] = {
    "webapp": webapp.WEBAPP,
    "auth_record": auth_record.AUTH_RECORD,
    "schedule": schedule.SCHEDULE,
}
WORDS = {
    "tag": "tag",
    "webapp": "web application",
    "webappauthrecord": "authentication record",
    "optionprofile": "option profile",
    "dnsoverride": "DNS override",
}
NOWHERE = "not there yet"


def every_reference() -> list[Any]:
    """Kind, option and what it refers to, of each option that takes a name, but for users: Qualys lists none."""
    found = []
    for kind, resource in KINDS.items():
        for field in resource.referring():
            if field.refers != "user":
                value = [NOWHERE] if field.kind == "list" else NOWHERE
                found.append((kind, field.name, field.name, value, WORDS[field.refers]))
    found.append(("schedule", "auth_record", "auth_record", NOWHERE, WORDS["webappauthrecord"]))
    found.append(("schedule", "scanner", "scanner.tags", {"type": "scannerTags", "tags": [NOWHERE]}, "tag"))
    return [pytest.param(*case, id=f"{case[0]}.{case[2]}") for case in found]


def as_id(value: Any) -> Any:
    """The same reference by an id that does not exist."""
    if isinstance(value, dict):
        return value | {"tags": ["99999999"]}
    return ["99999999"] if isinstance(value, list) else "99999999"


@pytest.mark.parametrize(("kind", "option", "path", "value", "word"), every_reference())
def test_a_name_that_does_not_exist_is_told_in_check_mode_and_an_error_in_a_real_run(
    sandbox: Sandbox, kind: str, option: str, path: str, value: Any, word: str
) -> None:
    missing = {"option": path, "kind": word, "name": NOWHERE}
    runs = [SINGLE[kind], *([MANY[kind]] if kind in MANY else [])]
    with client_of(sandbox) as client:
        for make in runs:
            done = make(**{option: value})(client, True)
            assert (done.changed, done.error) == (True, None)
            assert done.values["unresolved"] == [missing]
            (warning,) = [text for text in done.warnings if NOWHERE in text]
            assert warning.startswith(f"{path}: there is no {word} named '{NOWHERE}'.")
            with pytest.raises(OptionError, match=f"there is no {word} 99999999"):
                raise_of(make(**{option: as_id(value)})(client, True))
            with pytest.raises(OptionError, match=f"there is no {word} named '{NOWHERE}'"):
                raise_of(make(**{option: value})(client, False))
    assert sandbox.counters.writes == 0


def raise_of(done: Result) -> None:
    """Raise what stopped the entry of a list."""
    if done.error is not None:
        (failed,) = [item for item in done.values["results"] if item["failed"]]
        raise OptionError(failed["error"]["message"])


def test_a_login_an_application_and_its_schedule_are_planned_before_any_of_them_exists(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        login = SINGLE["auth_record"]()(client, True)
        shop = SINGLE["webapp"](auth_records=["new login"])(client, True)
        nightly = SINGLE["schedule"](webapp="new shop", auth_record="new login")(client, True)
    assert [done.changed for done in (login, shop, nightly)] == [True] * 3
    assert "unresolved" not in login.values
    assert shop.values["webapp"]["auth_records"] == ["new login"]
    assert nightly.values["schedule"]["webapp"] == "new shop"
    assert [(row["option"], row["name"]) for row in nightly.values["unresolved"]] == [
        ("auth_record", "new login"),
        ("webapp", "new shop"),
    ]
    assert sandbox.counters.writes == 0


def test_of_many_each_has_its_own_names(sandbox: Sandbox) -> None:
    first, second = (entry(name=name, url=f"https://{name}.example.com/", tags=["prod", name]) for name in ("a", "b"))
    with client_of(sandbox) as client:
        done = webapp.run_many(
            webapps_options(first, second, entry(name="c", url="https://c.example.com/")), client, True
        )
    told = [[row["name"] for row in item.get("unresolved", [])] for item in done.values["results"]]
    assert told == [["a"], ["b"], []]
    assert [row["name"] for row in done.values["unresolved"]] == ["a", "b"]


def test_many_missing_names_cost_one_more_listing(sandbox: Sandbox) -> None:
    wanted = [entry(id=APP + number, tags=[f"missing {number} {each}" for each in range(10)]) for number in range(10)]
    with client_of(sandbox) as client:
        done = webapp.run_many(webapps_options(*wanted), client, True)
    assert len(done.values["unresolved"]) == 100
    assert len(routes(sandbox, "/am/tag")) <= 4


def test_a_name_that_comes_into_being_after_the_listing_is_found(sandbox: Sandbox) -> None:
    tags = sandbox.qualys.tags
    names = [record["name"] for record in tags.in_order()]
    with client_of(sandbox) as client:
        references = References(client, few=1)
        references.expect("tag", [*names, "late", "never", "nor this"])
        assert references.named("tag", names[0])
        tags[tags.ids[-1]]["name"] = "late"
        sandbox.reset_counters()
        assert [found.id for found in references.named("tag", "late")] == [tags.ids[-1]]
        asked = len(routes(sandbox))
        assert references.named("tag", "never") == references.named("tag", "nor this") == []
        assert len(routes(sandbox)) == asked


def test_a_listing_that_is_not_complete_is_not_trusted(sandbox: Sandbox) -> None:
    names = [record["name"] for record in sandbox.qualys.tags.in_order()]
    sandbox.faults.add(kind="half_page", match={"route": "/search/am/tag"}, times=3)
    with client_of(sandbox) as client:
        references = References(client, few=1)
        references.expect("tag", names)
        assert [len(references.named("tag", name)) for name in names] == [1] * len(names)


@pytest.mark.parametrize("module", ["one", "many"])
def test_ids_are_looked_at_together_in_check_mode(sandbox: Sandbox, module: str) -> None:
    tags = [str(key) for key in sandbox.qualys.tags.ids]
    with client_of(sandbox) as client:
        if module == "one":
            done = webapp.run(webapp_options(id=APP, tags=tags), client, True)
        else:
            done = webapp.run_many(
                webapps_options(*(entry(id=APP + number, tags=tags) for number in range(4))), client, True
            )
    assert (done.changed, done.error) == (True, None)
    assert len(routes(sandbox, "/am/tag")) == 1


def test_an_id_that_does_not_exist_spoils_its_own_entry_only(sandbox: Sandbox) -> None:
    good, *bad = str(sandbox.qualys.tags.ids[-1]), "99999999", "9" * 40
    wanted = [entry(id=APP + number, tags=[tag]) for number, tag in enumerate((*bad, good))]
    with client_of(sandbox) as client:
        done = webapp.run_many(webapps_options(*wanted), client, True)
    assert [item["failed"] for item in done.values["results"]] == [True, True, False]


SCAN: dict[str, Any] = {"webapp": "410001", "name": "ci", "profile": "CI quick"}
SCANS = {name: value for name, value in SCAN.items() if name != "webapp"}
OF_SCANS = [
    ({**SCAN, "webapp": NOWHERE}, "webapp", "web application"),
    ({**SCAN, "webapp": NOWHERE, "state": "launched"}, "webapp", "web application"),
    ({**SCAN, "profile": NOWHERE}, "profile", "option profile"),
    ({**SCAN, "auth_record": NOWHERE}, "auth_record", "authentication record"),
    ({**SCAN, "dns_override": NOWHERE}, "dns_override", "DNS override"),
    ({**SCAN, "scanner": {"type": "scannerTags", "tags": [NOWHERE]}}, "scanner.tags", "tag"),
    ({**SCANS, "webapps": ["410001", NOWHERE]}, "webapps", "web application"),
    ({**SCANS, "tags": [NOWHERE]}, "tags", "tag"),
    ({**SCANS, "tags": ["prod", NOWHERE], "tags_match": "ANY"}, "tags", "tag"),
    ({**SCANS, "tags": ["prod"], "excluded_tags": [NOWHERE]}, "excluded_tags", "tag"),
]
REPORT = {"name": "x", "type": "WAS_WEBAPP_REPORT", "format": "PDF"}
OF_REPORTS = [
    ({"targets": {"webapps": ["410001", NOWHERE]}}, "targets.webapps", "web application"),
    ({"targets": {"tags": [NOWHERE]}}, "targets.tags", "tag"),
    ({"targets": {"webapps": ["410001"]}, "template": NOWHERE}, "template", "report template"),
]


def replaced(value: Any) -> Any:
    """The same options, with an id that does not exist in the place of the name."""
    if isinstance(value, dict):
        return {key: replaced(item) for key, item in value.items()}
    if isinstance(value, list):
        return [replaced(item) for item in value]
    return "99999999" if value == NOWHERE else value


@pytest.mark.parametrize(("options", "option", "word"), OF_SCANS)
def test_a_scan_by_names_that_do_not_exist_yet_is_planned(
    sandbox: Sandbox, options: dict[str, Any], option: str, word: str
) -> None:
    scans = Scans(sandbox)
    done = scans(check=True, **options)
    assert (done.changed, done.error, done.values["adopted"]) == (True, None, False)
    assert done.values["unresolved"] == [{"option": option, "kind": word, "name": NOWHERE}]
    assert [text for text in done.warnings if NOWHERE in text]
    with pytest.raises(OptionError, match=f"there is no {word} 99999999"):
        scans(check=True, **replaced(options))
    with pytest.raises(OptionError, match=f"there is no {word} named '{NOWHERE}'"):
        scans(**options)
    assert scans.launches == 0


@pytest.mark.parametrize("state", ["absent", "canceled"])
def test_no_scan_of_an_application_that_does_not_exist_yet_is_deleted_or_cancelled(
    sandbox: Sandbox, state: str
) -> None:
    done = Scans(sandbox)(check=True, webapp=NOWHERE, name="ci", state=state)
    assert (done.changed, done.values["scan"]) == (False, None)
    assert [row["option"] for row in done.values["unresolved"]] == ["webapp"]


def test_the_outline_of_a_planned_scan_has_the_name_of_its_application(sandbox: Sandbox) -> None:
    done = Scans(sandbox)(check=True, **{**SCAN, "webapp": NOWHERE})
    assert done.values["scan"]["asset"]["name"] == NOWHERE


@pytest.mark.parametrize(("options", "option", "word"), OF_REPORTS)
def test_a_report_on_names_that_do_not_exist_yet_is_planned(
    sandbox: Sandbox, tmp_path: Path, options: dict[str, Any], option: str, word: str
) -> None:
    def run(given: dict[str, Any], *, check: bool) -> Result:
        return reports.run(report_options(tmp_path / "x.pdf", **REPORT, **given), client, check)

    with client_of(sandbox) as client:
        done = run(options, check=True)
        assert (done.changed, done.values["report"]["id"]) == (True, None)
        assert done.values["unresolved"] == [{"option": option, "kind": word, "name": NOWHERE}]
        with pytest.raises(OptionError, match=f"there is no {word} 99999999"):
            run(replaced(options), check=True)
        with pytest.raises(OptionError, match=f"there is no {word} named '{NOWHERE}'"):
            run(options, check=False)
    assert sandbox.counters.writes == 0


def test_the_scans_of_a_report_are_looked_up_in_check_mode(sandbox: Sandbox, tmp_path: Path) -> None:
    scans = sandbox.qualys.scans.ids[:30]
    report = {"name": "x", "type": "WAS_SCAN_REPORT", "format": "PDF"}
    with client_of(sandbox) as client:

        def run(ids: list[int]) -> Result:
            return reports.run(report_options(tmp_path / "x.pdf", **report, targets={"scans": ids}), client, True)

        done = run(scans)
        assert (done.changed, done.values["report"]["id"]) == (True, None)
        assert len(routes(sandbox, "/was/wasscan")) == 1
        for wrong in (99999999, 10**30):
            with pytest.raises(OptionError, match=f"targets.scans: there is no scan {wrong}, or this account"):
                run([*scans, wrong])
    assert sandbox.counters.writes == 0


def test_a_real_run_tells_of_no_names(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        assert "unresolved" not in SINGLE["webapp"](tags=["prod"])(client, False).values


@pytest.mark.parametrize(("accepted", "written"), [("true", "sandb_ob3"), ("true", "71003"), ("false", "71003")])
def test_an_owner_is_written_by_user_name_or_id(sandbox: Sandbox, accepted: str, written: str) -> None:
    sandbox.switches["user_by_name"] = accepted
    with client_of(sandbox) as client:
        done = SINGLE["webapp"](owner=written)(client, False)
        assert done.values["webapp"]["owner"] == "sandb_ob3"
        assert not SINGLE["webapp"](owner=written)(client, False).changed


def test_an_owner_by_name_that_the_vendor_does_not_take_is_refused_in_its_words(sandbox: Sandbox) -> None:
    sandbox.switches["user_by_name"] = "false"
    with client_of(sandbox) as client, pytest.raises(VendorError, match="Element id is needed in owner"):
        SINGLE["webapp"](owner="sandb_ob3")(client, False)
