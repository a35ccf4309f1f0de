#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the changes of findings as a stream."""

from __future__ import annotations

DOCUMENTATION = r"""
module: finding_changes
short_description: Write the changes of findings as a stream
version_added: 1.0.0
description:
  - Compares a snapshot of findings with the previous one, and writes a record for each change to a stream directory.
    M(appsec.perimeter.deliver) sends them to Splunk, Elasticsearch, syslog, webhooks and SQL, as it does with logs.
  - Nothing is lost or written twice, whatever interrupts it. The same snapshot again writes nothing.
  - Only complete snapshots are compared. One that is incomplete, modified or older than the previous one is refused,
    and nothing is written, because a finding that is missing from it would count as gone.
  - A stream belongs to one source, account, scope and level of detail, as stated in the manifest of its first snapshot.
    A snapshot that differs in one of these is refused.
  - The changes have the same names as in M(appsec.perimeter.report). V(new), V(reopened), V(escalated),
    V(reactivated), V(lowered) and V(changed) are for findings that are open now; V(fixed), V(gone), V(protected) and
    V(ignored) for findings that were open before. V(changed) means that something other than the times, counters and
    evidence that each scan renews has changed, such as the detection score.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._export.segments
attributes:
  check_mode:
    support: full
    details:
      - Everything is read and compared, and nothing is written.
  diff_mode:
    support: none
    details:
      - The records are the difference, and may be many.
  idempotent:
    support: full
    details:
      - RV(ignore:changed) is true only when records were written.
options:
  findings:
    description:
      - A snapshot written by M(appsec.perimeter.qualys_was_finding_export), with its manifest beside it.
      - Export with filters that stay the same, such as one for a tag. A filter for application ids becomes another
        scope as soon as an application is added.
    type: path
    required: true
  webapps:
    description:
      - The applications, as M(appsec.perimeter.qualys_was_webapp_info) returns them, or the path of a JSON file of
        them.
      - With this option, the stream also has a record for each application that is new, gone or changed, for example in
        its risk score or its open findings; and changes of findings have the risk score of their application.
      - Without it, the known applications stay unchanged.
    type: raw
  dest:
    description:
      - Directory of the stream, created if it is missing. A stream has its own directory, which contains nothing else.
      - Records are written to files C(dt=YYYY-MM-DD/<from>-<to>.ndjson), one JSON object in each line. A file appears
        completely or not at all, and never changes afterwards. The day and the times are those of the snapshots.
      - Names that begin with a dot are reserved for the module.
    type: path
    required: true
  knowledge:
    description:
      - File with the entries of a knowledge base, as M(appsec.perimeter.qualys_kb_info) writes it to its
        O(ignore:dest). With it, each change includes the meaning of its rule, how to fix it, and its CVEs.
    type: path
  initial:
    description:
      - What to do with the first snapshot, or after the state of a stream was lost, which also causes a warning.
      - With V(all), each open finding and each application is new. With V(none), the snapshot is only stored for the
        next comparison.
    type: str
    choices: [all, none]
    default: all
  state_dir:
    description:
      - Folder for data that is kept between tasks, here the content of the last snapshot. The default is the user's XDG
        state folder.
      - If not set, the environment variable E(PERIMETER_STATE_DIR) is used.
    type: path
notes:
  - Findings contain attack payloads. Never use them as templates, commands or unescaped text.
  - Each directory is written by one run at a time; a second one fails at once.
  - In an execution environment, O(dest) and O(state_dir) must be on a volume that outlives it.
seealso:
  - module: appsec.perimeter.qualys_was_finding_export
  - module: appsec.perimeter.deliver
  - ref: ansible_collections.appsec.perimeter.docsite.findings_to_siem
    description: From findings to a SIEM, step by step.
"""

EXAMPLES = r"""
- name: Export the findings
  appsec.perimeter.qualys_was_finding_export:
    dest: /srv/perimeter/findings.ndjson.gz

- name: Write the changes
  appsec.perimeter.finding_changes:
    findings: /srv/perimeter/findings.ndjson.gz
    dest: /srv/perimeter/changes

- name: Send changes for the worse to Splunk
  appsec.perimeter.deliver:
    spool: /srv/perimeter/changes
    where: contains(['new', 'reopened', 'escalated'], change) && contains(['critical', 'high'], finding.severity)
    sink: splunk_hec
    sink_options:
      url: https://splunk.example.com:8088
"""

RETURN = r"""
records:
  description: Number of records that were written, or would be in check mode.
  type: int
  returned: success
  sample: 14
changes:
  description: Number of changes of findings of each kind.
  type: dict
  returned: success
  sample:
    new: 8
    reopened: 1
    escalated: 0
    fixed: 2
    gone: 1
    protected: 0
    ignored: 1
    reactivated: 0
    lowered: 0
    changed: 0
webapps:
  description: Number of records about applications.
  type: int
  returned: success
  sample: 1
segments:
  description: The files that were written, relative to O(dest).
  type: list
  elements: str
  returned: success
  sample: [dt=2026-11-20/20261119T091200Z-20261120T091200Z.ndjson]
position:
  description: When the last compared snapshot was made. The next one must not be older.
  type: str
  returned: success
  sample: "2026-11-20T09:12:00Z"
complete:
  description: Whether the whole snapshot was compared; always true if the task succeeds.
  type: bool
  returned: success
  sample: true
stats:
  description:
    - Number of findings in the snapshot; whether a file written by a killed run was adopted; and number of old files
      that were removed.
  type: dict
  returned: success
  sample: {findings: 5000, adopted: 0, removed: 0}
error:
  description: The error as data, with C(kind), C(message), C(hint) and C(code).
  type: dict
  returned: failure
  sample:
    kind: file
    message: "findings: findings.ndjson.gz cannot be compared: its manifest says that it is not complete."
    hint: Nothing was written. Export the snapshot again, without since, and check that it is complete.
    code: null
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._changes.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import CONNECTION, SEGMENTS, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_local_module


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "findings": {"type": "path", "required": True},
            "webapps": {"type": "raw"},
            "dest": {"type": "path", "required": True},
            "knowledge": {"type": "path"},
            "initial": {"type": "str", "choices": ["all", "none"], "default": "all"},
            "state_dir": CONNECTION.options["state_dir"],
        },
    )
    run_local_module(SEGMENTS.merge(own), run)


if __name__ == "__main__":
    main()
