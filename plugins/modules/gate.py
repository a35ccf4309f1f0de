#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide by a policy whether an application may be released with its findings."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gate
short_description: Decide by a policy whether findings block a release
version_added: 1.0.0
description:
  - Judges exported findings, and the scans that they come from, by a policy. Returns a verdict for each application and
    for all of them together.
  - The gate fails closed. Only a complete and fresh snapshot of findings after a conclusive scan can pass; anything
    else is V(inconclusive). An unknown severity counts as critical, and an unknown status as open.
  - A frozen baseline decides which findings are new. It holds the findings that the last passing run counted. The
    status that the vendor reports is not used, so that scanning again never makes a new finding a known one.
  - The verdict is always written to O(dest), even if the policy is invalid. For each finding it names the rule or the
    waiver that decided.
  - The guide R(The security gate,ansible_collections.appsec.perimeter.docsite.gate) describes policy, waivers, baseline
    and the verdict file key by key.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
requirements:
  - sqlalchemy 2.0 or newer, for a baseline in a database
  - psycopg 3, for PostgreSQL
extends_documentation_fragment:
  - appsec.perimeter._attributes
attributes:
  check_mode:
    support: full
    details:
      - Everything is judged and nothing is written. The verdict is V(inconclusive), because no scan was launched, so
        the task fails unless O(report_only) is set.
  diff_mode:
    support: none
    details:
      - A verdict is not a change to existing data.
  idempotent:
    support: full
    details:
      - The same input gives the same verdict. The file then differs only in its times and its O(run_id), and the task
        reports no change.
