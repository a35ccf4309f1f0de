# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's page "Get Event Log Entries", line by line: each parameter, field and contradiction.

The tables below are the page's, typed from it and not from the code; docs/vendors/edgecast_waf.md 10 lists the
contradictions.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import IncompleteRead, VendorError
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.fields import EVENT, FIELDS, SUB_EVENT
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.listing import read_pages
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.normalise import EventNormaliser
from tests.sandbox import Sandbox

from ..edgecast_kit import DAY, PER_DAY, SPAN, asked, client_of, info

PARAMETERS = ("start_time", "end_time", "filters", "page", "page_size")
EVENT_FIELDS = (
    "Acl ID", "Acl Name", "Action Type", "Bots ID", "Bots Name", "City Name", "Client IP", "Country Code",
    "Country Name", "Epoch Time", "Event ID", "Host", "id", "Instance Name", "Matched Data", "Matched On",
    "Matched Value", "Profile Name", "Profile Type", "Referer", "Referrer", "Rule ID", "Rule Message",
    "Rule Policy", "Rule Severity", "Rule Tags", "Rules Config ID", "Rules Config Name", "Scope ID",
    "Scope Name", "Sub Event Count", "Sub Events", "Timestamp", "URL", "User Agent",
)  # fmt: skip
SUB_EVENT_FIELDS = (
    "Matched Data", "Matched On", "Matched Value", "Rule ID", "Rule Message", "Rule Severity", "Total Anomaly Score",
)  # fmt: skip


def test_the_field_table_is_the_page() -> None:
    assert sorted({field.vendor for field in FIELDS if field.where == EVENT}) == sorted(EVENT_FIELDS)
    assert sorted({field.vendor for field in FIELDS if field.where == SUB_EVENT}) == sorted(SUB_EVENT_FIELDS)


def test_each_parameter_is_sent(sandbox: Sandbox) -> None:
    info(sandbox, **SPAN, event_filters={"Host": "shop.example.com"}, page=2, page_size=5)
    path, query = asked(sandbox)[0]
    assert path == ""
    assert query == {
        **SPAN,
        "filters": '{"Host":"shop.example.com"}',
        "page": "2",
        "page_size": "5",
    }
    assert tuple(query) == PARAMETERS


def test_each_response_parameter_is_read(sandbox: Sandbox) -> None:
    values = info(sandbox, **SPAN, page=2, page_size=40).values
    assert (values["pages"], values["total"], len(values["events"]), values["truncated"]) == (3, PER_DAY, 40, True)
    assert (values["time_from"], values["time_to"]) == ("2026-11-19T12:00:00Z", "2026-11-20T12:00:00Z")


def raws(sandbox: Sandbox, **filters: str) -> list[dict[str, Any]]:
    with client_of(sandbox) as client:
        return [raw for page in read_pages(client, DAY, dict(filters)) for raw in page]


