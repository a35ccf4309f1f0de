# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A spool, delivered: positions, quarantine, crashes between every two steps."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import json
import os
import pathlib
import shutil
import sqlite3
import typing as t

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    FileError,
    OptionError,
    PerimeterError,
    StateError,
    TransportError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver import quarantine
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.position import DeliveryPositionFile
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.run import run, stream_of
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.sink import BatchOutcome, rejected
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.sql import Sql
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.retain import delivered
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import Identity
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.stream import (
    Stream,
    describe,
    identity_hash,
    new_owner,
    write_stream,
)
from tests.unit.plugins.module_utils.deliver_kit import event

IDENTITY = Identity(source="edgecast", account="0001", stream="events", parameters={})


class Spool:
    """A stream directory, and what delivers it to SQLite."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.root = folder / "spool"
        self.database = folder / "events.db"
        self.state = folder / "state"
        self.root.mkdir()
        write_stream(self.root, Stream(identity_hash(IDENTITY), new_owner(), describe(IDENTITY)), mode=0o600)
        self._clock = 1_000

    def segment(self, hour: int, *documents: t.Any, compress: bool = False) -> str:
        """Write a segment; later ones are younger, as a collector's are."""
        start = dt.datetime(2026, 11, 1, hour, tzinfo=dt.UTC)
        name = f"{start:%Y%m%dT%H0000Z}-{start + dt.timedelta(hours=1):%Y%m%dT%H0000Z}.ndjson"
        path = self.root / "dt=2026-11-01" / (name + (".gz" if compress else ""))
        path.parent.mkdir(exist_ok=True)
        lines = [item if isinstance(item, str) else json.dumps(item) for item in documents]
        data = "".join(f"{line}\n" for line in lines).encode()
        path.write_bytes(gzip.compress(data) if compress else data)
        self._clock += 10
        os.utime(path, (self._clock, self._clock))
        return path.relative_to(self.root).as_posix()

    def params(self, **options: t.Any) -> dict[str, t.Any]:
        url = f"sqlite:///{self.database}"
        return {
            "spool": str(self.root),
            "sink": "sql",
            "sink_options": {"database_url": url} | options,
            "state_dir": str(self.state),
        }

    def deliver(self, *, check_mode: bool = False, **options: t.Any) -> t.Any:
        return run(self.params(**options), check_mode)

    def keys(self) -> list[str]:
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return [row[0] for row in connection.execute("select record_key from perimeter_records order by 1")]


@pytest.fixture
def spool(tmp_path: pathlib.Path) -> Spool:
    return Spool(tmp_path)


def counts(result: t.Any) -> tuple[int, int, int, int]:
    values = result.values
    return values["collected"], values["delivered"], values["duplicate"], values["quarantined"]


def test_everything_once_and_then_nothing(spool: Spool) -> None:
    spool.segment(0, event(1), event(2))
    spool.segment(1, event(3), compress=True)
    first, second = spool.deliver(), spool.deliver()
    assert (counts(first), first.changed) == ((3, 3, 0, 0), True)
    assert (counts(second), second.changed) == ((0, 0, 0, 0), False)
    assert second.values["stats"]["batches"] == 0
    assert second.values["totals"] == {"delivered": 3, "duplicate": 0, "dropped": 0, "quarantined": 0, "filtered": 0}
    assert spool.keys() == ["id-1", "id-2", "id-3"]


def test_a_sink_leaves_its_mark_once_it_has_taken_something(spool: Spool) -> None:
    spool.deliver()
    assert not list(spool.root.glob(".delivered-*"))
    spool.segment(0, event(1))
    spool.deliver(check_mode=True)
    assert not list(spool.root.glob(".delivered-*"))
    spool.deliver()
    (mark,) = spool.root.glob(".delivered-*")
    (position,) = (spool.state / "deliver").glob("*.json")
    assert mark.name == f".delivered-{position.stem}"
    assert set(json.loads(mark.read_text())) == {"stream", "sink", "target"}
    mark.unlink()
    assert spool.deliver().warnings == []
    assert mark.exists()


