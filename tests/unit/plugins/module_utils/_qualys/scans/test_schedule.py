# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules: every option is written, read back and idempotent; check mode writes nothing; nothing else gets lost."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AmbiguousMatch,
    AmbiguousWrite,
    BadResponse,
    OptionError,
    TransportError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import schedule, schedule_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.schedule import run
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.schedule_fields import (
    FIELDS,
    from_raw,
    recurrence,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.spec import option_spec
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, fed_back, info_options, routes, run_module
from ...scan_kit import APP

NEW: dict[str, Any] = {
    "name": "nightly & <prod> ü",
    "webapp": "Storefront (prod)",
    "start": "2027-01-04T02:00:00Z",
    "recurrence": {"type": "DAILY"},
}


class Schedules:
    """Runs the logic of ``qualys_was_schedule`` against a sandbox and counts what that sees."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __call__(self, *, check: bool = False, **options: Any) -> Result:
        blank = {name: spec.get("default") for name, spec in option_spec(FIELDS).items()}
        blank |= {"state": "present", "id": None}
        assert not set(options) - set(blank), options
        self.sandbox.reset_counters()
        with client_of(self.sandbox) as client:
            result = run({**blank, **options}, client, check)
        counters = self.sandbox.counters.snapshot()
        assert counters["internal_errors"] == 0
        if check:
            assert counters["writes"] == 0
        if not result.changed:
            assert counters["writes"] == 0
        return result

    @property
    def writes(self) -> list[str]:
        words = ("/create/", "/update/", "/activate/", "/deactivate/", "/delete/")
        return [route.split("/")[4] for route in routes(self.sandbox) if any(word in route for word in words)]

    def stored(self, result: Result) -> Any:
        return self.sandbox.qualys.schedules[result.values["schedule"]["id"]]

    def named(self, name: str) -> list[Any]:
        return [item for item in self.sandbox.qualys.schedules.values() if item["name"] == name]

    def fault(self, route: str, kind: str, **details: Any) -> None:
        self.sandbox.faults.add({"match": {"route": route}, "kind": kind, **details})

    def fresh(self, **options: Any) -> int:
        return int(self(**{**NEW, **options}).values["schedule"]["id"])


@pytest.fixture
def schedules(sandbox: Sandbox) -> Schedules:
    return Schedules(sandbox)


# Four runs


# Each field: what a user writes, and how it comes back.
SAMPLES: dict[str, tuple[Any, Any]] = {
    "name": ("Wöchentlich & <1>",) * 2,
    "type": ("DISCOVERY",) * 2,
    "active": (False,) * 2,
    "webapp": (str(APP + 1), "Checkout (prod)"),
    "tags": (["prod", "pci"],) * 2,
    "start": ("2027-02-03T04:05:06+01:00", "2027-02-03T03:05:06Z"),
    "time_zone": ("Europe/Paris",) * 2,
    "recurrence": (
        {"type": "WEEKLY", "days": ["THURSDAY", "MONDAY"], "count": 9},
        {"type": "WEEKLY", "every": 1, "days": ["MONDAY", "THURSDAY"], "count": 9},
    ),
    "profile": ("API only & <beta>",) * 2,
    "auth_record": ("Custom login & more",) * 2,
    "scanner": (
        {"type": "scannerTags", "friendly_name": None, "tags": ["scanner-us", "scanner-eu"]},
        {"type": "scannerTags", "friendly_name": None, "tags": ["scanner-eu", "scanner-us"]},
    ),
    "cancel_after": (7,) * 2,
    "cancel_time": ("06:00",) * 2,
    "tags_match": ("ANY",) * 2,
    "excluded_tags": (["deprecated", "pci"],) * 2,
    "excluded_tags_match": ("ALL",) * 2,
    "randomize": (True,) * 2,
    "scan_proxy": ("PROXY",) * 2,
    "dns_override": ("DNS",) * 2,
    "notification": (
        {"active": True, "delay": 2, "recipients": ["b@example.com", " a@example.com"], "text": "soon: <b> & ü"},
        {
            "active": True,
            "reschedule": None,
            "delay": 2,
            "delay_scale": "DAY",
            "recipients": ["a@example.com", "b@example.com"],
            "text": "soon: <b> & ü",
        },
    ),
    "send_mail": (True,) * 2,
    "send_one_mail": (True,) * 2,
}
BY_TAGS = {"webapp": None, "tags": ["prod"], "excluded_tags": ["deprecated"]}
ALONE = ("name", "webapp", "tags", "tags_match", "excluded_tags", "excluded_tags_match", "cancel_time")
"""What a schedule of one application, with a limit of hours, does not have."""
ONLY_WITH_TAGS = ("tags_match", "excluded_tags", "excluded_tags_match")


def sample(schedules: Schedules, name: str) -> tuple[Any, Any]:
    """A field's sample; what is seeded is known by then."""
    state = schedules.sandbox.qualys
    found = {
        "PROXY": str(state.proxies.ids[0]),
        "DNS": state.dns_overrides[state.dns_overrides.ids[0]]["name"],
    }
    written, shown = SAMPLES[name]
    return (found.get(written, written), found.get(shown, shown)) if isinstance(written, str) else (written, shown)


def test_every_field_has_a_sample() -> None:
    assert set(SAMPLES) == {field.name for field in FIELDS}


def ordered(value: Any) -> Any:
    """Tags have no order."""
    if isinstance(value, dict):
        return {name: ordered(item) for name, item in value.items()}
    return sorted(value) if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *((name, "merge") for name in SAMPLES),
        *((name, "replace") for name in SAMPLES if name not in ("name", "type", "active", "webapp")),
    ],
)
def test_each_option_is_written_once_and_then_unchanged(schedules: Schedules, name: str, mode: str) -> None:
    schedules.sandbox.switches["object_update"] = mode
    written, shown = sample(schedules, name)
    schedule_id = schedules.fresh(profile="CI quick", **(BY_TAGS if name in ONLY_WITH_TAGS else {}))
    predicted = schedules(check=True, id=schedule_id, **{name: written})
    assert predicted.changed
    first = schedules(id=schedule_id, **{name: written})
    assert (first.changed, len(schedules.writes)) == (True, 1)
    assert ordered(first.values["schedule"][name]) == ordered(shown)
    assert ordered(predicted.values["schedule"][name]) in (ordered(shown), ordered(written))
    assert first.diff is not None
    assert name in first.diff["after"]
    for check in (True, False):
        again = schedules(check=check, id=schedule_id, **{name: written})
        assert not again.changed
    assert not schedules(id=schedule_id, **{name: first.values["schedule"][name]}).changed


