#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch, wait for, cancel or delete a scan of Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_scan
short_description: Launch, wait for, cancel or delete a scan of Qualys WAS
version_added: 1.0.0
description:
  - Launches a scan of one web application in Qualys Web Application Scanning and waits for its end, cancels one, or
    deletes one.
  - A scan that already belongs to the task is adopted instead of launched again. This is a scan with the same O(name),
    O(webapp) and O(type) that is still running, or was launched within O(resume_within). So an interrupted pipeline
    continues to wait for the same scan, and an old scan is never mistaken for a new one.
  - With O(state=finished), the task fails if the end of the scan is inconclusive, for example without a live host,
    without its login, cancelled, or at its time limit. The scan is returned all the same, with RV(scan.end_reason) and
    RV(scan.conclusive).
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
  - appsec.perimeter._qualys.filters
  - appsec.perimeter._connection
  - appsec.perimeter._qualys
attributes:
  check_mode:
    support: full
    details:
      - No scan is launched, cancelled or deleted, and the task does not wait. RV(scan) is the scan that would be
        adopted, or what is known of the one that would be launched, with null as its C(id).
  diff_mode:
    support: none
    details:
      - A scan is an action, so there is no previous state.
  idempotent:
    support: partial
    details:
      - A second run with O(state=finished) or O(state=launched) changes nothing while the scan is running, or if it was
        launched within O(resume_within). After that it launches another scan.
      - O(state=canceled) and O(state=absent) are idempotent.
options:
  state:
    description:
      - V(finished) launches or adopts a scan and waits for its end.
      - V(launched) launches or adopts a scan and does not wait.
      - V(canceled) cancels a running scan and waits until it has ended. A scan that has ended is left alone.
      - V(absent) deletes a scan that has ended. If the scan is running, the task fails, because it has to be cancelled
        first. With O(filters), it deletes all scans that match; if one of them is running, none is deleted.
    type: str
    choices: [finished, launched, canceled, absent]
    default: finished
  id:
    description:
      - Id of a scan, instead of O(webapp) and O(name). With O(state=finished), the task waits for this scan, and never
        launches one.
    type: int
  again:
    description:
      - Id of a scan that has ended, to repeat it with the same target, profile, login and limit, instead of O(webapp).
        For O(state=finished) and O(state=launched) only.
      - The new scan has the name of the old one unless O(name) is given. A scan with this name, application and type
        that is newer than the old scan is adopted by the same rules.
    type: int
  webapp:
    description:
      - Web application to scan, by name or id. Names are compared exactly; digits are read as an id.
    type: str
  webapps:
    description:
      - Web applications to scan, by name or id, instead of O(webapp), with one launch for all. Each gets its own scan.
        Scans are adopted by the same rules, and only missing ones are launched.
      - For O(state=finished) and O(state=launched) only. O(profile), O(auth_record), O(scanner) and O(cancel_after)
        apply to all.
    type: list
    elements: str
  tags:
    description:
      - Tags, by name or id, of the web applications to scan. Otherwise like O(webapps).
    type: list
    elements: str
  tags_match:
    description:
      - Whether an application must have all of O(tags), or any of them. The default is V(ALL).
    type: str
    choices: [ALL, ANY]
  excluded_tags:
    description:
      - Tags, by name or id, of applications to exclude although they have O(tags).
    type: list
    elements: str
  excluded_tags_match:
    description:
      - Whether an application is excluded if it has all of O(excluded_tags), or any of them. The default is V(ANY).
    type: str
    choices: [ALL, ANY]
  max_running:
    description:
      - Maximum number of concurrent scans of this task, with O(webapps) or O(tags) and O(state=finished). Each further
        scan is launched with a separate request when another has ended, until O(wait_timeout) is over.
      - Scans that could not be launched are in RV(scans) too, with V(not_launched) as C(end_reason).
      - Without it, all scans are launched at once.
    type: int
  name:
    description:
      - Name of the scan. Names are not unique at Qualys. Give each run of a pipeline a unique name, for example with
        the number of the build, so that a repeated job finds its own scan.
    type: str
  type:
    description:
      - V(VULNERABILITY) crawls and tests, V(DISCOVERY) only crawls.
    type: str
    choices: [VULNERABILITY, DISCOVERY]
    default: VULNERABILITY
  profile:
    description:
      - Option profile, by name or id. Required unless the application has a default one.
    type: str
  auth_record:
    description:
      - Authentication record to log in with, by name or id, or V(default) for the default one of the application.
      - V(none), which is the default, scans without login, even if the application has records.
      - A record with the name C(default) or C(none) has to be given by its id.
    type: str
  scanner:
    description:
      - The scanner. The default is that of the application.
    type: dict
    suboptions:
      type:
        description:
          - V(EXTERNAL) for the scanners of Qualys, V(INTERNAL) for one appliance, V(scannerTags) for appliances with
            tags.
        type: str
        choices: [EXTERNAL, INTERNAL, scannerTags]
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
      - Hours after which Qualys ends the scan. It takes precedence over the limit of the application.
    type: int
  cancel_time:
    description:
      - Time of day at which Qualys ends the scan, instead of O(cancel_after). It is sent unchanged, because Qualys does
        not document its format.
    type: str
  randomize:
    description:
      - Whether Qualys scans the target in random order. The default is that of Qualys.
    type: bool
  scan_proxy:
    description:
      - Id of the proxy for the scan. Qualys has no search for proxies by name.
    type: str
  dns_override:
    description:
      - DNS override for the scan, by name or id.
    type: str
  send_mail:
    description:
      - Whether Qualys sends a mail when the scan has ended. The default is that of Qualys.
    type: bool
  send_one_mail:
    description:
      - Whether Qualys sends one mail for all scans of one launch. The default is that of Qualys.
    type: bool
  max_deletes:
    description:
      - Maximum number of scans that O(filters) may delete. If more match, none is deleted. Required with O(filters);
        there is no default.
    type: int
  cancel_with_results:
    description:
      - Whether O(state=canceled) keeps the results that the scan has so far.
    type: bool
    default: false
  wait_timeout:
    description:
      - Maximum duration of the task, from its start to the end of the scan, as a number with V(s), V(m), V(h), V(d) or
        V(w). After that, the task fails and the scan continues.
      - A request that is running at that time is completed first, including the pauses that O(max_wait) allows.
    type: str
    default: 6h
  poll_interval:
    description:
      - Interval between two status requests, as a duration. The first intervals are shorter, starting with five
        seconds, so that the end of a short scan is noticed soon. Intervals vary randomly by up to a tenth, so that
        pipelines that started together do not poll together.
      - A status request that fails is repeated, and never counts as the end of the scan.
    type: str
    default: 60s
  resume_within:
    description:
      - Maximum age of a finished scan that is adopted, as a duration. The default only adopts running scans.
      - A scan with an inconclusive end is never adopted.
      - The age is measured with the clock of Qualys, which its answers include. If they do not, this machine's clock is
        used, and its skew adds to the age.
    type: str
    default: 0s
