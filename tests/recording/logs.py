# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log services: what is listed, what is collected into a spool, and what is delivered from there."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.sandbox import Sandbox

from . import still_time
from .door import run_module
from .keep import Area, Places, digest, file_content, shortened
from .stage import Options, Stage

SPAN = {"start_time": "2026-11-19T12:00:00", "end_time": "2026-11-20T12:00:00"}
QUESTIONS: dict[str, tuple[str, Options]] = {
    "edgecast": ("edgecast_waf_event_info", SPAN),
    "edgecast, filters": (
        "edgecast_waf_event_info",
        {**SPAN, "event_filters": {"Host": ["shop.example.com"]}, "limit": 3},
    ),
    "edgecast, page": ("edgecast_waf_event_info", {**SPAN, "page": 2, "page_size": 5}),
    "edgecast, fields": ("edgecast_waf_event_info", {"fields": True}),
    "edgecast, kept and raw": (
        "edgecast_waf_event_info",
        {**SPAN, "limit": 2, "sensitive": "keep", "include_raw": True},
    ),
    "edgecast, query": ("edgecast_waf_event_info", {**SPAN, "query": "[].action"}),
    "scutum": ("scutum_alert_info", {"from": "2026-10-01", "to": "2026-11-20"}),
    "scutum, oldest first": (
        "scutum_alert_info",
        {"from": "2026-10-01", "to": "2026-11-20", "time_order": "asc", "limit": 3},
    ),
    "scutum, kept and raw": ("scutum_alert_info", {"limit": 2, "sensitive": "keep", "include_raw": True}),
    "scutum, none": ("scutum_alert_info", {"log_id": "1_1_1"}),
    "indusface": ("indusface_scan_log_info", {"from_date": "2026-11-10", "to_date": "2026-11-20", "chunk_days": 5}),
    "indusface, day": ("indusface_scan_log_info", {"date": "2026-11-19"}),
    "indusface, kept and raw": (
        "indusface_scan_log_info",
        {"date": "2026-11-19", "sensitive": "keep", "include_raw": True},
    ),
    "carbon black": ("carbon_black_scan_log_info", {}),
    "carbon black, criteria": (
        "carbon_black_scan_log_info",
        {"criteria": {"time_range": {"range": "-1w"}, "sources": "CLI"}},
    ),
    "carbon black, sorted": (
        "carbon_black_scan_log_info",
        {"sort": [{"field": "scan_time", "order": "DESC"}], "start": 0, "rows": 5},
    ),
    "carbon black, raw": ("carbon_black_scan_log_info", {"limit": 2, "include_raw": True}),
    "carbon black, facets": ("carbon_black_scan_log_facet_info", {}),
    "carbon black, metadata": ("carbon_black_scan_log_metadata_info", {}),
    "refused: edgecast, both": ("edgecast_waf_event_info", {**SPAN, "event_id": "1"}),
    "refused: edgecast, time": ("edgecast_waf_event_info", {"start_time": "soon", "end_time": "later"}),
    "refused: edgecast, token": ("edgecast_waf_event_info", {**SPAN, "token": "wrong-token", "retries": 0}),
    "refused: scutum, time": ("scutum_alert_info", {"from": "soon"}),
    "refused: scutum, key": ("scutum_alert_info", {"api_key": "wrong-key"}),
    "refused: indusface, nothing": ("indusface_scan_log_info", {}),
    "refused: indusface, day": ("indusface_scan_log_info", {"date": "20.10.2026"}),
    "refused: indusface, key": ("indusface_scan_log_info", {"date": "2026-11-19", "secret_key": "wrong-key"}),
    "refused: carbon black, field": ("carbon_black_scan_log_info", {"criteria": {"colour": ["red"]}}),
    "refused: carbon black, secret": ("carbon_black_scan_log_info", {"api_secret_key": "WRONGWRONGWRONGWRONG0000"}),
    "refused: carbon black, facets": ("carbon_black_scan_log_facet_info", {"fields": ["colour"]}),
}
EXPORTS = (
    "edgecast_waf_event_export",
    "scutum_alert_export",
    "indusface_scan_log_export",
    "carbon_black_scan_log_export",
)
ONE_REQUEST = ("edgecast_waf_event_export", "carbon_black_scan_log_export")
"""What is recorded of these costs one request, so that a fault has to hit that one."""
ROOMS = {"edgecast": {"records": 300, "days": 3}, "scutum": {"records": 90, "days": 9, "page_size": 20}}
ROOMS |= {"indusface": {"days": 12}, "carbon_black": {"records": 90, "days": 9}}


