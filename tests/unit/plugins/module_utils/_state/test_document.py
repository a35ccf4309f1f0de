# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document of state is read by its own release and owner only, and replaced as a whole."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import StateError
from ansible_collections.appsec.perimeter.plugins.module_utils._state.document import StateDocument

RESTORE = "Restore it."


def document(tmp_path: Path, **more: Any) -> StateDocument:
    return StateDocument(tmp_path / "a.json", 2, restore=RESTORE, called="The position", **more)


def number(content: dict[str, Any]) -> int:
    return int(content["number"])


def test_what_was_written_is_read(tmp_path: Path) -> None:
    document(tmp_path, same={"owner": "a"}).replace({"number": 7}, mode=0o640)
    assert document(tmp_path, same={"owner": "a"}).read(number) == 7
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [tmp_path / "a.json"]


def test_a_missing_document_is_none_and_a_private_one_is_written(tmp_path: Path) -> None:
    assert document(tmp_path).read(number) is None
    document(tmp_path).write({"number": 1}, hint="")
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"{}",
        b'{"version": null, "number": 1}',
        b'{"version": "2", "number": 1}',
        b'{"version": [2], "number": 1}',
        b'{"version": 2}',
        b'{"version": 2, "number": "x"}',
        b'{"version": 2, "number": []}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_understood_is_an_error_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(StateError, match=r"^The position .*a\.json is damaged; nothing was changed") as caught:
        document(tmp_path).read(number)
    assert caught.value.hint == RESTORE
    assert (tmp_path / "a.json").read_bytes() == content


@pytest.mark.parametrize(("version", "hint"), [(3, "newer one"), (1, "Restore it"), (0, "Restore it")])
def test_another_version_is_refused_older_ones_too(tmp_path: Path, version: int, hint: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"version": version, "number": 1}))
    with pytest.raises(StateError, match=f"has version {version}, and this release knows 2") as caught:
        document(tmp_path).read(number)
    assert hint in (caught.value.hint or "")


def test_a_document_of_somebody_else_is_refused(tmp_path: Path) -> None:
    document(tmp_path, same={"owner": "a"}).replace({"number": 7})
    with pytest.raises(StateError, match="belongs to another"):
        document(tmp_path, same={"owner": "b"}).read(number)


def test_a_document_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    document(tmp_path).replace({"number": 7})
    with pytest.raises(TypeError):
        document(tmp_path).replace({"number": object()})
    gone = StateDocument(tmp_path / "missing" / "a.json", 2, restore=RESTORE)
    with pytest.raises(StateError, match="cannot be written: no such file") as caught:
        gone.write({"number": 7}, hint="Nothing is lost.")
    assert caught.value.hint == "Nothing is lost."
    assert document(tmp_path).read(number) == 7
