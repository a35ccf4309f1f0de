# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logic of the ``history`` module, without Ansible: from options to figures.

This module is private to the collection and may change at any time.

The inputs are staged first, which changes nothing. Then one transaction decides whether this run may be recorded,
records it, and reads the figures.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pathlib
import typing as t

from .._base.errors import FileError, OptionError, StateError
from .._base.files import PRIVATE, check_target, reason, remove_leftovers, replace_file
from .._base.log_text import short
from .._database import secrets
from .._records.codec import dumps_sorted
from .._records.result import Result
from .._records.times import parse_duration, parse_time, utc_now, utc_text
from . import estate, figures, findings
from .inputs import OPTIONS, FindingSource, digest_of, open_sources
from .origins import Origins
from .rows import hashed, storable
from .schema import Tables
from .sla import SlaPolicy, load_sla
from .store import Store, url_of

try:
    import sqlalchemy
except ImportError:
    # The engine reports that the package is missing.
    pass

Params = t.Mapping[str, t.Any]
Clock = t.Callable[[], dt.datetime]
SCHEMA = 1
"""Version of the document at ``dest``."""
SKEW = 60.0
"""Seconds by which the clocks of two machines may differ."""
_RUN_ID = 200
_DAYS = 36600


@dataclasses.dataclass
class _Asked:
    """The checked options of a run."""

    given: dict[str, list[t.Any]]
    run_id: str | None
    policy: SlaPolicy
    horizon: tuple[str, float] | None
    dest: pathlib.Path | None
    now: dt.datetime


def run(params: Params, check_mode: bool, clock: Clock = utc_now) -> Result:
    """Record a run, and return the figures of the store.

    Args:
        params: the options of the module.
        check_mode: True to record nothing and return the figures that would result.
        clock: returns the current time, UTC.

    Raises:
        PerimeterError: nothing was recorded.
    """
    order = _order(params, clock())
    if order.dest is not None and not check_mode:
        remove_leftovers(order.dest)
    sources = open_sources(order.given["findings"])
    with Store(params, check_mode=check_mode) as store, store.connected() as connection:
        findings.stage(connection, sources)
        folds = estate.stage(connection, {name: order.given[name] for name in OPTIONS if name != "findings"})
        with store.transaction(connection) as tables:
            work = _Work(connection, tables, order, sources)
            values, changed = work.record(digest_of(sources, folds)) if any(order.given.values()) else work.read()
    result = Result(changed=changed, values=values | {"database": store.address, "dest": None})
    result.warnings += _warnings(order, sources)
    if order.dest is not None:
        result.values["dest"] = str(order.dest)
        result.changed |= _write(order.dest, history_document_of(values), check_mode=check_mode)
    return result


def secrets_of(params: Params, environ: t.Mapping[str, str]) -> tuple[str, ...]:
    """The secret parts of the database URL."""
    return secrets.hidden_of(url_of(params, environ))


def shown_of(params: Params, environ: t.Mapping[str, str]) -> tuple[str, ...]:
    """The URL, if only parts of it are secret."""
    return secrets.shown_of(url_of(params, environ))


