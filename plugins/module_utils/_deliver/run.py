# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivers a spool to a sink: everything since the last time, batch by batch.

This module is private to the collection and may change at any time.

The position moves only after the sink has acknowledged a batch and its quarantine is on disk. After a crash between the
two, the batch is sent again.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
import typing as t

from .._base.errors import OptionError, PerimeterError, VendorError
from .._records.query import Query
from .._records.result import Result
from .._spool.disk.stream import read_stream_document, stream_id
from .._state.directory import state_directory, warn_of_group
from . import credentials, quarantine
from .elasticsearch import Elasticsearch
from .position import COUNTERS, DeliveryPosition, DeliveryPositionFile
from .reader import Batch, batches
from .sink import BatchOutcome, Record, Rejected, Sink
from .splunk_hec import SplunkHec
from .sql import Sql
from .syslog import Syslog
from .webhook import Webhook

Options = t.Mapping[str, t.Any]
SAME_REASON = 10
"""If at least this many records, and half of a batch, fail for one reason, the receiver or an option is at fault."""


@dataclasses.dataclass
class _DeliveryTally:
    collected: int = 0
    batches: int = 0
    outcome: BatchOutcome = dataclasses.field(default_factory=BatchOutcome)
    quarantined: int = 0
    filtered: int = 0


@dataclasses.dataclass(frozen=True)
class _Delivery:
    """What to deliver: a whole spool, or those of its records that match ``where``."""

    root: pathlib.Path
    stream: str
    where: Query | None

    def batches(self, position: DeliveryPosition, sink: Sink) -> t.Iterator[Batch]:
        """What is not delivered yet."""
        wanted = None if self.where is None else self._wanted
        limits = {"records": sink.batch_records, "size": sink.batch_bytes}
        return batches(self.root, self.stream, position.progress, **limits, wanted=wanted)

    def _wanted(self, record: Record) -> bool:
        try:
            # As in JMESPath: false, null and empty values are not true; zero is.
            found = self.where(record.document) if self.where else None
        except OptionError as error:
            raise OptionError(
                f"{error.message.rstrip('.')} (line {record.number} of {record.segment}).",
                hint="Records differ: ask for the kind first, as in record == 'change' && ... The position stays before"
                " this record.",
            ) from error
        return bool(found) or (found == 0 and found is not False)


def run(params: Options, check_mode: bool) -> Result:
    """Logic of ``deliver``. Check mode reads the spool and sends nothing."""
    root = pathlib.Path(os.path.expanduser(params["spool"]))
    stream = stream_of(root)
    where = (params.get("where") or "").strip() or None
    delivery = _Delivery(root, stream, Query(where, "where") if where else None)
    sink = make_sink(params)
    try:
        state = state_directory(params.get("state_dir"), os.environ, create=not check_mode)
        held = read_stream_document(root)
        place = DeliveryPositionFile(state, stream, sink.kind, sink.target, held.owner if held else None, where)
        if check_mode:
            return _predict(delivery, sink, place)
        with place.locked():
            return _deliver(delivery, sink, place)
    finally:
        sink.close()


def secrets_of(params: Options, environ: t.Mapping[str, str]) -> tuple[str, ...]:
    """Every credential of the sink, including those in the environment, which Ansible does not know."""
    return credentials.secrets(params, environ)


def shown_of(params: Options, environ: t.Mapping[str, str]) -> tuple[str, ...]:
    """Addresses of which at most a part is secret."""
    return credentials.shown(params, environ)


def make_sink(params: Options, environ: t.Mapping[str, str] | None = None) -> Sink:
    """Return the sink that the options describe; sends nothing yet.

    Raises:
        OptionError: an option is missing or invalid.
        MissingLibrary: a package that this sink needs is not installed.
    """
    surroundings = os.environ if environ is None else environ
    options = credentials.sink_options(params, surroundings)
    secrets = credentials.secrets(params, surroundings)
    kind = params["sink"]
    if kind == "sql":
        return Sql(options, params)
    if kind == "syslog":
        return Syslog(options, params)
    makers = {"splunk_hec": SplunkHec, "elasticsearch": Elasticsearch, "webhook": Webhook}
    return makers[kind](options, params, secrets)


def stream_of(root: pathlib.Path) -> str:
    """Return the identity of the stream in a spool.

    Raises:
        OptionError: the directory does not exist, or no collector has written to it.
        StateError: the file that identifies the stream is damaged.
    """
    if not root.is_dir():
        raise OptionError(f"spool: {root} is not a directory.", hint="Give the dest of an export module.")
    identity = stream_id(root)
    if identity is None:
        raise OptionError(
            f"spool: nothing was ever collected in {root}.", hint="Give the dest of an export module that has run."
        )
    return identity


