#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create a report in Qualys WAS and download it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_report
short_description: Create a report in Qualys WAS and download it
version_added: 1.0.0
description:
  - Creates a report in Qualys Web Application Scanning, waits for it, writes it to a file, and deletes it at Qualys,
    whose storage for reports is limited.
  - For reports that this collection creates itself, from findings of any source, use M(appsec.perimeter.report).
  - Creating a report takes minutes. A pipeline should decide first and request the report afterwards.
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
    details:
      - Names are resolved, but no report is created and no file is written.
  diff_mode:
    support: none
    details:
      - A report is an action, so there is no previous state.
  idempotent:
    support: none
    details:
      - A report shows the state at one time, so each run creates a new one. With O(id), the file is only written if its
        content differs.
options:
  name:
    description:
      - Name of the report. Required without O(id).
    type: str
  type:
    description:
      - V(WAS_SCAN_REPORT) is about scans, V(WAS_WEBAPP_REPORT) about web applications.
    type: str
    choices: [WAS_SCAN_REPORT, WAS_WEBAPP_REPORT]
    default: WAS_WEBAPP_REPORT
  targets:
    description:
      - The scans or web applications in the report. Required without O(id).
    type: dict
    suboptions:
      scans:
        description:
          - Ids of scans, for O(type=WAS_SCAN_REPORT).
        type: list
        elements: int
      webapps:
        description:
          - Web applications, by name or id, for O(type=WAS_WEBAPP_REPORT).
        type: list
        elements: str
      tags:
        description:
          - Tags, by name or id, for O(type=WAS_WEBAPP_REPORT). Applications that have all of these tags are added to
            O(targets.webapps).
        type: list
        elements: str
  format:
    description:
      - Format of the file. V(PDF_ENCRYPTED) requires O(file_password) and O(recipients).
    type: str
    choices: [HTML_ZIPPED, HTML_BASE64, PDF, PDF_ENCRYPTED, POWERPOINT, CSV, CSV_V2, XML, WORD]
    default: PDF
  template:
    description:
      - Report template, by name or id. The default is that of Qualys.
    type: str
  file_password:
    description:
      - Password of the file, for O(format=PDF_ENCRYPTED).
    type: str
  recipients:
    description:
      - E-mail addresses that may get the file from Qualys, for O(format=PDF_ENCRYPTED).
    type: list
    elements: str
  id:
    description:
      - Id of an existing report, for example of an interrupted run. The task waits for this report and downloads it,
        and does not create one.
    type: int
  dest:
    description:
      - File to write. Its directory must exist. It is replaced as a whole, and readable by its owner only.
    type: path
    required: true
  keep:
    description:
      - Whether to keep the report at Qualys. The default is V(false) for a report that this task creates, and V(true)
        with O(id).
    type: bool
  wait_timeout:
    description:
      - Maximum duration of the task, from its start to the end of the download, as a number with V(s), V(m), V(h), V(d)
        or V(w). After that, the task fails and the report stays at Qualys.
    type: str
    default: 15m
  poll_interval:
    description:
      - Interval between two status requests, as a duration. It varies randomly by up to a tenth.
      - A status request that fails is repeated.
    type: str
    default: 10s
notes:
  - If the connection fails while the report is created, the task searches for a new report with this name, and adopts
    it. If there is none, the task fails without creating one again.
  - Reports contain attack payloads as text. Treat the file as data from outside.
seealso:
  - module: appsec.perimeter.report
  - module: appsec.perimeter.qualys_was_scan
"""

EXAMPLES = r"""
- name: Create a PDF report about production
  appsec.perimeter.qualys_was_report:
    name: production
    type: WAS_WEBAPP_REPORT
    targets:
      tags: [prod]
    format: PDF
    dest: /var/reports/production.pdf

- name: Create a report about the scan of this build
  appsec.perimeter.qualys_was_report:
    name: "ci {{ lookup('ansible.builtin.env', 'CI_PIPELINE_ID') }}"
    type: WAS_SCAN_REPORT
    targets:
      scans: ["{{ scan.scan.id }}"]
    format: HTML_ZIPPED
    dest: report.zip
"""

RETURN = r"""
report:
  description: The report, even if the task fails after its creation. In check mode, its C(id) is null.
  type: dict
  returned: always, once there is a report
  sample:
    id: 66001
    name: production
    type: WAS_WEBAPP_REPORT
    format: PDF
    status: COMPLETE
    size: 20480
    created: null
dest:
  description: The file.
  type: str
  returned: success
  sample: /var/reports/production.pdf
bytes:
  description: Size of the file. Null in check mode.
  type: int
  returned: success
  sample: 20480
sha256:
  description: SHA-256 of the file. Null in check mode.
  type: str
  returned: success
  sample: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
deleted:
  description: Whether the report was deleted at Qualys after the download.
  type: bool
  returned: success
  sample: true
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
    - {option: targets.webapps, kind: web application, name: shop}
stats:
  description: Statistics of the task. Times are in seconds.
  type: dict
  returned: always
  sample: {requests: 3, retries: 0, bytes: 20480, connections: 1, waited: 0.0, elapsed: 0.4}
error:
  description:
    - The error as data, with C(kind), C(message), C(hint) and the vendor's own C(code).
    - C(kind) is C(report_failed) if Qualys could not create the report, and C(report_timeout) if it was not complete in
      time.
  type: dict
  returned: failure
  sample:
    kind: report_failed
    message: Qualys could not create report 66001.
    hint: Check targets and template, and try again.
    code: ERROR
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import QUALYS, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library.reports import CONFIGS, FORMATS, run


def main() -> None:
    """Entry point."""
    targets = {
        "scans": {"type": "list", "elements": "int"},
        "webapps": {"type": "list", "elements": "str"},
        "tags": {"type": "list", "elements": "str"},
    }
    own = Spec(
        options={
            "name": {"type": "str"},
            "type": {"type": "str", "choices": list(CONFIGS), "default": "WAS_WEBAPP_REPORT"},
            "targets": {"type": "dict", "options": targets},
            "format": {"type": "str", "choices": list(FORMATS), "default": "PDF"},
            "template": {"type": "str"},
            "file_password": {"type": "str", "no_log": True},
            "recipients": {"type": "list", "elements": "str"},
            "id": {"type": "int"},
            "dest": {"type": "path", "required": True},
            "keep": {"type": "bool"},
            "wait_timeout": {"type": "str", "default": "15m"},
            "poll_interval": {"type": "str", "default": "10s"},
        },
        mutually_exclusive=[("id", "name"), ("id", "targets")],
        required_one_of=[("id", "name")],
    )
    run_vendor_module(QUALYS.merge(own), connect, run)


if __name__ == "__main__":
    main()