def test_a_new_schedule_has_everything_and_is_then_unchanged(schedules: Schedules) -> None:
    options = {
        **NEW,
        **{name: sample(schedules, name)[0] for name in SAMPLES if name not in ALONE},
    }
    predicted = schedules(check=True, **options)
    assert (predicted.changed, predicted.values["schedule"]["id"]) == (True, None)
    created = schedules(**options)
    assert created.changed
    for name in SAMPLES:
        if name not in ALONE:
            assert ordered(created.values["schedule"][name]) == ordered(sample(schedules, name)[1])
    assert created.values["schedule"]["webapp"] == "Storefront (prod)"
    assert schedules.stored(created)["target"]["cancelOption"] == "SPECIFIC"
    for check in (True, False):
        assert not schedules(check=check, **options).changed
    shown = fed_back(created.values["schedule"]) | {"id": created.values["schedule"]["id"]}
    known = {field.name for field in FIELDS} | {"id"}
    back = {name: value for name, value in created.values["schedule"].items() if name in known and value}
    assert shown["id"] == back["id"]
    assert not schedules(**back).changed


def test_a_minimal_one_gets_sensible_defaults(schedules: Schedules) -> None:
    schedule = schedules(**NEW).values["schedule"]
    assert (schedule["type"], schedule["time_zone"], schedule["active"]) == ("VULNERABILITY", "UTC", True)
    assert schedule["auth_record"] is None