EXPECTED: dict[str, tuple[str, Any]] = {
    "Acl ID": ("details.acl_id", "acl-1"),
    "Acl Name": ("details.acl_name", "Access rule"),
    "Action Type": ("action_native", "BLOCK_REQUEST"),
    "Bots ID": ("details.bots_id", "bots-1"),
    "Bots Name": ("details.bots_name", "Bots rule"),
    "City Name": ("details.city", "Amsterdam"),
    "Client IP": ("client_ip", None),
    "Country Code": ("country", "NL"),
    "Country Name": ("details.country_name", "Netherlands"),
    "Epoch Time": ("time", None),
    "Event ID": ("details.event_id", None),
    "Host": ("host", "shop.example.com"),
    "id": ("id", None),
    "Instance Name": ("details.instance_name", "shop app"),
    "Matched Data": ("sub_events.0.matched_value", "4111111111111111"),
    "Matched On": ("sub_events.0.matched_on", "ARGS:card"),
    "Matched Value": ("sub_events.0.matched_value", "4111111111111111"),
    "Profile Name": ("profile", "shop rules"),
    "Profile Type": ("details.profile_type", "PRODUCTION"),
    "Referer": ("referer", "https://user:hunter2hunter2@partner.example.net/?access_token=referer-token-canary"),
    "Referrer": ("referer", "https://old.example.com/"),
    "Rule ID": ("rule_ids.0", "981255"),
    "Rule Message": ("message", None),
    "Rule Policy": ("details.rule_policy", "Inbound blocking"),
    "Rule Severity": ("severity_native", "3"),
    "Rule Tags": ("categories.0", "OWASP_CRS/ANOMALY/EXCEEDED"),
    "Rules Config ID": ("details.rules_config_id", "cfg-1"),
    "Rules Config Name": ("details.rules_config_name", "Custom rule"),
    "Scope ID": ("details.scope_id", "scope-1"),
    "Scope Name": ("details.scope_name", "Security application"),
    "Sub Event Count": ("details.sub_event_count", 2),
    "Sub Events": ("sub_events.0.rule_id", "920320"),
    "Timestamp": ("time", None),
    "URL": ("url", "https://shop.example.com/search?q=1%27%20or%201"),
    "User Agent": ("user_agent", "curl/8.5.0"),
}
"""Field, where it stands in our record, and a value of the sandbox; None: the value that the service sent."""


def at(record: Any, path: str) -> Any:
    for part in path.split("."):
        record = record[int(part)] if isinstance(record, list) else record[part]
    return record


@pytest.mark.parametrize("name", EVENT_FIELDS)
def test_each_field_of_an_event_arrives(sandbox: Sandbox, name: str) -> None:
    path, value = EXPECTED[name]
    normaliser = EventNormaliser(keep_sensitive=True)
    found = []
    for raw in raws(sandbox):
        if name in raw:
            got = at(normaliser.event(raw), path) if raw[name] else None
            found.append(got)
            if value is None and got is not None and name != "Epoch Time":
                assert got == raw[name].replace(".000000Z", "Z")
    assert found
    if value is not None:
        assert value in found


SUB_EVENT_EXPECTED: dict[str, tuple[str, Any]] = {
    "Matched Data": ("matched_value", "matched-password-canary"),
    "Matched On": ("matched_on", "ARGS:q"),
    "Matched Value": ("matched_value", "1' or '1'='1"),
    "Rule ID": ("rule_id", "920320"),
    "Rule Message": ("message", "SQL injection detected"),
    "Rule Severity": ("severity_native", "2"),
    "Total Anomaly Score": ("total_score", 8),
}


@pytest.mark.parametrize("name", SUB_EVENT_FIELDS)
def test_each_field_of_a_sub_event_arrives(sandbox: Sandbox, name: str) -> None:
    ours, value = SUB_EVENT_EXPECTED[name]
    events = [(raw, EventNormaliser(keep_sensitive=True).event(raw)) for raw in raws(sandbox)]
    subs = [sub[ours] for raw, event in events for sub in event["sub_events"] if name in json.dumps(raw)]  # type: ignore[literal-required]
    assert value in subs


def test_contradiction_the_sample_of_filters_has_the_path_of_the_fields(sandbox: Sandbox) -> None:
    info(sandbox, **SPAN, event_filters={"Host": ["www.example.com", "secure.example.com"]})
    assert [path for path, _query in asked(sandbox)] == [""]
    assert asked(sandbox)[0][1]["filters"] == '{"Host":["www.example.com","secure.example.com"]}'


def test_contradiction_an_event_may_lack_event_id(sandbox: Sandbox) -> None:
    events = info(sandbox, **SPAN).values["events"]
    without = [event for event in events if event["details"]["event_id"] is None]
    assert without
    assert all(len(event["id"]) == 88 for event in without)


def test_contradiction_ids_beyond_64_bits_stay_text(sandbox: Sandbox) -> None:
    ids = {event["details"]["event_id"] for event in info(sandbox, **SPAN).values["events"]} - {None}
    assert all(isinstance(found, str) and int(found) > 2**64 for found in ids)


