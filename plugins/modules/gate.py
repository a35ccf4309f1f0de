#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether findings may ship."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gate
short_description: Decide whether findings may ship
version_added: 1.0.0
description:
  - Holds exported findings and the scans that they come from against a policy, and gives a verdict for each application
    and for all of them together.
  - The gate fails closed. Only a complete and fresh snapshot of findings after a conclusive scan can pass; anything
    else is V(inconclusive). An unknown severity counts as critical, and an unknown status as open.
  - What is new is decided by a frozen baseline, which holds what the last passing run counted, and not by the status
    of the vendor. So scanning once more never launders a finding.
  - The verdict is written to O(dest) whatever happens, also when the policy is wrong. Each finding is explained by the
    rule or the waiver that decided.
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
      - Everything is judged and nothing is written, and the verdict is V(inconclusive), as no scan was launched. The
        task therefore fails, unless O(report_only) is set.
  diff_mode:
    support: none
    details:
      - A verdict is not a change of something that was there.
  idempotent:
    support: full
    details:
      - The same input gives the same verdict; the file then differs in its times and its O(run_id), and the task is
        not changed.
options:
  findings:
    description:
      - Snapshots that were written by a C(_finding_export) module, each with its manifest beside it.
      - May be left out when the policy judges nothing but container images.
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
      - What is known about attacks on the findings, as records or paths of NDJSON files.
      - Files may be as old as a scan. How old one is, its manifest says, which M(appsec.perimeter.correlate) writes
        beside it, else the time at which it was last written.
    type: list
    elements: raw
    default: []
  policy:
    description:
      - The policy, as the path of a YAML or JSON file, or as the mapping itself.
      - YAML needs PyYAML where the module runs; JSON needs nothing.
    type: raw
    required: true
  waivers:
    description:
      - The waivers, as the path of a YAML or JSON file, or as the mapping itself.
      - When there is no such file, no waiver is in force, and a warning says so.
    type: raw
  baseline:
    description:
      - Path of the baseline. When the file does not exist, C(missing_baseline) of the policy decides.
    type: path
  database_url:
    description:
      - A database that the baseline is kept in, in place of a file at O(baseline), such as
        V(postgresql://user@host/database) or V(sqlite:////srv/gate.db). It has a row for each O(baseline_name).
      - If neither is set, the environment variable E(PERIMETER_GATE_DATABASE_URL) is used.
      - Only the password in it is secret, and what its query holds beside well known parameters.
      - A PostgreSQL on another machine must show a certificate that is trusted and names it, as with
        C(sslmode=verify-full), unless the URL says another C(sslmode).
      - Without O(baseline_update) nothing is written, so that a user who may only read is enough.
    type: str
  baseline_name:
    description:
      - What tells this baseline from others at O(database_url), such as the name of the repository and its branch.
        Required with O(database_url).
      - If neither O(baseline) nor this is set, the environment variable E(PERIMETER_GATE_BASELINE_NAME) is used.
    type: str
  baseline_update:
    description:
      - Whether to make this run the baseline of the next ones. That happens only when the verdict is V(pass) and
        nothing is new, and never in check mode or with O(report_only).
      - Its directory is created when it is missing. Whether it can be written is checked before anything is read.
    type: bool
    default: false
  max_scan_age:
    description:
      - How old a scan, and a snapshot, may be, such as V(12h). Can only shorten what the policy says.
    type: str
  run_id:
    description:
      - What tells this run from others, such as the number of a pipeline. It is written to the verdict file, so that a
        job recognises a file of another run. The default is a random one.
    type: str
  report_only:
    description:
      - Whether the task succeeds whatever the verdict is. The verdict itself, and its code, do not change.
    type: bool
    default: false
  knowledge:
    description:
      - File with the entries of a knowledge base, as M(appsec.perimeter.qualys_kb_info) writes it to its
        O(ignore:dest); the forms of the option of M(appsec.perimeter.report) are read.
      - It decides nothing. A rule that a selector of the policy names and that no finding has is looked up in it,
        before the verdict calls it unknown. RV(rule_ids) lists the rules that it should have.
    type: path
  notes:
    description:
      - What the verdict and the reports say beside the reasons, such as the commit that the policy is from. It decides
        nothing.
    type: list
    elements: str
    default: []
  dest:
    description:
      - Where to write the verdict, readable for its owner only. All explanations go to a file beside it, which is
        called C(gate.explain.ndjson) when this is C(gate.json).
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
    - The verdict as a code, 0, 10, 11, 12 or 20 in the order above. C(ansible-playbook) itself ends with 2 when a task
      failed, so a job takes the code from the file.
  type: int
  returned: always
  sample: 10
reasons:
  description:
    - Why, what decided first; at most 200 of them.
    - C(verdict) is what a reason alone calls for; V(pass) marks a warning.
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
    - How many findings were counted, and what became of the others. C(new) holds reopened and escalated ones too.
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
    - The rule or waiver that decided about each finding, the worst first; at most 100 of them. The file at O(dest) has
      1000, and the file beside it all.
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
    - Which baseline the run was held against, and whether it was moved. Null when the gate could not judge.
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
  returned: when the gate could be asked at all
  sample: ["150003", "150084"]
next_steps:
  description:
    - What to do about the verdict, line by line; empty for V(pass). After V(fail) the lines hold a waiver that has to
      be completed and can then be added to the waivers.
  type: list
  elements: str
  returned: always
  sample:
    - Fix the findings that broke a rule, and scan again.
run_id:
  description: What tells this run from others.
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
            # No fallbacks here: the environment is read later, see _gate.policy.keeping.
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