def record(folder: Path) -> list[Area]:
    """The areas of logs and delivery."""
    reads, exports, deliveries, lakes = Area("log_reads"), Area("log_exports"), Area("deliver"), Area("lake")
    with Sandbox(webapps=1, findings=0, log_anchor=still_time.NOW, **ROOMS) as sandbox:
        _reads(Stage(reads, folder, sandbox))
        for module in EXPORTS:
            _export(Stage(exports, folder, sandbox), module)
        _deliver(Stage(deliveries, folder, sandbox))
        _lake(Stage(lakes, folder, sandbox))
    return [reads, exports, deliveries, lakes]


def connection(sandbox: Sandbox, module: str) -> Options:
    """Connection options of a module's service."""
    scutum, indusface = sandbox.scutum.settings, sandbox.indusface.settings
    return {
        "api_url": sandbox.url,
        **{
            "edgecast": {"account_number": "0001", "token": "11111111-2222-3333-4444-555555555555"},
            "scutum": {"api_key": scutum.api_key, "scutum_host": scutum.host, "scutum_id": scutum.id},
            "indusface": {"access_key": indusface.access_key, "secret_key": indusface.secret_key},
            "carbon": {"org_key": "ABCD1234", "api_id": "APIID00001", "api_secret_key": "SECRETSECRETSECRET000001"},
        }[module.partition("_")[0]],
    }


def _reads(stage: Stage) -> None:
    assert stage.sandbox is not None
    for case, (module, options) in QUESTIONS.items():
        stage.begin()
        stage.run(case, module, options, connection(stage.sandbox, module))
    for case in ("edgecast", "scutum", "indusface", "carbon black", "carbon black, facets", "carbon black, metadata"):
        module, options = QUESTIONS[case]
        stage.begin()
        stage.run(f"{case}: check", module, options, connection(stage.sandbox, module), check=True)
    stage.begin()
    login = connection(stage.sandbox, "scutum")
    one = stage.sandbox.scutum.alerts[0].log_id
    stage.run("scutum, one", "scutum_alert_info", {"log_id": one}, login)


class Spool:
    """One export into one directory of its own."""

    def __init__(self, stage: Stage, module: str, name: str, **options: Any) -> None:
        assert stage.sandbox is not None
        self.stage, self.module, self.name = stage, module, name
        self.dest = stage.folder / f"{module}-{digest(name)[:8]}"
        self.options = {"dest": str(self.dest), "first_run": "lookback", "lookback": "2d", **options}
        self.login = connection(stage.sandbox, module) | {"state_dir": f"{self.dest}-state"}

    def __call__(self, case: str, *, check: bool = False, **options: Any) -> Options:
        also: dict[str, Callable[[], Any]] = {} if check else {"days": self.days}
        whole = {**self.options, **options}
        return self.stage.run(
            f"{self.module}, {self.name}: {case}", self.module, whole, self.login, check=check, **also
        )

    def days(self) -> dict[str, Any]:
        """The lines of each day, whatever the segments are that they lie in."""
        found: dict[str, Any] = {}
        for day in sorted(self.dest.glob("dt=*")):
            files = sorted(path for path in day.iterdir() if path.name[0] not in "._")
            data = b"".join(_read(path) for path in files)
            lines = data.splitlines()
            found[day.name] = {
                **file_content(data, self.stage.places, head=1),
                "sorted": digest(b"\n".join(sorted(lines))),
            }
            found[day.name]["kinds"] = _kinds(lines)
        return found


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _kinds(lines: list[bytes]) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in lines:
        kind = json.loads(line)["record"]
        found[kind] = found.get(kind, 0) + 1
    return found


