#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Export findings of Qualys WAS to a file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_finding_export
short_description: Export findings of Qualys WAS to a file
version_added: 1.0.0
description:
  - Writes findings of Qualys Web Application Scanning to a file with one JSON object for each line (NDJSON), in the
    form that all sources of this collection share. Memory use does not depend on their number.
  - The file is replaced as a whole, after all findings were read. A manifest beside it describes the content, the
    number of findings that Qualys announced, and whether the file is complete.
  - The same findings always give the same bytes.
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
      - All findings are read, but no file is replaced.
  diff_mode:
    support: none
    details:
      - The file is too large for a diff.
  idempotent:
    support: full
    details:
      - RV(ignore:changed) is only true if the findings differ from those in the file.
options:
  dest:
    description:
      - File to write. Its directory must exist. A new file is readable by its owner only; an existing one keeps its
        mode.
      - A symbolic link is refused.
    type: path
    required: true
  detail:
    description:
      - V(summary) has no CWE, OWASP, WASC, CVSS, group nor evidence; V(verbose) has all of them; V(full) adds what is
        known about TLS, and takes one more request for each finding.
    type: str
    choices: [summary, verbose, full]
    default: verbose
  since:
    description:
      - Exports only findings that were tested after this time. For feeds; an audit or a gate needs all findings.
    type: str
  compress:
    description:
      - Whether to compress the file with gzip. By default it is compressed if O(dest) ends in C(.gz).
    type: bool
  sensitive:
    description:
      - V(redact) removes cookies, credentials, tokens and matched personal data from the evidence; V(keep) leaves them.
    type: str
    choices: [redact, keep]
    default: redact
  include_raw:
    description:
      - Whether each finding also has the original object of Qualys, unchanged and not redacted, as JSON text in C(raw).
    type: bool
    default: false
notes:
  - Findings contain attack payloads. Never use them as templates, commands or unescaped text.
seealso:
  - module: appsec.perimeter.report
  - module: appsec.perimeter.qualys_was_finding_info
"""

EXAMPLES = r"""
- name: Export all findings of production
  appsec.perimeter.qualys_was_finding_export:
    dest: findings.ndjson.gz
    filters:
      - field: webApp.tags.name
        value: prod
"""

RETURN = r"""
dest:
  description: The file.
  type: str
  returned: success
  sample: findings.ndjson.gz
manifest:
  description: The manifest beside it.
  type: str
  returned: success
  sample: findings.ndjson.gz.manifest.json
records:
  description: Number of findings in the file.
  type: int
  returned: success
  sample: 5000
total:
  description: Number of findings that Qualys announced at the end.
  type: int
  returned: success
  sample: 5000
complete:
  description: Whether the file has every finding that Qualys announced.
  type: bool
  returned: success
  sample: true
duplicates:
  description: Number of findings that came twice and were left out.
  type: int
  returned: success
  sample: 0
bytes:
  description: Size of the file.
  type: int
  returned: success
  sample: 15728640
sha256:
  description: SHA-256 of the file.
  type: str
  returned: success
  sample: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
rule_ids:
  description:
    - The rules of the findings in the file, which are QIDs as text, ascending. M(appsec.perimeter.qualys_kb_info) reads
      their descriptions.
  type: list
  elements: str
  returned: success
  sample: ["150001", "150003"]
unknown_values:
  description:
    - Unknown words of Qualys, with the number of occurrences. They are mapped to V(unknown).
  type: dict
  returned: success
  sample: {status=PENDING: 2}
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
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.finding_export import run


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "dest": {"type": "path", "required": True},
            **filter_option(),
            "detail": {"type": "str", "choices": ["summary", "verbose", "full"], "default": "verbose"},
            "since": {"type": "str"},
            "compress": {"type": "bool"},
            "sensitive": {"type": "str", "choices": ["redact", "keep"], "default": "redact"},
            "include_raw": {"type": "bool", "default": False},
        },
    )
    run_vendor_module(QUALYS.merge(own), connect, run)


if __name__ == "__main__":
    main()
