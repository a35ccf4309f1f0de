#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the knowledge base of Qualys."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_kb_info
short_description: Read the knowledge base of Qualys
version_added: 1.0.0
description:
  - Reads descriptions and solutions of vulnerabilities from the knowledge base of Qualys. The findings of Qualys Web
    Application Scanning do not have them.
  - Entries are cached under O(state_dir), because this API allows few calls per hour.
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
      - Neither O(dest) nor the cache under O(state_dir) is written.
  diff_mode:
    support: none
    details:
      - The texts are too long for a diff.
  idempotent:
    support: full
    details:
      - RV(ignore:changed) is only true if O(dest) is given and its content changes.
options:
  qids:
    description:
      - Numbers of the vulnerabilities, which are the C(rule_id) of findings. They are requested in batches of 500.
    type: list
    elements: int
    required: true
  max_age:
    description:
      - Maximum age of a cached entry, as a number with V(s), V(m), V(h), V(d) or V(w). V(0s) ignores the cache.
      - The information that Qualys does not know a number is cached for at most one day.
    type: str
    default: 7d
  dest:
    description:
      - File to write RV(entries) to, as one JSON document, for O(appsec.perimeter.report#module:knowledge) and other
        tasks, instead of returning them. Its directory must exist. A new file is readable by its owner only.
    type: path
notes:
  - The account needs API access to the knowledge base, which is not part of every subscription to WAS.
  - The texts are HTML from the vendor. Treat them as data, and escape or clean them before they are shown.
seealso:
  - module: appsec.perimeter.qualys_was_finding_export
  - module: appsec.perimeter.qualys_was_finding_info
  - module: appsec.perimeter.report
"""

EXAMPLES = r"""
- name: Export what was found
  appsec.perimeter.qualys_was_finding_export:
    dest: findings.ndjson.gz
  register: found

- name: Write descriptions and solutions to a file for the report
  appsec.perimeter.qualys_kb_info:
    qids: "{{ found.rule_ids | map('int') }}"
    dest: knowledge.json

- name: Read two entries into the play
  appsec.perimeter.qualys_kb_info:
    qids: [150001, 150003]
  register: knowledge
"""

RETURN = r"""
entries:
  description: The entries, ascending by QID. Texts are HTML; keys that end in C(_text) have plain text. Times are UTC.
  type: list
  elements: dict
  returned: when O(dest) is not given
  sample:
    - qid: 150001
      title: Reflected Cross-Site Scripting (XSS) Vulnerabilities
      kind: Vulnerability
      category: Web Application
      severity: critical
      severity_native: "5"
      diagnosis: "XSS vulnerabilities occur when ...<P>"
      diagnosis_text: XSS vulnerabilities occur when ...
      consequence: "XSS exploits pose ..."
      consequence_text: XSS exploits pose ...
      solution: "Filter all data ..."
      solution_text: Filter all data ...
      published: "2010-03-05T10:00:00Z"
      modified: "2026-09-14T08:00:00Z"
      patchable: false
      pci: true
      cves: [CVE-2024-50001]
      references: [{id: CWE-79, url: "https://cwe.mitre.org/data/definitions/79.html"}]
      cvss: {version: "3.1", base: 6.1, temporal: 5.8, vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"}
missing:
  description: The numbers that Qualys does not know. V(0), which imported findings have, is always among them.
  type: list
  elements: int
  returned: success
  sample: [0]
total:
  description: Number of entries that were found.
  type: int
  returned: success
  sample: 1
truncated:
  description: Always false.
  type: bool
  returned: success
  sample: false
fetched:
  description: Number of QIDs that were requested from Qualys.
  type: int
  returned: success
  sample: 1
cached:
  description: Number of QIDs that were in the cache.
  type: int
  returned: success
  sample: 0
dest:
  description: The file.
  type: str
  returned: when O(dest) is given
  sample: knowledge.json
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
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library.kb import run


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "qids": {"type": "list", "elements": "int", "required": True},
            "max_age": {"type": "str", "default": "7d"},
            "dest": {"type": "path"},
        },
    )
    run_vendor_module(QUALYS.merge(own), connect, run)


if __name__ == "__main__":
    main()
