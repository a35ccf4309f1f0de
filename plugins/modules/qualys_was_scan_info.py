#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List scans of Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_scan_info
short_description: List scans of Qualys WAS
version_added: 1.0.0
description:
  - Lists and counts scans of Qualys Web Application Scanning, in the form that all sources of this collection share,
    and downloads their results.
  - To wait for a scan, use M(appsec.perimeter.qualys_was_scan).
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
  - appsec.perimeter._attributes.info_module
  - appsec.perimeter._qualys.filters
  - appsec.perimeter._connection
  - appsec.perimeter._qualys
requirements:
  - jmespath, for O(query)
options:
  id:
    description:
      - Id of one scan, which is returned in full. If it does not exist, the list is empty.
    type: int
  detail:
    description:
      - V(summary) has no end, duration, and numbers of links and requests; V(full) takes one more request for each
        scan.
    type: str
    choices: [summary, full]
    default: summary
  results:
    description:
      - Whether to download the results of each scan that has ended, which takes one more request for each. Requires
        O(id) or O(limit), because the results of one scan can take megabytes.
      - The results show what the scan found at that time. To decide on findings, use
        M(appsec.perimeter.qualys_was_finding_info), which also returns what was ignored or fixed since.
    type: bool
    default: false
  count_only:
    description:
      - Whether to return only the number of scans that match, which takes one request.
    type: bool
    default: false
  limit:
    description:
      - Maximum number of scans to return, oldest first. The default is all.
      - RV(truncated) says whether there are more.
    type: int
  query:
    description:
      - JMESPath expression that is applied to the list, inside the module, so that large results never cross into the
        play.
      - The result is returned in RV(scans).
    type: str
  sensitive:
    description:
      - V(redact) removes cookies, credentials, tokens and matched personal data from the results; V(keep) leaves them.
    type: str
    choices: [redact, keep]
    default: redact
notes:
  - Results contain attack payloads. Never use them as templates, commands or unescaped text.
seealso:
  - module: appsec.perimeter.qualys_was_scan
  - module: appsec.perimeter.qualys_was_finding_info
"""

EXAMPLES = r"""
- name: Inconclusive scans of the last month
  appsec.perimeter.qualys_was_scan_info:
    filters:
      - {field: launchedDate, operator: GREATER, value: "2026-10-01"}
      - {field: status, operator: NOT EQUALS, value: RUNNING}
    query: "[?!conclusive].{id: id, webapp: asset.name, why: end_reason}"
  register: wasted

- name: What one scan found
  appsec.perimeter.qualys_was_scan_info:
    id: 9988
    results: true
  register: found

- name: Count the running scans
  appsec.perimeter.qualys_was_scan_info:
    filters:
      - {field: status, value: [SUBMITTED, RUNNING, PROCESSING]}
    count_only: true
  register: busy
"""

RETURN = r"""
scans:
  description: The scans, ascending by id, or what O(query) makes of them. Times are UTC.
  type: list
  elements: dict
  returned: success
  contains:
    status:
      description: One of V(running), V(finished), V(cancelled), V(failed) and V(unknown).
      type: str
      returned: success
      sample: finished
    end_reason:
      description:
        - How the scan ended, as in M(appsec.perimeter.qualys_was_scan). Null if it is not known yet.
      type: str
      returned: success
      sample: finished
    conclusive:
      description: Whether the result of the scan is conclusive, which is only the case for V(finished).
      type: bool
      returned: success
      sample: true
    counts:
      description: Vulnerabilities by severity, as the scan found them. Null without O(results).
      type: dict
      returned: success
      sample: {critical: 1, high: 0, medium: 2, low: 0, info: 0}
    results:
      description:
        - What the scan found. Null for a scan that is running, or whose results cannot be read.
      type: dict
      returned: with O(results)
      contains:
        counts:
          description: Findings by kind and severity.
          type: dict
          returned: success
          sample:
            vulnerabilities: {critical: 1, high: 0, medium: 2, low: 0, info: 0}
            sensitive_contents: {critical: 0, high: 0, medium: 0, low: 0, info: 0}
            information: {critical: 0, high: 0, medium: 0, low: 0, info: 9}
        vulnerabilities:
          description: Vulnerabilities, each with the places and payloads with which it was found.
          type: list
          elements: dict
          returned: success
          sample:
            - rule_id: "150001"
              title: Reflected Cross-Site Scripting (XSS) Vulnerabilities
              kind: vulnerability
              severity: critical
              severity_native: "5"
              url: https://shop.example.com/search?q=x
              parameter: q
              content: null
              data: null
              instances:
                - {authenticated: true, form: null, payloads: [{payload: "q=%22%3E", result: HTTP/1.1 200 OK}]}
        sensitive_contents:
          description: Sensitive contents, in the same form.
          type: list
          elements: dict
          returned: success
          sample: []
        information:
          description: Gathered information, in the same form, with its text in C(data).
          type: list
          elements: dict
          returned: success
          sample: []
        by_group:
          description: Numbers by group.
          type: list
          elements: dict
          returned: success
          sample: [{name: XSS, total: 3, counts: {critical: 1, high: 0, medium: 2, low: 0, info: 0}}]
        by_owasp:
          description: Numbers by category of the OWASP Top 10.
          type: list
          elements: dict
          returned: success
          sample: [{name: 03 Injection, total: 3, counts: {critical: 1, high: 0, medium: 2, low: 0, info: 0}}]
        by_wasc:
          description: Numbers by WASC threat class.
          type: list
          elements: dict
          returned: success
          sample: []
  sample:
    - record: scan
      schema: 1
      source: qualys
      id: "9988"
      name: ci 42
      reference: was/1793491200000.2000001
      kind: vulnerability
      mode: API
      profile: CI quick
      asset: {id: "4711", name: shop, url: "https://shop.example.com/", tags: []}
      time: "2026-11-01T00:00:00Z"
      ended: "2026-11-01T00:40:00Z"
      duration: 2400
      status: finished
      status_native: FINISHED
      results_status: SUCCESSFUL
      auth_status: SUCCESSFUL
      end_reason: finished
      conclusive: true
      links_crawled: 120
      requests_sent: 4440
      launched_by: jdoe
      counts: null
      malware: null
total:
  description: Number of scans that match.
  type: int
  returned: success
  sample: 36
truncated:
  description: Whether there are more than were returned.
  type: bool
  returned: success
  sample: false
unknown_values:
  description:
    - Unknown words of Qualys, with the number of occurrences. They never count as an end.
  type: dict
  returned: success
  sample: {status=PAUSED: 2}
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
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.scan_info import run


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "id": {"type": "int"},
            **filter_option(),
            "detail": {"type": "str", "choices": ["summary", "full"], "default": "summary"},
            "results": {"type": "bool", "default": False},
            "count_only": {"type": "bool", "default": False},
            "limit": {"type": "int"},
            "query": {"type": "str"},
            "sensitive": {"type": "str", "choices": ["redact", "keep"], "default": "redact"},
        },
        mutually_exclusive=[
            ("id", "filters"),
            ("id", "limit"),
            ("count_only", "query"),
            ("count_only", "limit"),
        ],
    )
    run_vendor_module(QUALYS.merge(own), connect, run)


if __name__ == "__main__":
    main()