options:
  findings:
    description:
      - Snapshots written by a C(_finding_export) module, each with its manifest beside it.
      - Not needed if the policy judges only container images.
    type: list
    elements: path
    default: []
  scans:
    description:
      - The scans that the findings come from, as records that M(appsec.perimeter.qualys_was_scan) or
        M(appsec.perimeter.qualys_was_scan_info) returned, or as paths of NDJSON files or stream directories of them.
      - The newest scan of each application decides. Scans of container images are judged by C(images) of the policy.
    type: list
    elements: raw
    default: []
  matches:
    description:
      - Matches of attacks and findings, as records or paths of NDJSON files.
      - Files may be as old as a scan. The age of a file is taken from its manifest, which
        M(appsec.perimeter.correlate) writes beside it. Without a manifest, the time of the last change counts.
    type: list
    elements: raw
    default: []
  policy:
    description:
      - The policy, as the path of a YAML or JSON file, or as the mapping itself.
      - YAML needs PyYAML on the host where the module runs. JSON needs nothing.
    type: raw
    required: true
  waivers:
    description:
      - The waivers, as the path of a YAML or JSON file, or as the mapping itself.
      - If the file does not exist, no waiver is in force, and the module warns.
    type: raw
  baseline:
    description:
      - Path of the baseline. If the file does not exist, C(missing_baseline) of the policy decides.
    type: path
  database_url:
    description:
      - URL of a database that stores the baseline instead of a file at O(baseline), such as
        V(postgresql://user@host/database) or V(sqlite:////srv/gate.db). It has a row for each O(baseline_name).
      - If neither is set, the environment variable E(PERIMETER_GATE_DATABASE_URL) is used.
      - The password in the URL is secret, and so are the parameters of its query that are not well known.
      - A PostgreSQL server on another host needs a trusted certificate for its host name, as with
        C(sslmode=verify-full), unless the URL sets another C(sslmode).
      - Without O(baseline_update) nothing is written, so a database user with read access is enough.
    type: str
  baseline_name:
    description:
      - Name of the baseline at O(database_url), unique in the database, such as the name of the repository and its
        branch. Required with O(database_url).
      - If neither O(baseline) nor this is set, the environment variable E(PERIMETER_GATE_BASELINE_NAME) is used.
    type: str
  baseline_update:
    description:
      - Whether to store the findings of this run as the new baseline. That happens only if the verdict is V(pass) and
        no finding is new, and never in check mode or with O(report_only).
      - A missing directory is created. Whether the baseline can be written is checked before any finding is read.
    type: bool
    default: false
  max_scan_age:
    description:
      - The maximum age of scans and snapshots, such as V(12h). It can only shorten the value in the policy.
    type: str
  run_id:
    description:
      - Unique id of the run, such as the number of a pipeline. It is written to the verdict file, so that a job
        recognises the file of another run. The default is a random id.
    type: str
  report_only:
    description:
      - Whether the task succeeds regardless of the verdict. The verdict and its code do not change.
    type: bool
    default: false
  knowledge:
    description:
      - File with the entries of a knowledge base, as M(appsec.perimeter.qualys_kb_info) writes it to its
        O(ignore:dest). The other formats that M(appsec.perimeter.report) accepts are read as well.
      - It decides nothing. If a selector of the policy names a rule that no finding has, the rule is looked up in it
        before the verdict reports the rule as unknown. RV(rule_ids) lists the rules that it should contain.
    type: path
  notes:
    description:
      - Notes to show with the reasons in the verdict and the reports, such as the commit of the policy. They decide
        nothing.
    type: list
    elements: str
    default: []
  dest:
    description:
      - Path of the verdict file, readable only for its owner. All explanations go to a file beside it, which is called
        C(gate.explain.ndjson) if this is C(gate.json).
    type: path
    required: true
seealso:
  - module: appsec.perimeter.qualys_was_finding_export
  - module: appsec.perimeter.qualys_was_scan
  - module: appsec.perimeter.report
"""

EXAMPLES = r"""
- name: Export the findings of one application
  appsec.perimeter.qualys_was_finding_export:
    dest: findings.ndjson.gz
    filters:
      - field: webApp.id
        value: 4711

- name: Decide
  appsec.perimeter.gate:
    findings:
      - findings.ndjson.gz
    scans:
      - "{{ scanned.scan }}"
    policy: security/gate.yml
    waivers: security/waivers.yml
    baseline: security/baseline.json
    run_id: "{{ lookup('ansible.builtin.env', 'CI_PIPELINE_ID') }}"
    dest: gate.json
"""

RETURN = r"""
verdict:
  description:
    - One of V(pass), V(fail), V(inconclusive), V(policy_error) and V(platform_error).
  type: str
  returned: always
  sample: fail
exit_code:
  description:
    - The verdict as a code, 0, 10, 11, 12 or 20 in the order above. C(ansible-playbook) itself ends with 2 if a task
      failed, so a job has to read the code from the file.
  type: int
  returned: always
  sample: 10
reasons:
  description:
    - The reasons of the verdict, at most 200, those that decided first.
    - C(verdict) is the verdict that the reason alone leads to; V(pass) marks a warning.
  type: list
  elements: dict
  returned: always
  sample:
    - code: rule_broken
      verdict: fail
      application: shop (4711)
      rule: limits.new.vulnerability.critical
      message: "limits.new.vulnerability.critical: 1 finding, at most 0 allowed"
counts:
  description:
    - How many findings were counted, and how many were left out and why. C(new) includes reopened and escalated ones.
  type: dict
  returned: always
  sample:
    findings: 42
    duplicates: 0
    counted: 30
    new: 1
    reopened: 0
    escalated: 0
    known: 29
    waived: 4
    ignored: 0
    protected: 1
    excluded: 5
    fixed: 2
    ignored_without_waiver: 0
    absent: 3
    by_severity: {critical: 1, high: 4, medium: 15, low: 10, info: 0}
    new_by_severity: {critical: 1, high: 0, medium: 0, low: 0, info: 0}
applications:
  description:
    - The verdict of each application and each container image, with its figures and rules; at most 1000 of them.
  type: list
  elements: dict
  returned: always
  sample:
    - kind: application
      source: qualys
      id: "4711"
      name: shop
      label: shop (4711)
      verdict: fail
      problems: []
      counts: {counted: 30, new: 1}
      rules:
        - name: limits.new.vulnerability.critical
          count: 1
          limit: 0
          count_per: application
          action: fail
          broken: true
      in_baseline: true
      scan: {id: "9988", time: "2026-11-01T00:00:00Z", ended: "2026-11-01T00:40:00Z", profile: CI quick}
explain:
  description:
    - The rule or waiver that decided about each finding, at most 100, the worst first. The file at O(dest) has 1000 of
      them, and the file beside it has all.
  type: list
  elements: dict
  returned: always
  sample:
    - record: explanation
      schema: 1
      source: qualys
      id: "200001"
      unique_id: 5f1a9a3e-0c6f-4f4c-9d63-0d2f0b6a7c11
      fingerprint: 0a1b2c3d4e5f60718293a4b5c6d7e8f9
      key: "u:5f1a9a3e-0c6f-4f4c-9d63-0d2f0b6a7c11"
      application: {id: "4711", name: shop, label: shop (4711)}
      rule_id: "150003"
      title: SQL injection
      kind: vulnerability
      severity: critical
      severity_known: true
      status: new
      url: https://shop.example.com/search?q=1
      parameter: q
      first_seen: "2026-11-01T00:12:00Z"
      state: new
      decision: fail
      decided_by: rule:limits.new.vulnerability.critical
      rules: [limits.new.vulnerability.critical]
      waiver: null
      lapsed_waiver: null
      note: null
waivers:
  description:
    - Each waiver with how many findings it waived. C(flags) holds any of V(expired), V(expiring), V(unused),
      V(over_broad), V(too_long) and V(outgrown).
  type: list
  elements: dict
  returned: always
  sample:
    - id: W-1
      type: risk_accepted
      owner: alice@example.com
      reason: Behind the firewall until the new release.
      ticket: SEC-12
      expires: "2026-11-30"
      days_left: 29
      push: false
      matched: 4
      waived: 4
      flags: []
baseline:
  description:
    - The baseline that the findings were compared with, and whether it was updated. Null if the gate could not judge.
  type: dict
  returned: always
  sample:
    path: security/baseline.json
    exists: true
    sha256: 3f1c1f0bd7c9d6cf0d7a6b0e6e0a1f7c1c1f0bd7c9d6cf0d7a6b0e6e0a1f7c11
    written: "2026-10-30T08:00:00Z"
    updated: false
rule_ids:
  description:
    - Rules of Qualys that the findings have, and those that selectors of the policy name, for
      M(appsec.perimeter.qualys_kb_info). At most 5000 of them, and none of a range of 200 rules or more.
  type: list
  elements: str
  returned: unless the verdict file cannot be written
  sample: ["150003", "150084"]
next_steps:
  description:
    - What to do next, line by line; empty for V(pass). After V(fail) the lines contain a waiver, which can be completed
      and added to the waivers.
  type: list
  elements: str
  returned: always
  sample:
    - Fix the findings that broke a rule, and scan again.
run_id:
  description: The id of the run.
  type: str
  returned: always
  sample: "812"
dest:
  description: Where the verdict was written.
  type: str
  returned: always
  sample: gate.json
error:
  description:
    - The error as data, with C(kind), C(message), C(hint) and C(code). C(kind) is V(gate) for a verdict that is
      not a pass.
  type: dict
  returned: failure
  sample:
    kind: gate
    message: "The gate is closed: fail (code 10). shop (4711): sla.critical: 1 finding older than 7d, at most
      0 allowed."
    hint: See gate.json for the reason of each finding.
    code: null
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._gate.run import run, secrets_of, texts_of
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_local_module


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "findings": {"type": "list", "elements": "path", "default": []},
            "scans": {"type": "list", "elements": "raw", "default": []},
            "matches": {"type": "list", "elements": "raw", "default": []},
            "policy": {"type": "raw", "required": True},
            "waivers": {"type": "raw"},
            "baseline": {"type": "path"},
            # No fallbacks here: _gate.policy.keeping reads the environment.
            "database_url": {"type": "str", "no_log": True},
            "baseline_name": {"type": "str"},
            "baseline_update": {"type": "bool", "default": False},
            "max_scan_age": {"type": "str"},
            "run_id": {"type": "str"},
            "report_only": {"type": "bool", "default": False},
            "knowledge": {"type": "path"},
            "notes": {"type": "list", "elements": "str", "default": []},
            "dest": {"type": "path", "required": True},
        },
    )
    run_local_module(own, run, secrets_of, texts_of)


if __name__ == "__main__":
    main()
