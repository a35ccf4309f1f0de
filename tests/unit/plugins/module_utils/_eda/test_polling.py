# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source in front of the sandbox, in this process: it keeps running, says each thing once, and loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AuthenticationFailed,
    OptionError,
    PerimeterError,
    StateError,
    TransportError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._eda import delivery, findings, waf_events
from ansible_collections.appsec.perimeter.plugins.module_utils._eda.arguments import QUEUE
from ansible_collections.appsec.perimeter.plugins.module_utils._eda.pace import Pace
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast import client as edgecast_client
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.export import EdgecastEvents
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api import client as qualys_client
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import finding_export
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum import client as scutum_client
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.alert_export import AlertSource
from tests.integration.log_kit import logins
from tests.sandbox import Sandbox

from ..eda_kit import Engine, until

VENDORS = {
    "edgecast": waf_events.Vendor(edgecast_client.connect, EdgecastEvents),
    "scutum": waf_events.Vendor(scutum_client.connect, lambda given, client: AlertSource(client, given)),
}
SCANNER = findings.ScannerRoom("qualys_was", qualys_client.connect, finding_export.run)
SMALL = {"records": 60, "days": 2}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_IDLE_S", 0.01)
    for name in ("EDGECAST_TOKEN", "EDGECAST_ACCOUNT_NUMBER", "EDGECAST_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")


def play(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 120))


@contextlib.asynccontextmanager
async def reading(
    engine: Engine, folder: Path, sandbox: Sandbox, service: str = "edgecast", **more: Any
) -> AsyncIterator[asyncio.Task[None]]:
    """The source at work, until the end of the block."""
    given = {
        **logins(sandbox)[service], "vendor": service, "initial": "all", "interval": 1, "max_backoff": 1, "lag": 0,
        "retries": 0, "max_wait": 0, "state_dir": str(folder), "feedback": engine.feedback is not None, **more,
    }  # fmt: skip
    if engine.feedback is not None:
        given[QUEUE] = engine.feedback
    task = asyncio.create_task(waf_events.main(engine.queue, given, VENDORS))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, PerimeterError):
            await task


@pytest.mark.parametrize(("vendor", "field"), [("edgecast", "id"), ("scutum", "id")])
def test_each_event_of_a_service_reaches_the_rules_once(tmp_path: Path, vendor: str, field: str) -> None:
    async def test() -> None:
        with Sandbox(webapps=1, findings=0, **{vendor: SMALL}) as sandbox:
            for feedback in (True, False):
                engine = Engine(feedback=feedback)
                async with engine.at_work(), reading(engine, tmp_path / str(feedback), sandbox, vendor):
                    await until(lambda engine=engine: len(engine.received) >= SMALL["records"], 60)
                    await asyncio.sleep(0.05)
                assert len({event[field] for event in engine.events}) == len(engine.received) == SMALL["records"]
            # A restart without a kill repeats nothing with feedback.
            engine = Engine(feedback=True)
            async with engine.at_work(), reading(engine, tmp_path / "True", sandbox, vendor):
                await asyncio.sleep(0.5)
            assert engine.received == []

    play(test())


def test_a_service_that_is_down_is_said_once_and_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        with Sandbox(webapps=1, findings=0, edgecast=SMALL) as sandbox:
            sandbox.faults.add({"kind": "status", "status": 503, "times": 3})
            engine = Engine(feedback=True)
            async with engine.at_work(), reading(engine, tmp_path, sandbox):
                await until(lambda: len(engine.received) == SMALL["records"], 60)

    with caplog.at_level(logging.WARNING, "appsec.perimeter.eda"):
        play(test())
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "Nothing is lost" in caplog.records[0].message
    assert "works again after 3 failed attempts" in caplog.records[1].message


def test_credentials_that_expire_are_said_once_and_are_not_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        with Sandbox(webapps=1, findings=0, edgecast=SMALL) as sandbox:
            sandbox.faults.add({"kind": "status", "status": 401, "times": 2})
            engine = Engine(feedback=True)
            async with engine.at_work(), reading(engine, tmp_path, sandbox):
                await until(lambda: len(engine.received) == SMALL["records"], 60)
            assert logins(sandbox)["edgecast"]["token"] not in caplog.text

    with caplog.at_level(logging.WARNING, "appsec.perimeter.eda"):
        play(test())
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "credentials" in caplog.records[0].message


