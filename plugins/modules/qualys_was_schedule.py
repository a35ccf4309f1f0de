#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage a schedule of scans in Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_schedule
short_description: Manage a schedule of scans in Qualys WAS
version_added: 1.0.0
description:
  - Creates, updates, activates, deactivates and deletes a schedule of scans in Qualys Web Application Scanning.
  - Options that are omitted are left alone; an empty list or text clears. Only differences are written.
  - Other properties of a schedule, such as a list of individual applications, are left alone. Its owner is returned but
    cannot be changed.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
  - appsec.perimeter._connection
  - appsec.perimeter._qualys
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  # The options x_mode, x_add and x_remove of a list x are written by tests/tools/module_docs.py.
  state:
    description:
      - Whether the schedule should exist.
    type: str
    choices: [present, absent]
    default: present
  id:
    description:
      - Id of the schedule. Without it, O(name) identifies the record.
    type: int
  name:
    description:
      - Name of the schedule. Without O(id), it identifies the schedule. Names are not unique at Qualys. If several
        schedules have the name, O(webapp) has to select one of them, else the task fails.
      - With O(id), it is the desired name of the schedule.
    type: str
  type:
    description:
      - V(VULNERABILITY) crawls and tests, V(DISCOVERY) only crawls. The default of a new schedule is V(VULNERABILITY).
      - One of V(VULNERABILITY), V(DISCOVERY), or the value that the record already has.
    type: str
  active:
    description:
      - Whether the schedule launches scans. If this changes, the schedule is deactivated before its other properties
        change, or activated afterwards.
    type: bool
  webapp:
    description:
      - Web application to scan, by name or id. Replaces O(tags).
    type: str
  tags:
    description:
      - Tags of the web applications to scan, by name or id. See O(tags_match) for several tags. Replaces O(webapp).
      - An empty list removes all.
    type: list
    elements: str
  tags_mode:
    description:
      - Whether O(tags) replaces the present entries (V(set)), is added to them (V(add)), or is removed from them
        (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  tags_add:
    description:
      - Entries to add to O(tags); can be combined with O(tags_remove) in one update.
    type: list
    elements: str
  tags_remove:
    description:
      - Entries to remove from O(tags); missing ones are ignored.
    type: list
    elements: str
  tags_match:
    description:
      - Whether an application must have all of O(tags), or any of them. The default of a new schedule is V(ALL).
      - One of V(ALL), V(ANY), or the value that the record already has.
    type: str
  excluded_tags:
    description:
      - Tags, by name or id, of web applications to exclude although they have O(tags).
      - An empty list removes all.
    type: list
    elements: str
  excluded_tags_mode:
    description:
      - Whether O(excluded_tags) replaces the present entries (V(set)), is added to them (V(add)), or is removed from
        them (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  excluded_tags_add:
    description:
      - Entries to add to O(excluded_tags); can be combined with O(excluded_tags_remove) in one update.
    type: list
    elements: str
  excluded_tags_remove:
    description:
      - Entries to remove from O(excluded_tags); missing ones are ignored.
    type: list
    elements: str
  excluded_tags_match:
    description:
      - Whether an application is excluded if it has all of O(excluded_tags), or any of them. The default of a new
        schedule is V(ANY).
      - One of V(ALL), V(ANY), or the value that the record already has.
    type: str
  start:
    description:
      - Time of the first scan, as a UTC time such as V(2026-01-31T08:00:00Z). Required to create a schedule.
    type: str
  time_zone:
    description:
      - Time zone of the recurrence, such as V(Europe/Paris). The default of a new schedule is V(UTC).
    type: str
  recurrence:
    description:
      - How often scans are launched. Required to create a schedule.
    type: dict
    suboptions:
      type:
        description:
          - Once, or by day, week or month.
          - One of V(ONCE), V(DAILY), V(WEEKLY), V(MONTHLY), or the value that the record already has.
        type: str
        required: true
      every:
        description:
          - Interval in days (up to 365), weeks (up to 52) or months (up to 12). The default is V(1).
        type: int
      days:
        description:
          - Days of the week, for V(WEEKLY).
          - One of V(MONDAY), V(TUESDAY), V(WEDNESDAY), V(THURSDAY), V(FRIDAY), V(SATURDAY), V(SUNDAY), or the value
            that the record already has.
        type: list
        elements: str
      day:
        description:
          - Day of the month, for V(MONTHLY), instead of O(recurrence.order) and O(recurrence.weekday).
        type: int
      order:
        description:
          - Which O(recurrence.weekday) of the month, for V(MONTHLY).
          - One of V(FIRST), V(SECOND), V(THIRD), V(FOURTH), V(LAST), or the value that the record already has.
        type: str
      weekday:
        description:
          - Day of the week, for V(MONTHLY).
          - One of V(MONDAY), V(TUESDAY), V(WEDNESDAY), V(THURSDAY), V(FRIDAY), V(SATURDAY), V(SUNDAY), or the value
            that the record already has.
        type: str
      count:
        description:
          - Number of scans after which the schedule ends. By default it never ends.
        type: int
  profile:
    description:
      - Option profile, by name or id. The default of a new schedule is the profile of the application, and if an
        application has none, a profile is required. It can be changed, but not removed.
    type: str
  auth_record:
    description:
      - Authentication record to log in with, by name or id, or V(default) for the default one of each application.
      - V(none) and empty text scan without login, which is the default of a new schedule.
      - A record with the name C(default) or C(none) has to be given by its id.
    type: str
  scanner:
    description:
      - The scanner. By default, and with an empty mapping, it is that of the application.
    type: dict
    suboptions:
      type:
        description:
          - V(EXTERNAL) for the scanners of Qualys, V(INTERNAL) for one appliance, V(scannerTags) for appliances with
            tags.
          - One of V(EXTERNAL), V(INTERNAL), V(scannerTags), or the value that the record already has.
        type: str
      friendly_name:
        description:
          - Name of the appliance, for V(INTERNAL).
        type: str
      tags:
        description:
          - Tags of the appliances, by name or id, for V(scannerTags).
        type: list
        elements: str
  cancel_after:
    description:
      - Hours after which Qualys ends a scan, instead of the limit of the application. V(0) uses that of the
        application.
    type: int
  cancel_time:
    description:
      - Time of day at which Qualys ends a scan, instead of O(cancel_after). It is sent and compared unchanged, because
        Qualys does not document its format. Empty text uses the limit of the application.
    type: str
  randomize:
    description:
      - Whether Qualys scans the target in random order.
    type: bool
  scan_proxy:
    description:
      - Id of the proxy for the scans. Qualys has no search for proxies by name; only the name of the schedule's present
        proxy is accepted. Empty text removes the proxy.
    type: str
  dns_override:
    description:
      - DNS override for the scans, by name or id. Empty text removes it.
    type: str
  notification:
    description:
      - Mail that Qualys sends before it launches a scan. Members that are omitted stay as they are; an empty dictionary
        removes the notification.
    type: dict
    suboptions:
      active:
        description:
          - Whether the mail is sent.
        type: bool
      reschedule:
        description:
          - Whether recipients may request another time, if Qualys supports this.
        type: bool
      delay:
        description:
          - Time before the launch, in O(notification.delay_scale).
        type: int
      delay_scale:
        description:
          - Unit of the delay. V(DAY), which is the default, is the only one that Qualys documents.
        type: str
      recipients:
        description:
          - E-mail addresses. An empty list removes all.
        type: list
        elements: str
      text:
        description:
          - Text of the mail.
        type: str
  send_mail:
    description:
      - Whether Qualys sends a mail when a scan has ended.
    type: bool
  send_one_mail:
    description:
      - Whether Qualys sends one mail for all scans of one launch.
    type: bool
seealso:
  - module: appsec.perimeter.qualys_was_schedule_info
  - module: appsec.perimeter.qualys_was_scan
"""

EXAMPLES = r"""
- name: Scan the shop twice a week, logged in
  appsec.perimeter.qualys_was_schedule:
    name: shop, twice a week
    webapp: shop
    profile: Nightly full
    auth_record: default
    start: "2026-12-01T02:00:00Z"
    time_zone: Europe/Paris
    recurrence: {type: WEEKLY, days: [MONDAY, THURSDAY]}
    cancel_after: 6

- name: Scan all of production on the last Sunday of each month
  appsec.perimeter.qualys_was_schedule:
    name: production, monthly
    tags: [prod]
    start: "2026-12-01T02:00:00Z"
    recurrence: {type: MONTHLY, order: LAST, weekday: SUNDAY}

- name: Scan production except what is frozen, and notify the team the day before
  appsec.perimeter.qualys_was_schedule:
    name: production, monthly
    tags: [prod, staging]
    tags_match: ANY
    excluded_tags: [frozen]
    notification:
      active: true
      delay: 1
      recipients: [team@example.com]
      text: The scan of production starts tomorrow.

- name: No scans during the freeze
  appsec.perimeter.qualys_was_schedule:
    name: production, monthly
    active: false

- name: Delete the old schedule
  appsec.perimeter.qualys_was_schedule:
    name: old schedule
    state: absent
"""

RETURN = r"""
schedule:
  description:
    - The schedule after the task; in check mode as it would be. Null if it does not exist.
    - Everything that is an option has the form of the option, so that it can be used as such. After O(state=absent) it
      is the schedule as it was before.
  type: dict
  returned: success
  sample:
    id: 88001
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
    launched: 0
    last_scan: null
    created: "2026-11-01T00:00:00Z"
    updated: "2026-11-01T00:00:00Z"
    webapps: []
unresolved:
  description:
    - Names in the options that no record has, each with the C(option) and the C(kind) of record. There is also a
      warning for each.
    - In check mode they are not an error, because an earlier task may create the record. In a real run they are an
      error. An id that does not exist is always an error.
  type: list
  elements: dict
  returned: check mode, when there are any
  sample:
    - {option: webapp, kind: web application, name: shop}
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

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import QUALYS, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.schedule import run
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.schedule_fields import OPTIONS


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "id": {"type": "int"},
            **OPTIONS,
        },
        mutually_exclusive=[("webapp", "tags"), ("cancel_after", "cancel_time")],
        required_one_of=[("id", "name")],
    )
    run_vendor_module(QUALYS.merge(own), connect, run)


if __name__ == "__main__":
    main()
