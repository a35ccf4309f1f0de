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
      - What is written is too large to be shown as a difference.
  idempotent:
    support: full
    details:
      - RV(ignore:changed) is true only when records were written.
options:
  dest:
    description:
      - Directory of the stream, created when it is missing. One stream has one directory, and nothing else is in it.
      - Records are written to files C(dt=YYYY-MM-DD/<from>-<to>.ndjson), one JSON object in each line. A file appears
        as a whole or not at all, and is never changed afterwards.
      - Names that begin with a dot are the collector's own.
    type: path
    required: true
  first_run:
    description:
      - What to do when there is no position, so that it is not known up to when the stream was collected.
      - V(fail) refuses, so that a position that was lost does not pass unnoticed.
      - V(lookback) begins O(lookback) before now. When O(dest) holds records already, it begins no later than where
        those end, and writes nothing again that stands there.
      - V(now) begins now. When O(dest) holds records already, the time from their end until now is told as a gap.
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
      - Records younger than this are left to the next run, because more may still arrive beside them. A duration as
        for O(lookback). The default suits the service.
    type: str
  overlap:
    description:
      - How far before the position each run begins to read, for records that arrived late. What was written before is
        recognised and left out. A duration as for O(lookback). The default suits the service.
    type: str
  sweep:
    description:
      - Also read the time from this long before the position up to O(overlap) before it, and write what is not in the
        files yet, for records that arrived very late. A duration as for O(lookback).
      - It never reads back to before the stream began, nor to what O(retain_days) removes.
    type: str
  backfill:
    description:
      - Read this span of time instead of what is new, and write what is not in the files yet. The position does not
        move.
      - It is the only way to read again what O(retain_days) removed.
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
      - With V(stop), the run fails there, and the next run begins there again.
      - With V(gap), the run continues behind it, and writes a gap record with the reason in its place. That happens
        only when a later span can be read, so an outage leaves no gaps. O(backfill) reads the span later.
      - Refused credentials, limits and failed connections always end the run.
    type: str
    choices: [stop, gap]
    default: stop
  sensitive:
    description:
      - V(redact) removes cookies, credentials, tokens and matched values from records before they are stored; V(keep)
        leaves them. Another value is another stream, which needs a O(dest) of its own.
    type: str
    choices: [redact, keep]
    default: redact
  include_raw:
    description:
      - Whether each record also has the object of the service, untouched and not redacted, as JSON text in C(raw).
        Another value is another stream, which needs a O(dest) of its own.
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
        to deliver from O(dest), and has not delivered to the end everywhere, stay. The default is to remove nothing.
    type: int
  segment_mode:
    description:
      - Permissions of new files, in octal, as text. New directories can be searched by who can read the files.
    type: str
    default: "0600"
  segment_group:
    description:
      - Name or number of the group of new files and directories. The default is the group of the process.
    type: str
"""
