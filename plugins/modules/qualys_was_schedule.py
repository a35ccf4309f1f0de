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
  - What is not given is left alone; an empty list or text clears. Only what differs is written.
  - What a schedule has besides, such as applications that were chosen one by one, is left alone. Its owner is shown
    and cannot be changed.
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
      - Whether the schedule shall exist.
    type: str
    choices: [present, absent]
    default: present
  id:
    description:
      - Id of the schedule. Without it, O(name) says which one is meant.
    type: int
  name:
    description:
      - Name of the schedule. Without O(id) it says which schedule is meant; names are not unique at Qualys, so that one
        which several schedules have is refused unless O(webapp) tells them apart.
      - With O(id) it is the name that the schedule shall have.
    type: str
  type:
    description:
      - V(VULNERABILITY) crawls and tests, V(DISCOVERY) only crawls. A new schedule is for V(VULNERABILITY) unless told
        otherwise.
      - One of V(VULNERABILITY), V(DISCOVERY), or a word that the record has already.
    type: str
  active:
    description:
      - Whether the schedule launches scans. One that is switched off is switched off before anything else is changed,
        one that is switched on afterwards.
    type: bool
  webapp:
    description:
      - Web application to scan, by name or id. Takes the place of O(tags).
    type: str
  tags:
    description:
      - Tags of the web applications to scan, by name or id. A new schedule is for the applications that have all of
        them, unless O(tags_match) says otherwise. Takes the place of O(webapp).
      - An empty list removes all.
    type: list
    elements: str
  tags_mode:
    description:
      - Whether O(tags) is what there shall be (V(set)), or is added to what there is (V(add)), or removed from it
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
      - Entries to remove from O(tags); what is not there is no error.
    type: list
    elements: str
  tags_match:
    description:
      - Whether an application needs all of O(tags), or one of them. The default of a new schedule is V(ALL).
      - One of V(ALL), V(ANY), or a word that the record has already.
    type: str
  excluded_tags:
    description:
      - Tags of web applications that are not scanned although they have O(tags), by name or id.
      - An empty list removes all.
    type: list
    elements: str
  excluded_tags_mode:
    description:
      - Whether O(excluded_tags) is what there shall be (V(set)), or is added to what there is (V(add)), or removed from
        it (V(remove)).
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
      - Entries to remove from O(excluded_tags); what is not there is no error.
    type: list
    elements: str
  excluded_tags_match:
    description:
      - Whether all of O(excluded_tags) keep an application from being scanned, or one of them. The default of a new
        schedule is V(ANY).
      - One of V(ALL), V(ANY), or a word that the record has already.
    type: str
  start:
    description:
      - When the first scan is launched, as a UTC time such as V(2026-01-31T08:00:00Z). Needed to create a schedule.
    type: str
  time_zone:
    description:
      - Time zone by which the recurrence goes, such as V(Europe/Paris). A new schedule goes by UTC unless told
        otherwise.
    type: str
  recurrence:
    description:
      - How often a scan is launched. Needed to create a schedule.
    type: dict
    suboptions:
      type:
        description:
          - V(ONCE), or by day, week or month.
          - One of V(ONCE), V(DAILY), V(WEEKLY), V(MONTHLY), or a word that the record has already.
        type: str
        required: true
      every:
        description:
          - Every how many days (up to 365), weeks (up to 52) or months (up to 12). The default is V(1).
        type: int
      days:
        description:
          - Days of the week, for V(WEEKLY).
          - One of V(MONDAY), V(TUESDAY), V(WEDNESDAY), V(THURSDAY), V(FRIDAY), V(SATURDAY), V(SUNDAY), or a word that
            the record has already.
        type: list
        elements: str
      day:
        description:
          - Day of the month, for V(MONTHLY), instead of O(recurrence.order) and O(recurrence.weekday).
        type: int
      order:
        description:
          - Which O(recurrence.weekday) of the month, for V(MONTHLY).
          - One of V(FIRST), V(SECOND), V(THIRD), V(FOURTH), V(LAST), or a word that the record has already.
        type: str
      weekday:
        description:
          - Day of the week, for V(MONTHLY).
          - One of V(MONDAY), V(TUESDAY), V(WEDNESDAY), V(THURSDAY), V(FRIDAY), V(SATURDAY), V(SUNDAY), or a word that
            the record has already.
        type: str
      count:
        description:
          - After how many scans the schedule ends. The default is never.
        type: int
  profile:
    description:
      - Option profile, by name or id. A new schedule goes by that of the application unless told otherwise, and needs
        one where an application has none. It can be changed, not removed.
    type: str
  auth_record:
    description:
      - Authentication record to log in with, by name or id, or V(default) for the default one of each application.
      - V(none) and an empty text scan without login, which is also what a new schedule does unless told otherwise.
      - A record that is itself called C(default) or C(none) has to be given by its id.
    type: str
  scanner:
    description:
      - Which scanner is used, by its O(scanner.type). The default, and an empty mapping, is that of the application.
    type: dict
    suboptions:
      type:
        description:
          - V(EXTERNAL) are those of Qualys, V(INTERNAL) is one appliance, V(scannerTags) are the appliances with a tag.
          - One of V(EXTERNAL), V(INTERNAL), V(scannerTags), or a word that the record has already.
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
      - Hours after which Qualys ends a scan, whatever the limit of the application. V(0) leaves it to the application.
    type: int
  cancel_time:
    description:
      - Time of day at which Qualys ends a scan, instead of O(cancel_after). It is sent and compared as it is, because
        its form is not documented by Qualys. An empty text leaves it to the application.
    type: str
  randomize:
    description:
      - Whether Qualys goes through the target in an order by chance.
    type: bool
  scan_proxy:
    description:
      - Id of the proxy that the scans go through. Qualys has no look-up for the names of proxies; that of the one which
        the schedule has already is understood. An empty text removes it.
    type: str
  dns_override:
    description:
      - DNS override that the scans resolve names with, by name or id. An empty text removes it.
    type: str
  notification:
    description:
      - Whom Qualys tells before it launches a scan. What is not given stays as it is; an empty dictionary removes the
        notification.
    type: dict
    suboptions:
      active:
        description:
          - Whether the mail is sent.
        type: bool
      reschedule:
        description:
          - Whether recipients may ask for another time, as far as Qualys lets them.
        type: bool
      delay:
        description:
          - How long before the launch, in O(notification.delay_scale).
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
          - What the mail says.
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
- name: The shop is scanned twice a week, logged in
  appsec.perimeter.qualys_was_schedule:
    name: shop, twice a week
    webapp: shop
    profile: Nightly full
    auth_record: default
    start: "2026-12-01T02:00:00Z"
    time_zone: Europe/Paris
    recurrence: {type: WEEKLY, days: [MONDAY, THURSDAY]}
    cancel_after: 6

- name: All of production is scanned on the last Sunday of each month
  appsec.perimeter.qualys_was_schedule:
    name: production, monthly
    tags: [prod]
    start: "2026-12-01T02:00:00Z"
    recurrence: {type: MONTHLY, order: LAST, weekday: SUNDAY}

- name: Production but for what is frozen, with a word to the team the day before
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

- name: The old schedule is gone
  appsec.perimeter.qualys_was_schedule:
    name: old schedule
    state: absent
"""

RETURN = r"""
schedule:
  description:
    - The schedule after the task; in check mode as it would be. Null when it does not exist.
    - Everything that is an option has the form of the option, so that it can be fed back. After O(state=absent) it is
      the schedule as it was.
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
    - Names in the options that no record has, each with the C(option) and the C(kind) of record. Each is a warning too.
    - In check mode they stop nothing, since a task before may be the one that creates the record. In a real run they
      are an error. An id that does not exist is an error in both.
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