def _add(sandbox: Sandbox, module: str) -> None:
    """Records that came just now, and one that is late."""
    match module.partition("_")[0]:
        case "edgecast":
            sandbox.edgecast.add_events(3, 600.0, 30.0)
        case "scutum":
            sandbox.scutum.add(3, 600)
        case "indusface":
            sandbox.indusface.add(1, 0)
        case _:
            sandbox.carbon_black.add_rows(3, 600.0, 30.0)


def _export(stage: Stage, module: str) -> None:
    assert stage.sandbox is not None
    stage.begin()
    plain = Spool(stage, module, "plain")
    plain("fails without a start", first_run="fail")
    plain("check", check=True)
    plain("run")
    plain("again")
    plain("check again", check=True)
    still_time.move(1800)
    stage.sandbox.log_clock.advance(1800)
    _add(stage.sandbox, module)
    plain("half an hour later")
    plain("with other options", include_raw=True)
    stage.begin()
    packed = Spool(stage, module, "packed", compress=True, include_raw=True, sensitive="keep", segment_mode="0640")
    packed("run")
    stage.begin()
    now = Spool(stage, module, "from now on", first_run="now")
    now("run")
    stage.begin()
    filled = Spool(stage, module, "filled", first_run="now")
    filled("run", backfill={"from": "2026-11-17T00:00:00Z", "to": "2026-11-18T00:00:00Z"})
    away = {"status": 503, "skip": 0 if module in ONE_REQUEST else 1}
    for name, fault in {"refused": {"status": 401}, "away": away}.items():
        stage.begin()
        stage.sandbox.faults.add({"kind": "status", "times": -1, **fault})
        Spool(stage, module, name)("run", retries=1)


def _deliver(stage: Stage) -> None:
    stage.begin()
    spool = Spool(
        Stage(Area("unused"), stage.folder, stage.sandbox), "edgecast_waf_event_export", "delivered", lookback="4h"
    )
    spool("run")
    assert stage.sandbox is not None
    chosen = stage.sandbox.receivers.settings
    url = stage.sandbox.url
    sinks: dict[str, Options] = {
        "splunk_hec": {"url": url, "token": chosen.hec_token, "index": "waf"},
        "elasticsearch": {"url": f"{url}/es", "api_key": chosen.api_key, "index": "logs-waf-default"},
        "webhook": {"url": f"{url}/hook", "token": chosen.webhook_token, "signature_secret": chosen.signature_secret},
        "sql": {"database_url": f"sqlite:///{stage.folder}/events.db"},
    }
    wrong = {"splunk_hec": {"token": "wrong"}, "elasticsearch": {"api_key": "wrong"}, "webhook": {"token": "wrong"}}
    for sink, sink_options in sinks.items():
        stage.begin()
        options = {"spool": str(spool.dest), "sink": sink, "state_dir": f"{stage.folder}/{sink}", "retries": 1}
        stage.run(
            f"{sink}: check",
            "deliver",
            {**options, "sink_options": sink_options},
            check=True,
            arrived=lambda: _arrived(stage),
        )
        stage.run(f"{sink}: run", "deliver", {**options, "sink_options": sink_options}, arrived=lambda: _arrived(stage))
        stage.run(
            f"{sink}: again", "deliver", {**options, "sink_options": sink_options}, arrived=lambda: _arrived(stage)
        )
        some = {**options, "where": "action == 'blocked'", "sink_options": sink_options}
        if sink == "sql":
            stage.run(f"{sink}: where", "deliver", some)
            stage.run(f"{sink}: wrong where", "deliver", {**some, "where": "nothing(@)"})
        bad = {**sink_options, **wrong.get(sink, {"database_url": "sqlite:////nowhere/at/all.db"})}
        elsewhere = {**options, "state_dir": f"{stage.folder}/{sink}-wrong", "sink_options": bad}
        stage.run(f"{sink}: refused", "deliver", elsewhere)
    _syslog(stage, str(spool.dest))
    stage.run("no spool", "deliver", {"spool": "/nowhere", "sink": "webhook", "sink_options": sinks["webhook"]})
    stage.run("no address", "deliver", {"spool": str(spool.dest), "sink": "webhook", "sink_options": {}})


