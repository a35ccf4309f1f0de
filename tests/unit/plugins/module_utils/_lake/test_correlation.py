# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A correlation over the lake finds what one over the stream finds: both see the same columns."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from tests.unit.plugins.module_utils import correlate_kit as kit
from tests.unit.plugins.module_utils.lake_kit import StreamFolder, lake

SUNDAY = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)


def test_a_lake_and_its_stream_give_the_same_matches(tmp_path: Path) -> None:
    url = "https://shop.example.com/orders/{}/items?q=1"
    places = [
        {"url": url.format(7), "path": "/orders/7/items"},
        {"url": url.format(8), "path": "/orders/8/items", "host": "Shop.Example.com:443"},
        {"url": url.format(9), "path": None, "host": None},
        {"url": None, "path": "/orders/10/items/"},
        {"url": url.format(11), "path": "/orders/11/items", "host": ""},
        {"url": url.format(12), "path": ""},
        {"url": None, "path": None},
        {"rule_ids": [], "categories": [], "sub_events": [], "message": None},
        {"action": "alerted"},
    ]
    events = [
        kit.event(number, **{"key": f"k{number}", "content": f"{number:016x}", **place})
        for number, place in enumerate(places, 1)
    ]
    stream = StreamFolder(tmp_path / "stream")
    stream.add(events, SUNDAY)
    stream.add([{**kit.gap(), "key": "gap:1", "content": "0" * 16}], SUNDAY)
    result = lake(tmp_path / "lake", [stream.root], now=SUNDAY + dt.timedelta(days=1))
    assert {item["record"] for item in result.values["written"]} == {"event", "gap"}
    findings = kit.snapshot(
        tmp_path / "findings.ndjson", [kit.finding(1, url=url.format(1)), kit.finding(2), kit.finding(3, url=None)]
    )
    found = {}
    for name in ("stream", "lake"):
        folder = tmp_path / f"matches of {name}"
        folder.mkdir()
        summary = kit.correlate(folder, findings=[findings], events=[tmp_path / name]).values["summary"]
        lines = [json.loads(text) for text in (folder / "matches.ndjson").read_bytes().splitlines()]
        found[name] = summary.get("gaps"), lines
    assert found["lake"] == found["stream"]
    assert found["lake"][1][0]["events"]["count"] == 6
