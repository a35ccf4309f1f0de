# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans of several applications with a ceiling: at most so many at once, each with an end of its own."""

from __future__ import annotations

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from tests.sandbox import Sandbox

from ...scan_kit import APP, Scans

SEVERAL = [str(APP + place) for place in range(3)]


@pytest.fixture
def scans() -> Scans:
    with Sandbox(webapps=6, findings=12) as sandbox:
        profile = {"id": min(sandbox.qualys.option_profiles.ids)}
        for key in SEVERAL:
            sandbox.qualys.webapps[int(key)]["defaultProfile"] = profile
        yield Scans(sandbox)


def steps(scans: Scans) -> str:
    """The order of events: L for a launch, s for a look at the status of a scan."""
    paths = [item["path"] for item in scans.sandbox.counters.snapshot()["recent"]]
    return "".join("L" if "/launch/" in path else "s" for path in paths if "/launch/" in path or "/status/" in path)


def test_the_next_one_is_launched_when_another_has_ended(scans: Scans) -> None:
    predicted = scans(check=True, webapps=SEVERAL, name="weekly", max_running=1)
    assert predicted.changed
    result = scans(webapps=SEVERAL, name="weekly", max_running=1)
    assert result.error is None
    assert [scan["asset"]["id"] for scan in result.values["scans"]] == SEVERAL
    order = steps(scans)
    assert (order.count("L"), "LL" in order, order.startswith("Ls")) == (3, False, True)
    again = scans(webapps=SEVERAL, name="weekly", max_running=2, resume_within="1d")
    assert (again.changed, again.values["adopted"], scans.launches) == (False, True, 0)


def test_all_that_fit_are_launched_at_once(scans: Scans) -> None:
    result = scans(webapps=SEVERAL, name="weekly", max_running=3)
    assert (result.changed, scans.launches) == (True, 1)


def test_what_is_under_way_already_takes_its_place_first(scans: Scans) -> None:
    scans.sandbox.switches["scan_polls"] = "3"
    scans(webapps=SEVERAL[2:], name="weekly", state="launched")
    result = scans(webapps=SEVERAL, name="weekly", max_running=1)
    assert steps(scans).startswith("s")
    assert (scans.launches, result.error) == (2, None)
    assert [scan["asset"]["id"] for scan in result.values["scans"]] == SEVERAL


def test_what_no_time_is_left_for_is_not_launched_and_said_to_be(scans: Scans) -> None:
    scans.sandbox.switches.update({"progress": "clock", "scan_seconds": "600"})
    result = scans(webapps=SEVERAL, name="weekly", max_running=1, wait_timeout="15m")
    ends = [scan["end_reason"] for scan in result.values["scans"]]
    assert ends == ["finished", "still_running", "not_launched"]
    assert [scan["conclusive"] for scan in result.values["scans"]] == [True, False, False]
    assert (scans.launches, result.values["scans"][2]["id"]) == (2, None)
    assert result.error is not None
    assert "2 of 3 scans have no conclusive result" in result.error.message


def test_one_refused_launch_does_not_hide_the_others(scans: Scans) -> None:
    scans.fault("/launch/", "response_code", code="INVALID_REQUEST", times=1)
    result = scans(webapps=SEVERAL, name="weekly", max_running=1)
    ends = [scan["end_reason"] for scan in result.values["scans"]]
    assert ends == ["not_launched", "finished", "finished"]
    assert result.error is not None
    assert "1 of 3 scans have no conclusive result" in result.error.message


@pytest.mark.parametrize("ceiling", [None, 1])
def test_many_scans_warn_of_what_one_scan_warns_of(scans: Scans, ceiling: int | None) -> None:
    scans.sandbox.switches["scan_outcome"] = "no_links"
    one = scans(webapp=SEVERAL[0], name="alone")
    assert [warning.partition(", ")[2] for warning in one.warnings] == [
        "but crawled no link: check whether it reached the application."
    ]
    many = scans(webapps=SEVERAL, name="weekly", max_running=ceiling)
    assert [warning.split()[1] for warning in many.warnings] == [scan["id"] for scan in many.values["scans"]]
    assert {warning.partition(", ")[2] for warning in many.warnings} == {one.warnings[0].partition(", ")[2]}
    assert len(many.warnings) == len(SEVERAL)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_running": 0}, "not a valid number of scans"),
        ({"max_running": 2, "state": "launched"}, "only allowed with state: finished"),
    ],
)
def test_a_ceiling_that_makes_no_sense_is_refused(scans: Scans, options: dict[str, object], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        scans(webapps=SEVERAL, name="weekly", **options)
    assert scans.launches == 0
