# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that all collections of logs share. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
    details:
      - Everything is read, and nothing is written.
  diff_mode:
    support: none
    details:
      - The records are too large to be shown as a difference.
  idempotent:
    support: full
    details:
      - RV(ignore:changed) is true only when records were written.
options:
  dest:
    description:
      - Directory of the stream, created if it is missing. A stream has its own directory, which contains nothing else.
      - Records are written to files C(dt=YYYY-MM-DD/<from>-<to>.ndjson), one JSON object in each line. A file appears
        completely or not at all, and never changes afterwards.
      - Names that begin with a dot are reserved for the collector.
    type: path
    required: true
  first_run:
    description:
      - What to do without a position, when it is unknown up to which time the stream was collected.
      - V(fail) refuses to run, so that a lost position is noticed.
      - V(lookback) begins O(lookback) before now. If O(dest) already contains records, it begins no later than their
        end, and does not write those records again.
      - V(now) begins now. If O(dest) already contains records, the time from their end until now is reported as a gap.
    type: str
    choices: [fail, lookback, now]
    default: fail
  lookback:
    description:
      - How far back the first run reads with O(first_run=lookback), a number with V(s), V(m), V(h), V(d) or V(w).
    type: str
    default: 7d
  lag:
    description:
      - Records younger than this are left to the next run, because others of the same time may still arrive. A duration
        as for O(lookback). The default suits the service.
    type: str
  overlap:
    description:
      - How far before the position each run begins to read, for records that arrived late. Records that were already
        written are recognised and skipped. A duration as for O(lookback). The default suits the service.
    type: str
  sweep:
    description:
      - Also read the time from this long before the position up to O(overlap) before it, and write records that are not
        in the files yet, for records that arrived very late. A duration as for O(lookback).
      - It never reads times before the stream began, or times that O(retain_days) removes.
    type: str
  backfill:
    description:
      - Read this span of time instead of new records, and write what is not in the files yet. The position does not
        move.
      - This is the only way to read records again that O(retain_days) removed.
    type: dict
    suboptions:
      from:
        description:
          - Beginning, inclusive, as an ISO-8601 date or time. A time without a zone is UTC.
        type: str
        required: true
      to:
        description:
          - End, exclusive, in the same form.
        type: str
        required: true
  on_failed_window:
    description:
      - What to do with a span of time that the service cannot return, for example because it fails on one record.
      - With V(stop), the run fails there, and the next run starts there again.
      - With V(gap), the run continues after it, and writes a gap record with the reason in its place. This happens only
        if a later span can be read, so an outage leaves no gaps. O(backfill) can read the span later.
      - Refused credentials, limits and failed connections always end the run.
    type: str
    choices: [stop, gap]
    default: stop
  sensitive:
    description:
      - V(redact) removes cookies, credentials, tokens and matched values from records before they are stored; V(keep)
        keeps them. A different value makes it a different stream, which needs its own O(dest).
    type: str
    choices: [redact, keep]
    default: redact
  include_raw:
    description:
      - Whether each record also has the object of the service, untouched and not redacted, as JSON text in C(raw).
        A different value makes it a different stream, which needs its own O(dest).
    type: bool
    default: false
notes:
  - Each directory is collected by one run at a time; a second one fails at once.
  - In an execution environment, O(dest) and O(state_dir) must be on a volume that outlives it.
"""

    # The files of a stream, whatever writes them.
    SEGMENTS = r"""
options:
  compress:
    description:
      - Whether new files are compressed with gzip, and their names end in C(.gz).
    type: bool
    default: false
  retain_days:
    description:
      - Remove files of days that ended more than this many days ago. Files that M(appsec.perimeter.deliver) has begun
        to deliver from O(dest), and has not delivered completely to every receiver, stay. The default is to remove
        nothing.
    type: int
  segment_mode:
    description:
      - Permissions of new files, in octal, as text. Whoever can read the files can also enter new directories.
    type: str
    default: "0600"
  segment_group:
    description:
      - Name or number of the group of new files and directories. The default is the group of the process.
    type: str
"""