def test_a_second_rulebook_on_a_stream_is_refused_unless_it_is_another_consumer(tmp_path: Path) -> None:
    async def test() -> None:
        with Sandbox(webapps=1, findings=0, edgecast=SMALL) as sandbox:
            one, two = Engine(feedback=True), Engine(feedback=True)
            async with one.at_work(), two.at_work(), reading(one, tmp_path, sandbox):
                await until(lambda: bool(one.received), 60)
                async with reading(two, tmp_path, sandbox) as second:
                    with pytest.raises(StateError, match="Another run feeds this stream to a rulebook"):
                        await second
                async with reading(two, tmp_path, sandbox, consumer="soc"):
                    await until(lambda: len(two.received) == len(one.received) == SMALL["records"], 60)

    play(test())


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"vendor": None}, "vendor is missing. Give edgecast or scutum."),
        ({"api_key": "x"}, "api_key is not an argument of edgecast."),
        ({"token": None}, "token is missing. Give token, or set EDGECAST_TOKEN."),
        ({"feedback": True}, "feedback is true, but ansible-rulebook passes no queue for it."),
        ({"initial": "since"}, "initial is since, and since is missing."),
        ({"where": "a["}, "query: "),
        ({"api_url": "https://user:secret@host"}, "api_url holds a user name or password."),
    ],
)
def test_what_cannot_begin_is_refused_in_a_sentence(tmp_path: Path, more: dict[str, Any], sentence: str) -> None:
    async def test() -> None:
        with Sandbox(webapps=1, findings=0, edgecast=SMALL) as sandbox:
            async with reading(Engine(feedback=False), tmp_path, sandbox, **more) as task:
                with pytest.raises(PerimeterError) as caught:
                    await task
            assert str(caught.value).startswith(sentence)
            assert "secret" not in str(caught.value)
            assert sandbox.counters.snapshot()["requests"] == 0

    play(test())


def test_a_defect_shows_its_kind_and_nothing_else(tmp_path: Path) -> None:
    async def test() -> None:
        def broken(event: dict[str, Any]) -> list[dict[str, Any]]:
            raise KeyError("secret")

        with Sandbox(webapps=1, findings=0, edgecast=SMALL) as sandbox:
            engine = Engine(feedback=False, keep=broken)
            async with engine.at_work(), reading(engine, tmp_path, sandbox) as task:
                with pytest.raises(PerimeterError, match="failed with an internal error, KeyError") as caught:
                    await task
            assert "secret" not in str(caught.value)

    play(test())


def test_a_full_queue_holds_no_more_than_its_size_and_goes_on(tmp_path: Path) -> None:
    async def test() -> None:
        with Sandbox(webapps=1, findings=0, edgecast=SMALL) as sandbox:
            engine = Engine(feedback=True)
            engine.works.clear()
            async with engine.at_work(), reading(engine, tmp_path, sandbox, queue_size=5):
                await until(engine.own.full, 60)
                requests = sandbox.counters.snapshot()["requests"]
                await asyncio.sleep(0.3)
                assert sandbox.counters.snapshot()["requests"] == requests
                assert engine.received == []
                engine.works.set()
                await until(lambda: len(engine.received) == SMALL["records"], 60)

    play(test())


def test_changes_of_findings_reach_the_rules(tmp_path: Path) -> None:
    async def test() -> None:
        with Sandbox(webapps=4, findings=60) as sandbox:
            engine = Engine(feedback=True)
            given = {
                "api_url": sandbox.url, "username": sandbox.username, "password": sandbox.password, "interval": 1,
                "initial": "all", "changes": ["new", "escalated"], "state_dir": str(tmp_path), "feedback": True,
                QUEUE: engine.feedback,
            }  # fmt: skip
            async with engine.at_work():
                task = asyncio.create_task(findings.main(engine.queue, given, SCANNER))
                await until(lambda: bool(list((tmp_path / "eda").glob("*.findings.json"))), 60)
                await until(lambda: _complete(tmp_path), 60)
                first = len(engine.received)
                low = next(
                    event["finding"] for event in engine.events if event["finding"]["severity"] in ("low", "medium")
                )
                with sandbox.qualys.lock:
                    sandbox.qualys.findings[int(low["id"])]["severity"] = 5
                await until(lambda: len(engine.received) > first, 60)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert {event["change"] for event in engine.events[:first]} == {"new"}
            assert engine.events[first]["change"] == "escalated"
            assert engine.events[first]["finding"]["id"] == low["id"]
            assert not [path for path in (tmp_path / "eda").iterdir() if path.stat().st_mode & 0o077]

    play(test())


def _complete(folder: Path) -> bool:
    """Whether the first look came to its end and is on the disk."""
    paths = (folder / "eda").glob("qualys_was-findings-*-default.json")
    return any(json.loads(path.read_text())["complete"] for path in paths)


def test_pauses_grow_up_to_a_ceiling_and_refused_credentials_wait_for_it_at_once() -> None:
    pace = Pace("x", 10, 300)
    pauses = [pace.failed(TransportError("down"), ()) for _attempt in range(8)]
    expected = [20, 40, 80, 160, 300, 300, 300, 300]
    assert all(0.9 * most <= pause <= most for pause, most in zip(pauses, expected, strict=True))
    assert pace.well() == 10
    assert pace.failed(AuthenticationFailed("no"), ()) >= 270


def test_a_secret_in_the_text_of_an_error_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    Pace("x", 10, 300).failed(OptionError("the token canary-1234 is bad"), ["canary-1234"])
    assert "canary" not in caplog.text
