# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores a baseline in a file, and the list of its findings that are gone in a second file beside it.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

from ..._base.errors import FileError
from ..._base.files import PRIVATE, check_target, check_writable, reason, replace_file, sha256_of
from ..._records.identity import AppKey
from ..._records.policy.documents import Document, read_document
from .baseline import SIZE_LIMIT, Baseline, Places, has_news, marks_of, read_marks, renewed
from .schemas import BASELINE
from .validate import validate

_MARKS_SUFFIX = ".gone.json"


class BaselineFile:
    """The baseline at a path. A link is followed, so that the file is replaced and not the link.

    Args:
        option: the value of the option ``baseline``.
    """

    shared = False

    def __init__(self, option: str) -> None:
        path = pathlib.Path(option).expanduser()
        # A broken link is an error, not a missing baseline.
        self._linked = path.is_symlink()
        self._path = path.resolve() if self._linked else path

    @property
    def files(self) -> tuple[pathlib.Path, ...]:
        """The baseline file, and the file with the list of findings that are gone."""
        return self._path, self._path.with_name(self._path.name + _MARKS_SUFFIX)

    def load(self) -> Baseline:
        """See :class:`.baseline.BaselineKeeper`."""
        if not self._path.exists() and not self._linked:
            return Baseline()
        document = read_document(self._path, "baseline", limit=SIZE_LIMIT)
        validate(document.data, BASELINE, "baseline")
        return Baseline(document, self._marks(document))

    def _marks(self, document: Document) -> dict[AppKey, Places]:
        place = self.files[1]
        if not place.exists():
            return {}
        return read_marks(read_document(place, "baseline", limit=SIZE_LIMIT).data, document.sha256, str(place))

    def check(self, *, create: bool) -> None:
        """See :class:`.baseline.BaselineKeeper`."""
        folder = self._path.parent
        if os.path.exists(folder):
            check_target(self._path, "baseline")
        elif not create:
            _check_ancestor(folder)
        else:
            try:
                folder.mkdir(mode=0o700, parents=True)
            except OSError as error:
                raise _cannot_create(folder, reason(error)) from error
            check_target(self._path, "baseline")

    def note(self, baseline: Baseline, gone: t.Mapping[AppKey, Places]) -> None:
        """See :class:`.baseline.BaselineKeeper`."""
        if not has_news(baseline, gone):
            return
        # Another run may have marked findings or changed the baseline since this run read it.
        newest = self.load()
        if newest.exists:
            _write(self.files[1], marks_of(newest, gone))

    def save(self, baseline: Baseline, content: dict[str, t.Any]) -> bool:
        """See :class:`.baseline.BaselineKeeper`."""
        self._refuse_moved(baseline)
        data = renewed(baseline, content)
        if data is not None:
            _write(self._path, data)
            # The new baseline does not contain the findings that were gone, so the list is obsolete.
            self.files[1].unlink(missing_ok=True)
        return data is not None

    def _refuse_moved(self, baseline: Baseline) -> None:
        path = self._path
        try:
            found = sha256_of(path) if path.exists() else None
        except OSError as error:
            raise FileError(f"baseline: cannot read {path}: {reason(error)}.", hint="Run the gate again.") from error
        if found != baseline.sha256:
            raise FileError(
                f"baseline: {path} was changed while the gate was running.",
                hint="Run the gate again, and let only one job at a time update a baseline.",
            )

    def told(self, _baseline: Baseline) -> dict[str, t.Any]:
        """See :class:`.baseline.BaselineKeeper`."""
        return {"path": str(self._path)}


def _check_ancestor(directory: pathlib.Path) -> None:
    """Raise an error if a missing directory could not be created in the nearest existing parent."""
    above = next(parent for parent in directory.absolute().parents if os.path.lexists(parent))
    if not above.is_dir():
        raise _cannot_create(directory, f"{above} is not a directory")
    check_writable(above, "baseline")


def _cannot_create(directory: pathlib.Path, why: str) -> FileError:
    return FileError(f"baseline: cannot create the directory {directory}: {why}.", hint="Choose another path.")


def _write(path: pathlib.Path, data: bytes) -> None:
    try:
        with replace_file(path, mode=PRIVATE) as file:
            file.write(data)
    except OSError as error:
        raise FileError(
            f"baseline: writing {path} failed: {reason(error)}.", hint="The previous file was not changed."
        ) from error
