# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of the lake, their manifests, and whether their Parquet files are intact.

This module is private to the collection and may change at any time.

A folder is ``record=<record>/source=<source>/dt=<day>``. Each feed has one file in it, ``data-<id>.parquet``, so two
accounts of one service never touch each other's files. ``_manifest.json`` lists for each file the segments that it was
built from, with their hashes. The metadata of the Parquet file contains the same description. So the rename of that
file is the commit, and a run that is killed before it writes the manifest loses nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import pathlib
import re
import typing as t

from .._base.errors import FileError
from .._base.files import read_unlinked, reason, sha256_of, sync_directory
from .._records.codec import loads
from .._records.files.duck import Engine, Refused
from .._spool.disk.files import day_folder, folder_day_of

MANIFEST = "_manifest.json"
METADATA = "perimeter_lake"
"""The key of the description in the metadata of a Parquet file."""
HIDDEN = ".lake"
"""The folder in the lake for the lock and for unfinished files. Query engines do not read it."""
VERSION = 1
Pair = tuple[str, str]
"""Record and source."""
Content = dict[str, t.Any]
_FILE = re.compile(r"data-([0-9a-f]{16})\.parquet")
_RECORD = re.compile(r"record=([a-z_]{1,64})")
_SOURCE = re.compile(r"source=([a-z0-9_]{1,64})")
_MAGIC = b"PAR1"
WHOLE, DAMAGED, MISSING = "whole", "damaged", "missing"


@dataclasses.dataclass
class HeldFile:
    """A file of a feed in the lake.

    Attributes:
        folder: its folder.
        pair: record and source of the folder.
        name: its name.
        entry: its description; empty if there is none.
        state: whether the file is whole, damaged or missing.
    """

    folder: pathlib.Path
    pair: Pair
    name: str
    entry: Content
    state: str = WHOLE

    @property
    def path(self) -> pathlib.Path:
        """Path of the file."""
        return self.folder / self.name

    @property
    def segments(self) -> list[Content]:
        """The segments that it was built from."""
        return list(self.entry.get("segments", ()))


def file_name(feed: str) -> str:
    """The name of a feed's file in every folder."""
    return f"data-{feed}.parquet"


def folder_of(dest: pathlib.Path, pair: Pair, day: dt.date) -> pathlib.Path:
    """Return the folder of a day.

    Raises:
        FileError: the names come from records, and are not valid folder names.
    """
    folder = pathlib.Path(f"record={pair[0]}", f"source={pair[1]}", day_folder(day))
    if not _RECORD.fullmatch(folder.parts[0]) or not _SOURCE.fullmatch(folder.parts[1]):
        raise FileError(
            "A record has a source that is not the name of a service.", hint="Records are not edited by hand."
        )
    return dest / folder


def day_folders(dest: pathlib.Path) -> t.Iterator[tuple[Pair, dt.date, pathlib.Path]]:
    """Yield all folders of days, in order; ignores everything else in the directory.

    Raises:
        FileError: the directory cannot be read.
    """
    try:
        for record in _folders(dest, _RECORD):
            for source in _folders(record, _SOURCE):
                pair = record.name.partition("=")[2], source.name.partition("=")[2]
                for folder in sorted(source.iterdir()):
                    if (day := folder_day_of(folder.name)) is not None and folder.is_dir() and not folder.is_symlink():
                        yield pair, day, folder
    except OSError as error:
        raise FileError(f"dest: {dest} cannot be read: {reason(error)}.") from error


def _folders(root: pathlib.Path, pattern: re.Pattern[str]) -> list[pathlib.Path]:
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if pattern.fullmatch(path.name) and path.is_dir())


