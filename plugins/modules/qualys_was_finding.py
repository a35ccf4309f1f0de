#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ignore, activate, re-rate and retest findings of Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_finding
short_description: Ignore, activate, rate and retest findings of Qualys WAS
version_added: 1.0.0
description:
  - Ignores findings of Qualys Web Application Scanning with a reason, activates them again, edits and restores their
    severity, and retests them.
  - The present state is read first. Only findings that differ are written, each with a separate call by its id. A
    failure of one does not stop the others.
  - A filter is only used to find ids. If the listing is incomplete, the task fails.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
  - appsec.perimeter._qualys.filters
  - appsec.perimeter._connection
  - appsec.perimeter._qualys
attributes:
  check_mode:
    support: full
    details:
      - The prediction does not include who ignored a finding and when, because Qualys sets these values.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - O(retest=true) is an action, so each run starts a retest. If one is already running, the task waits for it
        instead.
options:
  ids:
    description:
      - The findings, by id or unique id. If one does not exist, the task fails and nothing is changed.
    type: list
    elements: str
  max_changes:
    description:
      - Maximum number of findings to change. If more would change, nothing is changed. Required with O(filters); there
        is no default.
    type: int
  state:
    description:
      - V(ignored) ignores the findings, with O(reason). V(active) activates them again.
      - Information-gathered findings cannot be ignored, and are refused before anything is sent.
    type: str
    choices: [ignored, active]
  reason:
    description:
      - Why the findings are ignored. Required with O(state=ignored).
    type: str
    choices: [FALSE_POSITIVE, RISK_ACCEPTED, NOT_APPLICABLE]
  comment:
    description:
      - Comment on ignoring the findings. If omitted, a present comment stays; empty text removes it.
    type: str
  reactivate_in:
    description:
      - Days after which Qualys activates the findings again, counted from the day on which they are ignored.
      - If omitted, a present date stays. To remove it, activate the findings first.
    type: int
  reactivate_date:
    description:
      - Day on which Qualys activates the findings again, instead of O(reactivate_in), as a UTC date or time in the
        future. Days are compared, not hours.
    type: str
  severity:
    description:
      - Severity of the findings, from V(1) to V(5), instead of that of the scanner.
    type: int
    choices: [1, 2, 3, 4, 5]
  severity_comment:
    description:
      - Comment on O(severity). A finding that already has this severity, and whose severity was never edited, does not
        get a comment.
    type: str
  restore_severity:
    description:
      - Whether to restore the severity that the scanner assigned.
    type: bool
    default: false
  retest:
    description:
      - Whether to retest the findings. Like a scan, this sends attacks to the application.
      - Information-gathered findings cannot be retested, and are refused before anything is sent.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait for all retests together. A retest that has not ended by then, or was canceled, is a failure.
      - V(0) does not wait. RV(findings[].retest) has the present state of the retest.
    type: float
    default: 1800
  poll_interval:
    description:
      - Seconds between two status requests for the retests.
    type: float
    default: 30
notes:
  - Findings contain attack payloads. Never use them as templates, commands or unescaped text.
seealso:
  - module: appsec.perimeter.qualys_was_finding_info
"""

EXAMPLES = r"""
- name: Ignore a false positive
  appsec.perimeter.qualys_was_finding:
    ids: [9001]
    state: ignored
    reason: FALSE_POSITIVE
    comment: The parameter never reaches the page, see TICKET-17.

- name: Accept up to fifty low risks of the old shop for three months
  appsec.perimeter.qualys_was_finding:
    filters:
      - {field: webApp.name, value: old shop}
      - {field: type, value: VULNERABILITY}
      - {field: severity, value: [1, 2]}
    max_changes: 50
    state: ignored
    reason: RISK_ACCEPTED
    reactivate_in: 90

- name: Activate a finding again and restore its severity
  appsec.perimeter.qualys_was_finding:
    ids: [1234fef2-abcd-12fe-1234-123456789012]
    state: active
    restore_severity: true

- name: Rate findings higher on a site with customer data
  appsec.perimeter.qualys_was_finding:
    ids: [9001, 9002]
    severity: 5
    severity_comment: Customer data is within reach.

- name: Retest what the release should have fixed, and wait for up to one hour
  appsec.perimeter.qualys_was_finding:
    ids: [9001, 9002]
    retest: true
    wait_timeout: 3600
  register: retested

