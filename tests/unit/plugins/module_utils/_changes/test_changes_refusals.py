# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be compared is refused in a sentence, and nothing is written; a run that was killed is taken up again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError, PerimeterError, StateError
from ansible_collections.appsec.perimeter.plugins.module_utils._changes import state as changes_state
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk import segment
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.lock import locked
from tests.unit.plugins.module_utils.changes_kit import DAY, Changes, finding, text


@pytest.fixture
def changes(tmp_path: Path) -> Changes:
    """A stream that has one snapshot behind it."""
    found = Changes(tmp_path)
    found.run([finding(1), finding(2)])
    return found


def refused(changes: Changes, kind: type[PerimeterError], words: str, path: str, **options: Any) -> None:
    """A run on this snapshot fails with one clear sentence, and leaves everything as it is."""
    before = changes.files()
    for check in (True, False):
        with pytest.raises(kind, match=words) as caught:
            changes.run(path, check=check, **options)
        assert "\n" not in str(caught.value)
        assert caught.value.message.endswith(".")
    assert changes.files() == before


INCOMPLETE: dict[str, tuple[dict[str, Any], str]] = {
    "said so": ({"complete": False}, "its manifest says that it is not complete"),
    "a feed": ({"since": "2026-11-01T00:00:00Z"}, "only what changed since a time"),
    "announced more": ({"announced_after": 7}, "7 findings were announced and 1 are in it"),
    "another number": ({"records": 7}, "its manifest states 7"),
    "other bytes": ({"sha256": "0" * 64}, "its SHA-256 is not the one"),
    "of something else": ({"stream": "scans"}, "it holds scans, not findings"),
    "no filters": ({"filters": None}, "which filters were used"),
    "no time": ({"finished": "soon"}, "does not say when it was made"),
    "no source": ({"source": None}, "names no source"),
    "newer": ({"schema": 9}, "is not a manifest of this version"),
    "a hash that is none": ({"sha256": 5}, "a value of the wrong type in sha256"),
}


@pytest.mark.parametrize("case", INCOMPLETE)
def test_a_snapshot_that_is_not_whole(changes: Changes, case: str) -> None:
    manifest, words = INCOMPLETE[case]
    refused(changes, FileError, words, changes.snapshot([finding(1)], **manifest))
    assert changes.run([finding(1)]).values["changes"]["gone"] == 1


LINES: dict[str, tuple[Any, str]] = {
    "a gap": ({"record": "gap", "schema": 1}, "it holds gap records"),
    "a scan": ({"record": "scan", "schema": 1}, "line 2 is not a finding"),
    "a number": (5, "line 2 is not a record"),
    "a newer record": ({**finding(2), "schema": 2}, "line 2 has a schema other than 1"),
    "no severity": ({**finding(2), "severity": None}, "line 2 has no usable severity"),
    "no id": ({name: value for name, value in finding(2).items() if name != "id"}, "line 2 has no usable id"),
    "no asset": ({**finding(2), "asset": "shop"}, "line 2 has no usable asset"),
    "ignored by a word": ({**finding(2), "ignored": "yes"}, "line 2 has no usable ignored"),
}


@pytest.mark.parametrize("case", LINES)
def test_a_line_that_is_no_finding(changes: Changes, case: str) -> None:
    line, words = LINES[case]
    path = Path(changes.snapshot([finding(1)]))
    path.write_text(path.read_text() + json.dumps(line) + "\n")
    manifest = path.with_name(path.name + ".manifest.json")
    told = {"records": 2, "announced_after": 2, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **told}))
    refused(changes, FileError, words, str(path))


