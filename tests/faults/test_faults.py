# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong around a collector: each time a clear message, and nothing is lost and nothing there twice."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError, PerimeterError, StateError
from ansible_collections.appsec.perimeter.plugins.module_utils._http import governor, session
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.faults.event_stream import ANCHOR, EVENTS_PER_DAY, HOUR, TOKEN, EventStream
from tests.sandbox import Sandbox

FOREVER = {"times": -1}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits before it tries again, and no proxy of the machine has a say."""
    for room in (session, governor):
        monkeypatch.setattr(room, "backoff", lambda _attempt, **_options: 0.0)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[EventStream]:
    """A stream that nothing was collected of yet, on a clock that stands."""
    seeded = {"records": EVENTS_PER_DAY, "days": 1}
    anchor = ANCHOR.isoformat().replace("+00:00", "Z")
    with Sandbox(findings=0, webapps=1, log_anchor=anchor, edgecast=seeded) as sandbox:
        yield EventStream(sandbox, tmp_path)
        assert sandbox.counters.internal_errors == 0


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system in memory, or the test is skipped: that takes root, and the right to mount."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user cannot mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def is_clear(error: PerimeterError | None, *words: str) -> None:
    """The message is one sentence with a way out, says these words, and holds no secret."""
    assert error is not None
    assert error.message.endswith(".")
    assert error.hint
    for word in words:
        assert word in str(error), str(error)
    assert TOKEN not in str(error)
    assert "Traceback" not in str(error)


# --- the service


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "status", "status": 500}, "500"),
        ({"kind": "status", "status": 401}, "401"),
        ({"kind": "reset"}, "connection"),
        ({"kind": "truncated_json"}, "JSON"),
        ({"kind": "html_200"}, "web page"),
        ({"kind": "redirect", "location": "https://elsewhere.example.com/"}, "elsewhere.example.com"),
    ],
    ids=["500", "401", "reset", "half a document", "a page", "a redirect"],
)
def test_an_error_in_mid_run_keeps_what_came_before(stream: EventStream, fault: dict[str, Any], words: str) -> None:
    stream.sandbox.faults.add({**fault, **FOREVER, "skip": 5})
    result = stream.run(max_connections=1)
    is_clear(result.error, words)
    kept_what_came_before(stream, result)


def test_a_limit_in_mid_run_ends_it_well_and_keeps_what_came_before(stream: EventStream) -> None:
    fault = {"kind": "status", "status": 429, "headers": {"Retry-After": "3600"}}
    stream.sandbox.faults.add({**fault, **FOREVER, "skip": 5})
    result = stream.run(max_connections=1)
    assert result.error is None
    (warning,) = result.warnings
    assert "429" in warning
    assert warning.endswith(f"is read up to {result.values['position']}, and the next run continues from there.")
    kept_what_came_before(stream, result)


def kept_what_came_before(stream: EventStream, result: Result) -> None:
    """A run that ended early committed the windows before, and the next one goes on behind them."""
    assert not result.values["complete"]
    assert 0 < result.values["records"] < 700
    position = dt.datetime.fromisoformat(result.values["position"])
    assert position < ANCHOR
    stream.holds_each_once(position)
    stream.sandbox.faults.clear()
    stream.goes_on()


def test_an_error_in_the_first_request_leaves_a_first_run(stream: EventStream) -> None:
    stream.sandbox.faults.add({"kind": "status", "status": 503, **FOREVER})
    is_clear(stream.run().error, "503")
    assert not stream.records()
    stream.sandbox.faults.clear()
    stream.goes_on()


# --- the disk


def test_a_full_disk(stream: EventStream) -> None:
    with mounted(stream.dest, "size=256k"):
        result = stream.run()
        is_clear(result.error, "no space left on device", "MiB free", str(stream.dest))
        assert not list(stream.dest.glob(".segment-*"))
        position = dt.datetime.fromisoformat(result.values["position"])
        stream.holds_each_once(position)
        subprocess.run(["mount", "-o", "remount,size=64m", str(stream.dest)], check=True)
        stream.goes_on()


def test_a_file_that_cannot_grow(stream: EventStream) -> None:
    first = stream.outcome(stream.start(largest=20_000))
    assert "file too large" in first["error"]
    assert "the next run continues from there" in first["error"]
    assert not first["complete"]
    assert not stream.records()
    assert not list(stream.dest.glob(".segment-*"))
    stream.goes_on()


def test_a_full_disk_under_the_position(stream: EventStream) -> None:
    with mounted(stream.state, "size=64k,mode=0700"):
        (stream.state / "filler").write_bytes(b"x" * 40_000)
        with contextlib.suppress(OSError), (stream.state / "more").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 1024)
        error = failure(stream)
        is_clear(error, "no space left on device", str(stream.state))
        (stream.state / "more").unlink()
        (stream.state / "filler").unlink()
        stream.goes_on()


@pytest.mark.parametrize("what", ["dest", "state"])
def test_a_directory_that_is_read_only(stream: EventStream, what: str) -> None:
    folder: Path = getattr(stream, what)
    stream.goes_on()
    stream.now += HOUR
    stream.sandbox.log_clock.advance(3600)
    stream.sandbox.edgecast.add_events(20, 600, 60)
    before, real = stream.files(), folder.with_name("real")
    folder.rename(real)
    # Root may write whatever the permissions say, so the file system itself must refuse.
    with mounted(folder, "size=8m"):
        subprocess.run(["cp", "-a", f"{real}/.", str(folder)], check=True)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        stream.sandbox.reset_counters()
        is_clear(failure(stream), "read-only file system" if what == "state" else "cannot write", str(folder))
        assert stream.sandbox.counters.snapshot()["requests"] == 0
        assert stream.files() == before
    folder.rmdir()
    real.rename(folder)
    stream.goes_on()


def failure(stream: EventStream) -> PerimeterError | None:
    """The error of a run, whether it was raised before the run began or ended it."""
    try:
        return stream.run().error
    except PerimeterError as error:
        return error


@pytest.mark.parametrize("what", ["dest", "state"])
def test_a_file_in_the_place_of_a_directory(stream: EventStream, what: str) -> None:
    folder: Path = getattr(stream, what)
    folder.write_text("not a directory")
    with pytest.raises(PerimeterError) as caught:
        stream.run()
    is_clear(caught.value, str(folder))
    assert stream.sandbox.counters.snapshot()["requests"] == 0
    folder.unlink()
    stream.goes_on()


# --- the position


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[: len(text) // 2], "damaged"),
        (lambda _text: "", "damaged"),
        (lambda text: text.replace('"seen": "', '"seen": "!'), "damaged"),
        (lambda text: json.dumps({**json.loads(text), "version": 99}), "has version 99, and this release knows 2"),
    ],
    ids=["half", "empty", "keys that are none", "newer"],
)
def test_a_position_that_cannot_be_understood(stream: EventStream, damage: Any, words: str) -> None:
    stream.goes_on()
    path = stream.position_file()
    good = path.read_text()
    path.write_text(damage(good))
    before = stream.files()
    stream.sandbox.reset_counters()
    stream.now += HOUR
    stream.sandbox.log_clock.advance(3600)
    stream.sandbox.edgecast.add_events(20, 600, 60)
    with pytest.raises(StateError) as caught:
        stream.run()
    is_clear(caught.value, words, str(path), "nothing was changed")
    assert stream.sandbox.counters.snapshot()["requests"] == 0
    assert stream.files() == before
    if "damaged" in words:
        path.unlink()  # as the message says: without a backup, first_run decides, and nothing is written twice
    else:
        path.write_text(good)
    stream.goes_on()


# --- two at once


def test_two_runs_at_once(stream: EventStream) -> None:
    stream.sandbox.latency_ms = 300
    first = stream.start()
    while not stream.sandbox.counters.snapshot()["requests"]:
        assert first.poll() is None
    with pytest.raises(StateError) as caught:
        stream.run()
    is_clear(caught.value, "Another run collects")
    assert first.poll() is None
    assert stream.outcome(first)["complete"]
    stream.holds_each_once()
    stream.sandbox.latency_ms = 0
    stream.goes_on()


def test_two_runs_into_one_directory_with_positions_of_their_own(stream: EventStream, tmp_path: Path) -> None:
    stream.sandbox.latency_ms = 300
    first = stream.start()
    while not stream.sandbox.counters.snapshot()["requests"]:
        assert first.poll() is None
    with pytest.raises((StateError, FileError)) as caught:
        stream.run(state_dir=str(tmp_path / "another"))
    is_clear(caught.value, str(stream.dest))
    assert stream.outcome(first)["complete"]
    stream.holds_each_once()


# --- the clock


def tells_clock(result: Result, words: str) -> None:
    assert result.error is None, result.error
    assert [words in warning for warning in result.warnings].count(True) == 1, result.warnings


def test_our_clock_is_an_hour_ahead(stream: EventStream) -> None:
    stream.now = ANCHOR + HOUR
    result = stream.run()
    tells_clock(result, "3600 seconds ahead of")
    assert dt.datetime.fromisoformat(result.values["position"]) < ANCHOR
    # Half an hour later, with the clock still wrong, and then with the right one.
    stream.sandbox.log_clock.advance(1800)
    stream.sandbox.edgecast.add_events(29, 0, 60)
    stream.now += HOUR / 2
    tells_clock(stream.run(), "3600 seconds ahead of")
    stream.sandbox.log_clock.advance(1800)
    stream.sandbox.edgecast.add_events(29, 0, 60)
    stream.now = ANCHOR + HOUR
    result = stream.run()
    assert result.warnings == []
    stream.holds_each_once()


def test_our_clock_is_an_hour_behind(stream: EventStream) -> None:
    stream.now = ANCHOR - HOUR
    result = stream.run(lookback="5h")
    tells_clock(result, "3600 seconds behind")
    stream.holds_each_once()
    stream.sandbox.log_clock.advance(1800)
    stream.sandbox.edgecast.add_events(29, 0, 60)
    stream.now = ANCHOR + HOUR / 2
    result = stream.run()
    assert result.warnings == []
    stream.holds_each_once()