def test_deleted_once(schedules: Schedules) -> None:
    schedule_id = schedules.fresh()
    for options in ({"name": NEW["name"]}, {"id": schedule_id}):
        assert schedules(check=True, state="absent", **options).changed
    gone = schedules(state="absent", name=NEW["name"])
    assert (gone.changed, gone.values["schedule"]["id"]) == (True, schedule_id)
    for check in (True, False):
        again = schedules(check=check, state="absent", id=schedule_id)
        assert (again.changed, again.values["schedule"]) == (False, None)


def test_every_seeded_schedule_fed_back_is_unchanged(schedules: Schedules) -> None:
    known = {"id", *(field.name for field in FIELDS)}
    with client_of(schedules.sandbox) as client:
        listed = schedule.run_info(info_options(detail="full"), client, False).values["schedules"]
    assert {item["recurrence"]["type"] for item in listed} == {"ONCE", "DAILY", "WEEKLY", "MONTHLY"}
    for item in listed:
        options = {name: value for name, value in item.items() if name in known and value is not None}
        if not options["tags"]:
            del options["tags"]
        assert not schedules(**options).changed, item


# Nothing else gets lost


@pytest.mark.parametrize("mode", ["merge", "replace"])
def test_a_change_of_one_member_leaves_the_others_alone(schedules: Schedules, mode: str) -> None:
    schedules.sandbox.switches["object_update"] = mode
    proxy, override = schedules.sandbox.qualys.proxies.ids[0], schedules.sandbox.qualys.dns_overrides.ids[0]
    schedule_id = schedules.fresh(auth_record="default", time_zone="Europe/Paris", cancel_after=5, profile="CI quick")
    stored = schedules.sandbox.qualys.schedules[schedule_id]
    stored["target"] = {
        **stored["target"],
        "proxy": {"id": proxy},
        "dnsOverride": {"id": override},
        "randomizeScan": True,
        "profileOption": "SINGLE",
        "cancelOption": "DEFAULT",
    }
    stored["scheduling"] = {**stored["scheduling"], "timeZone": {"code": "Europe/Paris", "offset": "+01:00"}}
    stored["notification"] = {"active": True, "recipients": ["a@example.com"]}
    before = copy.deepcopy(dict(stored))
    schedules(id=schedule_id, scanner={"type": "INTERNAL", "friendly_name": "dc1", "tags": None})
    appliance = {"type": "INTERNAL", "friendlyName": "dc1"}
    assert dict(stored["target"]) == {**before["target"], "scannerAppliance": appliance}
    schedules(id=schedule_id, start="2027-03-01T00:00:00Z")
    assert stored["scheduling"] == {**before["scheduling"], "startDate": "2027-03-01T00:00:00Z"}
    assert (stored["notification"], stored["profile"]) == (before["notification"], before["profile"])


@pytest.mark.parametrize("mode", ["merge", "replace"])
def test_a_limit_can_be_taken_away(schedules: Schedules, mode: str) -> None:
    schedules.sandbox.switches["object_update"] = mode
    schedule_id = schedules.fresh(cancel_after=5)
    result = schedules(id=schedule_id, cancel_after=0)
    assert result.values["schedule"]["cancel_after"] is None
    assert schedules.stored(result)["target"]["cancelOption"] == "DEFAULT"
    assert not schedules(id=schedule_id, cancel_after=0).changed


def test_a_limit_that_only_fills_in_for_the_application_is_not_managed_but_stays(schedules: Schedules) -> None:
    schedules.sandbox.switches["object_update"] = "replace"
    schedule_id = schedules.fresh(cancel_after=6)
    stored = schedules.sandbox.qualys.schedules[schedule_id]
    stored["target"] = {**stored["target"], "cancelOption": "DEFAULT"}
    result = schedules(id=schedule_id, time_zone="Asia/Tokyo")
    assert (result.values["schedule"]["cancel_after"], stored["scheduling"]["cancelAfterNHours"]) == (None, 6)
    assert schedules(id=schedule_id, cancel_after=6).values["schedule"]["cancel_after"] == 6
    assert stored["target"]["cancelOption"] == "SPECIFIC"