def test_a_file_that_is_damaged_or_missing(changes: Changes) -> None:
    path = Path(changes.snapshot([finding(1), finding(3)], name="findings.ndjson.gz"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(changes, FileError, "cannot be compared", str(path))
    path.unlink()
    refused(changes, FileError, "no such file", str(path))
    path.write_bytes(whole)
    path.with_name(path.name + ".manifest.json").write_text("{")
    refused(changes, FileError, "its manifest is not JSON", str(path))
    path.with_name(path.name + ".manifest.json").unlink()
    refused(changes, FileError, "there is no manifest", str(path))


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "account": ({"account": "https://qualys.example 2"}, "account differs"),
    "source": ({"source": "indusface"}, "source differs"),
    "filters": ({"filters": [{"field": "severity", "operator": "EQUALS", "value": 5}]}, "filters differs"),
    "detail": ({"detail": "summary"}, "detail differs"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_snapshot_of_something_else(changes: Changes, case: str) -> None:
    manifest, words = OTHERS[case]
    refused(changes, StateError, f"holds another stream: {words}", changes.snapshot([finding(1)], **manifest))


def test_the_order_of_filters_is_no_difference(tmp_path: Path) -> None:
    changes, filters = Changes(tmp_path), [{"field": "severity", "value": 5}, {"field": "id", "value": 1}]
    changes.run(changes.snapshot([finding(1)], filters=filters))
    assert not changes.run(changes.snapshot([finding(1)], filters=filters[::-1])).changed


def test_an_older_snapshot(changes: Changes) -> None:
    words = "was finished at 2026-11-19T09:00:00Z, before the snapshot that was compared last"
    changes.now -= 2 * DAY
    refused(changes, StateError, words, changes.snapshot([]))


def test_totals_of_indusface_prove_nothing(tmp_path: Path) -> None:
    changes = Changes(tmp_path)
    path = changes.snapshot([finding(1, source="indusface")], source="indusface", announced_after=99)
    assert changes.run(path).values["records"] == 1


def test_a_directory_of_another_stream(changes: Changes, tmp_path: Path) -> None:
    path = changes.snapshot([finding(1)])
    (changes.dest / ".stream.json").rename(tmp_path / "stream.json")
    refused(changes, StateError, r"\.stream\.json is missing", path)
    for name in changes.dest.glob("dt=*"):
        shutil.rmtree(name)
    refused(changes, StateError, "is not the directory that the state .* belongs to", path)
    content = json.loads((tmp_path / "stream.json").read_text())
    (changes.dest / ".stream.json").write_text(json.dumps({**content, "owner": "somebody"}))
    refused(changes, StateError, "has another owner than the state", path)


def test_a_lost_state_is_said_loudly_and_does_what_initial_says(changes: Changes) -> None:
    written = changes.written()
    for initial, words in (("none", "nothing is new, because initial is none"), ("all", "each open finding is new")):
        shutil.rmtree(changes.state)
        path = changes.snapshot([finding(1), finding(3)])
        predicted = changes.run(path, check=True, initial=initial)
        result = changes.run(path, initial=initial)
        assert predicted.warnings == result.warnings
        (warning,) = result.warnings
        assert "was missing although" in warning
        assert words in warning
        assert changes.words()[len(written) :] == ([] if initial == "none" else [("new", "1"), ("new", "3")])
    assert changes.run([finding(1)]).warnings == []


def damage_ledger(changes: Changes) -> None:
    (path,) = changes.state.rglob("*.ledger.gz")
    path.write_bytes(path.read_bytes()[:-9])


def remove_ledger(changes: Changes) -> None:
    (path,) = changes.state.rglob("*.ledger.gz")
    path.unlink()


def set_version(changes: Changes) -> None:
    path = changes.state_file()
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (damage_ledger, r"The state .*ledger\.gz cannot be read: the compressed data is damaged; nothing was changed"),
        (remove_ledger, r"The state .*ledger\.gz cannot be read: no such file"),
        (set_version, "has version 99, and this release knows 1; nothing was changed"),
        (lambda changes: changes.state_file().write_text("{"), "The state .* is damaged; nothing was changed"),
        (lambda changes: changes.state_file().write_text("{}"), "The state .* is damaged; nothing was changed"),
    ],
    ids=["half a ledger", "no ledger", "newer", "half a state", "an empty state"],
)
def test_a_state_that_cannot_be_used(changes: Changes, harm: Any, words: str) -> None:
    harm(changes)
    refused(changes, StateError, words, changes.snapshot([finding(1)]))


def test_another_run_at_the_same_time(changes: Changes) -> None:
    with locked(changes.dest / ".lock", "x"):
        refused(changes, StateError, "Another run writes into", changes.snapshot([finding(1)]))


class Killed(BaseException):
    """Stands for the end of the process: nothing handles it."""


MOMENTS = ["ledger", "announced", "segment", "committed", "state"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("same", [True, False], ids=["the same snapshot", "the next snapshot"])
def test_a_run_that_is_killed_is_taken_up_again(
    changes: Changes, monkeypatch: pytest.MonkeyPatch, moment: str, same: bool
) -> None:
    path = changes.snapshot([finding(1), finding(2, status="fixed"), finding(3)])
    with monkeypatch.context() as patch:
        kill_at(patch, moment)
        with pytest.raises(Killed):
            changes.run(path)
    durable = moment in ("committed", "state")
    expected = [("fixed", "2"), ("new", "3")]
    assert changes.words()[2:] == (expected if durable else [])
    if same:
        result = changes.run(path)
        assert result.changed is not durable
        assert changes.words()[2:] == expected
    else:
        # Two changes meet in one: what was fixed in between is known only to the segment that was committed.
        result = changes.run([finding(1), finding(2, status="reopened"), finding(3)])
        assert changes.words()[2:] == ([*expected, ("reopened", "2")] if durable else [("new", "3")])
    assert result.values["stats"]["adopted"] == (moment == "committed")
    assert [name for name in os.listdir(changes.dest) if name.endswith(".tmp")] == []
    assert len(list(changes.state.rglob("*.ledger.gz"))) == 1
    assert not list(changes.state.rglob("*.announced.json"))


def kill_at(patch: pytest.MonkeyPatch, moment: str) -> None:
    """End the next run right after it has written a ledger or announced a state, around the segment, or in the end."""

    def killed(*_arguments: Any, **_options: Any) -> Any:
        raise Killed

    files = changes_state.StateFiles
    if moment == "ledger":
        patch.setattr(files, "announce", killed)
    elif moment == "announced":
        patch.setattr(segment.Writer, "commit", killed)
    elif moment == "segment":
        patch.setattr(segment.Writer, "_name", killed)
    elif moment == "committed":
        patch.setattr(files, "write", killed)
    else:
        patch.setattr(files, "tidy", lambda self, state: killed() if state.generation == 2 else None)


def test_a_run_that_is_killed_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = Changes(tmp_path)
    path = changes.snapshot([finding(1)])
    with monkeypatch.context() as patch:
        kill_at(patch, "announced")
        with pytest.raises(Killed):
            changes.run(path)
    result = changes.run(path)
    assert result.warnings == []
    assert changes.words() == [("new", "1")]
    assert text(changes.now) == result.values["position"]
