# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of findings at each receiver, and which records are sent at all."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.sink import Record
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.syslog import Syslog
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.webhook import _entry
from tests.sandbox import Sandbox
from tests.unit.plugins.module_utils.changes_kit import Changes, finding
from tests.unit.plugins.module_utils.deliver_kit import HOSTILE, http_options, records, sink

SHOP = {"id": 100, "name": "Shop DE", "url": "https://Shop.example.de:443/", "risk_score": 410, "tags": []}
ENTRY = {"qid": 150003, "title": "SQL injection", "cves": ["CVE-2024-0001"]}
AT = 1795165200
"""When the first snapshot was made, in seconds since 1970."""


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Changes:
    """Two snapshots: two new findings and an application, of which one is then fixed, and the other worse."""
    changes = Changes(tmp_path_factory.mktemp("changes"))
    knowledge = changes.folder / "knowledge.json"
    knowledge.write_text(json.dumps([ENTRY]))
    options: dict[str, Any] = {"webapps": [SHOP], "knowledge": str(knowledge)}
    changes.run([finding(1), finding(2, severity="low", url=HOSTILE, title=HOSTILE)], **options)
    changes.run([finding(1, status="fixed"), finding(2, severity="high", url=HOSTILE, title=HOSTILE)], **options)
    return changes


@pytest.fixture
def lines(stream: Changes) -> dict[tuple[str, str], Record]:
    """The records by kind or id of the finding, and change."""
    documents = stream.written()
    named = [(item.get("finding", {}).get("id", "webapp"), item["change"]) for item in documents]
    return dict(zip(named, records(*documents), strict=True))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(webapps=1, findings=0) as running:
        yield running


def deliver(stream: Changes, folder: Path, kind: str, options: dict[str, Any], **more: Any) -> Any:
    params = {"spool": str(stream.dest), "sink": kind, "sink_options": options, "state_dir": str(folder / "state")}
    return run({**params, "timeout": 10, "retries": 2, "max_wait": 30, **more}, False)


def test_at_splunk(stream: Changes, sandbox: Sandbox, tmp_path: Path) -> None:
    assert deliver(stream, tmp_path, "splunk_hec", http_options(sandbox, "splunk_hec")).values["delivered"] == 6
    first, second, webapp = sandbox.receivers.events[:3]
    assert (first["host"], first["time"], first["sourcetype"]) == ("shop.example.de", AT, "perimeter:qualys:change")
    assert first["fields"]["change"] == "new"
    assert first["fields"]["severity"] == "critical"
    assert first["event"]["finding"]["detection_score"] == 95
    assert second["event"]["finding"]["title"] == HOSTILE
    assert (webapp["host"], webapp["sourcetype"]) == ("shop.example.de", "perimeter:qualys:webapp")
    assert webapp["event"]["risk_score"] == 410
    assert "severity" not in webapp["fields"]


def test_at_elasticsearch(stream: Changes, sandbox: Sandbox, tmp_path: Path) -> None:
    options = http_options(sandbox, "elasticsearch")
    assert deliver(stream, tmp_path, "elasticsearch", options).values["delivered"] == 6
    found = list(sandbox.receivers.documents.values())
    new = next(item for item in found if item["perimeter"].get("change") == "new" and "event" in item)
    assert new["@timestamp"] == "2026-11-20T09:00:00Z"
    assert new["event"] == {"kind": "event", "category": ["vulnerability"], "type": ["info"], "action": "new"}
    assert new["vulnerability"] == {
        "id": ["CVE-2024-0001"], "description": "SQL injection", "severity": "critical", "score": {"base": 9.8},
        "category": ["vulnerability", "SQL"], "scanner": {"vendor": "Qualys"},
    }  # fmt: skip
    assert new["rule"] == {"id": "150003", "name": "SQL injection"}
    assert new["url"] == {"full": "https://shop.example.de/item?id=1", "domain": "shop.example.de"}
    assert new["perimeter"]["risk_score"] == 410
    (webapp,) = [item for item in found if item["perimeter"]["change"] == "new" and "event" not in item]
    assert set(webapp) == {"@timestamp", "perimeter"}


def test_at_a_webhook(lines: dict[tuple[str, str], Record]) -> None:
    entry = json.loads(_entry(lines["1", "fixed"]))
    assert entry["delivery_id"] != json.loads(_entry(lines["1", "new"]))["delivery_id"]
    assert (entry["change"], entry["finding"]["status"], entry["knowledge"]["cves"]) == (
        "fixed", "fixed", ["CVE-2024-0001"],
    )  # fmt: skip


@pytest.mark.parametrize(("score", "pair"), [(410, "cn1"), (410.5, "cfp1")])
def test_a_custom_number_of_cef_is_whole_or_has_a_key_of_its_own(
    lines: dict[tuple[str, str], Record], score: float, pair: str
) -> None:
    receiver = sink("syslog", {"host": "localhost", "tls": False, "format": "cef"})
    assert isinstance(receiver, Syslog)
    found = lines["1", "new"]
    message = receiver.message(found._replace(document={**found.document, "risk_score": score})).decode()
    assert f"{pair}Label=riskScore {pair}={score}" in message


