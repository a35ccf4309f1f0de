#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List scan logs of Indusface WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: indusface_scan_log_info
short_description: List scan logs of Indusface WAS
version_added: 1.0.0
description:
  - Lists the scan logs of Indusface WAS (AppTrana WAS) for a day or a range of days, with the vulnerabilities that each
    scan found, in the record format that all sources of this collection share.
  - For a day without scan logs, the lists are empty. That is not an error.
  - To collect scan logs for months without losing or repeating one, use M(appsec.perimeter.indusface_scan_log_export).
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_indusface
  - appsec.perimeter._attributes.info_module
  - appsec.perimeter._connection
  - appsec.perimeter._indusface
requirements:
  - jmespath, for O(query)
options:
  date:
    description:
      - The day, as C(YYYY-MM-DD).
      - Either this, or O(from_date) and O(to_date), is needed.
    type: str
  from_date:
    description:
      - First day of a range, as C(YYYY-MM-DD).
    type: str
  to_date:
    description:
      - Last day of the range, as C(YYYY-MM-DD). It is included.
    type: str
  limit:
    description:
      - Maximum number of scan logs to return, with their findings. The default is all.
      - RV(truncated) says whether there are more.
    type: int
  query:
    description:
      - JMESPath expression that is applied to the findings, inside the module, so that large results never cross into
        the play.
      - The result is returned in RV(findings).
    type: str
  sensitive:
    description:
      - V(redact) removes values in URLs that look like credentials; V(keep) leaves them.
    type: str
    choices: [redact, keep]
    default: redact
  include_raw:
    description:
      - Whether each scan and finding also has the object of Indusface, untouched and not redacted, as C(raw).
    type: bool
    default: false
notes:
  - Findings contain attack payloads. Never use them as templates, commands or unescaped text.
seealso:
  - module: appsec.perimeter.indusface_scan_log_export
"""

EXAMPLES = r"""
- name: List the scans of one day
  appsec.perimeter.indusface_scan_log_info:
    date: 2026-03-14
  register: scans

- name: List open findings of the two worst severities in a week
  appsec.perimeter.indusface_scan_log_info:
    from_date: 2026-03-08
    to_date: 2026-03-14
    query: "[?status != 'fixed' && (severity == 'critical' || severity == 'high')]"
  register: worst
"""

RETURN = r"""
scan_logs:
  description: The scans, by day. Times are UTC.
  type: list
  elements: dict
  returned: success
  contains:
    status:
      description: One of V(finished), V(failed) and V(unknown).
      type: str
      returned: success
      sample: finished
    conclusive:
      description:
        - Whether the scan covered the whole application. With C(Partial Scan) and C(Scan Error) it did not, so a
          finding that is missing may still exist.
      type: bool
      returned: success
      sample: true
    details:
      description:
        - Fields that only Indusface supplies. C(seal_status) describes the application and not only this scan.
          C(reported_total) is the vendor's number of vulnerabilities, C(listed_total) how many it lists; they often
          differ.
      type: dict
      returned: success
      sample: {service_type: AA, seal_status: pass, reported_total: 31, listed_total: 1, time_precision: day}
  sample:
    - record: scan
      schema: 1
      source: indusface
      id: "12832867"
      name: null
      reference: null
      kind: vulnerability
      mode: null
      profile: null
      asset: {id: "78346", name: Shop, url: "https://shop.example.com/", tags: [Retail]}
      time: "2026-03-14T00:00:00Z"
      ended: null
      duration: null
      status: finished
      status_native: Scan Success Time Over
      results_status: null
      auth_status: null
      end_reason: finished
      conclusive: true
      links_crawled: null
      requests_sent: null
      launched_by: null
      counts: {critical: 0, high: 0, medium: 1, low: 0, info: 0, unknown: 0}
      malware: null
      details: {service_type: AA, seal_status: pass, reported_total: 31, listed_total: 1, time_precision: day}
findings:
  description:
    - The vulnerabilities as each scan saw them, or the result of O(query). C(unique_id) is the same in each scan
      of a service.
  type: list
  elements: dict
  returned: success
  sample:
    - record: finding
      schema: 1
      source: indusface
      id: "3332161"
      unique_id: 78346:3332161
      rule_id: null
      title: Insecure Content Security Policy (CSP)/X-Frame-Options
      kind: vulnerability
      severity: medium
      severity_native: Medium
      original_severity: null
      cvss_score: 6.1
      cvss_vector: null
      detection_score: null
      status: new
      ignored: null
      asset: {id: "78346", name: Shop, url: "https://shop.example.com/", tags: [Retail]}
      url: https://shop.example.com/
      method: null
      parameter: null
      first_seen: null
      last_seen: "2026-03-14T00:00:00Z"
      last_tested: "2026-03-14T00:00:00Z"
      fixed_at: null
      times_seen: null
      cwe: []
      owasp: []
      wasc: []
      group: null
      finding_type: null
      potential: null
      external_ref: null
      patch: null
      ssl: null
      evidence: []
      fingerprint: 2b6f0cc904d137be2e1730235f566409
      details:
        scan_id: "12832867"
        service_type: AA
        status_native: NEW
        cvss_score_native: "6.1"
        found_date: "2026-03-14"
        time_precision: day
total:
  description: Number of scan logs.
  type: int
  returned: success
  sample: 1
truncated:
  description: Whether there are more than were returned.
  type: bool
  returned: success
  sample: false
messages:
  description: The messages of Indusface about the days.
  type: list
  elements: str
  returned: success
  sample: [Data fetched successfully.]
unknown_values:
  description:
    - Fields and values of Indusface that this version does not know, with their counts. The values are mapped to
      V(unknown).
  type: dict
  returned: success
  sample: {OpenStatus=Waiting: 2}
stats:
  description: Statistics of the task. Times are in seconds.
  type: dict
  returned: success
  sample: {requests: 3, retries: 0, bytes: 20480, connections: 1, waited: 0.0, elapsed: 0.4}
error:
  description: The error as data, with C(kind), C(message), C(hint) and the vendor's own C(code).
  type: dict
  returned: failure
  sample:
    kind: authentication
    message: Indusface refused the credentials (HTTP 401).
    hint: Check access_key and secret_key. An account has one pair of keys at a time, and a new pair ends the old one.
    code: "401"
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.scan_log_info import run
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import INDUSFACE, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "date": {"type": "str"},
            "from_date": {"type": "str"},
            "to_date": {"type": "str"},
            "chunk_days": {"type": "int", "default": 1},
            "limit": {"type": "int"},
            "query": {"type": "str"},
            "sensitive": {"type": "str", "choices": ["redact", "keep"], "default": "redact"},
            "include_raw": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("date", "from_date"), ("date", "to_date")],
        required_together=[("from_date", "to_date")],
        required_one_of=[("date", "from_date")],
    )
    run_vendor_module(INDUSFACE.merge(own), connect, run)


if __name__ == "__main__":
    main()