def _deliver(delivery: _Delivery, sink: Sink, place: DeliveryPositionFile) -> Result:
    position = place.read()
    tally = _DeliveryTally()
    failure: PerimeterError | None = None
    warning = place.mark(delivery.root) if position.generation else None
    try:
        for batch in delivery.batches(position, sink):
            _pass_on(batch, sink, place, position, tally)
            # Only a sink that has received something makes retain_days wait, so a wrong address does not delay it.
            warning = place.mark(delivery.root)
    except PerimeterError as error:
        failure = error
    result = _result(sink, place, position, tally, failure)
    result.warnings += [*warn_of_group(place.folder.parent), *([warning] if warning else [])]
    return result


def _pass_on(
    batch: Batch, sink: Sink, place: DeliveryPositionFile, position: DeliveryPosition, tally: _DeliveryTally
) -> None:
    outcome = sink.send(batch.records) if batch.records else BatchOutcome()
    _check(batch, outcome, sink)
    count = quarantine.append(place.quarantine, [*batch.rejected, *outcome.rejected])
    position.progress = batch.progress
    position.delivered += outcome.delivered
    position.duplicate += outcome.duplicate
    position.dropped += outcome.dropped
    position.quarantined += count
    position.filtered += batch.filtered
    place.write(position)
    tally.batches += 1 if batch.records else 0
    tally.collected += batch.lines
    tally.quarantined += count
    tally.filtered += batch.filtered
    tally.outcome.delivered += outcome.delivered
    tally.outcome.duplicate += outcome.duplicate
    tally.outcome.dropped += outcome.dropped


def _check(batch: Batch, outcome: BatchOutcome, sink: Sink) -> None:
    if refusal := _refusal(len(batch.records), outcome.rejected):
        raise VendorError(
            f"{sink.kind}: {refusal[0]} could be delivered to {sink.target}. The first: {refusal[1].rstrip('.')}.",
            hint="Nothing was set aside, and the next run sends the batch again. Check sink_options and the receiver."
            " If the records are really at fault, one run with sink_options.batch_records set to 1 sets them aside.",
        )
    if outcome.total != len(batch.records):
        raise PerimeterError(
            f"{outcome.total} of {len(batch.records)} records of a batch are accounted for.",
            hint="That is a defect of appsec.perimeter; the position stays before this batch.",
        )


def _refusal(count: int, refused: t.Sequence[Rejected]) -> tuple[str, str] | None:
    """Return how many records were refused, and why, if the receiver or an option is at fault; else None.

    Individual records are not the cause if a whole batch of several fails, or half of one for the same reason.
    """
    if count > 1 and len(refused) == count:
        return f"none of {count} records", refused[0].reason
    reasons = collections.Counter(item.reason for item in refused)
    reason, most = max(reasons.items(), key=lambda item: item[1], default=("", 0))
    if most >= SAME_REASON and 2 * most >= count:
        return f"{most} of {count} records were refused for one reason, and only {count - len(refused)}", reason
    return None


def _result(
    sink: Sink,
    place: DeliveryPositionFile,
    position: DeliveryPosition,
    tally: _DeliveryTally,
    failure: PerimeterError | None,
) -> Result:
    outcome = tally.outcome
    result = Result(
        # A batch can fail halfway, after the receiver has accepted a part of it.
        changed=bool(outcome.delivered or tally.quarantined or sink.taken),
        values={
            "collected": tally.collected,
            "delivered": outcome.delivered,
            "duplicate": outcome.duplicate,
            "dropped": outcome.dropped,
            "quarantined": tally.quarantined,
            "filtered": tally.filtered,
            "quarantine": str(place.quarantine) if position.quarantined else None,
            "complete": failure is None,
            "target": sink.target,
            "totals": {name: getattr(position, name) for name in COUNTERS},
            "stats": {"batches": tally.batches, **sink.stats()},
        },
        error=failure,
    )
    if outcome.dropped:
        result.warnings.append(
            f"{outcome.dropped} records were dropped by the receiver, by a rule of its own such as a pipeline."
        )
    if tally.quarantined:
        result.warnings.append(
            f"{tally.quarantined} records were refused permanently and are in {place.quarantine}, each with the reason."
        )
    return result


def _predict(delivery: _Delivery, sink: Sink, place: DeliveryPositionFile) -> Result:
    position = place.read()
    tally = _DeliveryTally()
    failure: PerimeterError | None = None
    try:
        for batch in delivery.batches(position, sink):
            tally.collected += batch.lines
            tally.filtered += batch.filtered
            tally.outcome.delivered += len(batch.records)
            tally.quarantined += len(batch.rejected)
    except PerimeterError as error:
        failure = error
    result = _result(sink, place, position, tally, failure)
    result.warnings.clear()
    return result