def test_a_time_limit_that_is_a_time_of_day_stays(schedules: Schedules) -> None:
    schedules.sandbox.switches["object_update"] = "replace"
    schedule_id = schedules.fresh()
    stored = schedules.sandbox.qualys.schedules[schedule_id]
    stored["scheduling"] = {**stored["scheduling"], "cancelTime": "06:00"}
    schedules(id=schedule_id, time_zone="Asia/Tokyo")
    assert stored["scheduling"]["cancelTime"] == "06:00"


def test_applications_that_were_chosen_one_by_one_stay(schedules: Schedules) -> None:
    schedule_id = schedules.fresh()
    stored = schedules.sandbox.qualys.schedules[schedule_id]
    for chosen in ([APP, APP + 1], [APP]):
        stored["target"] = {"webApps": chosen, "scannerAppliance": {"type": "EXTERNAL"}}
        stored["scheduling"] = {
            name: item for name, item in stored["scheduling"].items() if name != "cancelAfterNHours"
        }
        result = schedules(id=schedule_id, cancel_after=3 + len(chosen))
        assert stored["target"]["webApps"] == chosen
        assert len(result.values["schedule"]["webapps"]) == len(chosen)


def test_tags_keep_how_they_are_combined_and_what_is_excluded(schedules: Schedules) -> None:
    tags = {record["name"]: key for key, record in schedules.sandbox.qualys.tags.items()}
    schedule_id = int(
        schedules(**{**NEW, "webapp": None, "tags": ["prod"], "profile": "CI quick"}).values["schedule"]["id"]
    )
    stored = schedules.sandbox.qualys.schedules[schedule_id]
    assert stored["target"]["tags"]["included"] == {"option": "ALL", "tagList": [tags["prod"]]}
    stored["target"] = {
        **stored["target"],
        "tags": {
            "included": {"option": "ANY", "tagList": [tags["prod"]]},
            "excluded": {"option": "ALL", "tagList": [tags["deprecated"]]},
        },
    }
    result = schedules(id=schedule_id, tags_add=["pci"])
    assert stored["target"]["tags"]["included"] == {"option": "ANY", "tagList": [tags["prod"], tags["pci"]]}
    assert stored["target"]["tags"]["excluded"] == {"option": "ALL", "tagList": [tags["deprecated"]]}
    assert result.values["schedule"]["webapp"] is None
    back = schedules(id=schedule_id, webapp=str(APP))
    assert (back.values["schedule"]["webapp"], back.values["schedule"]["tags"]) == ("Storefront (prod)", [])
    again = schedules(id=schedule_id, tags=["prod"])
    assert (again.values["schedule"]["webapp"], again.values["schedule"]["tags"]) == (None, ["prod"])
    assert schedules(id=schedule_id, auth_record="Storefront login").values["schedule"]["tags"] == ["prod"]


@pytest.mark.parametrize(("written", "shown"), [("default", "default"), ("none", None), ("", None)])
def test_the_words_for_logins(schedules: Schedules, written: str, shown: str | None) -> None:
    schedule_id = schedules.fresh(auth_record="Storefront login")
    result = schedules(id=schedule_id, auth_record=written)
    assert (result.changed, result.values["schedule"]["auth_record"]) == (True, shown)
    assert not schedules(id=schedule_id, auth_record=written).changed


# Active


def test_active_has_operations_of_its_own(schedules: Schedules) -> None:
    schedule_id = schedules.fresh()
    assert schedules(id=schedule_id, active=False).changed
    assert schedules.writes == ["deactivate"]
    assert schedules(id=schedule_id, active=True, time_zone="Asia/Tokyo").changed
    assert schedules.writes == ["update", "activate"]
    assert schedules(id=schedule_id, active=False, time_zone="UTC").changed
    assert schedules.writes == ["deactivate", "update"]
    assert not schedules(id=schedule_id, active=False).changed


