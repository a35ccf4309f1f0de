# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a schedule has besides its target and its times: who is told, which way it goes, what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import schedule_notification
from tests.sandbox import Sandbox

from ...qualys_kit import run_module
from ...scan_kit import APP
from .test_schedule import BY_TAGS, Schedules

TOLD = {"active": True, "delay": 2, "recipients": ["a@example.com", "b@example.com"], "text": "soon"}


@pytest.fixture(params=["merge", "replace"])
def schedules(sandbox: Sandbox, request: pytest.FixtureRequest) -> Schedules:
    """Whether Qualys keeps the members that an update leaves out is not documented, so both are tried."""
    sandbox.switches["object_update"] = request.param
    return Schedules(sandbox)


def test_of_a_notification_only_what_is_given_changes(schedules: Schedules) -> None:
    schedule_id = schedules.fresh(notification=TOLD)
    stored = schedules.sandbox.qualys.schedules[schedule_id]
    assert stored["notification"]["delay"] == {"nb": 2, "scale": "DAY"}
    result = schedules(id=schedule_id, notification={"text": "sooner"})
    assert result.diff is not None
    assert result.diff["before"]["notification"]["text"] == "soon"
    assert stored["notification"] == {
        "active": True,
        "delay": {"nb": 2, "scale": "DAY"},
        "recipients": TOLD["recipients"],
        "message": "sooner",
    }
    for unchanged in ({"text": "sooner"}, {"recipients": ["b@example.com", "a@example.com"]}, {"delay": 2}):
        assert not schedules(id=schedule_id, notification=unchanged).changed
    schedules(id=schedule_id, notification={"recipients": []})
    assert (stored["notification"]["recipients"], stored["notification"]["message"]) == ([], "sooner")
    assert not schedules(id=schedule_id, notification={"recipients": []}).changed


def test_an_empty_notification_removes_it(schedules: Schedules) -> None:
    schedule_id = schedules.fresh(notification=TOLD)
    result = schedules(id=schedule_id, notification=dict.fromkeys(schedule_notification.OPTIONS))
    assert (result.changed, result.values["schedule"]["notification"]) == (True, None)
    assert not schedules(id=schedule_id, notification={}).changed
    assert not schedules(id=schedule_id, start="2027-01-04T02:00:00Z").changed


@pytest.mark.parametrize("scale", ["HOUR", "hour"])
def test_another_unit_of_the_delay_is_left_to_qualys(schedules: Schedules, scale: str) -> None:
    schedules.sandbox.switches["delay_scale"] = "any"
    schedule_id = schedules.fresh(notification={**TOLD, "delay_scale": scale})
    shown = schedules(id=schedule_id, notification={"delay_scale": scale})
    assert (shown.changed, shown.values["schedule"]["notification"]["delay_scale"]) == (False, "HOUR")


def test_one_limit_takes_the_place_of_the_other(schedules: Schedules) -> None:
    schedule_id = schedules.fresh(cancel_after=5)
    stored = schedules.sandbox.qualys.schedules[schedule_id]
    for given, other in (({"cancel_time": "06:00"}, "cancel_after"), ({"cancel_after": 4}, "cancel_time")):
        for check in (True, False):
            result = schedules(check=check, id=schedule_id, **given)
            assert result.values["schedule"][other] is None
        assert len({"cancelAfterNHours", "cancelTime"} & set(stored["scheduling"])) == 1
        assert stored["target"]["cancelOption"] == "SPECIFIC"
        assert not schedules(id=schedule_id, **given).changed
    schedules(id=schedule_id, cancel_time="06:00")
    schedules(id=schedule_id, cancel_time="")
    assert stored["target"]["cancelOption"] == "DEFAULT"
    assert not schedules(id=schedule_id, cancel_time="").changed


