#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out which findings are under attack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: correlate
short_description: Find out which findings are under attack
version_added: 1.0.0
description:
  - Compares the open findings of a scanner with the events of the web firewalls in front of the applications, and
    writes one match for each finding, which says whether attacks on it were seen and whether all of them were blocked.
  - An event matches a finding if host and path agree, the attack is of the finding's kind or of a kind that the
    firewall does not state, and the parameter is the same if both state one. The query, the method, ids in the path and
    percent-encoding are ignored.
  - M(appsec.perimeter.gate) and M(appsec.perimeter.report) accept the file as C(matches).
  - The guide R(Attacks on findings,ansible_collections.appsec.perimeter.docsite.attacks_on_findings) describes the
    comparison in detail, and how a policy uses the result.
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
      - Everything is correlated, and nothing is written.
  diff_mode:
    support: none
    details:
      - The file is too large to be shown as a difference.
  idempotent:
    support: full
    details:
      - The same findings and events give the same bytes, and a manifest with a new time. With O(window), old events
        drop out over time.
options:
  findings:
    description:
      - Snapshots written by a C(_finding_export) module, each with its manifest beside it.
      - An incomplete snapshot is refused, because a missing finding would look as if nobody had attacked it.
      - Each finding that is not fixed gets a match, even if it is ignored or protected at its source.
    type: list
    elements: path
    required: true
  events:
    description:
      - The events, as stream directories written by M(appsec.perimeter.edgecast_waf_event_export) or
        M(appsec.perimeter.scutum_alert_export), as NDJSON files of such events, or as folders of a lake of Parquet
        files.
      - A path that does not exist yet is not an error. The summary and a warning then say that events are missing.
    type: list
    elements: path
    required: true
  window:
    description:
      - How far back events count, as a number with C(s), C(m), C(h), C(d) or C(w), such as V(30d).
      - All events count by default. An event without a time always does.
    type: str
  scanner_sources:
    description:
      - The sources of your own scanners' requests. Their events do not count if there are events of others.
      - If it is empty, the requests of your own scans count as attacks, and a warning says so.
    type: dict
    suboptions:
      addresses:
        description:
          - IPv4 or IPv6 addresses.
        type: list
        elements: str
      networks:
        description:
          - Networks, such as V(64.39.96.0/20).
        type: list
        elements: str
      user_agents:
        description:
          - Patterns for the whole user agent, in which C(*) matches anything and case is ignored, such as V(*Qualys*).
            Anybody can send such a header, so prefer addresses.
        type: list
        elements: str
  dest:
    description:
      - The NDJSON file for the matches, which only its owner can read. The file is replaced as a whole.
      - A manifest beside it, whose name ends with C(.manifest.json), has the time of the run, even if the matches did
        not change. M(appsec.perimeter.gate) judges the age of the matches by it.
      - Temporary data goes to a hidden folder beside it, which needs about as much space as the events that are read.
    type: path
    required: true
seealso:
  - module: appsec.perimeter.gate
  - module: appsec.perimeter.qualys_was_finding_export
  - module: appsec.perimeter.edgecast_waf_event_export
  - module: appsec.perimeter.scutum_alert_export
"""

EXAMPLES = r"""
- name: Find out which findings are under attack
  appsec.perimeter.correlate:
    findings:
      - /var/lib/perimeter/findings.ndjson.gz
    events:
      - /var/spool/perimeter/edgecast
      - /var/spool/perimeter/scutum
    window: 30d
    scanner_sources:
      networks:
        - 64.39.96.0/20
    dest: /var/lib/perimeter/matches.ndjson
  register: correlated

- name: Fail the gate for findings whose attacks are not blocked
  appsec.perimeter.gate:
    findings:
      - /var/lib/perimeter/findings.ndjson.gz
    scans: "{{ scans }}"
    matches:
      - "{{ correlated.dest }}"
    policy: security/gate.yml
    dest: gate.json
"""

RETURN = r"""
matches:
  description:
    - Number of matches in O(dest), one for each finding that is not fixed.
  type: int
  returned: success
  sample: 42
sample:
  description:
    - At most 20 matches, most important first. The file has all of them.
    - C(class) is V(attacked_not_blocked) if any attack was not blocked, V(blocked) if all were blocked,
      V(scanner_only) if only your scanners were seen, and V(unobserved) if nothing was seen. The sample has none of the
      last class.
    - C(outcome) is the value that M(appsec.perimeter.gate) reads, V(blocked), V(allowed) or V(mixed); null if no attack
      was seen. C(strength) says whether the parameter agreed as well, or only the path.
    - C(events.ids) has at most 20 ids and C(sources) at most 10, those that were not blocked first, then the newest.
      C(host_events) counts other events on the same host.
  type: list
  elements: dict
  returned: success
  sample:
    - record: match
      schema: 1
      finding: {source: qualys, id: "200001", unique_id: 5f1a9a3e-0c6f-4f4c-9d63-0d2f0b6a7c11}
      class: attacked_not_blocked
      outcome: mixed
      strength: parameter
      family: sqli
      events: {count: 17, first: "2026-11-01T03:12:00Z", last: "2026-11-28T21:40:11Z", ids: [AAECAw==]}
      sources: [198.51.100.7]
      host_events: 3120
summary:
  description:
    - Number of matches of each class, and of V(attacked_not_blocked) by severity.
    - C(events) has the number and the span of the events that were read, and C(silent_hosts) at most 20 hosts of
      findings without any event, which may be hosts that no firewall protects.
    - C(complete) is false if events are known to be missing; C(problems) and C(gaps) say which, at most 20 of each. A
      finding without an event may have been attacked nevertheless.
  type: dict
  returned: success
  sample:
    findings: {read: 60, fixed: 18, repeated: 0, without_place: 1, without_family: 9}
    classes: {attacked_not_blocked: 2, blocked: 7, scanner_only: 12, unobserved: 21}
    attacked_by_severity: {critical: 1, high: 1, medium: 0, low: 0, info: 0, unknown: 0}
    events:
      read: 120400
      stopped: 119002
      without_time: 0
      of_scanners: 3055
      by_source: {edgecast: 100400, scutum: 20000}
      first: "2026-10-30T00:00:04Z"
      last: "2026-11-29T11:58:13Z"
      hosts: 4
      hosts_without_events: 1
      silent_hosts: [intranet.example.com]
    window: {from: "2026-10-30T12:00:00Z", to: "2026-11-29T12:00:00Z"}
    complete: true
    problems: []
    gaps: []
dest:
  description: Path of the file of matches.
  type: str
  returned: success
  sample: /var/lib/perimeter/matches.ndjson
error:
  description:
    - The error as data, with C(kind), C(message), C(hint) and C(code).
  type: dict
  returned: failure
  sample:
    kind: file
    message: "findings: /var/lib/perimeter/findings.ndjson.gz is not complete, according to its manifest."
    hint: Export the findings again, completely.
    code: null
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._correlate.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_local_module


def main() -> None:
    """Entry point."""
    scanners = {name: {"type": "list", "elements": "str"} for name in ("addresses", "networks", "user_agents")}
    own = Spec(
        options={
            "findings": {"type": "list", "elements": "path", "required": True},
            "events": {"type": "list", "elements": "path", "required": True},
            "window": {"type": "str"},
            "scanner_sources": {"type": "dict", "options": scanners},
            "dest": {"type": "path", "required": True},
        },
    )
    run_local_module(own, run)


if __name__ == "__main__":
    main()