def test_an_inactive_create_is_inactive_even_where_create_ignores_that(
    schedules: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert schedules(**NEW, active=False).values["schedule"]["active"] is False
    assert schedules.writes == ["create"]
    write = QualysClient.write

    def ignoring(self: Any, operation: str, resource: str, data: Any, *more: Any) -> Any:
        if operation == "create":
            data["WasScanSchedule"].pop("active")
        return write(self, operation, resource, data, *more)

    monkeypatch.setattr(QualysClient, "write", ignoring)
    assert schedules(**{**NEW, "name": "other"}, active=False).values["schedule"]["active"] is False
    assert schedules.writes == ["create", "deactivate"]


def test_a_switch_in_doubt_is_settled_by_looking(schedules: Schedules, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule_id = schedules.fresh()
    schedules.fault("deactivate/was", "apply_then_reset")
    assert schedules(id=schedule_id, active=False).values["schedule"]["active"] is False
    schedules.fault("activate/was", "reset")
    with pytest.raises(AmbiguousWrite, match="activate of schedule"):
        schedules(id=schedule_id, active=True)
    schedules.fault("activate/was", "response_code", code="OTHER_ERROR")
    with pytest.raises(VendorError, match="OTHER_ERROR"):
        schedules(id=schedule_id, active=True)
    monkeypatch.setattr(QualysClient, "write", lambda *_arguments: [])
    with pytest.raises(BadResponse, match="reported the activate"):
        schedules(id=schedule_id, active=True)

    def unsent(*_arguments: Any) -> Any:
        raise TransportError("nothing was sent", sent=False)

    monkeypatch.setattr(QualysClient, "write", unsent)
    with pytest.raises(TransportError, match="nothing was sent"):
        schedules(id=schedule_id, active=True)


# Ambiguity


def test_a_create_in_doubt_happens_once(schedules: Schedules) -> None:
    schedules.fault("create/was/wasscanschedule", "apply_then_reset")
    assert schedules(**NEW).changed
    assert len(schedules.named(NEW["name"])) == 1
    schedules.fault("create/was/wasscanschedule", "reset")
    with pytest.raises(AmbiguousWrite, match="create of schedule"):
        schedules(**{**NEW, "name": "other"})
    assert schedules.named("other") == []


def test_updates_and_deletes_in_doubt_are_settled(schedules: Schedules) -> None:
    schedule_id = schedules.fresh()
    schedules.fault("update/was/wasscanschedule", "apply_then_reset")
    assert schedules(id=schedule_id, type="DISCOVERY").values["schedule"]["type"] == "DISCOVERY"
    schedules.fault("update/was/wasscanschedule", "reset")
    with pytest.raises(AmbiguousWrite, match="update of schedule"):
        schedules(id=schedule_id, type="VULNERABILITY")
    schedules.fault("delete/was/wasscanschedule", "apply_then_reset")
    assert schedules(id=schedule_id, state="absent").changed


def test_a_name_that_several_have_needs_an_application(schedules: Schedules) -> None:
    schedules.fresh()
    second = dict(schedules.named(NEW["name"])[0])
    table = schedules.sandbox.qualys.schedules
    other = table.new_id()
    table[other] = type(schedules.named(NEW["name"])[0])({**second, "id": other, "target": {"webApp": {"id": APP + 1}}})
    with pytest.raises(AmbiguousMatch, match="matches several schedules"):
        schedules(name=NEW["name"], type="DISCOVERY")
    for word in (str(APP + 1), "Checkout (prod)"):
        assert schedules(name=NEW["name"], webapp=word).values["schedule"]["id"] == other


# Bad input


def test_a_recurrence_of_zero_scans_has_no_end(schedules: Schedules) -> None:
    assert schedule_fields.recurrence({"type": "DAILY", "count": 0}) == {"type": "DAILY", "every": 1}
    schedule_id = schedules.fresh(recurrence={"type": "DAILY", "every": 2})
    stored = schedules.sandbox.qualys.schedules[schedule_id]
    stored["scheduling"]["occurrence"]["dailyOccurrence"]["occurrenceCount"] = 0
    schedules.sandbox.qualys.schedules[schedule_id] = stored
    assert not schedules(id=schedule_id, recurrence={"type": "DAILY", "every": 2, "count": 0}).changed
    changed = schedules(id=schedule_id, recurrence={"type": "DAILY", "every": 3, "count": 0})
    assert changed.values["schedule"]["recurrence"] == {"type": "DAILY", "every": 3}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"type": "ONCE", "every": 2}, "ONCE does not have every"),
        ({"type": "DAILY", "days": ["MONDAY"]}, "DAILY does not have days"),
        ({"type": "WEEKLY", "day": 1, "order": "LAST"}, "WEEKLY does not have day, order"),
        ({"type": "DAILY", "every": 0}, "every must not be 0"),
        ({"type": "DAILY", "every": 366}, "every must not be 366"),
        ({"type": "WEEKLY", "days": ["MONDAY"], "every": 53}, "every must not be 53"),
        ({"type": "WEEKLY"}, "WEEKLY requires days"),
        ({"type": "WEEKLY", "days": []}, "WEEKLY requires days"),
        ({"type": "MONTHLY"}, "either day, or order and weekday"),
        ({"type": "MONTHLY", "day": 32}, "day must not be 32"),
        ({"type": "MONTHLY", "day": 3, "order": "LAST", "weekday": "MONDAY"}, "either day"),
        ({"type": "MONTHLY", "order": "LAST"}, "either day"),
        ({"type": "MONTHLY", "weekday": "MONDAY"}, "either day"),
        ({"type": "MONTHLY", "day": 3, "every": 13}, "every must not be 13"),
        ({"type": "DAILY", "count": -1}, "count must not be -1"),
    ],
)
def test_a_recurrence_that_cannot_be_is_refused(written: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        recurrence(written)


@pytest.mark.parametrize(
    "written",
    [
        {"type": "ONCE"},
        {"type": "DAILY", "every": 3, "count": 4},
        {"type": "WEEKLY", "every": 2, "days": ["SUNDAY"]},
        {"type": "MONTHLY", "every": 1, "day": 31},
        {"type": "MONTHLY", "every": 2, "order": "THIRD", "weekday": "FRIDAY", "count": 2},
    ],
)
def test_each_recurrence_comes_back_as_it_was_written(schedules: Schedules, written: dict[str, Any]) -> None:
    result = schedules(**{**NEW, "recurrence": written})
    assert result.values["schedule"]["recurrence"] == written
    assert not schedules(**{**NEW, "recurrence": written}).changed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": " "}, "id or name is required"),
        ({**NEW, "webapp": None}, "webapp or tags is required"),
        ({**NEW, "start": None}, "start is required"),
        ({**NEW, "recurrence": None}, "recurrence is required"),
        ({**NEW, "start": "soon"}, "start: 'soon' is not a valid time"),
        ({**NEW, "webapp": "nope"}, "webapp: there is no web application"),
        ({**NEW, "profile": "nope"}, "profile: there is no option profile"),
        ({**NEW, "auth_record": "nope"}, "auth_record: there is no"),
        ({**NEW, "tags_add": ["prod"]}, "cannot be combined"),
        ({**NEW, "cancel_after": -1}, "cancel_after: -1"),
        ({**NEW, "time_zone": ""}, "time_zone: a schedule must have one"),
        ({**NEW, "scanner": {"type": "INTERNAL"}}, "friendly_name is required with"),
        ({"id": 1, "type": "DISCOVERY"}, "there is no schedule 1"),
    ],
)
def test_bad_options_are_told_before_anything_is_written(
    schedules: Schedules, options: dict[str, Any], words: str
) -> None:
    # A name that does not exist is a warning in check mode, see test_unresolved.py.
    for check in (True, False) if "nope" not in options.values() else (False,):
        with pytest.raises(OptionError, match=words):
            schedules(check=check, **options)
    assert schedules.writes == []


