#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the history of findings in a database, and report what changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: history
short_description: Keep the history of findings in a database
version_added: 1.0.0
description:
  - Records exported findings in SQLite or PostgreSQL, and returns what changed since the last run, the trend, how long
    fixes took, and which findings are overdue by the SLA.
  - The store grows only with changes. Data that is the same as in the last run adds nothing, unless O(run_id) makes it
    another run, which becomes a point of the trend.
  - A finding that is missing from a complete snapshot is gone. A snapshot that is incomplete, of another account, or
    older than the recorded data is refused.
  - A run is one transaction. A killed run leaves the store unchanged, and concurrent runs wait for each other.
  - Names, ids, states and times are stored. Evidence, URLs of findings and login data of authentication records are
    not.
  - The guide R(The history of findings,ansible_collections.appsec.perimeter.docsite.history) describes the store and
    the calculation of each figure.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
requirements:
  - sqlalchemy 2.0 or newer
  - psycopg 3, for PostgreSQL
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._connection
attributes:
  action_group:
    description: Use C(group/appsec.perimeter.all) in C(module_defaults) to set the connection options once.
    support: full
    membership:
      - appsec.perimeter.all
  check_mode:
    support: full
    details:
      - Everything is read and compared, and the result that would be recorded is returned. Nothing is recorded or
        written, and no database is created.
  diff_mode:
    support: none
    details:
      - The findings are too many to be shown as a difference.
  idempotent:
    support: full
    details:
      - The same O(run_id) with the same data changes nothing. Without it, the data of the last run changes nothing.