def test_the_mark_holds_no_secret_and_the_collector_heeds_it(spool: Spool) -> None:
    spool.segment(0, event(1))
    spool.deliver()
    stream = stream_of(spool.root)
    assert len(delivered(spool.root, spool.state, stream)) == 1
    shutil.rmtree(spool.state)
    with pytest.raises(ValueError, match="shows that a sink has received records"):
        delivered(spool.root, spool.state, stream)


def test_a_segment_that_comes_later_for_an_earlier_hour_is_delivered(spool: Spool) -> None:
    spool.segment(5, event(5))
    spool.deliver()
    spool.segment(2, event(2))
    assert counts(spool.deliver()) == (1, 1, 0, 0)


def test_small_batches_stop_and_go_on_inside_a_segment(spool: Spool) -> None:
    spool.segment(0, *(event(number) for number in range(10)))
    result = spool.deliver(batch_records=3)
    assert (counts(result), result.values["stats"]["batches"]) == ((10, 10, 0, 0), 4)


def test_a_changed_row_wins_over_the_older_one(spool: Spool) -> None:
    spool.segment(3, event(1, message="old"))
    spool.segment(1, event(1, message="new", content="f" * 16))
    assert counts(spool.deliver(batch_records=1)) == (2, 2, 0, 0)
    with contextlib.closing(sqlite3.connect(spool.database)) as connection:
        (document,) = connection.execute("select document from perimeter_records_newest").fetchone()
    assert json.loads(document)["message"] == "new"


def test_lines_that_are_no_records_are_kept_in_quarantine(spool: Spool) -> None:
    spool.segment(0, event(1), "{broken", "[1]", '{"no": "record"}', event(2))
    result = spool.deliver()
    assert counts(result) == (5, 2, 0, 3)
    path = pathlib.Path(result.values["quarantine"])
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(item["line"], item["text"]) for item in kept] == [(2, "{broken"), (3, "[1]"), (4, '{"no": "record"}')]
    assert path.stat().st_mode & 0o777 == 0o600
    assert "3 records were refused permanently" in result.warnings[0]


def test_check_mode_counts_and_touches_nothing(spool: Spool) -> None:
    spool.segment(0, event(1), event(2))
    result = spool.deliver(check_mode=True)
    assert (counts(result), result.changed) == ((2, 2, 0, 0), True)
    assert not spool.database.exists()
    assert not list(spool.state.rglob("*.json"))


def test_each_sink_has_a_position_of_its_own(spool: Spool) -> None:
    spool.segment(0, event(1))
    spool.deliver()
    assert counts(spool.deliver(table="other")) == (1, 1, 0, 0)


