# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that ends at any file operation loses nothing and repeats nothing: the next one puts it right."""

from __future__ import annotations

import dataclasses
import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk import reader, segment
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import Timing
from tests.unit.plugins.module_utils.spool_kit import DAY, HOUR, TIMING, Collector, MemorySource, at

ENOUGH = 200
"""More file operations than a run has."""


class Crash(BaseException):
    """The process ends here, as far as a test in the same process can tell."""


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the disk and what is in its cache is the same to a process that ends."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


class Trap:
    """Fails at the n-th file operation, and at every later one while ``sticky``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fail_at: int, failure: Callable[[], BaseException]) -> None:
        self.count = 0
        self.sprung = False
        self.fail_at = fail_at
        self.failure = failure
        targets: tuple[tuple[Any, str], ...] = (
            (os, "replace"), (os, "fsync"), (os, "utime"), (tempfile, "mkstemp"), (Path, "mkdir"),
            (segment._DayPart, "write"), (segment._DayPart, "finish"),
        )  # fmt: skip
        for owner, name in targets:
            monkeypatch.setattr(owner, name, self._wrap(getattr(owner, name)))
            # Both before and after: a rename that happened may be the last thing that did.

    def _wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **options: Any) -> Any:
            self._step()
            outcome = real(*args, **options)
            self._step()
            return outcome

        return operation

    def _step(self) -> None:
        self.count += 1
        if self.count == self.fail_at:
            self.sprung = True
            raise self.failure()


def full() -> BaseException:
    return OSError(errno.ENOSPC, "No space left on device")


SHAPES: dict[str, tuple[Timing, int, int | None]] = {
    "windows": (dataclasses.replace(TIMING, window=2 * HOUR), 3, None),
    "slices": (dataclasses.replace(TIMING, window=DAY, ascending=True), 1, None),
    "parts of a dense window": (dataclasses.replace(TIMING, window=DAY), 3, 2),
}
"""Timing, rows to a page, and how many rows are dense."""


def prepared(folder: Path, first: bool, shape: str = "windows") -> Collector:
    timing, page_size, most = SHAPES[shape]
    source = MemorySource(timing=timing, page_size=page_size)
    source.most = most
    source.add("9T22:30", "9T23:10", "9T23:59", "0:00", "0:30", "1:20", "2:10")
    stream = Collector(folder, source)
    if not first:
        stream.ok("9T22:45", lookback="1h")
    return stream


@pytest.mark.parametrize("failure", [Crash, full], ids=["crash", "disk full"])
@pytest.mark.parametrize("first", [True, False], ids=["first run", "later run"])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_file_operation_may_be_the_last(
    tmp_path: Path, first: bool, shape: str, failure: Callable[[], BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SLICE_PAGES", 2)
    for fail_at in range(1, ENOUGH):
        stream = prepared(tmp_path / str(fail_at), first, shape)
        with pytest.MonkeyPatch.context() as patch:
            trap = Trap(patch, fail_at, failure)
            ended: BaseException | None
            try:
                ended = stream.run("2:30", lookback="5h").error
            except (Crash, PerimeterError) as error:
                ended = error
        assert (ended is not None) is trap.sprung
        assert failure is Crash or ended is None or "no space left" in str(ended)
        stream.ok("2:31", lookback="5h")
        stream.holds_once(stream.source.rows)
        assert stream.hidden() == [".kept.json", ".lock", ".stream.json"], fail_at
        assert stream.ok("2:32")["changed"] is False
        if not trap.sprung:
            break
    else:
        pytest.fail("a run has more file operations than this test tries")
    assert fail_at > 20


def test_adopted_segments_move_the_position_before_any_request(tmp_path: Path) -> None:
    stream = prepared(tmp_path, first=False)
    before = stream.position_path.read_bytes()
    stream.ok("2:30")
    stream.position_path.write_bytes(before)
    stream.source.failures[0] = PerimeterError("The service is away.")
    result = stream.run("2:31")
    assert result.error is not None
    assert result.values["position"] == stream.position()["committed_until"] == "2026-05-10T02:29:00Z"
    assert result.values["stats"]["adopted"] == 3
    stream.source.failures.clear()
    assert stream.ok("2:31")["changed"] is False
    stream.holds_once(stream.source.rows)


def test_a_segment_that_does_not_join_the_position_proves_nothing(tmp_path: Path) -> None:
    stream = prepared(tmp_path, first=False)
    before = stream.position_path.read_bytes()
    stream.ok("2:30")
    stream.position_path.write_bytes(before)
    for name in stream.names():
        if "20260509" in name.partition("/")[2]:
            (stream.dest / name).unlink()
    stream.source.add("1:25")
    stream.ok("2:31")
    stream.holds_once([row for row in stream.source.rows if row.time >= at("9T22:39")])


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    stream = prepared(tmp_path, first=False)
    (stream.dest / ".segment-abc.tmp").write_text("half")
    (stream.dest / "..stream.json.x.tmp").write_text("half")
    (stream.position_path.parent / f".{stream.position_path.name}.x.tmp").write_text("half")
    stream.ok("2:30")
    assert stream.hidden() == [".kept.json", ".lock", ".stream.json"]
    assert len(list((stream.state / "collect").iterdir())) == 2