def _lake(stage: Stage) -> None:
    stage.begin()
    unused = Stage(Area("unused"), stage.folder, stage.sandbox)
    spools = [Spool(unused, module, f"lake-{module}", lookback="2d") for module in EXPORTS[:2]]
    for spool in spools:
        spool("run")
    options = {"streams": [str(spool.dest) for spool in spools], "dest": f"{stage.folder}/lake"}
    stage.run("check", "lake", options, check=True)
    stage.run("run", "lake", options, columns=lambda: _columns(stage.folder / "lake"))
    stage.run("again", "lake", options)
    stage.run("rebuilt", "lake", {**options, "rebuild": True})
    stage.run("old days", "lake", {**options, "retain_days": 1})
    stage.run("no stream", "lake", {**options, "streams": ["/nowhere"]})
    stage.run("no days", "lake", {**options, "retain_days": 0})


def _columns(lake: Path) -> Options:
    """The columns of each kind of record that engines see, with their types."""
    import duckdb

    found = {}
    with duckdb.connect(":memory:") as database:
        for folder in sorted(lake.glob("record=*")):
            path = str(next(folder.rglob("*.parquet")))
            rows = database.execute("DESCRIBE FROM read_parquet(?, hive_partitioning = false)", [path]).fetchall()
            found[folder.name] = {row[0]: row[1] for row in rows}
    return found


class Receiver:
    """A syslog receiver on loopback, that reads each connection to its end."""

    def __init__(self) -> None:
        self.data = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            with connection:
                while chunk := connection.recv(65536):
                    self.data += chunk

    def close(self) -> None:
        """Stop, and wait for what is still being read; shutting the listener down wakes the thread that waits in it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def messages(self) -> list[str]:
        """Each message, without its frame: the names of machine and process are in it, and change its length."""
        found, data = [], self.data
        while data:
            length, _space, rest = data.partition(b" ")
            message, data = rest[: int(length)], rest[int(length) :]
            parts = message.decode().split(" ", 5)
            parts[2], parts[4] = "{host}", "{process}"
            found.append(" ".join(parts))
        return found


def _syslog(stage: Stage, spool: str) -> None:
    for form in ("json", "cef"):
        stage.begin()
        receiver = Receiver()
        sink_options = {"host": "127.0.0.1", "port": receiver.port, "tls": False, "format": form}
        # The sink looks again and again whether all has arrived, and each look moves the clock.
        options = {"spool": spool, "sink": "syslog", "state_dir": f"{stage.folder}/syslog-{form}", "timeout": 100_000}
        result = run_module("deliver", {**options, "sink_options": sink_options})
        receiver.close()
        messages = receiver.messages()
        arrived = {"count": len(messages), "sha256": digest(messages), "first": messages[:1]}
        document = {"module": "deliver", "options": {**options, "format": form}, "result": result, "arrived": arrived}
        places = Places({str(stage.folder): "{folder}", f"127.0.0.1:{receiver.port}": "{receiver}"})
        stage.area.add(f"syslog, {form}", document, places)


def _arrived(stage: Stage) -> dict[str, Any]:
    """What the receivers hold."""
    assert stage.sandbox is not None
    room = stage.sandbox.receivers
    held = {"events": room.events, "documents": room.documents, "hooks": room.hooks, "keys": room.hook_keys}
    found: dict[str, Any] = {}
    for name, items in held.items():
        if items:
            listed = sorted(items.items()) if isinstance(items, dict) else list(items)
            found[name] = {
                "count": len(items),
                "sha256": digest(stage.places.data(listed)),
                "first": shortened(listed[:1]),
            }
    database = stage.folder / "events.db"
    if database.exists():
        with contextlib.closing(sqlite3.connect(database)) as reading:
            query = "select * from perimeter_records order by record_key, content"
            rows = [[str(cell) for cell in row] for row in reading.execute(query)]
        found["rows"] = {"count": len(rows), "sha256": digest(rows), "first": rows[:1]}
    return found
