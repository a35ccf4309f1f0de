# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logic of the ``correlate`` module, without Ansible: from findings and events to a file of matches.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import pathlib
import tempfile
import typing as t

from .._base.errors import FileError
from .._base.files import (
    PRIVATE,
    StagedFile,
    check_target,
    reason,
    remove_leftovers,
    replace_file,
    sha256_of,
    working_folder,
)
from .._records.codec import dump_line
from .._records.files.duck import Engine, Refused, check_library, open_duck, open_private
from .._records.files.snapshot import manifest_path
from .._records.model import SCHEMA
from .._records.result import Result
from .._records.times import utc_now, utc_text
from .findings import Counts, write_findings
from .inputs import CorrelationInputs, find_inputs
from .job import CorrelationJob, Params, Scanners, job_from
from .join import join_events, load_findings, rows
from .records import match_of
from .stage import PATTERNS, Stage
from .summary import MatchTally, event_figures, gaps_of, problems_of, summary_of

Clock = t.Callable[[], dt.datetime]
UNNAMED = (
    "scanner_sources is empty, so the requests of your own scans count as attacks: name the addresses or networks"
    " of your scanners."
)


def run(params: Params, check_mode: bool, clock: Clock = utc_now) -> Result:
    """Correlate findings with events.

    Args:
        params: the options of the module.
        check_mode: True to correlate but write nothing except temporary data.
        clock: returns the current time, UTC.

    Raises:
        OptionError: an option is invalid.
        FileError: a snapshot is not complete, a file is damaged, or ``dest`` cannot be written.
        MissingLibrary: DuckDB is not installed, or too old.
    """
    job = job_from(params, clock())
    check_library()
    check_target(job.dest, "dest")
    inputs = find_inputs(job)
    try:
        with _folder(job.dest, check_mode) as work:
            return _correlate(job, inputs, work, check_mode)
    except Refused as refused:
        # Damaged files were refused before, so this is about space on the disk.
        raise FileError(
            f"Correlating failed with an internal error of DuckDB, {refused}.",
            hint=f"Check the free space on the disk of {job.dest.parent}; dest is unchanged.",
        ) from refused
    except OSError as error:
        raise FileError(
            f"dest: writing in {job.dest.parent} failed: {reason(error)}.", hint="dest is unchanged."
        ) from error


def _folder(dest: pathlib.Path, check_mode: bool) -> contextlib.AbstractContextManager[pathlib.Path]:
    if check_mode or any(sign in str(dest) for sign in PATTERNS):
        return _elsewhere()
    for target in (dest, manifest_path(dest)):
        remove_leftovers(target)
    return working_folder(dest)


@contextlib.contextmanager
def _elsewhere() -> t.Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory(prefix="correlate-") as folder:
        yield pathlib.Path(folder)


def _correlate(job: CorrelationJob, inputs: CorrelationInputs, work: pathlib.Path, check_mode: bool) -> Result:
    findings = work / "findings.ndjson"
    with open_private(findings) as file:
        counts = write_findings(job.findings, file)
    files = [item.path for item in (*inputs.files, *inputs.gaps)]
    with open_duck(work, files=files) as connection:
        engine = Engine(connection)
        load_findings(engine, findings)
        Stage(engine, job, work).read(inputs)
        join_events(engine, job.scanners, work)
        tally, changed = _write(engine, job, None if check_mode else job.dest)
        return _result(engine, job, inputs, counts, tally, changed)


def _write(engine: Engine, job: CorrelationJob, target: pathlib.Path | None) -> tuple[MatchTally, bool]:
    """Write the matches, and return their figures, and whether they differ from the previous ones."""
    tally, digest, records = MatchTally(), hashlib.sha256(), 0
    staged = StagedFile(target) if target else None
    try:
        for part in rows(engine):
            for row in part:
                match = match_of(row)
                tally.add(match, row[3])
                line = dump_line(match)
                digest.update(line)
                records += 1
                if staged:
                    staged.file.write(line)
        changed = _differs(job.dest, digest.hexdigest())
        if staged and changed:
            staged.commit()
        if target:
            _write_manifest(job, digest.hexdigest(), records)
    finally:
        if staged:
            staged.discard()
    return tally, changed


def _write_manifest(job: CorrelationJob, sha256: str, records: int) -> None:
    """Write the manifest with the time of the run, even if no match changed, because a gate checks their age."""
    made = utc_text(job.now.replace(microsecond=0))
    content = {
        "record": "manifest",
        "schema": SCHEMA,
        "stream": "matches",
        "file": job.dest.name,
        "started": made,
        "since": None if job.since is None else utc_text(job.since),
        "records": records,
        "sha256": sha256,
    }
    with replace_file(manifest_path(job.dest), mode=PRIVATE) as file:
        file.write(json.dumps(content, indent=1).encode() + b"\n")


def _differs(dest: pathlib.Path, sha256: str) -> bool:
    try:
        return sha256_of(dest) != sha256
    except OSError:
        return True


def _result(
    engine: Engine, job: CorrelationJob, inputs: CorrelationInputs, counts: Counts, tally: MatchTally, changed: bool
) -> Result:
    events = event_figures(engine)
    gaps = gaps_of(engine, job)
    problems = problems_of(inputs.problems, gaps, events)
    warnings = [f"Events are missing, so unobserved proves nothing: {'; '.join(problems[:5])}."] if problems else []
    if job.scanners == Scanners():
        warnings.append(UNNAMED)
    return Result(
        changed=changed,
        values={
            "matches": tally.matches,
            "sample": tally.shown(),
            "summary": summary_of(job, counts, tally, events, gaps, problems),
            "dest": str(job.dest),
        },
        warnings=warnings,
    )
