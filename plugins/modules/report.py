#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write an audit report."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write an audit report
version_added: 1.0.0
description:
  - Turns exported findings into files that can be sent on, all of them from the same figures.
  - The HTML report is one file that needs no network. It has the figures, the top risks, what changed since the last
    report, and a table of all findings that can be searched and sorted.
  - Findings contain attack payloads. They are escaped for each format, and the HTML report forbids every script but its
    own.
  - No output is replaced unless all of them could be rendered.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
attributes:
  check_mode:
    support: full
    details:
      - Everything is rendered, and nothing is written.
  diff_mode:
    support: none
    details:
      - The files are too large to be shown as a difference.
  idempotent:
    support: full
    details:
      - The same findings always give the same bytes; the time in a report is the time of its data.
options:
  findings:
    description:
      - Files that were written by a C(_finding_export) module. The manifest beside each is checked; what is not
        complete is reported, and marked as such in every output.
    type: list
    elements: path
    required: true
  outputs:
    description:
      - What to write, as formats and paths. A new file is readable for its owner only; one that
        exists keeps its mode. A symbolic link is refused.
    type: dict
    required: true
    suboptions:
      html:
        description:
          - The report as a page for people.
        type: path
      json:
        description:
          - The figures and all findings, for programs and for the next report.
        type: path
      csv:
        description:
          - All findings, one in each row, for spreadsheets. Cells that a spreadsheet would calculate are made harmless.
        type: path
      markdown:
        description:
          - The figures and the worst findings, for tickets, chats and step summaries; at most one mebibyte.
        type: path
  title:
    description:
      - Title of the report.
    type: str
    default: Web application security report
  previous:
    description:
      - An earlier report in JSON to compare with. The default is the file at O(outputs.json), before it is replaced.
    type: path
  webapps:
    description:
      - The applications of the estate, as M(appsec.perimeter.qualys_was_webapp_info) returns them. With them, the
        report also tells which applications have no findings, and which were never scanned.
    type: list
    elements: dict
  knowledge:
    description:
      - File with the entries of a knowledge base, as M(appsec.perimeter.qualys_kb_info) writes it to its
        O(ignore:dest). A JSON list of entries, and NDJSON with one entry in each line, are read too.
      - With it the HTML, JSON and Markdown reports say for each rule what it means, what follows from it, how it is
        fixed, and which CVEs belong to it. HTML in these texts is reduced to plain text.
    type: path
  scope:
    description:
      - What was asked for, such as the filters of the applications and of the findings. It decides whether this report
        and the earlier one can be compared.
      - Without it the filters of the manifests decide, where a filter that was resolved to ids differs as soon as an
        application comes or goes.
    type: list
    elements: raw
  notes:
    description:
      - Further sentences for the section about the data, such as what could not be read.
    type: list
    elements: str
seealso:
  - module: appsec.perimeter.qualys_was_finding_export
  - module: appsec.perimeter.qualys_kb_info
"""

EXAMPLES = r"""
- name: Write the report
  appsec.perimeter.report:
    title: Northwind, web applications
    findings:
      - findings.ndjson.gz
    outputs:
      html: report.html
      json: report.json

- name: Write the report with what the findings mean and how they are fixed
  appsec.perimeter.report:
    findings:
      - findings.ndjson.gz
    knowledge: knowledge.json
    outputs:
      html: report.html
"""

RETURN = r"""
written:
  description: The files, each with whether it differs from what was there before, and whether there was none.
  type: list
  elements: dict
  returned: success
  sample:
    - format: html
      path: report.html
      bytes: 812345
      sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
      changed: true
      created: false
only_time_changed:
  description:
    - Whether the reports were all there, and are made of the same data as the earlier report that was compared with.
      They then differ in the time of the data, in ages, and in what they say about changes since, if at all.
  type: bool
  returned: success
  sample: false
summary:
  description:
    - The figures of the report.
    - C(complete) is false when an input is not known to hold all findings; the figures are then a lower bound.
  type: dict
  returned: success
  sample:
    generated: "2026-11-01T00:00:00Z"
    complete: true
    total: 5000
    states: {open: 3120, ignored: 340, protected: 120, fixed: 700, information: 720}
    open_by_severity: {critical: 210, high: 640, medium: 1100, low: 800, info: 370, unknown: 0}
error:
  description: The error as data, with C(kind), C(message), C(hint) and C(code).
  type: dict
  returned: failure
  sample:
    kind: file
    message: "outputs.html: cannot write in /reports: permission denied."
    hint: Choose another path, or give this user the right to write there.
    code: null
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_local_module
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "findings": {"type": "list", "elements": "path", "required": True},
            "outputs": {
                "type": "dict",
                "required": True,
                "options": {
                    "html": {"type": "path"},
                    "json": {"type": "path"},
                    "csv": {"type": "path"},
                    "markdown": {"type": "path"},
                },
            },
            "title": {"type": "str", "default": "Web application security report"},
            "previous": {"type": "path"},
            "webapps": {"type": "list", "elements": "dict"},
            "knowledge": {"type": "path"},
            "scope": {"type": "list", "elements": "raw"},
            "notes": {"type": "list", "elements": "str"},
        },
    )
    run_local_module(own, run)


if __name__ == "__main__":
    main()
