# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a spool has been delivered to one sink; stored under ``state_dir``.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import pathlib
import typing as t

from .._base.files import PRIVATE, reason, replace_file
from .._records.codec import dumps
from .._records.times import now_text
from .._spool.disk.lock import locked
from .._spool.disk.retain import DELIVERED_MARK
from .._state.directory import make_folder
from .._state.document import StateDocument
from .reader import DeliveryProgress

VERSION = 1
FOLDER = "deliver"


@dataclasses.dataclass
class DeliveryPosition:
    """What was delivered of one stream to one sink. Counters are since the position exists.

    ``owner`` is the random number of the delivered directory: the names of segments are valid in that directory only.
    """

    stream: str
    sink: str
    target: str
    owner: str | None = None
    progress: DeliveryProgress = dataclasses.field(default_factory=DeliveryProgress)
    generation: int = 0
    delivered: int = 0
    duplicate: int = 0
    dropped: int = 0
    quarantined: int = 0
    filtered: int = 0


class DeliveryPositionFile:
    """The position on the disk.

    Args:
        state: the state directory.
        stream: identity of the stream.
        sink: kind of the sink.
        target: the address of the receiver, without credentials.
        owner: random number of the stream's directory.
        where: which records are sent. Another expression is another delivery, with its own position.
    """

    def __init__(
        self,
        state: pathlib.Path,
        stream: str,
        sink: str,
        target: str,
        owner: str | None = None,
        where: str | None = None,
    ) -> None:
        self._blank = DeliveryPosition(stream, sink, target, owner)
        told = {"where": where} if where else {}
        name = hashlib.sha256("\0".join((stream, sink, target, *told.values())).encode()).hexdigest()[:16]
        self.folder = state / FOLDER
        self.path = self.folder / f"{sink}-{name}.json"
        self.quarantine = self.folder / f"{sink}-{name}.quarantine.ndjson"
        self._document = StateDocument(
            self.path,
            VERSION,
            restore="Restore it, or remove it to deliver everything again: receivers identify records by their id.",
            called="The position",
            same={"stream": stream, "sink": sink, "target": target, **told},
        )

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Lock the position for this run.

        Raises:
            StateError: another run has locked it, or the folder cannot be written.
        """
        make_folder(self.folder)
        with locked(self.path.with_suffix(".lock"), f"delivers this spool to {self._blank.target}"):
            yield

    def read(self) -> DeliveryPosition:
        """The position; a blank one when there is none yet.

        Raises:
            StateError: it is damaged, has a newer version, or belongs to another stream.
        """
        return self._document.read(self._parsed) or dataclasses.replace(self._blank)

    def _parsed(self, content: dict[str, t.Any]) -> DeliveryPosition:
        # Positions of earlier releases do not have all counters.
        numbers = {"dropped": 0, "filtered": 0, **content}
        position = dataclasses.replace(self._blank, **{name: numbers[name] for name in _NUMBERS})
        progress = content["progress"]
        if content.get("owner") in (None, self._blank.owner):
            position.progress = DeliveryProgress(
                frozenset(progress["done"]),
                {str(name): int(lines) for name, lines in dict(progress.get("partial") or {}).items()},
                dict(progress.get("stamps") or {}),
            )
        return position

    def mark(self, root: pathlib.Path) -> str | None:
        """Leave a hidden file in the spool, which shows that this sink exists even if ``state_dir`` is lost.

        The collector's ``retain_days`` removes nothing while such a sink has no position.

        Returns:
            A warning if the spool cannot be written, else None.
        """
        path = root / f"{DELIVERED_MARK}{self.path.stem}"
        if path.exists():
            return None
        told = {name: getattr(self._blank, name) for name in ("stream", "sink", "target")}
        try:
            with replace_file(path, mode=PRIVATE) as file:
                file.write(dumps(told) + b"\n")
        except OSError as error:
            return (
                f"The mark {path} cannot be written: {reason(error)}. Without it, retain_days of a collection that does"
                " not see this state_dir ignores this sink."
            )
        return None

    def write(self, position: DeliveryPosition) -> None:
        """Replace the position, durably.

        Raises:
            StateError: it cannot be written.
        """
        position.generation += 1
        progress = position.progress
        content: dict[str, t.Any] = {name: getattr(position, name) for name in _NUMBERS}
        content |= {
            "updated_at": now_text(),
            "owner": position.owner,
            # The collector's retain_days reads the names in "done".
            "progress": {
                "done": sorted(progress.done),
                "partial": dict(progress.partial),
                "stamps": {
                    name: stamp
                    for name, stamp in progress.stamps.items()
                    if name in progress.done or name in progress.partial
                },
            },
        }
        self._document.write(content, hint="The last batch was delivered; the next run sends it again.")


COUNTERS = ("delivered", "duplicate", "dropped", "quarantined", "filtered")
_NUMBERS = ("generation", *COUNTERS)
