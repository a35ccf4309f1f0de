#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Query the container scan logs of Carbon Black Cloud."""

from __future__ import annotations

DOCUMENTATION = r"""
module: carbon_black_scan_log_info
short_description: Query the container scan logs of Carbon Black Cloud
version_added: 1.0.0
description:
  - Returns scans of container images - when they ran, what triggered them, the number of vulnerabilities for each
    severity, and whether there is malware - in the record format that all sources of this collection share.
  - It requires the product Container Security.
  - To collect scan logs for months without losing or repeating one, use
    M(appsec.perimeter.carbon_black_scan_log_export).
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_carbon_black
  - appsec.perimeter._attributes.info_module
  - appsec.perimeter._carbon_black.criteria
  - appsec.perimeter._connection
  - appsec.perimeter._carbon_black
requirements:
  - jmespath, for O(query)
options:
  criteria:
    description:
      - The conditions, as an object in the service's format. All members must match; of a list, one value must match.
        A single text counts as a list of one. Unknown members are refused before anything is sent.
      - C(scan_time), or its synonym C(time_range), is when the image was scanned. It has either C(range), which counts
        back from now, such as V(-2w) or V(-3h), with the units V(M) month, V(w) week, V(d) day, V(h) hour, V(m) minute
        and V(s) second; or both C(start) and C(end), UTC.
      - C(full_tags) are images with registry, repository, and tag or digest; C(repositories); C(registries);
        C(digests), such as C(sha256:...), which only scanned images have.
      - C(sources) is what triggered the scan, such as V(CLI), V(CLUSTER_SCAN) or V(FEED_UPDATE); C(vulnerabilities) are
        severities that occur in the image, such as V(CRITICAL) or V(HIGH).
      - C(clusters), C(namespaces) and C(hostnames) are where the image runs.
        M(appsec.perimeter.carbon_black_scan_log_metadata_info) lists them.
    type: dict
  sort:
    description:
      - Order of the rows. The default is oldest first, by V(scan_time), in which any number of rows can be read.
      - In another order the service returns at most 10,000 rows; RV(truncated) says whether there are more.
    type: list
    elements: dict
    suboptions:
      field:
        description:
          - Name of the field. The service does not document which fields it accepts; V(scan_time) is one of them.
        type: str
        required: true
      order:
        description:
          - Ascending or descending.
        type: str
        choices: [ASC, DESC]
        default: ASC
  start:
    description:
      - Only one page, from this row, counted from V(0). Without it, everything is read.
      - The sum of O(start) and O(rows) must not exceed V(10000).
    type: int
  rows:
    description:
      - Rows in a page, V(1) to V(10000). The default is V(1000).
    type: int
  limit:
    description:
      - Maximum number of rows to return. The default is all.
      - RV(truncated) says whether there are more.
    type: int
  query:
    description:
      - JMESPath expression that is applied to the list, inside the module, so that large results never cross into the
        play.
      - The result is returned in RV(scan_logs).
    type: str
  include_raw:
    description:
      - Whether each entry also has the row of the service, untouched, as C(raw).
    type: bool
    default: false
notes:
  - Other people choose the names and tags of images. Never use them as templates, commands or unescaped text.
seealso:
  - module: appsec.perimeter.carbon_black_scan_log_export
  - module: appsec.perimeter.carbon_black_scan_log_facet_info
  - module: appsec.perimeter.carbon_black_scan_log_metadata_info
"""

EXAMPLES = r"""
- name: List images with critical or high vulnerabilities in cluster scans of the last two weeks
  appsec.perimeter.carbon_black_scan_log_info:
    criteria:
      scan_time: {range: -2w}
      sources: CLUSTER_SCAN
      vulnerabilities: [CRITICAL, HIGH]
    query: "sort_by([], &counts.critical)[].{image: name, counts: counts}"
  register: risky

- name: List images with malware that were scanned in January
  appsec.perimeter.carbon_black_scan_log_info:
    criteria:
      scan_time: {start: "2026-01-01T00:00:00Z", end: "2026-02-01T00:00:00Z"}
    query: "[?malware > `0`].name"
  register: malware

- name: List the newest twenty scans of one repository
  appsec.perimeter.carbon_black_scan_log_info:
    criteria:
      repositories: [shop/cart]
    sort:
      - {field: scan_time, order: DESC}
    start: 0
    rows: 20
  register: newest
"""

RETURN = r"""
scan_logs:
  description:
    - The scans, or the result of O(query). Times are UTC. C(details) has the fields that only this service supplies.
    - A row without a digest was not scanned, so RV(scan_logs[].conclusive) is false.
  type: list
  elements: dict
  returned: success
  contains:
    conclusive:
      description: Whether the image was scanned.
      type: bool
      returned: success
      sample: true
    malware:
      description: V(1) if the image contains malware, V(0) if not, and null if the service does not say.
      type: int
      returned: success
      sample: 0
  sample:
    - record: scan
      schema: 1
      source: carbon_black
      id: 0f1e2d3c4b5a69788796a5b4c3d2e1f0
      name: registry.example.com/shop/cart:1.4.2
      reference: sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
      kind: vulnerability
      mode: CLUSTER_SCAN
      asset:
        id: sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
        name: registry.example.com/shop/cart:1.4.2
        url: null
        tags: []
      time: "2026-01-31T08:12:44Z"
      ended: "2026-01-31T08:12:44Z"
      status: finished
      end_reason: finished
      conclusive: true
      counts: {critical: 1, high: 6, medium: 0, low: 0, info: 0, unknown: 2}
      malware: 0
      details:
        image: registry.example.com/shop/cart
        tag: 1.4.2
        source: CLUSTER_SCAN
        workloads: 3
        vulnerabilities:
          - {severity: CRITICAL, amount: 1}
          - {severity: HIGH, amount: 6}
          - {severity: UNKNOWN, amount: 2}
        total: 9
        highest: critical
        has_malware: false
findings:
  description: One finding, in the record format that all sources of this collection share, for each row with malware.
  type: list
  elements: dict
  returned: success
  sample: []
num_found:
  description: Number of matching rows, by the service's own count.
  type: int
  returned: success
  sample: 52
total:
  description: The same as RV(num_found), under the name that all modules share.
  type: int
  returned: success
  sample: 52
truncated:
  description: Whether there are more than were returned.
  type: bool
  returned: success
  sample: false
duplicates:
  description:
    - Number of rows that were left out because another row has the same tag, digest, time and source. Rows have no id
      that would distinguish them.
  type: int
  returned: success
  sample: 0
unknown_values:
  description:
    - Values and fields of the service that this version does not know, with their counts. A severity that
      is not known counts as V(unknown).
  type: dict
  returned: success
  sample: {severity=NEGLIGIBLE: 2}
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
    message: "Carbon Black Cloud refused the credentials (HTTP 401): user is not authorized."
    hint: Nothing more was sent, so that the account is not locked. Check api_id and api_secret_key.
    code: "401"
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.scan_log_info import run
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import CARBON_BLACK, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "criteria": {"type": "dict"},
            "search": {"type": "str"},
            "sort": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "field": {"type": "str", "required": True},
                    "order": {"type": "str", "choices": ["ASC", "DESC"], "default": "ASC"},
                },
            },
            "start": {"type": "int"},
            "rows": {"type": "int"},
            "limit": {"type": "int"},
            "query": {"type": "str"},
            "include_raw": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("start", "limit")],
    )
    run_vendor_module(CARBON_BLACK.merge(own), connect, run)


if __name__ == "__main__":
    main()
