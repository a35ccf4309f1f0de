#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep collected logs and findings as Parquet, for SQL."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lake
short_description: Keep collected logs and findings as Parquet, for SQL
version_added: 1.0.0
description:
  - Writes the closed days of streams, and snapshots of findings, as Parquet files that DuckDB, Spark, Trino, Athena and
    others query. The folders are C(record=<record>/source=<source>/dt=<day>), with one file for each stream or
    snapshot.
  - The NDJSON remains the source of truth, and Parquet is derived from it. A day that has not changed is skipped, and
    late records cause their day to be rewritten. Of each key, the newest content counts. Once segments of a day were
    removed from their stream, late records are added to the rows of the lake, and no rows are dropped.
  - A file is replaced by one rename, so a query never sees half of a day, even if a run is killed.
  - Events get the columns C(host), C(path_template), C(parameter) and C(attack_family), on which they are joined with
    findings.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
requirements:
  - duckdb >= 1.5
attributes:
  check_mode:
    support: full
    details:
      - Everything is compared, and nothing is written. RV(written) then has no numbers of rows.
  diff_mode:
    support: none
    details:
      - The files are too large to be shown as a difference.
  idempotent:
    support: full
    details:
      - A run with nothing new writes nothing, unless O(rebuild) is set.
options:
  streams:
    description:
      - Stream directories, such as O(appsec.perimeter.edgecast_waf_event_export#module:dest) of a module that collects.
      - A day is closed when it is over in UTC. Today is not written.
    type: list
    elements: path
    default: []
  snapshots:
    description:
      - Files of findings written by a C(_finding_export) module, each complete and with its manifest beside it, or
        files of matches written by C(correlate).
      - A snapshot belongs to the day on which it was taken. The last one of a day replaces earlier ones.
      - A snapshot is identified by its source, its filters and its file name. Give those of two accounts different
        names.
    type: list
    elements: path
    default: []
  dest:
    description:
      - The directory of the lake. It is created if it is missing. All streams and snapshots can share one.
    type: path
    required: true
  rebuild:
    description:
      - Whether to rewrite all days whose NDJSON is complete, for example after an update of this collection has changed
        the derived columns.
    type: bool
    default: false
  retain_days:
    description:
      - Remove the days of the lake that ended more than this many days ago, of all streams and snapshots in O(dest),
        and do not write such days. At least 1 and at most 36500. If not set, all days are kept.
    type: int
notes:
  - Records contain attack payloads. They are always treated as data, including in file names.
  - DuckDB runs inside the module, with a memory limit and without files outside O(dest).
seealso:
  - ref: ansible_collections.appsec.perimeter.docsite.lake
    description: Folders, columns, queries, and what to do when one machine is not enough.
  - module: appsec.perimeter.deliver
"""

EXAMPLES = r"""
- name: Write the events of the firewall and the findings to one lake
  appsec.perimeter.lake:
    streams:
      - /srv/logs/edgecast
      - /srv/logs/scutum
    snapshots:
      - /srv/findings/findings.ndjson.gz
    dest: /srv/lake
    retain_days: 400

- name: Derive the columns of the events again
  appsec.perimeter.lake:
    streams: [/srv/logs/edgecast]
    dest: /srv/lake
    rebuild: true
"""

RETURN = r"""
written:
  description: The files that were written, or would be in check mode.
  type: list
  elements: dict
  returned: success, or when a day fails
  contains:
    path:
      description: The Parquet file, relative to O(dest).
      type: str
    record:
      description: The kind of its records.
      type: str
    source:
      description: The service that the records come from.
      type: str
    day:
      description: The day, in UTC.
      type: str
    from:
      description: The stream directory or snapshot.
      type: str
    reason:
      description:
        - V(new) if the day was not in the lake, V(late) if there were new records, V(damaged) if the file was damaged
          or missing, V(rebuild) if O(rebuild) was set.
      type: str
    segments:
      description: Number of NDJSON files from which it was built.
      type: int
    rows:
      description: Number of records in it; null in check mode.
      type: int
  sample:
    - path: record=event/source=edgecast/dt=2026-11-16/data-1011f22af0bfd90f.parquet
      record: event
      source: edgecast
      day: "2026-11-16"
      from: /srv/logs/edgecast
      reason: new
      segments: 616
      rows: 1525216
skipped_days:
  description: The days that were not written.
  type: list
  elements: dict
  returned: success, or when a day fails
  contains:
    from:
      description: The stream directory or snapshot.
      type: str
    day:
      description: The day, in UTC.
      type: str
    reason:
      description:
        - V(unchanged) if the lake has all of it, V(open) if the day is not over, V(expired) if O(retain_days) does not
          keep it, V(older) if the lake has a later snapshot of that day, and V(kept) if it could not be rebuilt because
          its NDJSON was removed.
      type: str
  sample:
    - from: /srv/logs/edgecast
      day: "2026-11-20"
      reason: open
removed:
  description: The folders of days that O(retain_days) removed, relative to O(dest).
  type: list
  elements: str
  returned: success, or when a day fails
  sample: ["record=event/source=edgecast/dt=2025-10-12"]
error:
  description: The error as data, with C(kind), C(message) and C(hint).
  type: dict
  returned: failure
  sample:
    kind: file
    message: "dest: the compressed data of a segment is damaged."
    hint: "Restore the file, or move it away and collect its span again."
    code: null
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._lake.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_local_module


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "streams": {"type": "list", "elements": "path", "default": []},
            "snapshots": {"type": "list", "elements": "path", "default": []},
            "dest": {"type": "path", "required": True},
            "rebuild": {"type": "bool", "default": False},
            "retain_days": {"type": "int"},
        },
    )
    run_local_module(own, run)


if __name__ == "__main__":
    main()