notes:
  - If the connection fails during the launch, the task searches for a new scan with this name and application, and
    adopts it. If there is none, the task fails without launching again, because a second scan may take hours.
  - To accept an inconclusive end, use C(failed_when) with RV(scan.end_reason).
  - To run scans in parallel that differ in more than their application, launch them with O(state=launched), and then
    wait for each.
seealso:
  - module: appsec.perimeter.qualys_was_scan_info
  - module: appsec.perimeter.qualys_was_schedule
  - module: appsec.perimeter.qualys_was_finding_export
"""

EXAMPLES = r"""
- name: Scan the shop, logged in, and wait for the end
  appsec.perimeter.qualys_was_scan:
    webapp: shop
    name: "ci {{ lookup('ansible.builtin.env', 'CI_PIPELINE_ID') }}"
    profile: CI quick
    auth_record: default
    cancel_after: 2
    wait_timeout: 3h
    resume_within: 1d
  register: scan

- name: Scan, and accept the time limit as an end
  appsec.perimeter.qualys_was_scan:
    webapp: shop
    name: nightly
    profile: Nightly full
  register: nightly
  failed_when:
    - nightly is failed
    - (nightly.scan | default({}, true)).end_reason | default('') != 'time_limit'

- name: Launch without waiting
  appsec.perimeter.qualys_was_scan:
    webapp: "410001"
    name: discovery
    type: DISCOVERY
    scanner: {type: INTERNAL, friendly_name: dmz}
    state: launched
  register: discovery

- name: Wait for it later
  appsec.perimeter.qualys_was_scan:
    id: "{{ discovery.scan.id }}"
    wait_timeout: 2h

- name: Scan all applications of a team with one launch, and wait for all
  appsec.perimeter.qualys_was_scan:
    tags: [checkout]
    name: "weekly {{ lookup('ansible.builtin.env', 'CI_PIPELINE_ID') }}"
    auth_record: default
    resume_within: 1d
  register: weekly

- name: Repeat the scan, and wait for the end
  appsec.perimeter.qualys_was_scan:
    again: "{{ discovery.scan.id }}"
    name: discovery, second look

- name: Cancel it, and keep the results so far
  appsec.perimeter.qualys_was_scan:
    id: "{{ discovery.scan.id }}"
    state: canceled
    cancel_with_results: true

- name: Delete up to a hundred scans that are older than a year
  appsec.perimeter.qualys_was_scan:
    state: absent
    filters:
      - {field: launchedDate, operator: LESSER, value: "2025-11-01"}
      - {field: status, value: [FINISHED, CANCELED, ERROR]}
    max_deletes: 100

- name: Delete it
  appsec.perimeter.qualys_was_scan:
    id: "{{ discovery.scan.id }}"
    state: absent