@pytest.mark.parametrize("step", ["send", "quarantine", "position"])
def test_a_crash_at_any_step_loses_nothing_and_repeats_nothing(
    spool: Spool, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.segment(0, *(event(number) for number in range(6)))
    place, name = {
        "send": (Sql, "send"),
        "quarantine": (quarantine, "append"),
        "position": (DeliveryPositionFile, "write"),
    }[step]
    real, calls = getattr(place, name), 0

    def crash(*arguments: t.Any) -> t.Any:
        nonlocal calls
        calls += 1
        done = real(*arguments) if calls != 2 or step != "position" else None
        if calls == 2:
            raise RuntimeError("crashed here")
        return done

    with monkeypatch.context() as patched:
        patched.setattr(place, name, crash)
        with pytest.raises(RuntimeError, match="crashed here"):
            spool.deliver(batch_records=2)
    after = spool.deliver(batch_records=2)
    assert spool.keys() == [f"id-{number}" for number in range(6)]
    collected, delivered, duplicate, _quarantined = counts(after)
    assert collected == delivered + duplicate == 4


def test_an_error_of_the_sink_keeps_what_was_delivered(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.segment(0, *(event(number) for number in range(6)))
    real, calls = Sql.send, 0

    def fail(self: Sql, batch: t.Any) -> BatchOutcome:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise TransportError("gone")
        return real(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(Sql, "send", fail)
        result = spool.deliver(batch_records=2)
    assert (counts(result), result.values["complete"], str(result.error)) == ((2, 2, 0, 0), False, "gone")
    assert counts(spool.deliver()) == (4, 4, 0, 0)


def test_records_that_are_not_accounted_for_stop_the_position(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.segment(0, event(1), event(2))
    with monkeypatch.context() as patched:
        patched.setattr(Sql, "send", lambda _self, _batch: BatchOutcome(delivered=1))
        result = spool.deliver()
    assert "1 of 2 records of a batch are accounted for" in str(result.error)
    assert counts(spool.deliver()) == (2, 2, 0, 0)


def test_two_runs_at_once(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.segment(0, event(1))

    def again(_self: Sql, _batch: t.Any) -> BatchOutcome:
        with pytest.raises(StateError, match="Another run delivers this spool"):
            spool.deliver()
        return BatchOutcome(delivered=1)

    monkeypatch.setattr(Sql, "send", again)
    assert counts(spool.deliver()) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"{", "is damaged"), (b"[]", "is damaged"), (b'{"version": 99}', "version 99"), (b"{}", "is damaged")],
)
def test_a_position_that_cannot_be_used(spool: Spool, content: bytes, words: str) -> None:
    spool.segment(0, event(1))
    spool.deliver()
    (path,) = (spool.state / "deliver").glob("sql-*.json")
    path.write_bytes(content)
    with pytest.raises(StateError, match=words):
        spool.deliver()


def test_a_damaged_segment_delivers_what_comes_before(spool: Spool) -> None:
    spool.segment(0, event(1))
    name = spool.segment(1, event(2), compress=True)
    path = spool.root / name
    written = path.stat()
    path.write_bytes(path.read_bytes()[:-8])
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
    result = spool.deliver()
    assert isinstance(result.error, FileError)
    assert str(path) in str(result.error)
    assert counts(result)[:2] == (2, 2)
    assert spool.keys() == ["id-1", "id-2"]


@pytest.mark.parametrize(("make", "words"), [(False, "is not a directory"), (True, "nothing was ever collected")])
def test_a_spool_that_is_none(tmp_path: pathlib.Path, make: bool, words: str) -> None:
    folder = tmp_path / "elsewhere"
    if make:
        folder.mkdir()
    with pytest.raises(OptionError, match=words):
        stream_of(folder)


def test_state_that_cannot_be_written(spool: Spool) -> None:
    spool.segment(0, event(1))
    spool.state.write_text("a file")
    with pytest.raises(PerimeterError, match="state_dir"):
        spool.deliver()


def test_a_batch_of_which_nothing_can_be_delivered_is_an_error_and_nothing_is_set_aside(spool: Spool) -> None:
    with contextlib.closing(sqlite3.connect(spool.database)) as connection:
        connection.execute(
            "create table perimeter_records(delivery_id text, content text, version int, record text, source text,"
            " record_key text, time text, document text, segment text, tenant text not null,"
            " primary key (delivery_id, content))"
        )
    spool.segment(0, *(event(number) for number in range(20)), "{broken")
    result = spool.deliver()
    assert isinstance(result.error, VendorError)
    assert "none of 20 records could be delivered" in str(result.error)
    assert "IntegrityError" in str(result.error)
    assert (counts(result), result.changed, result.values["quarantine"]) == ((0, 0, 0, 0), False, None)
    assert not list(spool.state.rglob("*.ndjson"))
    with contextlib.closing(sqlite3.connect(spool.database)) as connection:
        connection.execute("drop table perimeter_records")
    assert counts(spool.deliver()) == (21, 20, 0, 1)


@pytest.mark.parametrize(
    ("refused", "reasons", "size", "receiver"),
    [
        (10, 1, 20, True),
        (10, 1, 21, False),
        (9, 1, 18, False),
        (12, 2, 20, False),
        (25, 2, 26, True),
        (1, 1, 2, False),
    ],
)
def test_one_reason_for_half_of_a_batch_is_the_receivers_fault(
    spool: Spool, refused: int, reasons: int, size: int, receiver: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.segment(0, *(event(number) for number in range(size)))

    def refuse(_self: Sql, batch: t.Any) -> BatchOutcome:
        bad = [rejected(item, f"reason {number % reasons}", str(number)) for number, item in enumerate(batch[:refused])]
        return BatchOutcome(delivered=len(batch) - refused, rejected=bad)

    monkeypatch.setattr(Sql, "send", refuse)
    result = spool.deliver()
    if receiver:
        assert isinstance(result.error, VendorError)
        assert f"of {size} records were refused for one reason" in str(result.error)
        assert counts(result) == (0, 0, 0, 0)
        assert not list(spool.state.rglob("*.ndjson"))
    else:
        assert counts(result) == (size, size - refused, 0, refused)


def test_what_the_receiver_drops_is_counted_and_told(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.segment(0, event(1), event(2))
    spool.deliver()
    (path,) = (spool.state / "deliver").glob("sql-*.json")
    older = json.loads(path.read_text())
    del older["dropped"], older["filtered"]
    path.write_text(json.dumps(older))
    spool.segment(1, event(3), event(4))
    monkeypatch.setattr(Sql, "send", lambda _self, _batch: BatchOutcome(delivered=1, dropped=1))
    result = spool.deliver()
    assert (counts(result), result.values["dropped"]) == ((2, 1, 0, 0), 1)
    assert result.values["totals"] == {"delivered": 3, "duplicate": 0, "dropped": 1, "quarantined": 0, "filtered": 0}
    assert result.warnings == ["1 records were dropped by the receiver, by a rule of its own such as a pipeline."]


@pytest.mark.parametrize("which", ["quarantine", "position"])
def test_a_link_is_not_followed_to_what_a_delivery_keeps(spool: Spool, tmp_path: pathlib.Path, which: str) -> None:
    spool.segment(0, "{broken", event(1))
    spool.deliver()
    (path,) = (spool.state / "deliver").glob("sql-*.ndjson" if which == "quarantine" else "sql-????????????????.json")
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    before = elsewhere.read_bytes()
    path.symlink_to(elsewhere)
    spool.segment(1, "{broken too", event(2))
    try:
        error = spool.deliver().error
    except PerimeterError as raised:
        error = raised
    assert "it is a symbolic link" in str(error)
    assert elsewhere.read_bytes() == before


def test_a_state_folder_that_its_group_can_write_is_told(spool: Spool) -> None:
    spool.segment(0, event(1))
    spool.state.mkdir(mode=0o770)
    spool.state.chmod(0o770)
    assert "can write" in spool.deliver().warnings[0]
    spool.state.chmod(0o777)
    for check_mode in (False, True):
        with pytest.raises(StateError, match="everybody can write"):
            spool.deliver(check_mode=check_mode)


def test_a_single_record_that_is_refused_is_set_aside(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.segment(0, event(1), event(2))
    with monkeypatch.context() as patched:
        patched.setattr(
            Sql, "send", lambda _self, batch: BatchOutcome(rejected=[rejected(item, "no") for item in batch])
        )
        assert counts(spool.deliver(batch_records=1)) == (2, 0, 0, 2)


def test_the_quarantine_can_be_delivered_again_as_the_guide_says(
    spool: Spool, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.segment(0, event(1), event(2))

    def refuse_one(self: Sql, batch: t.Any) -> BatchOutcome:
        outcome = real(self, batch[:1])
        outcome.rejected.append(rejected(batch[1], "no"))
        return outcome

    real = Sql.send
    with monkeypatch.context() as patched:
        patched.setattr(Sql, "send", refuse_one)
        first = spool.deliver()
    kept = pathlib.Path(first.values["quarantine"]).read_text().splitlines()
    again = tmp_path / "again"
    (again / "dt=2026-11-01").mkdir(parents=True)
    (again / ".stream.json").write_bytes((spool.root / ".stream.json").read_bytes())
    texts = "".join(json.loads(line)["text"] + "\n" for line in kept)
    (again / "dt=2026-11-01" / "20261101T000000Z-20261101T000001Z.ndjson").write_text(texts)
    params = spool.params() | {"spool": str(again), "state_dir": str(tmp_path / "again-state")}
    assert counts(run(params, False)) == (1, 1, 0, 0)
    assert counts(run(spool.params() | {"state_dir": str(tmp_path / "lost")}, False)) == (2, 0, 2, 0)


@pytest.mark.parametrize("whole", [True, False])
def test_a_segment_that_is_replaced_under_its_name_is_delivered_anew(spool: Spool, whole: bool) -> None:
    name = spool.segment(0, *(event(number) for number in range(40)), compress=True)
    path = spool.root / name
    content = path.read_bytes()
    if not whole:
        path.write_bytes(content[:-8])
    spool.deliver(batch_records=7)
    spool.segment(0, *(event(number) for number in reversed(range(60))), compress=True)
    result = spool.deliver(batch_records=7)
    assert (result.error, result.values["delivered"], result.values["collected"]) == (None, 20, 60)
    assert len(spool.keys()) == 60
    assert counts(spool.deliver()) == (0, 0, 0, 0)


def test_names_of_segments_mean_nothing_in_a_directory_that_was_begun_anew(spool: Spool) -> None:
    path = spool.root / spool.segment(0, event(1))
    spool.deliver()
    written = path.stat()
    write_stream(spool.root, Stream(identity_hash(IDENTITY), new_owner(), describe(IDENTITY)), mode=0o600)
    path.write_text(path.read_text().replace("id-1", "id-9"))
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert counts(spool.deliver()) == (1, 1, 0, 0)
    assert spool.keys() == ["id-1", "id-9"]


def test_a_damaged_segment_does_not_hold_up_the_later_ones(spool: Spool) -> None:
    path = spool.root / spool.segment(0, *(event(number) for number in range(10)), compress=True)
    content, written = path.read_bytes(), path.stat()
    path.write_bytes(content[:-8])
    spool.segment(1, event(20))
    result = spool.deliver()
    assert isinstance(result.error, FileError)
    assert (counts(result), result.values["complete"], result.changed) == ((11, 11, 0, 0), False, True)
    spool.segment(2, event(30))
    later = spool.deliver()
    assert (counts(later), later.values["complete"]) == ((1, 1, 0, 0), False)
    foretold = spool.deliver(check_mode=True)
    assert isinstance(foretold.error, FileError)
    assert counts(foretold) == (0, 0, 0, 0)
    path.write_bytes(content)
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert spool.deliver().values["complete"]


def test_the_collector_can_read_which_segments_are_delivered(spool: Spool) -> None:
    name = spool.segment(0, event(1))
    spool.deliver()
    (found,) = list(delivered(spool.root, spool.state, stream_of(spool.root)).values())
    assert found == {name}


def test_check_mode_makes_no_state_directory(spool: Spool) -> None:
    spool.segment(0, event(1))
    spool.deliver(check_mode=True)
    assert not spool.state.exists()


def test_a_batch_that_failed_half_way_has_changed_something(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.segment(0, event(1), event(2))
    real = Sql.send

    def half(self: Sql, batch: t.Any) -> BatchOutcome:
        real(self, batch[:1])
        raise TransportError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(Sql, "send", half)
        result = spool.deliver()
    assert (counts(result), result.changed) == ((0, 0, 0, 0), True)
    assert counts(spool.deliver()) == (2, 1, 1, 0)


@pytest.mark.parametrize("size", [0, 30, 100_000])
def test_a_line_of_the_quarantine_that_was_torn_is_cut_off(spool: Spool, size: int) -> None:
    spool.segment(0, "{first", event(1))
    path = pathlib.Path(spool.deliver().values["quarantine"])
    with path.open("ab") as file:
        file.write(b'{"text":"' + b"x" * size)
    spool.segment(1, "{second")
    spool.deliver()
    assert [json.loads(line)["text"] for line in path.read_text().splitlines()] == ["{first", "{second"]