- name: Check that all of it is fixed
  ansible.builtin.assert:
    that: retested.findings | map(attribute='retest.finding_status') | unique | list == ['FIXED']
"""

RETURN = r"""
findings:
  description:
    - The findings after the task, in the form of RV(appsec.perimeter.qualys_was_finding_info#module:findings), without
      evidence; in check mode as they would be.
  type: list
  elements: dict
  returned: success, and on failure once writing began
  contains:
    ignored:
      description: Why and by whom the finding is ignored, or null.
      type: dict
      returned: always
      sample: {reason: FALSE_POSITIVE, by: jdoe, at: "2026-10-01T00:00:00Z", until: null, comment: reviewed}
    retest:
      description:
        - State of the retest; null without O(retest). C(status) is one of V(no_retest), V(under_retest),
          V(retested), V(canceling), V(canceled) and V(unknown); C(finding_status) and C(reason) are Qualys' words.
      type: dict
      returned: always
      sample: {status: retested, at: "2026-10-01T00:10:00Z", finding_status: FIXED, reason: null}
  sample:
    - record: finding
      schema: 1
      source: qualys
      id: "9001"
      unique_id: 1234fef2-abcd-12fe-1234-123456789012
      rule_id: "150001"
      title: Reflected Cross-Site Scripting (XSS) Vulnerabilities
      kind: vulnerability
      severity: critical
      severity_native: "5"
      original_severity: "4"
      status: open
      ignored: {reason: FALSE_POSITIVE, by: jdoe, at: "2026-10-01T00:00:00Z", until: null, comment: reviewed}
      asset: {id: "4711", name: shop, url: "https://shop.example.com/", tags: []}
      url: https://shop.example.com/search?q=x
      retest: null
results:
  description:
    - What was done to each finding, in the order of RV(findings). C(actions) lists the actions that were necessary, of
      V(ignore), V(activate), V(editSeverity), V(restoreSeverity) and V(retest).
  type: list
  elements: dict
  returned: success, and on failure once writing began
  sample:
    - id: "9001"
      unique_id: 1234fef2-abcd-12fe-1234-123456789012
      changed: true
      failed: false
      actions: [ignore]
    - id: "9002"
      unique_id: 1234fef2-abcd-12fe-1234-123456789013
      changed: false
      failed: true
      actions: []
      msg: "Qualys answered ignore/was/finding/9002 with UNAUTHORIZED."
      error:
        kind: vendor
        message: "Qualys answered ignore/was/finding/9002 with UNAUTHORIZED."
        hint: The account needs the permission API Access, and the WAS permission for this operation.
        code: UNAUTHORIZED
stats:
  description: Statistics of the task. Times are in seconds.
  type: dict
  returned: always
  sample: {requests: 3, retries: 0, bytes: 20480, connections: 1, waited: 0.0, elapsed: 0.4}
error:
  description: The error as data, with C(kind), C(message), C(hint) and the vendor's own C(code).
  type: dict
  returned: failure
  sample:
    kind: authentication
    message: "Qualys answered count/was/webapp with INVALID_CREDENTIALS: Authentication failed."
    hint: Check username and password (or client_id and client_secret), and the platform.
    code: INVALID_CREDENTIALS
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import QUALYS, Spec, filter_option
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.finding import run


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "ids": {"type": "list", "elements": "str"},
            **filter_option(),
            "max_changes": {"type": "int"},
            "state": {"type": "str", "choices": ["ignored", "active"]},
            "reason": {"type": "str", "choices": ["FALSE_POSITIVE", "RISK_ACCEPTED", "NOT_APPLICABLE"]},
            "comment": {"type": "str"},
            "reactivate_in": {"type": "int"},
            "reactivate_date": {"type": "str"},
            "severity": {"type": "int", "choices": [1, 2, 3, 4, 5]},
            "severity_comment": {"type": "str"},
            "restore_severity": {"type": "bool", "default": False},
            "retest": {"type": "bool", "default": False},
            "wait_timeout": {"type": "float", "default": 1800},
            "poll_interval": {"type": "float", "default": 30},
        },
        mutually_exclusive=[("ids", "filters"), ("reactivate_in", "reactivate_date")],
        required_one_of=[("ids", "filters")],
        required_if=[("state", "ignored", ("reason",))],
    )
    run_vendor_module(QUALYS.merge(own), connect, run)


if __name__ == "__main__":
    main()