def test_tags_are_combined_and_excluded_as_the_options_say(schedules: Schedules) -> None:
    tags = {record["name"]: key for key, record in schedules.sandbox.qualys.tags.items()}
    schedule_id = schedules.fresh(profile="CI quick", **BY_TAGS)
    stored = schedules.sandbox.qualys.schedules[schedule_id]
    assert stored["target"]["tags"] == {
        "included": {"option": "ALL", "tagList": [tags["prod"]]},
        "excluded": {"option": "ANY", "tagList": [tags["deprecated"]]},
    }
    schedules(id=schedule_id, tags_match="ANY", excluded_tags_add=["pci"], excluded_tags_remove=["deprecated"])
    assert stored["target"]["tags"] == {
        "included": {"option": "ANY", "tagList": [tags["prod"]]},
        "excluded": {"option": "ANY", "tagList": [tags["pci"]]},
    }
    schedules(id=schedule_id, excluded_tags=[])
    assert "excluded" not in stored["target"]["tags"]
    schedules(id=schedule_id, excluded_tags=["pci"])
    back = schedules(id=schedule_id, webapp=str(APP)).values["schedule"]
    assert "tags" not in stored["target"]
    assert (back["tags"], back["excluded_tags"]) == ([], [])
    assert (back["tags_match"], back["excluded_tags_match"]) == (None, None)
    assert not schedules(id=schedule_id, webapp=str(APP)).changed


def test_a_proxy_and_an_override_that_stand_in_the_target_are_not_said_twice(schedules: Schedules) -> None:
    proxies, overrides = schedules.sandbox.qualys.proxies, schedules.sandbox.qualys.dns_overrides
    schedule_id = schedules.fresh()
    stored = schedules.sandbox.qualys.schedules[schedule_id]
    within = {"proxy": {"id": proxies.ids[0]}, "dnsOverride": {"id": overrides.ids[0]}}
    stored["target"] = {**stored["target"], **within}
    name = proxies[proxies.ids[0]]["name"]
    assert not schedules(id=schedule_id, scan_proxy=name, dns_override=str(overrides.ids[0])).changed
    schedules(id=schedule_id, scan_proxy=str(proxies.ids[1]))
    assert (stored["proxy"], "proxy" in stored["target"]) == ({"id": proxies.ids[1]}, False)
    assert stored["target"]["dnsOverride"] == within["dnsOverride"]
    gone = schedules(id=schedule_id, scan_proxy="", dns_override="").values["schedule"]
    assert (gone["scan_proxy"], gone["dns_override"]) == (None, None)
    assert not schedules(id=schedule_id, scan_proxy="", dns_override="").changed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"notification": {"recipients": ["nobody"]}}, "notification: 'nobody' is not an e-mail address"),
        ({"notification": {"delay": -1}}, "notification: delay must not be -1"),
        ({"cancel_after": 2, "cancel_time": "06:00"}, "cannot be combined"),
        ({"webapp": str(APP), "excluded_tags": ["prod"]}, "webapp and excluded_tags cannot be combined"),
        ({"excluded_tags": ["prod"]}, "excluded_tags is only allowed with tags"),
        ({"scan_proxy": "office"}, "scan_proxy: 'office' is not an id"),
        ({"dns_override": "nope"}, "dns_override: there is no DNS override"),
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_is_written(
    schedules: Schedules, options: dict[str, Any], words: str
) -> None:
    schedule_id = schedules.fresh()
    # A name that does not exist is a warning in check mode, see test_unresolved.py.
    for check in (True, False) if "nope" not in options.values() else (False,):
        with pytest.raises(OptionError, match=words):
            schedules(check=check, id=schedule_id, **options)
    assert schedules.writes == []


def test_the_owner_is_shown_and_is_no_option(sandbox: Sandbox) -> None:
    ran = run_module("qualys_was_schedule_info", sandbox, detail="full", limit=1)
    schedule = ran.result["schedules"][0]
    assert schedule["owner"]
    assert run_module("qualys_was_schedule", sandbox, id=schedule["id"], owner="jdoe").failed
    assert not run_module("qualys_was_schedule", sandbox, id=schedule["id"], notification={"active": None}).failed
