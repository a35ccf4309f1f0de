#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List defence logs of the Scutum WAF."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scutum_alert_info
short_description: List defence logs of the Scutum WAF
version_added: 1.0.0
description:
  - Lists the defence logs of one host, in the record format that all event sources of this collection share, or reads
    one of them with its recorded request and response.
  - To collect logs for months without losing or repeating one, use M(appsec.perimeter.scutum_alert_export).
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_scutum
  - appsec.perimeter._attributes.info_module
  - appsec.perimeter._connection
  - appsec.perimeter._scutum
requirements:
  - jmespath, for O(query)
options:
  from:
    description:
      - Only logs of this time and later. The default is the oldest log that Scutum keeps, which is a year old.
      - C(2026-03-01T08:00:00+09:00), C(2026-03-01T08:00:00), C(2026-03-01) or C(20260301), or another ISO 8601 form.
      - A time without an offset is Japan time, as in Scutum itself, and a date is midnight there. So V(2026-03-01)
        means 2026-02-28T15:00:00Z.
    type: str
  to:
    description:
      - Only logs before this time, which is itself excluded. The default is now. The forms are those of O(from).
    type: str
  ip:
    description:
      - Only logs with exactly this source address. Scutum accepts neither masks nor wildcards.
    type: str
  time_order:
    description:
      - V(desc) returns the newest first, V(asc) the oldest.
    type: str
    choices: [asc, desc]
    default: desc
  log_id:
    description:
      - One log by its id, in detail. RV(alert) is V(null) if it does not exist or is older than a year.
    type: str
  limit:
    description:
      - Maximum number of logs to return. The default is all. Each call of Scutum returns up to 1000.
      - RV(truncated) says whether there are more.
    type: int
  query:
    description:
      - JMESPath expression that is applied to the list, inside the module, so that large results never cross into the
        play.
      - The result is returned in RV(alerts).
    type: str
  sensitive:
    description:
      - V(redact) removes cookies, credentials, tokens and query values that look like them; V(keep) leaves them.
    type: str
    choices: [redact, keep]
    default: redact
  include_raw:
    description:
      - Whether each log also has the object of Scutum, untouched and not redacted, as C(raw).
    type: bool
    default: false
notes:
  - Logs contain attack payloads. Never use them as templates, commands or unescaped text.
seealso:
  - module: appsec.perimeter.scutum_alert_export
"""

EXAMPLES = r"""
- name: List why one address was blocked on the first of March, Japan time
  appsec.perimeter.scutum_alert_info:
    from: 2026-03-01
    to: 2026-03-02
    ip: 203.0.113.77
    query: "[?action == 'blocked'].{time: time, what: message, where: path}"
  register: blocked

- name: List the newest hundred logs
  appsec.perimeter.scutum_alert_info:
    limit: 100
  register: newest

- name: Read one of them with its request and response
  appsec.perimeter.scutum_alert_info:
    log_id: "{{ newest.alerts[0].id }}"
  register: one
"""

RETURN = r"""
alerts:
  description:
    - The logs in the order that O(time_order) sets, or the result of O(query). Times are UTC.
    - With O(log_id), a list with that log only.
  type: list
  elements: dict
  returned: success
  contains:
    action:
      description:
        - V(blocked), or V(alerted) if the request was let through, for example with defence off or as a false positive.
      type: str
      returned: success
      sample: blocked
    details:
      description:
        - Fields that only Scutum supplies. C(detail) is V(read) for O(log_id), else V(not_asked). C(request) and
          C(response) are the recorded text, or null if nothing was recorded or requested. C(category_labels) is in
          English where known.
      type: dict
      returned: success
      sample: {scutum_id: ABC1234, category_labels: [SQL injection], query: null, detail: not_asked, request: null,
        response: null}
  sample:
    - record: event
      schema: 1
      source: scutum
      id: 1740754801234_101_20001
      time: "2025-02-28T15:00:01Z"
      action: blocked
      action_native: "true"
      client_ip: 203.0.113.77
      country: null
      host: www.example.jp
      url: /item/list?id=1%27
      path: /item/list
      method: null
      user_agent: null
      referer: null
      categories: [SQLインジェクション]
      rule_ids: []
      message: SQL injection
      severity: unknown
      severity_native: null
      profile: null
      sub_events: []
      details:
        scutum_id: ABC1234
        category_labels: [SQL injection]
        query: id=1%27
        detail: not_asked
        request: null
        response: null
alert:
  description: The log with the id O(log_id), or null.
  type: dict
  returned: success
  sample: null
total:
  description: Number of matching logs; null if RV(truncated) is true, because Scutum announces no total.
  type: int
  returned: success
  sample: 5
truncated:
  description: Whether there are more than were returned.
  type: bool
  returned: success
  sample: false
unknown_values:
  description: Fields and values of Scutum that this version does not know, with their counts.
  type: dict
  returned: success
  sample: {ts: 1}
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
    message: Scutum refused the credentials (HTTP 403).
    hint: Check api_key; check that it was issued for this scutum_host and scutum_id.
    code: "403"
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import SCUTUM, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.alert_info import run
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.client import connect


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "from": {"type": "str"},
            "to": {"type": "str"},
            "ip": {"type": "str"},
            "time_order": {"type": "str", "choices": ["asc", "desc"], "default": "desc"},
            "log_id": {"type": "str"},
            "limit": {"type": "int"},
            "query": {"type": "str"},
            "sensitive": {"type": "str", "choices": ["redact", "keep"], "default": "redact"},
            "include_raw": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("log_id", name) for name in ("from", "to", "ip", "limit")],
    )
    run_vendor_module(SCUTUM.merge(own), connect, run)


if __name__ == "__main__":
    main()
