#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List schedules of scans in Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_schedule_info
short_description: List schedules of scans in Qualys WAS
version_added: 1.0.0
description:
  - Lists and counts schedules of scans in Qualys Web Application Scanning.
  - Everything that can be written is returned in the form of the options of M(appsec.perimeter.qualys_was_schedule).
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
      - Id of one schedule, which is returned in full. If it does not exist, the list is empty.
    type: int
  detail:
    description:
      - V(summary) has names, types, times and whether the schedule is active; V(full) has everything, and takes one
        more request for each schedule.
    type: str
    choices: [summary, full]
    default: summary
  count_only:
    description:
      - Whether to return only the number of schedules that match, which takes one request.
    type: bool
    default: false
  limit:
    description:
      - Maximum number of schedules to return. The default is all.
      - RV(truncated) says whether there are more.
    type: int
  query:
    description:
      - JMESPath expression that is applied to the list, inside the module, so that large results never cross into the
        play.
      - The result is returned in RV(schedules).
    type: str
seealso:
  - module: appsec.perimeter.qualys_was_schedule
"""

EXAMPLES = r"""
- name: Schedules that are not active
  appsec.perimeter.qualys_was_schedule_info:
    filters:
      - {field: active, value: false}
    query: "[].{id: id, name: name}"
  register: silent

- name: All schedules in the form of options
  appsec.perimeter.qualys_was_schedule_info:
    detail: full
  register: schedules
"""

RETURN = r"""
schedules:
  description: The schedules, ascending by id, or what O(query) makes of them. Times are UTC.
  type: list
  elements: dict
  returned: success
  sample:
    - id: 88001
      name: shop, twice a week
      type: VULNERABILITY
      active: true
      webapp: shop
      tags: []
      tags_match: null
      excluded_tags: []
      excluded_tags_match: null
      start: "2026-12-01T02:00:00Z"
      time_zone: Europe/Paris
      recurrence: {type: WEEKLY, every: 1, days: [MONDAY, THURSDAY]}
      profile: Nightly full
      auth_record: default
      scanner: {type: EXTERNAL, friendly_name: null, tags: []}
      cancel_after: 6
      cancel_time: null
      randomize: null
      scan_proxy: null
      dns_override: null
      notification: null
      send_mail: false
      send_one_mail: false
      owner: jdoe
      next_launch: "2026-12-03T02:00:00Z"
      launched: 12
      last_scan: {id: 9988, date: "2026-11-30T02:00:00Z", status: FINISHED}
      created: "2026-11-01T00:00:00Z"
      updated: "2026-11-01T00:00:00Z"
      webapps: []
total:
  description: Number of schedules that match.
  type: int
  returned: success
  sample: 60
truncated:
  description: Whether there are more than were returned.
  type: bool
  returned: success
  sample: false
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
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.schedule import run_info


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "id": {"type": "int"},
            **filter_option(),
            "detail": {"type": "str", "choices": ["summary", "full"], "default": "summary"},
            "count_only": {"type": "bool", "default": False},
            "limit": {"type": "int"},
            "query": {"type": "str"},
        },
        mutually_exclusive=[("id", "filters"), ("id", "limit"), ("count_only", "query"), ("count_only", "limit")],
    )
    run_vendor_module(QUALYS.merge(own), connect, run_info)


if __name__ == "__main__":
    main()
