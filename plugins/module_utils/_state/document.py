# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One document of state: a small JSON file with a version and an identity, which is replaced as a whole.

This module is private to the collection and may change at any time.

A document that this release does not understand is never overwritten: its content could not be recovered.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing as t

from .._base.errors import StateError
from .._base.files import PRIVATE, read_unlinked, reason, replace_file
from .._records.codec import loads

Content = dict[str, t.Any]
T = t.TypeVar("T")


@dataclasses.dataclass(frozen=True)
class StateDocument:
    """The location of a document, and its expected version and owner.

    Attributes:
        path: the file.
        version: the version that this release reads and writes.
        called: how messages name the file, before its path.
        restore: the hint for a damaged document.
        same: members that identify the owner; a document with other values belongs to another stream or target.
    """

    path: pathlib.Path
    version: int
    restore: str
    called: str = ""
    same: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    @property
    def _name(self) -> str:
        return f"{self.called} {self.path}".lstrip()

    def read(self, parse: t.Callable[[Content], T]) -> T | None:
        """Return what ``parse`` makes of the document, or None if there is no such file.

        Args:
            parse: gets the members. A missing member or a wrong type counts as damage.

        Raises:
            StateError: the file cannot be read, is damaged, has another version, or belongs to another owner.
        """
        try:
            data = read_unlinked(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StateError(f"{self._name} cannot be read: {reason(error)}.") from error
        try:
            content = loads(data)
            self._check(content)
            return parse(content)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StateError(f"{self._name} is damaged; nothing was changed.", hint=self.restore) from error

    def _check(self, content: t.Any) -> None:
        version = content["version"]
        if version != self.version:
            newer = version > self.version
            raise StateError(
                f"{self._name} has version {int(version)}, and this release knows {self.version}; nothing was changed.",
                hint="Use the release that wrote it, or a newer one." if newer else self.restore,
            )
        if any(content[name] != value for name, value in self.same.items()):
            raise StateError(f"{self._name} belongs to another stream or target; nothing was changed.")

    def replace(self, content: Content, *, mode: int = PRIVATE) -> None:
        """Replace the document durably.

        Args:
            content: everything but the version and ``same``.
            mode: permissions of the file.

        Raises:
            OSError: the file cannot be written; the old one is unchanged.
        """
        document = {"version": self.version, **self.same, **content}
        with replace_file(self.path, mode=mode) as file:
            file.write(json.dumps(document, indent=1).encode() + b"\n")

    def write(self, content: Content, *, hint: str) -> None:
        """Like :meth:`replace`, for a private file.

        Raises:
            StateError: the file cannot be written; ``hint`` says what that means.
        """
        try:
            self.replace(content)
        except OSError as error:
            raise StateError(f"{self._name} cannot be written: {reason(error)}.", hint=hint) from error
