#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect the container scan logs of Carbon Black Cloud."""

from __future__ import annotations

DOCUMENTATION = r"""
module: carbon_black_scan_log_export
short_description: Collect the container scan logs of Carbon Black Cloud
version_added: 1.0.0
description:
  - Collects scans of container images and their results into a directory of NDJSON files, run after run, without losing
    or repeating a scan, in the record format that all sources of this collection share.
  - A span with 10,000 rows or more is read in parts, down to one second. A single second with that many rows cannot be
    read, and the run fails.
  - Rows have no id. Two rows with the same tag, digest, time and source have the same C(key); if their results differ,
    each is written once.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_carbon_black
  - appsec.perimeter._export
  - appsec.perimeter._export.segments
  - appsec.perimeter._carbon_black.criteria
  - appsec.perimeter._connection
  - appsec.perimeter._carbon_black
options:
  malware_findings:
    description:
      - Whether each row with malware is also written as a finding, on a separate line.
      - A different value makes it a different stream, which needs its own O(dest).
    type: bool
    default: false
notes:
  - The default of O(lag) is one minute, and that of O(overlap) is ten. How long the service keeps scan logs is not
    documented.
  - O(criteria) must not contain a span of time, which the collector sets itself.
  - Other people choose the names and tags of images. Never use them as templates, commands or unescaped text.
seealso:
  - module: appsec.perimeter.carbon_black_scan_log_info
"""

EXAMPLES = r"""
- name: Collect new records; the first run reads the last week
  appsec.perimeter.carbon_black_scan_log_export:
    dest: /var/spool/perimeter/carbon-black
    first_run: lookback
    lookback: 7d

- name: Collect the cluster scans of production, with a finding for each image with malware
  appsec.perimeter.carbon_black_scan_log_export:
    dest: /var/spool/perimeter/carbon-black-production
    criteria:
      clusters: ["prod:cluster-a"]
      sources: CLUSTER_SCAN
    malware_findings: true
    first_run: now
"""

RETURN = r"""
records:
  description: Number of records that were written, or would be in check mode.
  type: int
  returned: success, or when the service fails midway
  sample: 1200
duplicates:
  description: Number of records that were read again after an earlier run wrote them, and skipped.
  type: int
  returned: success, or when the service fails midway
  sample: 17
changed_rows:
  description: Number of RV(records) that were written before with other content.
  type: int
  returned: success, or when the service fails midway
  sample: 0
gaps:
  description: Spans of time that could not be read and never will be, each with C(from), C(to) and C(reason).
  type: list
  elements: dict
  returned: success, or when the service fails midway
  sample: []
segments:
  description: The files that were written, relative to O(dest).
  type: list
  elements: str
  returned: success, or when the service fails midway
  sample: [dt=2026-01-31/20260131T080000Z-20260131T090000Z.ndjson]
position:
  description: The time up to which the stream has been read, UTC; the next run continues from there.
  type: str
  returned: success, or when the service fails midway
  sample: "2026-01-31T09:00:00Z"
complete:
  description:
    - Whether everything up to the lag was read. V(false) after an error, and when the run stopped at a limit of calls
      or at O(max_wait) after some progress. In that case the module does not fail, and the next run continues from
      RV(position).
  type: bool
  returned: success, or when the service fails midway
  sample: true
unknown_values:
  description:
    - Values and fields of the service that this version does not know, with their counts. A severity that
      is not known counts as V(unknown).
  type: dict
  returned: success, or when the service fails midway
  sample: {severity=NEGLIGIBLE: 2}
stats:
  description: Statistics of the task and of the records. Times are in seconds.
  type: dict
  returned: success, or when the service fails midway
  sample: {requests: 3, retries: 0, bytes: 20480, connections: 1, waited: 0.0, elapsed: 0.4, windows: 1, pages: 3}
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
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.export import run
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import CARBON_BLACK, EXPORT, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "criteria": {"type": "dict"},
            "search": {"type": "str"},
            "malware_findings": {"type": "bool", "default": False},
        }
    )
    run_vendor_module(CARBON_BLACK.merge(EXPORT).merge(own), connect, run)


if __name__ == "__main__":
    main()
