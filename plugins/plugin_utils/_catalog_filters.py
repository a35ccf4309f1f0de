# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions of the filters of the role catalog."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.validation import check_type_bool, check_type_int

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError
from ansible_collections.appsec.perimeter.plugins.module_utils._catalog import compare, read, text, write
from ansible_collections.appsec.perimeter.plugins.module_utils._catalog.kinds import Entry, Kind

_TYPES: read.Types = {"int": check_type_int, "bool": check_type_bool}
Records = t.Sequence[t.Mapping[str, t.Any]]


def _kinds() -> t.Sequence[Kind]:
    # Imported only here: half of the filters do not need the rooms of Qualys.
    from ansible_collections.appsec.perimeter.plugins.plugin_utils._catalog_kinds import KINDS

    return KINDS


def _kind(name: str) -> Kind:
    for kind in _kinds():
        if kind.name == name:
            return kind
    known = ", ".join(kind.name for kind in _kinds())
    raise AnsibleFilterError(f"{name} is not a kind of a catalog. Give one of {known}.")


def catalog_text_problems(contents: t.Sequence[str], paths: t.Sequence[str]) -> list[str]:
    """The problems in the text of files, found before Ansible reads them."""
    try:
        pairs = zip(paths, contents, strict=True)
        return [problem for path, content in pairs for problem in text.text_problems("".join(content), path, _kinds())]
    except PerimeterError as error:
        raise AnsibleFilterError(str(error)) from error


def catalog_encoding_problems(paths: t.Sequence[str]) -> list[str]:
    """The problems of files that are not UTF-8 text. An encrypted file is text, whatever it contains."""
    try:
        return [problem for path in paths for problem in text.encoding_problems(_bytes_of(path), path)]
    except OSError as error:
        raise AnsibleFilterError(f"A file of the catalog cannot be read: {error}") from error


def _bytes_of(path: str) -> bytes:
    return Path("".join(path)).read_bytes()


def catalog_places(contents: t.Sequence[str], paths: t.Sequence[str]) -> dict[str, list[str]]:
    """File and line of each entry, by kind, in the order in which from_catalog returns the entries."""
    found: dict[str, list[str]] = {}
    try:
        for content, path in zip(contents, paths, strict=True):
            for kind, places in text.entry_places("".join(content), path, _kinds()).items():
                found.setdefault(kind, []).extend(places)
    except PerimeterError as error:
        raise AnsibleFilterError(str(error)) from error
    return found


def from_catalog(contents: t.Sequence[t.Any], paths: t.Sequence[str]) -> dict[str, t.Any]:
    """The entries of catalog files by kind, and their problems."""
    catalog = read.read(zip(paths, contents, strict=True), _kinds(), _TYPES)
    return {"entries": catalog.entries, "problems": catalog.problems}


def to_catalog(records: Records, kind: str, empty: bool = False) -> str:
    """The text of a catalog file with these records."""
    try:
        return write.to_yaml(write.entries_of(records, _kind(kind), empty=bool(empty)), _kind(kind))
    except PerimeterError as error:
        raise AnsibleFilterError(str(error)) from error


def catalog_orphans(records: Records, entries: t.Sequence[Entry]) -> list[dict[str, t.Any]]:
    """The records that no entry describes."""
    return compare.orphans(records, entries)


def catalog_to_check(entries: t.Sequence[Entry], records: Records) -> list[dict[str, t.Any]]:
    """The entries that may differ from their record, each with the record that it seems to describe."""
    return compare.to_check(entries, records)


def catalog_created(
    result: t.Mapping[str, t.Any], entries: t.Sequence[Entry], held: Records = ()
) -> list[dict[str, t.Any]]:
    """The names, as in the catalog, of the entries that a module for many records creates or renames, with ids."""
    return compare.created(entries, result, held)


def catalog_pending(entries: t.Sequence[Entry], kind: str, pending: compare.Pending) -> dict[str, list[Entry]]:
    """Entries as check mode can plan them, and what had to be left out."""
    split = compare.split_pending(entries, _kind(kind), pending)
    return {"entries": split.planned, "waiting": split.waiting, "missing": split.missing}


def catalog_summary(
    parts: t.Mapping[str, t.Any], listed: t.Collection[str], predicted: bool = False
) -> dict[str, t.Any]:
    """What a run did, or would do, to the kinds that a catalog lists, as data and as lines for people."""
    kinds = [kind for kind in _kinds() if kind.name in listed]
    return compare.summary(parts, kinds, predicted=bool(predicted))