def test_contradiction_id_and_event_id_do_not_collide() -> None:
    event = EventNormaliser().event({"id": "a", "Event ID": "1"})
    assert (event["id"], event["details"]["event_id"]) == ("a", "1")


def test_contradiction_the_page_size_is_always_the_largest(sandbox: Sandbox) -> None:
    info(sandbox, **SPAN)
    assert [query["page_size"] for _path, query in asked(sandbox)] == ["1000"]


def test_contradiction_referer_beats_referrer() -> None:
    event = EventNormaliser().event({"Referer": "https://a.test/", "Referrer": "https://b.test/"})
    assert event["referer"] == "https://a.test/"


def test_contradiction_matched_value_beats_the_deprecated_data() -> None:
    sub = {"Matched Data": "old", "Matched Value": "new"}
    event = EventNormaliser(keep_sensitive=True).event({"Sub Events": [sub, {"Matched Data": "old"}]})
    assert [sub["matched_value"] for sub in event["sub_events"]] == ["new", "old"]


def test_contradiction_times_are_not_taken_from_noisy_floats() -> None:
    noisy = {"Epoch Time": 1473207637.5252609}
    assert EventNormaliser().event(noisy)["time"] == "2016-09-07T00:20:37.525261Z"
    assert (
        EventNormaliser().event({**noisy, "Timestamp": "2016-09-07T00:20:37.5Z"})["time"]
        == "2016-09-07T00:20:37.500000Z"
    )


@pytest.mark.parametrize("bounds", ["after_start", "from_start"])
def test_contradiction_bounds_inclusive_or_not(sandbox: Sandbox, bounds: str) -> None:
    sandbox.switches["edgecast_bounds"] = bounds
    sandbox.log_clock.freeze("2026-11-20T12:00:00Z")
    sandbox.edgecast.add_events(2, 3600, 3600)
    with client_of(sandbox) as client:
        hours = [EventNormaliser().event(raw)["time"] for page in read_pages(client, DAY, {}, 2) for raw in page]
    assert {"2026-11-20T11:00:00Z", "2026-11-20T10:00:00Z"} <= set(hours)


@pytest.mark.parametrize("page_of", ["0", "1"])
def test_contradiction_page_of_without_events(sandbox: Sandbox, page_of: str) -> None:
    sandbox.switches["edgecast_empty_page_of"] = page_of
    values = info(sandbox, **SPAN, event_filters={"Host": "nobody.example.com"}).values
    assert (values["events"], values["total"], values["truncated"]) == ([], 0, False)
    assert len(asked(sandbox)) == 1


@pytest.mark.parametrize("position", ["400", "404", "empty_object"])
def test_contradiction_what_an_unknown_event_answers(sandbox: Sandbox, position: str) -> None:
    sandbox.switches["edgecast_missing_event"] = position
    values = info(sandbox, event_id="54973727612018659117005509529321564774").values
    assert (values["events"], values["total"]) == ([], 0)


def test_contradiction_sample_dates_are_older_than_thirty_days(sandbox: Sandbox) -> None:
    with pytest.raises(VendorError) as caught:
        info(sandbox, start_time="2016-09-01", end_time="2016-09-12")
    assert caught.value.code == "400"
    assert "30 days" in caught.value.hint


def test_contradiction_the_host_differs_by_flavour() -> None:
    base = {"account_number": "0001", "token": "t"}
    with connect(base, {}) as client:
        assert client.connection.api_url == "https://api.transactcdn.com"
    with connect({**base, "api_url": "https://API.edgecast.com/"}, {}) as client:
        assert client.connection.api_url == "https://api.edgecast.com"


def test_the_announced_pages_are_counted(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "wrong_count", "n": 1, "times": -1})
    with pytest.raises(IncompleteRead, match="announced 2 pages of 1000 and sent 91"):
        info(sandbox, **SPAN)
