# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A spool, delivered to a sink: everything since the last time, batch by batch.

This module is private to the collection and may change at any time.

The position moves only after the sink has acknowledged a batch and its quarantine is on the disk. A crash between the
two sends that batch again.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import typing as t

from .._http.errors import OptionError, PerimeterError
from .._records.result import Result
from .._spool.stream import stream_id
from .._state.directory import state_directory
from . import quarantine
from .elasticsearch import Elasticsearch
from .position import Position, PositionFile
from .reader import Batch, batches
from .sink import Outcome, Sink
from .splunk_hec import SplunkHec
from .sql import Sql
from .syslog import Syslog
from .webhook import Webhook

SECRETS = ("token", "password", "api_key", "signature_secret", "database_url")
"""Sink options that are credentials, or hold one."""

Options = t.Mapping[str, t.Any]


@dataclasses.dataclass
class _Tally:
    collected: int = 0
    batches: int = 0
    outcome: Outcome = dataclasses.field(default_factory=Outcome)
    quarantined: int = 0


def run(params: Options, check_mode: bool) -> Result:
    """Logic of ``deliver``. In check mode the spool is read and nothing is sent."""
    root = pathlib.Path(os.path.expanduser(params["spool"]))
    stream = stream_of(root)
    sink = make_sink(params)
    try:
        place = PositionFile(state_directory(params.get("state_dir"), os.environ), stream, sink.kind, sink.target)
        if check_mode:
            return _predict(root, stream, sink, place)
        with place.locked():
            return _deliver(root, stream, sink, place)
    finally:
        sink.close()


def make_sink(params: Options) -> Sink:
    """The sink that the options describe; sends nothing yet.

    Raises:
        OptionError: an option is missing or cannot be used.
        MissingLibrary: a package that this sink needs is not installed.
    """
    options = {name: value for name, value in (params.get("sink_options") or {}).items() if value is not None}
    secrets = [str(options[name]) for name in SECRETS if options.get(name)]
    kind = params["sink"]
    if kind == "sql":
        return Sql(options)
    if kind == "syslog":
        return Syslog(options, params)
    makers = {"splunk_hec": SplunkHec, "elasticsearch": Elasticsearch, "webhook": Webhook}
    return makers[kind](options, params, secrets)


def stream_of(root: pathlib.Path) -> str:
    """Identity of the stream whose spool this is.

    Raises:
        OptionError: there is no such directory, or no collector wrote there.
        StateError: what says so is damaged.
    """
    if not root.is_dir():
        raise OptionError(f"spool: {root} is not a directory.", hint="Give the dest of an export module.")
    identity = stream_id(root)
    if identity is None:
        raise OptionError(
            f"spool: nothing was ever collected in {root}.", hint="Give the dest of an export module that has run."
        )
    return identity


def _deliver(root: pathlib.Path, stream: str, sink: Sink, place: PositionFile) -> Result:
    position = place.read()
    tally = _Tally()
    failure: PerimeterError | None = None
    try:
        for batch in batches(root, stream, position.progress, records=sink.batch_records, size=sink.batch_bytes):
            _pass_on(batch, sink, place, position, tally)
    except PerimeterError as error:
        failure = error
    return _result(root, sink, place, position, tally, failure)


def _pass_on(batch: Batch, sink: Sink, place: PositionFile, position: Position, tally: _Tally) -> None:
    outcome = sink.send(batch.records) if batch.records else Outcome()
    _check(batch, outcome)
    count = quarantine.append(place.quarantine, [*batch.rejected, *outcome.rejected])
    position.progress = batch.progress
    position.delivered += outcome.delivered
    position.duplicate += outcome.duplicate
    position.quarantined += count
    place.write(position)
    tally.batches += 1 if batch.records else 0
    tally.collected += batch.lines
    tally.quarantined += count
    tally.outcome.delivered += outcome.delivered
    tally.outcome.duplicate += outcome.duplicate


def _check(batch: Batch, outcome: Outcome) -> None:
    if outcome.total != len(batch.records):
        raise PerimeterError(
            f"{outcome.total} of {len(batch.records)} records of a batch are accounted for.",
            hint="That is a defect of appsec.perimeter; the position stays before this batch.",
        )


def _result(
    root: pathlib.Path,
    sink: Sink,
    place: PositionFile,
    position: Position,
    tally: _Tally,
    failure: PerimeterError | None,
) -> Result:
    outcome = tally.outcome
    result = Result(
        changed=bool(outcome.delivered or tally.quarantined),
        values={
            "collected": tally.collected,
            "delivered": outcome.delivered,
            "duplicate": outcome.duplicate,
            "quarantined": tally.quarantined,
            "quarantine": str(place.quarantine) if position.quarantined else None,
            "complete": failure is None,
            "target": sink.target,
            "totals": {name: getattr(position, name) for name in ("delivered", "duplicate", "quarantined")},
            "stats": {"batches": tally.batches, **sink.stats()},
        },
        error=failure,
    )
    if tally.quarantined:
        result.warnings.append(
            f"{tally.quarantined} records were refused for good and stand in {place.quarantine}, each with the reason."
        )
    return result


def _predict(root: pathlib.Path, stream: str, sink: Sink, place: PositionFile) -> Result:
    position = place.read()
    tally = _Tally()
    for batch in batches(root, stream, position.progress, records=sink.batch_records, size=sink.batch_bytes):
        tally.collected += batch.lines
        tally.outcome.delivered += len(batch.records)
        tally.quarantined += len(batch.rejected)
    result = _result(root, sink, place, position, tally, None)
    result.warnings.clear()
    return result
