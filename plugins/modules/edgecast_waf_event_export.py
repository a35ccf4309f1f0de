#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect the event log of Edgecast WAF."""

from __future__ import annotations

DOCUMENTATION = r"""
module: edgecast_waf_event_export
short_description: Collect the event log of Edgecast WAF
version_added: 1.0.0
description:
  - Collects the events that Edgecast WAF blocked or saw into a directory of NDJSON files, run after run, without losing
    or repeating one, in the record format that all sources of this collection share.
  - Spans of time are read in parallel, and the pages of each span in sequence. If pages shift in the meantime, which
    repeated events and the number of pages reveal, the span is read once more.
  - The service keeps events for 30 days. Events that were not collected by then are reported as a gap.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_edgecast
  - appsec.perimeter._export
  - appsec.perimeter._export.segments
  - appsec.perimeter._edgecast.filters
  - appsec.perimeter._connection
  - appsec.perimeter._edgecast
notes:
  - Events contain attack payloads. Never use them as templates, commands or unescaped text.
  - The default of O(lag) is two minutes, and that of O(overlap) is five.
seealso:
  - module: appsec.perimeter.edgecast_waf_event_info
"""

EXAMPLES = r"""
- name: Collect new records; the first run reads the last week
  appsec.perimeter.edgecast_waf_event_export:
    dest: /var/spool/perimeter/edgecast
    first_run: lookback
    lookback: 7d

- name: Collect only the blocked events of two hosts, compressed, for ninety days
  appsec.perimeter.edgecast_waf_event_export:
    dest: /var/spool/perimeter/edgecast-blocked
    event_filters:
      Host: [www.example.com, shop.example.com]
      Action Type: BLOCK_REQUEST
    compress: true
    retain_days: 90
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
    - Values and fields of the service that this version does not know, with their counts.
  type: dict
  returned: success, or when the service fails midway
  sample: {Action Type=QUANTUM_CHALLENGE: 2}
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
    message: "Edgecast refused the credentials (HTTP 401): Access Denied."
    hint: Nothing more was sent, so that the account is not locked. Check token and account_number.
    code: "401"
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.export import run
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import EDGECAST, EXPORT, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module


def main() -> None:
    """Entry point."""
    own = Spec(options={"event_filters": {"type": "dict"}})
    run_vendor_module(EDGECAST.merge(EXPORT).merge(own), connect, run)


if __name__ == "__main__":
    main()