"""

RETURN = r"""
scan:
  description:
    - The scan, in the form that all sources of this collection share, even if the task fails. Null if there is none.
    - After O(state=absent), the scan as it was before.
  type: dict
  returned: always, once there is a scan
  contains:
    status:
      description: One of V(running), V(finished), V(cancelled), V(failed) and V(unknown).
      type: str
      returned: success
      sample: finished
    end_reason:
      description:
        - One of V(finished), V(no_host_alive), V(no_web_service), V(authentication_failed), V(time_limit),
          V(cancelled), V(not_launched), V(scanner_not_available), V(service_error), V(error) and V(still_running),
          which is a scan that had not ended after O(wait_timeout). Null if it is not known yet.
        - V(authentication_failed) also includes logins that only worked in part, or were not used although requested.
      type: str
      returned: success
      sample: finished
    conclusive:
      description: Whether the result of the scan is conclusive, which is only the case for V(finished).
      type: bool
      returned: success
      sample: true
    links_crawled:
      description: Number of crawled links. A finished scan without any causes a warning.
      type: int
      returned: success
      sample: 120
    counts:
      description: Always null. M(appsec.perimeter.qualys_was_scan_info) returns it with C(results).
      type: dict
      returned: success
      sample: null
  sample:
    record: scan
    schema: 1
    source: qualys
    id: "9988"
    name: ci 42
    reference: was/1793491200000.2000001
    kind: vulnerability
    mode: API
    profile: CI quick
    asset: {id: "4711", name: shop, url: "https://shop.example.com/", tags: []}
    time: "2026-11-01T00:00:00Z"
    ended: "2026-11-01T00:40:00Z"
    duration: 2400
    status: finished
    status_native: FINISHED
    results_status: SUCCESSFUL
    auth_status: SUCCESSFUL
    end_reason: finished
    conclusive: true
    links_crawled: 120
    requests_sent: 4440
    launched_by: jdoe
    counts: null
    malware: null
scans:
  description: The scans, in the form of RV(scan), which is null then; with O(filters), those that were deleted.
  type: list
  elements: dict
  returned: when O(webapps), O(tags) or O(filters) is given
  sample: []
adopted:
  description: Whether the scan already existed; for several scans, whether all existed.
  type: bool
  returned: for O(state=finished) and O(state=launched), once there is a scan
  sample: false
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
  description:
    - The error as data, with C(kind), C(message), C(hint) and the vendor's own C(code).
    - C(kind) is C(scan_inconclusive) for a scan with an inconclusive end, and C(scan_timeout) for a scan that did not
      end in time.
  type: dict
  returned: failure
  sample:
    kind: scan_inconclusive
    message: Scan 9988 found no live host (status FINISHED, results NO_HOST_ALIVE, login NONE).
    hint: Check the URL, its DNS name, and whether the scanner can reach it.
    code: NO_HOST_ALIVE
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import QUALYS, Spec, filter_option
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.scan import run
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.scan_target import (
    MATCHES,
    SCANNER_OPTIONS,
    TYPES,
)


def main() -> None:
    """Entry point."""
    states = ["finished", "launched", "canceled", "absent"]
    own = Spec(
        options={
            "state": {"type": "str", "choices": states, "default": "finished"},
            "id": {"type": "int"},
            "again": {"type": "int"},
            "webapp": {"type": "str"},
            "webapps": {"type": "list", "elements": "str"},
            "tags": {"type": "list", "elements": "str"},
            "tags_match": {"type": "str", "choices": list(MATCHES)},
            "excluded_tags": {"type": "list", "elements": "str"},
            "excluded_tags_match": {"type": "str", "choices": list(MATCHES)},
            **filter_option(),
            "max_deletes": {"type": "int"},
            "max_running": {"type": "int"},
            "name": {"type": "str"},
            "type": {"type": "str", "choices": list(TYPES), "default": "VULNERABILITY"},
            "profile": {"type": "str"},
            "auth_record": {"type": "str"},
            "scanner": {"type": "dict", "options": SCANNER_OPTIONS},
            "cancel_after": {"type": "int"},
            "cancel_time": {"type": "str"},
            "randomize": {"type": "bool"},
            "scan_proxy": {"type": "str"},
            "dns_override": {"type": "str"},
            "send_mail": {"type": "bool"},
            "send_one_mail": {"type": "bool"},
            "cancel_with_results": {"type": "bool", "default": False},
            "wait_timeout": {"type": "str", "default": "6h"},
            "poll_interval": {"type": "str", "default": "60s"},
            "resume_within": {"type": "str", "default": "0s"},
        },
        mutually_exclusive=[
            ("id", "webapp", "webapps", "tags", "again", "filters"),
            ("id", "name"),
            ("cancel_after", "cancel_time"),
        ],
        required_one_of=[
            ("id", "webapp", "webapps", "tags", "again", "filters"),
            ("id", "name", "again", "filters"),
        ],
    )
    run_vendor_module(QUALYS.merge(own), connect, run)


if __name__ == "__main__":
    main()