def history_document_of(values: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the document to write to ``dest``."""
    names = ("run_id", "at", "open", "trend", "time_to_fix", "sla")
    return {"schema": SCHEMA, "kind": "history", "counts": values["changes"], **{name: values[name] for name in names}}


def _order(params: Params, now: dt.datetime) -> _Asked:
    dest = params.get("dest")
    order = _Asked(
        given={name: list(params.get(name) or ()) for name in OPTIONS},
        run_id=_run_id(params.get("run_id")),
        policy=load_sla(params.get("policy") or None),
        horizon=_horizon(params.get("horizon")),
        dest=pathlib.Path(dest).expanduser() if dest else None,
        now=now.replace(microsecond=0),
    )
    if order.dest is not None:
        check_target(order.dest, "dest")
    return order


def _run_id(given: t.Any) -> str | None:
    word = str(given).strip() if given is not None else ""
    if len(word) > _RUN_ID:
        raise OptionError(f"run_id is longer than {_RUN_ID} characters.", hint="Give the number of the pipeline.")
    return storable(word) or None


def _horizon(given: str | None) -> tuple[str, float] | None:
    if not given:
        return None
    try:
        seconds = parse_duration(given)
    except ValueError as error:
        raise OptionError(f"horizon: {error}.") from None
    if seconds > _DAYS * 86400:
        raise OptionError(f"horizon: {given} is more than a hundred years.", hint="Give a shorter time.")
    return given.strip(), seconds


class _Work:
    """One run in its transaction."""

    def __init__(self, connection: t.Any, tables: Tables, order: _Asked, sources: list[FindingSource]) -> None:
        self._connection = connection
        self._tables = tables
        self._order = order
        self._sources = sources

    def record(self, digest: str) -> tuple[dict[str, t.Any], bool]:
        """Record the run unless it is already recorded, and return the values, and whether it is new."""
        # Without an id, the same files are the same run, and so is a new export of the same content.
        run_id = self._order.run_id or hashed(digest, *sorted(str(source.finished) for source in self._sources))
        runs = self._tables.runs
        known = self._one(sqlalchemy.select(runs).where(runs.c.run_id == run_id))
        if known is not None:
            if known["digest"] != digest:
                raise StateError(
                    f"run_id: {short(run_id, 80)} was already recorded at {known['at']}, with other data; nothing was"
                    " recorded.",
                    hint="Give each run its own id, such as the number of the pipeline.",
                )
            return self._values(known, dict.fromkeys(OPTIONS, 0)), False
        last = self._last()
        at = self._time(last)
        if self._order.run_id is None and last is not None and last["digest"] == digest:
            # A run without changes is not recorded, but its deadlines have come closer.
            return self._values(last, dict.fromkeys(OPTIONS, 0), at), False
        origins = Origins(self._connection, self._tables)
        origins.check(self._sources, at)
        number = 1 if last is None else int(last["number"]) + 1
        tally = findings.Recorder(self._connection, self._tables, number, at).record(self._sources)
        recorded = {"findings": tally.written, **estate.record(self._connection, self._tables, number)}
        origins.remember(self._sources, number)
        row = {
            "number": number,
            "run_id": run_id,
            "digest": digest,
            "at": at,
            "changes": dumps_sorted(tally.counts).decode(),
            "open": dumps_sorted(figures.open_counts(self._connection, self._tables)).decode(),
        }
        self._connection.execute(runs.insert(), row)
        return self._values(row, recorded), True

    def read(self) -> tuple[dict[str, t.Any], bool]:
        """Return the figures as of the last run, without recording anything.

        Raises:
            OptionError: nothing was ever recorded.
        """
        last = self._last()
        if last is None:
            raise OptionError("There is nothing to record, and nothing was ever recorded.", hint="Give findings.")
        return self._values(last, dict.fromkeys(OPTIONS, 0)), False

    def _one(self, query: t.Any) -> dict[str, t.Any] | None:
        row = self._connection.execute(query).mappings().first()
        return None if row is None else dict(row)

    def _last(self) -> dict[str, t.Any] | None:
        runs = self._tables.runs
        return self._one(sqlalchemy.select(runs).order_by(runs.c.number.desc()).limit(1))

    def _time(self, last: t.Mapping[str, t.Any] | None) -> str:
        """The time of the run, which is never before that of the previous one."""
        now = self._order.now
        before = None if last is None else parse_time(last["at"])
        if before is not None and (before - now).total_seconds() > SKEW:
            raise StateError(
                f"The clock shows {utc_text(now)}, but the last run was recorded at {utc_text(before)}: the clock was"
                " set back.",
                hint="Set the clock of this machine. Nothing was recorded.",
            )
        return utc_text(now if before is None else max(now, before))

    def _values(
        self, row: t.Mapping[str, t.Any], recorded: dict[str, int], present: str | None = None
    ) -> dict[str, t.Any]:
        """Return the values of a run. The SLA is judged at ``present``, or else at the time of the run."""
        changes = figures.changes_of(row)
        connection, tables, order = self._connection, self._tables, self._order
        return {
            "run_id": row["run_id"],
            "at": row["at"],
            **{name: changes[name] for name in ("new", "fixed", "reopened", "escalated")},
            "changes": changes,
            "recorded": recorded,
            "open": figures.open_counts(connection, tables),
            "trend": figures.trend(connection, tables),
            "time_to_fix": figures.time_to_fix(connection, tables),
            "sla": figures.sla_standing(connection, tables, order.policy, present or row["at"], order.horizon),
        }


def _warnings(order: _Asked, sources: t.Iterable[FindingSource]) -> t.Iterator[str]:
    for source in sources:
        if source.gaps:
            yield f"findings: {source.path} has {source.gaps} gaps: data of the stream is missing."
    if order.policy.told and not order.policy.base and not order.policy.overrides:
        yield "policy: it does not define an SLA, so nothing is due."
    if order.horizon is not None and not order.policy.told:
        yield "horizon: without a policy nothing is due."


def _write(dest: pathlib.Path, document: dict[str, t.Any], *, check_mode: bool) -> bool:
    """Write the document if it differs, and return whether it does."""
    data = json.dumps(document, indent=1).encode() + b"\n"
    try:
        if dest.read_bytes() == data:
            return False
    except OSError:
        pass
    if not check_mode:
        try:
            with replace_file(dest, mode=PRIVATE) as file:
                file.write(data)
        except OSError as error:
            raise FileError(
                f"dest: writing {dest} failed: {reason(error)}.", hint="The run is recorded: run the task again."
            ) from error
    return True
