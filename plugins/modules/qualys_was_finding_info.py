#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List findings of Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_finding_info
short_description: List findings of Qualys WAS
version_added: 1.0.0
description:
  - Lists and counts findings of Qualys Web Application Scanning, in the form that all sources of this collection share.
  - Qualys also returns findings that are ignored or fixed. Exclude them with a filter, or check RV(findings[].ignored)
    and RV(findings[].status).
  - For more than a few thousand findings, use M(appsec.perimeter.qualys_was_finding_export), which does not keep them
    in memory.
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
      - Id or unique id of one finding, which is returned in full detail. If it does not exist, the list is empty.
    type: str
  detail:
    description:
      - V(summary) has no CWE, OWASP, WASC, CVSS, group nor evidence; V(verbose) has all of them; V(full) adds what is
        known about TLS, and takes one more request for each finding.
    type: str
    choices: [summary, verbose, full]
    default: summary
  count_only:
    description:
      - Whether to return only the number of findings that match, which takes one request.
    type: bool
    default: false
  limit:
    description:
      - Maximum number of findings to return. The default is all.
      - RV(truncated) says whether there are more.
    type: int
  query:
    description:
      - JMESPath expression that is applied to the list, inside the module, so that large results never cross into the
        play.
      - The result is returned in RV(findings).
    type: str
  sensitive:
    description:
      - V(redact) removes cookies, credentials, tokens and matched personal data from the evidence; V(keep) leaves them.
    type: str
    choices: [redact, keep]
    default: redact
  include_raw:
    description:
      - Whether each finding also has the original object of Qualys, unchanged and not redacted, as C(raw).
    type: bool
    default: false
notes:
  - Findings contain attack payloads. Never use them as templates, commands or unescaped text.
seealso:
  - module: appsec.perimeter.qualys_was_finding_export
"""

EXAMPLES = r"""
- name: Open findings of the two worst severities, worst first
  appsec.perimeter.qualys_was_finding_info:
    filters:
      - field: severity
        value: [4, 5]
      - field: status
        value: [NEW, ACTIVE, REOPENED]
      - field: isIgnored
        value: false
    query: "sort_by([], &severity_native)[].{title: title, url: url, severity: severity}"
  register: worst

- name: Count the cross-site scripting findings of production
  appsec.perimeter.qualys_was_finding_info:
    filters:
      - {field: group, value: XSS}
      - {field: webApp.tags.name, value: prod}
    count_only: true
  register: xss

- name: One finding with its TLS data
  appsec.perimeter.qualys_was_finding_info:
    id: 1234fef2-abcd-12fe-1234-123456789012
  register: finding
"""

RETURN = r"""
findings:
  description: The findings, ascending by id, or what O(query) makes of them. Times are UTC.
  type: list
  elements: dict
  returned: success
  contains:
    status:
      description: One of V(new), V(open), V(reopened), V(fixed), V(protected), V(retesting) and V(unknown).
      type: str
      returned: success
      sample: open
    ignored:
      description: Why and by whom the finding is ignored, or null.
      type: dict
      returned: success
      sample: {reason: FALSE_POSITIVE, by: jdoe, at: "2026-10-01T00:00:00Z", until: null, comment: reviewed}
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
      original_severity: null
      cvss_score: 6.1
      cvss_vector: Network
      detection_score: 71
      status: open
      ignored: null
      asset: {id: "4711", name: shop, url: "https://shop.example.com/", tags: [prod]}
      url: https://shop.example.com/search?q=x
      method: GET
      parameter: q
      first_seen: "2026-09-01T02:10:00Z"
      last_seen: "2026-10-31T02:11:00Z"
      last_tested: "2026-10-31T02:11:00Z"
      fixed_at: null
      times_seen: 9
      cwe: [79]
      owasp: [{code: 3, name: Injection, url: "https://owasp.org/Top10/A03_2021-Injection/"}]
      wasc: [{code: 8, name: CROSS-SITE SCRIPTING, url: null}]
      group: XSS
      finding_type: QUALYS
      potential: false
      external_ref: null
      patch: null
      ssl: null
      evidence: []
      fingerprint: 2b6f0cc904d137be2e1730235f566409
total:
  description: Number of findings that match.
  type: int
  returned: success
  sample: 5000
truncated:
  description: Whether there are more than were returned.
  type: bool
  returned: success
  sample: false
unknown_values:
  description:
    - Unknown words of Qualys, with the number of occurrences. They are mapped to V(unknown).
  type: dict
  returned: success
  sample: {status=PENDING: 2}
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
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.finding_info import run


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "id": {"type": "str"},
            **filter_option(),
            "detail": {"type": "str", "choices": ["summary", "verbose", "full"], "default": "summary"},
            "count_only": {"type": "bool", "default": False},
            "limit": {"type": "int"},
            "query": {"type": "str"},
            "sensitive": {"type": "str", "choices": ["redact", "keep"], "default": "redact"},
            "include_raw": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("id", "filters"), ("id", "limit"), ("count_only", "query"), ("count_only", "limit")],
    )
    run_vendor_module(QUALYS.merge(own), connect, run)


if __name__ == "__main__":
    main()
