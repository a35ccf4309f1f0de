#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what changed about findings as a stream."""

from __future__ import annotations

DOCUMENTATION = r"""
module: finding_changes
short_description: Write what changed about findings as a stream
version_added: 1.0.0
description:
  - Compares a snapshot of findings with the one that it compared before, and writes what changed to a stream directory,
    one record for each change. M(appsec.perimeter.deliver) brings them to Splunk, Elasticsearch, syslog, webhooks and
    SQL as it does with logs.
  - Nothing is lost and nothing is written twice, whatever interrupts it. The same snapshot again writes nothing.
  - Only a snapshot that is whole is compared. One that is incomplete, changed or older than the one before is refused,
    and nothing is written, because a finding that is missing in it would count as gone.
  - A stream belongs to one source, account, scope and level of detail, as the manifest of its first snapshot states
    them. A snapshot with another one is refused.
  - The words for changes are those of M(appsec.perimeter.report). V(new), V(reopened), V(escalated), V(reactivated),
    V(lowered) and V(changed) are about findings that are open now; V(fixed), V(gone), V(protected) and V(ignored) about
    findings that were open before. V(changed) means that something else than the times, counters and evidence that each
    scan renews has changed, such as the detection score.
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
      - A snapshot that was written by M(appsec.perimeter.qualys_was_finding_export), with its manifest beside it.
      - Export with filters that stay the same, such as one for a tag. A filter for the ids of applications is another
        scope as soon as an application is added.
    type: path
    required: true
  webapps:
    description:
      - The applications, as M(appsec.perimeter.qualys_was_webapp_info) returns them, or the path of a JSON file of
        them.
      - With them the stream also has a record for each application that is new, gone or changed, such as in its risk
        score or in its open findings; and the changes of findings have the risk score of their application.
      - Without them, the applications that are known stay as they are.
    type: raw
  dest:
    description:
      - Directory of the stream, created when it is missing. One stream has one directory, and nothing else is in it.
      - Records are written to files C(dt=YYYY-MM-DD/<from>-<to>.ndjson), one JSON object in each line. A file appears
        as a whole or not at all, and is never changed afterwards. The day and the times are those of the snapshots.
      - Names that begin with a dot are the module's own.
    type: path
    required: true
  knowledge:
    description:
      - File with the entries of a knowledge base, as M(appsec.perimeter.qualys_kb_info) writes it to its
        O(ignore:dest). With it each change says what its rule means, how it is fixed, and which CVEs belong to it.
    type: path
  initial:
    description:
      - What to do with the first snapshot, and when the state of a stream was lost, which is also a warning.
      - With V(all), each open finding is new, and so is each application. With V(none), the snapshot is remembered, and
        nothing is written.
    type: str
    choices: [all, none]
    default: all
  state_dir:
    description:
      - Folder for what outlives a task, which is here what the last snapshot held. The default is the user's XDG state
        folder.
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

- name: Write what changed
  appsec.perimeter.finding_changes:
    findings: /srv/perimeter/findings.ndjson.gz
    dest: /srv/perimeter/changes

- name: Send to Splunk what got worse
  appsec.perimeter.deliver:
    spool: /srv/perimeter/changes
    where: contains(['new', 'reopened', 'escalated'], change) && contains(['critical', 'high'], finding.severity)
    sink: splunk_hec
    sink_options:
      url: https://splunk.example.com:8088
"""

RETURN = r"""
records:
  description: How many records were written, or in check mode would be.
  type: int
  returned: success
  sample: 14
changes:
  description: How many changes of findings there are of each kind.
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
  description: How many of the records are about applications.
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
  description: When the snapshot was made that was compared last. The next one must not be older.
  type: str
  returned: success
  sample: "2026-11-20T09:12:00Z"
complete:
  description: Whether the whole snapshot was compared, which is so whenever the task succeeds.
  type: bool
  returned: success
  sample: true
stats:
  description:
    - How many findings the snapshot holds; whether a file was adopted that a killed run had written; and how many old
      files were removed.
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
