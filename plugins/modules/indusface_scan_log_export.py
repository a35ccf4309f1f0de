#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect scan logs of Indusface WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: indusface_scan_log_export
short_description: Collect scan logs of Indusface WAS
version_added: 1.0.0
description:
  - Writes the scan logs of one account that are new since the previous run into segments of NDJSON, in the record
    format that all sources of this collection share. Nothing is lost or written twice, whatever interrupts it.
  - Each scan log becomes one scan record, and one finding for each vulnerability in it. A later change at Indusface,
    such as the status of a scan that was still running, is written again as a new record with the same key.
  - Each account is a separate stream, with its own O(dest) and O(account).
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_indusface
  - appsec.perimeter._export
  - appsec.perimeter._export.segments
  - appsec.perimeter._connection
  - appsec.perimeter._indusface
options:
  account:
    description:
      - Your name for the account, needed to collect several accounts with one O(state_dir). It may be any text; it is
        part of the stream's identity and is not sent. Indusface identifies an account only by its keys, which change.
      - A different value makes it a different stream.
    type: str
    default: ""
notes:
  - The service returns whole days, and their time zone is not documented. So each run reads today, which is
    provisional, and the two previous days again; O(overlap) changes that.
  - Findings contain attack payloads. Never use them as templates, commands or unescaped text.
seealso:
  - module: appsec.perimeter.indusface_scan_log_info
"""

EXAMPLES = r"""
- name: Collect new scan logs; the first run reads the last thirty days
  appsec.perimeter.indusface_scan_log_export:
    dest: /var/spool/perimeter/indusface
    first_run: lookback
    lookback: 30d

- name: Collect a second account as well
  appsec.perimeter.indusface_scan_log_export:
    account: subsidiary
    access_key: "{{ subsidiary_access_key }}"
    secret_key: "{{ subsidiary_secret_key }}"
    dest: /var/spool/perimeter/indusface-subsidiary
    first_run: lookback
    lookback: 30d
"""

RETURN = r"""
unknown_values:
  description:
    - Fields and values of Indusface that this version does not know, with their counts. The values are mapped to
      V(unknown). Beyond a hundred of them, the rest is counted as C(others).
  type: dict
  returned: success, or when the service fails midway
  sample: {OpenStatus=Waiting: 2}
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
  sample: [dt=2026-10-31/20261031T000000Z-20261101T000000Z.ndjson]
position:
  description: The time up to which the stream has been read, UTC; the next run continues from there.
  type: str
  returned: success, or when the service fails midway
  sample: "2026-11-01T00:00:00Z"
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
    kind: authentication
    message: Indusface refused the credentials (HTTP 401).
    hint: Check access_key and secret_key. An account has one pair of keys at a time, and a new pair ends the old one.
    code: "401"
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.scan_log_export import run
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import EXPORT, INDUSFACE, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module


def main() -> None:
    """Entry point."""
    own = Spec(options={"account": {"type": "str", "default": ""}, "chunk_days": {"type": "int", "default": 1}})
    run_vendor_module(INDUSFACE.merge(EXPORT).merge(own), connect, run)


if __name__ == "__main__":
    main()
