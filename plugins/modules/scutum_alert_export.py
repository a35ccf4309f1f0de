#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect defence logs of the Scutum WAF."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scutum_alert_export
short_description: Collect defence logs of the Scutum WAF
version_added: 1.0.0
description:
  - Writes the defence logs of one host that are new since the previous run into segments of NDJSON, in the record
    format that all event sources of this collection share. Nothing is lost or written twice, whatever interrupts it.
  - Each host is a separate stream, with its own O(dest).
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_scutum
  - appsec.perimeter._export
  - appsec.perimeter._export.segments
  - appsec.perimeter._connection
  - appsec.perimeter._scutum
options:
  ip:
    description:
      - Only logs with exactly this source address. Another value is another stream.
    type: str
  details:
    description:
      - The new logs for which the recorded request and response are read too, which takes one call each.
      - V(none) reads no details, V(blocked_only) those of blocked requests, V(first_n) those of the first
        O(details_limit) new logs, V(all) those of all new logs.
      - Details never make a run fail. If the calls that Scutum allows are needed for the logs themselves, details are
        left out, as RV(details) and C(details.detail) of each record show. They are not read later.
    type: str
    choices: [none, blocked_only, first_n, all]
    default: none
  details_limit:
    description:
      - Maximum number of details that a run reads. The default is V(20) for O(details=first_n), and otherwise as many
        as the call limit allows.
    type: int
notes:
  - The defaults are a O(lag) of one minute and an O(overlap) of five minutes. Scutum keeps the logs of the past year.
  - Logs contain attack payloads. Never use them as templates, commands or unescaped text.
seealso:
  - module: appsec.perimeter.scutum_alert_info
"""

EXAMPLES = r"""
- name: Collect new logs, with the recorded requests of blocked ones
  appsec.perimeter.scutum_alert_export:
    dest: /var/spool/perimeter/scutum-www
    first_run: lookback
    lookback: 30d
    details: blocked_only
"""

RETURN = r"""
details:
  description:
    - Number of details that were C(read), C(skipped) because of the call limit, C(not_found), or C(failed).
  type: dict
  returned: success, or when the service fails midway
  sample: {read: 12, skipped: 0, not_found: 0, failed: 0}
unknown_values:
  description:
    - Fields and values of Scutum that this version does not know, with their counts. Beyond a hundred of them, the rest
      is counted as C(others).
  type: dict
  returned: success, or when the service fails midway
  sample: {ts: 1}
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
    kind: rate_limit
    message: "No more than 25 requests in 300 seconds are allowed: another wait of 290 seconds is due."
    hint: Raise max_wait, lower max_connections, or run when fewer clients use this account.
    code: null
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import EXPORT, SCUTUM, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.alert_export import run
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.client import connect


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "ip": {"type": "str"},
            "details": {
                "type": "str",
                "choices": ["none", "blocked_only", "first_n", "all"],
                "default": "none",
            },
            "details_limit": {"type": "int"},
        },
    )
    run_vendor_module(SCUTUM.merge(EXPORT).merge(own), connect, run)


if __name__ == "__main__":
    main()
