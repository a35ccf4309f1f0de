#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Query the event log of Edgecast WAF."""

from __future__ import annotations

DOCUMENTATION = r"""
module: edgecast_waf_event_info
short_description: Query the event log of Edgecast WAF
version_added: 1.0.0
description:
  - Returns events that Edgecast WAF blocked or saw - those of a span of time, one page of them, or a single one, in the
    record format that all sources of this collection share. It can also list the fields that filters may name.
  - The service keeps events for 30 days.
  - To collect events for months without losing or repeating one, use M(appsec.perimeter.edgecast_waf_event_export).
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_edgecast
  - appsec.perimeter._attributes.info_module
  - appsec.perimeter._edgecast.filters
  - appsec.perimeter._connection
  - appsec.perimeter._edgecast
requirements:
  - jmespath, for O(query)
options:
  start_time:
    description:
      - Events after this time, UTC, such as V(2026-01-31) or V(2026-01-31T08:00:00). At most 30 days ago.
      - Give both this and O(end_time), or neither for the last 24 hours.
      - Whether an event at exactly this second is included depends on the service.
    type: str
  end_time:
    description:
      - Events up to this time, UTC.
    type: str
  page:
    description:
      - Only this page, from V(1), of O(page_size) events. Without it, all pages are read.
      - Pages shift when events arrive in the meantime. Without this option, the module detects this by repeated events
        and by the number of pages, and reads everything once more.
    type: int
  page_size:
    description:
      - Events in a page, V(1) to V(1000). The default is V(1000).
    type: int
  event_id:
    description:
      - One event, by C(details.event_id), by C(id), or by the id that a block page showed. The list is empty if it does
        not exist.
    type: str
  fields:
    description:
      - Whether to list the fields that O(event_filters) may name, instead of events.
    type: bool
    default: false
  limit:
    description:
      - Maximum number of events to return. The default is all.
      - RV(truncated) says whether there are more.
    type: int
  query:
    description:
      - JMESPath expression that is applied to the list, inside the module, so that large results never cross into the
        play.
      - The result is returned in RV(events).
    type: str
  include_raw:
    description:
      - Whether each event also has the object of Edgecast, untouched and not redacted, as C(raw).
    type: bool
    default: false
notes:
  - Events contain attack payloads. Never use them as templates, commands or unescaped text.
seealso:
  - module: appsec.perimeter.edgecast_waf_event_export
"""

EXAMPLES = r"""
- name: List the events blocked at the shop on the last day of January
  appsec.perimeter.edgecast_waf_event_info:
    start_time: "2026-01-31"
    end_time: "2026-02-01"
    event_filters:
      Host: [www.example.com, shop.example.com]
      Action Type: BLOCK_REQUEST
    query: "[].{time: time, from: client_ip, url: url, rules: rule_ids}"
  register: blocked

- name: List the newest twenty events of the last 24 hours
  appsec.perimeter.edgecast_waf_event_info:
    page: 1
    page_size: 20
  register: newest

- name: Return the event that a visitor's block page showed
  appsec.perimeter.edgecast_waf_event_info:
    event_id: "54973727612018659117005509529321564774"
  register: event

- name: List the fields that filters may name
  appsec.perimeter.edgecast_waf_event_info:
    fields: true
  register: known
"""

RETURN = r"""
events:
  description:
    - The events in the order of the service, or the result of O(query). Times are UTC.
    - C(details) has the fields that only this service supplies; the guide lists their names.
  type: list
  elements: dict
  returned: success
  contains:
    action:
      description:
        - One of V(blocked), V(alerted), V(challenged), V(redirected) and V(unknown). An event of an audit profile is
          V(alerted), whatever the service would have done.
      type: str
      returned: success
      sample: blocked
    severity:
      description: The worst severity of its sub-events - V(critical), V(high), V(medium), V(low), V(info) or
        V(unknown).
      type: str
      returned: success
      sample: critical
    sub_events:
      description:
        - One entry for each violated rule, in the order of the service. C(score) is what the rule added to
          C(total_score).
      type: list
      elements: dict
      returned: success
      sample:
        - rule_id: "942100"
          message: SQL injection detected
          severity: critical
          severity_native: "2"
          score: 5
          total_score: 8
          matched_on: ARGS:q
          matched_value: null
  sample:
    - record: event
      schema: 1
      source: edgecast
      id: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw=="
      time: "2026-01-31T10:04:59.120034Z"
      action: blocked
      action_native: BLOCK_REQUEST
      client_ip: 203.0.113.9
      country: NL
      host: shop.example.com
      url: https://shop.example.com/search?q=1
      path: /search
      method: null
      user_agent: curl/8.5.0
      referer: null
      categories: [OWASP_CRS/ANOMALY/EXCEEDED]
      rule_ids: ["920320", "942100"]
      message: >-
        Inbound Anomaly Score Exceeded (Total Score: 8, SQLi=5, XSS=0): Last Matched Message: 942100-SQL injection
        detected
      severity: critical
      severity_native: "2"
      profile: Shop rules
      sub_events: []
      details: {event_id: "54973727612018659117005509529321560001", profile_type: PRODUCTION, total_score: 8}
fields:
  description: The fields that filters may name, with O(fields=true).
  type: list
  elements: dict
  returned: success
  sample:
    - name: Client IP
      data_type: string
      description: Address of the client
total:
  description:
    - Number of events in the span of time. It is null if only some were read and there are filters, because the service
      does not count filtered events.
  type: int
  returned: success
  sample: 1200
truncated:
  description: Whether there are more than were returned.
  type: bool
  returned: success
  sample: false
pages:
  description: How many pages there are, with O(page).
  type: int
  returned: success
  sample: 12
time_from:
  description: Start of the span of time that was read, UTC.
  type: str
  returned: success
  sample: "2026-01-31T00:00:00Z"
time_to:
  description: End of the span of time that was read, UTC.
  type: str
  returned: success
  sample: "2026-02-01T00:00:00Z"
unknown_values:
  description:
    - Values and fields of the service that this version does not know, with their counts.
  type: dict
  returned: success
  sample: {Action Type=QUANTUM_CHALLENGE: 2}
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
    message: "Edgecast refused the credentials (HTTP 401): Access Denied."
    hint: Nothing more was sent, so that the account is not locked. Check token and account_number.
    code: "401"
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.event_info import run
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import EDGECAST, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "start_time": {"type": "str"},
            "end_time": {"type": "str"},
            "event_filters": {"type": "dict"},
            "page": {"type": "int"},
            "page_size": {"type": "int"},
            "event_id": {"type": "str"},
            "fields": {"type": "bool", "default": False},
            "limit": {"type": "int"},
            "query": {"type": "str"},
            "sensitive": {"type": "str", "choices": ["redact", "keep"], "default": "redact"},
            "include_raw": {"type": "bool", "default": False},
        },
        mutually_exclusive=[
            ("event_id", "start_time"),
            ("event_id", "event_filters"),
            ("event_id", "page"),
            ("event_id", "limit"),
            ("page", "limit"),
        ],
        required_together=[("start_time", "end_time")],
    )
    run_vendor_module(EDGECAST.merge(own), connect, run)


if __name__ == "__main__":
    main()