options:
  database_url:
    description:
      - The database, such as V(sqlite:////srv/history.db) or V(postgresql://user@host/database).
      - The default is a SQLite file in O(state_dir). An execution environment loses it unless O(state_dir) is a mounted
        volume.
      - If not set, the environment variable E(PERIMETER_DATABASE_URL) is used.
      - The password in the URL is secret, and so are the parameters of its query that are not well known.
      - A PostgreSQL server on another host needs a trusted certificate for its host name, as with
        C(sslmode=verify-full), unless the URL sets another C(sslmode) or O(allow_http) is true.
      - O(timeout) limits how long to wait for another run.
    type: str
  findings:
    description:
      - Snapshots written by M(appsec.perimeter.qualys_was_finding_export), each with its manifest beside it; and stream
        directories of the log exports, such as that of M(appsec.perimeter.indusface_scan_log_export).
      - In a stream, the newest sighting of each finding counts, and a missing finding does not count as gone.
    type: list
    elements: path
    default: []
  scans:
    description:
      - Scans, as records returned by M(appsec.perimeter.qualys_was_scan_info), paths of JSON or NDJSON files, or stream
        directories.
    type: list
    elements: raw
    default: []
  webapps:
    description:
      - Web applications, as records returned by M(appsec.perimeter.qualys_was_webapp_info), or paths of JSON or NDJSON
        files of them.
    type: list
    elements: raw
    default: []
  auth_records:
    description:
      - Authentication records, as returned by M(appsec.perimeter.qualys_was_auth_record_info), or paths of JSON or
        NDJSON files of them. Their names, types and ids are stored.
    type: list
    elements: raw
    default: []
  run_id:
    description:
      - Identifies this run, such as the number of a pipeline. The same id with other data is refused.
      - The default is a hash of the data and of the times at which the snapshots were made. If the data is the same as
        in the last run, it counts as that run.
    type: str
  policy:
    description:
      - The SLA. Either a policy of the gate, of which only C(sla) and the C(sla) of each item of C(applications) are
        used, or a mapping of severities to days; as the mapping itself, or as the path of a YAML or JSON file.
      - YAML needs PyYAML on the host where the module runs. JSON needs nothing.
    type: raw
  horizon:
    description:
      - How far to look ahead for findings that will be overdue, such as V(7d).
    type: str
  dest:
    description:
      - A JSON file for the returned values, which M(appsec.perimeter.report) can show. Only its owner can read it.
    type: path
seealso:
  - module: appsec.perimeter.qualys_was_finding_export
  - module: appsec.perimeter.gate
  - module: appsec.perimeter.report
"""

EXAMPLES = r"""
- name: Export all findings
  appsec.perimeter.qualys_was_finding_export:
    dest: findings.ndjson.gz

- name: Record them, and look a week ahead
  appsec.perimeter.history:
    findings:
      - findings.ndjson.gz
    policy: security/gate.yml
    horizon: 7d
    run_id: "{{ lookup('ansible.builtin.env', 'CI_PIPELINE_ID') }}"
    dest: history.json
  register: recorded

- name: Show what is overdue
  ansible.builtin.debug:
    msg: "{{ recorded.sla.breached_total }} findings are late, and {{ recorded.sla.due_total }} will be in a week."

- name: Record findings and scans of Indusface in PostgreSQL, whose URL is in the environment
  appsec.perimeter.history:
    findings:
      - /srv/waf/indusface
    scans:
      - /srv/waf/indusface
    policy:
      critical: 7
      high: 30
"""

RETURN = r"""
new:
  description: Number of open findings that did not exist before.
  type: int
  returned: success
  sample: 3
fixed:
  description: Number of findings that were open and are now fixed.
  type: int
  returned: success
  sample: 5
reopened:
  description: Number of findings that were fixed or protected and are open again.
  type: int
  returned: success
  sample: 1
escalated:
  description: Number of open findings whose severity is worse than before.
  type: int
  returned: success
  sample: 0
changes:
  description:
    - Number of findings by kind of change. C(gone) are those that were open and are no longer in any complete snapshot.
  type: dict
  returned: success
  sample:
    new: 3
    reopened: 1
    escalated: 0
    fixed: 5
    gone: 0
    protected: 0
    ignored: 1
    reactivated: 0
    lowered: 0
    changed: 2
recorded:
  description: Number of records of each kind that were stored because they are new or changed.
  type: dict
  returned: success
  sample: {findings: 12, scans: 2, webapps: 0, auth_records: 0}
open:
  description: Number of open findings, by severity.
  type: dict
  returned: success
  sample: {critical: 1, high: 4, medium: 15, low: 10, info: 0, unknown: 0}
trend:
  description: The last 400 runs, the oldest first.
  type: list
  elements: dict
  returned: success
  sample:
    - run_id: "812"
      at: "2026-11-01T08:00:00Z"
      open: {critical: 1, high: 4, medium: 15, low: 10, info: 0, unknown: 0}
      new: 3
      fixed: 5
      reopened: 1
      escalated: 0
time_to_fix:
  description:
    - Days that fixes took, for all findings, by severity, by application, and by both. Null means all of them.
    - At most 1000 entries, those with the most fixes.
  type: list
  elements: dict
  returned: success
  sample:
    - severity: null
      application: null
      count: 42
      mean_days: 12.5
      median_days: 9.0
    - severity: high
      application: {id: "4711", name: shop}
      count: 7
      mean_days: 20.1
      median_days: 18.0
sla:
  description:
    - The open findings that are overdue by the SLA, and those that will be by the end of O(horizon). C(policy) is in
      days by severity.
    - At most 100 findings of each are listed, the most urgent first.
  type: dict
  returned: success
  sample:
    policy: {critical: 7, high: 30}
    horizon: 7d
    breached_total: 1
    due_total: 0
    by_severity:
      critical: {breached: 1, due: 0}
      high: {breached: 0, due: 0}
      medium: {breached: 0, due: 0}
      low: {breached: 0, due: 0}
      info: {breached: 0, due: 0}
      unknown: {breached: 0, due: 0}
    breached:
      - source: qualys
        id: "200001"
        unique_id: 5f1a9a3e-0c6f-4f4c-9d63-0d2f0b6a7c11
        title: SQL injection
        severity: critical
        asset: {id: "4711", name: shop}
        first_seen: "2026-10-20T00:12:00Z"
        due_at: "2026-10-27T00:12:00Z"
    due: []
run_id:
  description: Identifies this run.
  type: str
  returned: success
  sample: "812"
at:
  description: When the run was recorded.
  type: str
  returned: success
  sample: "2026-11-01T08:00:00Z"
database:
  description: The database, without credentials.
  type: str
  returned: success
  sample: sqlite:////home/ci/.local/state/appsec.perimeter/history.db
dest:
  description: Where the JSON file was written; null without O(dest).
  type: str
  returned: success
  sample: history.json
error:
  description: The error as data, with C(kind), C(message), C(hint) and C(code). Nothing was recorded.
  type: dict
  returned: failure
  sample:
    kind: file
    message: "findings: findings.ndjson.gz: its manifest says that it is not complete."
    hint: Export the snapshot again. Nothing was recorded.
    code: null
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._history.run import run, secrets_of, shown_of
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import HISTORY
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_local_module


def main() -> None:
    """Entry point."""
    run_local_module(HISTORY, run, secrets_of, shown_of)


if __name__ == "__main__":
    main()