def read_lake_manifest(folder: pathlib.Path) -> dict[str, Content]:
    """The files of a folder as its manifest describes them; empty if it has none that can be used."""
    try:
        content = loads(read_unlinked(folder / MANIFEST))
        files = content["files"] if content["schema"] == VERSION else {}
        return {
            name: entry
            for name, entry in files.items()
            if _FILE.fullmatch(name) and all(isinstance(item["sha256"], str) for item in entry["segments"])
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        # A lost manifest is rebuilt from the metadata of the files.
        return {}


class Lake:
    """The files in the lake, by feed and day.

    Args:
        dest: the lake's directory.
        feeds: ids of the feeds to consider.
    """

    def __init__(self, dest: pathlib.Path, feeds: t.Collection[str]) -> None:
        self.dest = dest
        self.held: dict[tuple[str, dt.date], list[HeldFile]] = {}
        names = {file_name(feed): feed for feed in feeds}
        for pair, day, folder in day_folders(dest):
            described = read_lake_manifest(folder)
            present = {name for name in names if name in described or (folder / name).exists()}
            for name in sorted(present):
                held = HeldFile(folder, pair, name, described.get(name, {}))
                self.held.setdefault((names[name], day), []).append(held)

    def days(self, feed: str) -> list[dt.date]:
        """The days of a feed."""
        return sorted(day for name, day in self.held if name == feed)


def examine(held: HeldFile, engine: Engine) -> None:
    """Determine whether a file is whole. If the file is newer than ``held.entry``, its commit is completed there.

    A file counts as unchanged while its size, time, header and footer are the same; otherwise it is read.
    """
    try:
        told = held.path.stat()
    except OSError:
        held.state = MISSING
        return
    entry = held.entry
    same_size = told.st_size == entry.get("bytes") and _framed(held.path)
    if same_size and (told.st_mtime_ns == entry.get("mtime_ns") or _hash(held.path) == entry.get("sha256")):
        held.state = WHOLE
        return
    written = _metadata(held.path, engine)
    if written and written.get("write") != entry.get("write") and _readable(held.path, engine):
        held.entry = {**written, **file_facts(held.path, engine)}
        held.state = WHOLE
        return
    held.state = DAMAGED


def file_facts(path: pathlib.Path, engine: Engine) -> Content:
    """The facts that a manifest states about a Parquet file: rows, size, time, and hash."""
    told = path.stat()
    rows = engine.run("SELECT num_rows FROM parquet_file_metadata(?)", [str(path)])[0][0]
    return {"rows": rows, "bytes": told.st_size, "mtime_ns": told.st_mtime_ns, "sha256": sha256_of(path)}


def _framed(path: pathlib.Path) -> bool:
    """Whether a file has the header and footer of a Parquet file."""
    try:
        with path.open("rb") as file:
            first = file.read(4)
            file.seek(-4, os.SEEK_END)
            return first == file.read(4) == _MAGIC
    except OSError:
        return False


def _hash(path: pathlib.Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None


def _metadata(path: pathlib.Path, engine: Engine) -> Content | None:
    if not _framed(path):
        return None
    try:
        rows = engine.run("SELECT value FROM parquet_kv_metadata(?) WHERE key = ?::BLOB", [str(path), METADATA])
        found = loads(rows[0][0])
        return found if isinstance(found, dict) and isinstance(found.get("segments"), list) else None
    except (Refused, FileError, LookupError, ValueError):
        return None


def _readable(path: pathlib.Path, engine: Engine) -> bool:
    try:
        engine.run(
            "SELECT bit_xor(hash(everything)) FROM read_parquet(?, hive_partitioning = false) everything", [str(path)]
        )
    except (Refused, FileError):
        return False
    return True


def commit(work: pathlib.Path, staged: pathlib.Path, held: HeldFile) -> None:
    """Rename a finished file into its folder, which is the commit, and then write the manifest of the folder.

    Args:
        work: the folder for unfinished files, on the same file system.
        staged: the finished file.
        held: its destination, with the entry that describes it.

    Raises:
        OSError: a file could not be written.
    """
    for folder in reversed([held.folder, *held.folder.parents[:2]]):
        if not folder.is_dir():
            folder.mkdir(mode=0o700)
            sync_directory(folder.parent)
    _sync(staged)
    os.replace(staged, held.path)
    sync_directory(held.folder)
    write_manifest(work, held.folder, {**read_lake_manifest(held.folder), held.name: held.entry})


def drop(work: pathlib.Path, held: HeldFile) -> None:
    """Remove the file of a feed from a folder, and its entry.

    Raises:
        OSError: it could not be removed.
    """
    held.path.unlink(missing_ok=True)
    files = read_lake_manifest(held.folder)
    files.pop(held.name, None)
    write_manifest(work, held.folder, files)
    sync_directory(held.folder)


def write_manifest(work: pathlib.Path, folder: pathlib.Path, files: t.Mapping[str, Content]) -> None:
    """Replace the manifest of a folder durably."""
    staged = work / MANIFEST
    content = {"schema": VERSION, "kind": "lake", "files": dict(sorted(files.items()))}
    with open(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(json.dumps(content, indent=1).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, folder / MANIFEST)
    sync_directory(folder)


def _sync(path: pathlib.Path) -> None:
    os.chmod(path, 0o600)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