@pytest.mark.parametrize("form", ["json", "cef"])
def test_at_syslog(lines: dict[tuple[str, str], Record], form: str) -> None:
    receiver = sink("syslog", {"host": "localhost", "tls": False, "format": form})
    assert isinstance(receiver, Syslog)
    messages = {name: receiver.message(record).decode() for name, record in lines.items()}
    assert messages["1", "new"].startswith("<130>1 2026-11-20T09:00:00Z ")
    # What ends a risk is no alarm.
    assert messages["1", "fixed"].startswith("<134>1 2026-11-21T09:00:00Z ")
    assert messages["2", "escalated"].startswith("<131>1 ")
    assert " change [perimeter@32473 delivery_id=" in messages["2", "escalated"]
    for message in messages.values():
        assert "\n" not in message
    if form == "cef":
        text = messages["1", "new"].partition("\ufeff")[2]
        assert text.startswith("CEF:0|Qualys|WAS|")
        assert "|150003|new: SQL injection|10|" in text
        for pair in (
            f"rt={AT}000", "dhost=shop.example.de", "request=https://shop.example.de/item?id\\=1", "act=new",
            "cs1Label=findingSeverity cs1=critical", "cs2Label=cves cs2=CVE-2024-0001", "cn1Label=riskScore cn1=410",
            "cn2Label=detectionScore cn2=95",
        ):  # fmt: skip
            assert pair in text
        assert "|fixed: SQL injection|1|" in messages["1", "fixed"]
        assert "|new: Shop DE|1|" in messages["webapp", "new"]


def rows(folder: Path) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(folder / "a.db")) as database:
        query = "select record, json_extract(document, '$.change'), time from perimeter_records order by segment, rowid"
        return [(f"{record} {change}", time) for record, change, time in database.execute(query)]


def to_sql(stream: Changes, folder: Path, **options: Any) -> Any:
    return deliver(stream, folder, "sql", {"database_url": f"sqlite:///{folder}/a.db"}, **options)


def test_in_a_database(stream: Changes, tmp_path: Path) -> None:
    assert to_sql(stream, tmp_path).values["delivered"] == 6
    assert [name for name, _time in rows(tmp_path)] == [
        "change new", "change new", "webapp new", "change fixed", "change escalated", "webapp changed",
    ]  # fmt: skip
    assert rows(tmp_path)[0][1].startswith("2026-11-20 09:00:00")


# --- where

WORSE = "record == 'change' && contains(['new', 'escalated'], change) && starts_with(finding.url, 'https:')"


def test_only_what_is_wanted_is_sent(stream: Changes, tmp_path: Path) -> None:
    result = to_sql(stream, tmp_path, where=WORSE)
    assert [name for name, _time in rows(tmp_path)] == ["change new"]
    told = {name: result.values[name] for name in ("collected", "delivered", "filtered", "complete")}
    assert told == {"collected": 6, "delivered": 1, "filtered": 5, "complete": True}
    again = to_sql(stream, tmp_path, where=WORSE)
    assert not again.changed
    assert (again.values["collected"], again.values["filtered"]) == (0, 0)
    assert again.values["totals"]["filtered"] == 5


def test_each_expression_has_a_position_of_its_own(stream: Changes, tmp_path: Path) -> None:
    to_sql(stream, tmp_path, where="change == 'fixed'")
    result = to_sql(stream, tmp_path, where="change != 'fixed'")
    assert (result.values["delivered"], result.values["filtered"]) == (5, 1)
    everything = to_sql(stream, tmp_path)
    assert (everything.values["delivered"], everything.values["duplicate"], everything.values["filtered"]) == (0, 6, 0)
    assert len(list((tmp_path / "state" / "deliver").glob("*.json"))) == 3


@pytest.mark.parametrize("nothing", ["`null`", "`false`", "''", "`[]`", "`{}`", "no.such.field", " "])
def test_what_counts_as_not_true(stream: Changes, tmp_path: Path, nothing: str) -> None:
    result = to_sql(stream, tmp_path, where=nothing)
    assert result.values["filtered"] == (0 if nothing == " " else 6)
    assert to_sql(stream, tmp_path, where="`0`").values["filtered"] == 0


@pytest.mark.parametrize("where", ["change ==", "startswith(change, 'n')", "a b"])
def test_a_wrong_expression_is_an_error_before_anything_else(stream: Changes, tmp_path: Path, where: str) -> None:
    with pytest.raises(OptionError, match=r"^where: "):
        to_sql(stream, tmp_path, where=where)
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_does_not_fit_stops_the_delivery_before_it(stream: Changes, tmp_path: Path) -> None:
    # The third line is an application, which has no finding.
    where = "starts_with(finding.title, '')"
    database = {"database_url": f"sqlite:///{tmp_path}/a.db", "batch_records": 2}
    for _run in range(2):
        result = deliver(stream, tmp_path, "sql", database, where=where)
        assert result.error is not None
        assert result.error.message.startswith("where: ")
        assert "(line 3 of dt=2026-11-20/20261120T090000Z-20261120T090000Z.ndjson)" in result.error.message
    # What is before it is delivered, and is not sent again.
    assert [name for name, _time in rows(tmp_path)] == ["change new", "change new"]
    assert result.values["totals"]["delivered"] == 2


def test_check_mode_counts_what_is_left_out(stream: Changes, tmp_path: Path) -> None:
    params = {
        "spool": str(stream.dest), "sink": "sql", "sink_options": {"database_url": f"sqlite:///{tmp_path}/a.db"},
        "state_dir": str(tmp_path / "state"), "where": WORSE,
    }  # fmt: skip
    values = run(params, True).values
    assert (values["delivered"], values["filtered"]) == (1, 5)
    assert list(tmp_path.iterdir()) == []
