# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of records are read with a limit on all that a file decides, compressed or not."""

from __future__ import annotations

import gzip
import hashlib
import tracemalloc
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._records.files import ndjson
from ansible_collections.appsec.perimeter.plugins.module_utils._records.files.ndjson import Unreadable

LINES = b'{"a":1}\n\n  \n{"a":2}'


def file_of(tmp_path: Path, content: bytes, *, compress: bool) -> Path:
    path = tmp_path / "records"
    path.write_bytes(gzip.compress(content) if compress else content)
    return path


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("hashed", [False, True])
def test_lines_have_their_numbers_and_blank_ones_are_left_out(tmp_path: Path, compress: bool, hashed: bool) -> None:
    path = file_of(tmp_path, LINES, compress=compress)
    digest = hashlib.sha256()
    lines = list(ndjson.read_lines(path, digest if hashed else None))
    assert lines == [(1, b'{"a":1}\n'), (4, b'{"a":2}')]
    assert not hashed or digest.hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("compress", [False, True])
def test_documents_are_a_list_one_object_or_one_in_each_line(tmp_path: Path, compress: bool) -> None:
    for content in (b'[{"a":1},{"a":2}]', LINES):
        assert ndjson.read_documents(file_of(tmp_path, content, compress=compress)) == [{"a": 1}, {"a": 2}]
    assert ndjson.read_documents(file_of(tmp_path, b' {"a":\n 1} ', compress=compress)) == [{"a": 1}]


@pytest.mark.parametrize("compress", [False, True])
def test_a_large_file_is_refused_before_it_fills_the_memory(tmp_path: Path, compress: bool) -> None:
    path = file_of(tmp_path, b"[" + b" " * (64 << 20) + b"]", compress=compress)
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match="larger than 1 MiB"):
            ndjson.read_documents(path, 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compress", [False, True])
def test_an_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: bool) -> None:
    monkeypatch.setattr(ndjson, "LINE_LIMIT", 1000)
    path = file_of(tmp_path, b"1\n" + b"2" * 1001, compress=compress)
    with pytest.raises(Unreadable, match="line 2 is longer"):
        list(ndjson.read_lines(path))


@pytest.mark.parametrize("cut", [3, 12, 30])
def test_a_damaged_archive_is_told(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "records.gz"
    path.write_bytes(gzip.compress(b"1\n" * 1000)[:cut])
    for read in (lambda: list(ndjson.read_lines(path)), lambda: ndjson.read_documents(path)):
        with pytest.raises(Unreadable, match="the compressed data is damaged") as caught:
            read()
        assert caught.value.damaged
        assert not caught.value.missing


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file") as caught:
        ndjson.read_documents(tmp_path / "none")
    assert caught.value.missing
    with pytest.raises(Unreadable, match="is a directory"):
        list(ndjson.read_lines(tmp_path))


def test_a_directory_of_a_stream_holds_the_documents_of_its_segments(tmp_path: Path) -> None:
    for name, content in (("dt=2026-01-02/b.ndjson", b"3"), ("dt=2026-01-01/a.ndjson.gz", gzip.compress(b"1\n2"))):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_bytes(content)
    (tmp_path / "dt=2026-01-02" / ".hidden.ndjson").write_bytes(b"4")
    (tmp_path / "dt=2026-01-02" / "_hidden.ndjson").write_bytes(b"5")
    assert ndjson.read_stream(tmp_path) == [1, 2, 3]