def test_a_schedule_cannot_lose_what_it_needs(schedules: Schedules, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule_id = int(
        schedules(**{**NEW, "webapp": None, "tags": ["prod"], "profile": "CI quick"}).values["schedule"]["id"]
    )
    with pytest.raises(OptionError, match="must have one of them"):
        schedules(id=schedule_id, tags=[])
    with pytest.raises(OptionError, match="name: a schedule must have one"):
        schedules(id=schedule_id, name=" ")
    real = schedule_fields._recurrence
    # A form that is not known here.
    monkeypatch.setattr(
        schedule_fields, "_recurrence", lambda held: real(held) if held.get("occurrenceType") == "ONCE" else None
    )
    held = dict(schedules.sandbox.qualys.schedules[schedule_id]["scheduling"])
    assert schedules(id=schedule_id, start="2027-03-01T00:00:00Z").changed
    stored = schedules.sandbox.qualys.schedules[schedule_id]["scheduling"]
    assert stored == held | {"startDate": "2027-03-01T00:00:00Z"}
    assert schedules(id=schedule_id, recurrence={"type": "ONCE"}).changed


def test_a_profile_is_not_taken_away(schedules: Schedules) -> None:
    schedule_id = schedules.fresh(profile="CI quick")
    with pytest.raises(OptionError, match="profile: the option profile of a schedule cannot be removed"):
        schedules(id=schedule_id, profile="")


# Reading


@pytest.mark.parametrize(
    "days",
    [{"WeekDay": ["MONDAY", "FRIDAY"]}, {"count": 2, "list": [{"WeekDay": "FRIDAY"}, {"WeekDay": "MONDAY"}]}],
)
def test_days_in_either_form(days: Any) -> None:
    raw = {"scheduling": {"occurrenceType": "WEEKLY", "occurrence": {"weeklyOccurrence": {"onDays": days}}}}
    assert from_raw(raw)["recurrence"] == {"type": "WEEKLY", "every": None, "days": ["MONDAY", "FRIDAY"]}


@pytest.mark.parametrize(
    "raw", [{}, {"target": "x", "scheduling": [], "lastScan": 3}, {"scheduling": {"occurrenceType": "MONTHLY"}}]
)
def test_a_record_has_every_key_whatever_is_missing(raw: dict[str, Any]) -> None:
    record = from_raw(raw)
    assert {field.name for field in FIELDS} <= set(record)
    assert record["recurrence"] is None


def test_schedules_are_listed(sandbox: Sandbox) -> None:
    total = len(sandbox.qualys.schedules.ids)
    with client_of(sandbox) as client:
        short = schedule.run_info(info_options(), client, False)
        off = schedule.run_info(info_options(filters=[{"field": "active", "value": False}]), client, False)
        counted = schedule.run_info(info_options(count_only=True), client, False)
    assert (short.values["total"], len(short.values["schedules"])) == (total, total)
    assert "recurrence" not in short.values["schedules"][0]
    assert [item["name"] for item in off.values["schedules"]] == ["Retired schedule"]
    assert counted.values["total"] == total


def test_the_modules(sandbox: Sandbox) -> None:
    ran = run_module("qualys_was_schedule", sandbox, **NEW, diff=True)
    assert not ran.failed, ran.result
    assert ran.result["diff"]["after"]["recurrence"] == {"type": "DAILY", "every": 1}
    again = run_module("qualys_was_schedule", sandbox, **NEW)
    assert (again.failed, again.result["changed"]) == (False, False)
    listed = run_module("qualys_was_schedule_info", sandbox, id=ran.result["schedule"]["id"])
    assert listed.result["schedules"][0]["name"] == NEW["name"]
