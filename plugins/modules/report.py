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
  - The HTML report is one file that needs no network. Its first page says what to fix first, what got worse, what is
    attacked and what is overdue. Then come the changes, each application, all findings in a table that can be searched
    and sorted, the attacks, container images, the scans, and what is known about the data.
  - With O(matches), findings that were attacked and not blocked come first, whatever their severity.
  - Findings contain attack payloads. They are escaped for each format, and the HTML report forbids every script but its
    own.
  - No output is replaced unless all of them could be rendered.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
requirements:
  - xlsxwriter, for O(outputs.xlsx)
  - PyYAML, for O(catalog), and for O(waivers) when they are YAML
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
      - Files that were written by a C(_finding_export) module. The manifest beside each is checked; a file that is not
        complete is reported, and marked as such in every output.
      - A directory is read as a stream, as M(appsec.perimeter.indusface_scan_log_export) and
        M(appsec.perimeter.carbon_black_scan_log_export) write it. The newest record of a finding counts.
      - Required, unless one of O(events), O(scans), O(history) or O(services) is given.
    type: list
    elements: path
  events:
    description:
      - Events of web firewalls, as directories of streams or NDJSON files (gzip too), as
        M(appsec.perimeter.edgecast_waf_event_export) and M(appsec.perimeter.scutum_alert_export) write them.
      - With them the report says when, from where and on which hosts there were attacks, and what was not blocked. They
        are counted in one pass, and none is kept in memory.
    type: list
    elements: path
  matches:
    description:
      - Files that say which findings were attacked, and whether that was blocked, as NDJSON records of the kind
        C(match).
    type: list
    elements: path
  history:
    description:
      - A history of the findings, as a JSON document of the kind C(history). With it the report has the trend, what is
        overdue, and how long fixes took.
    type: path
  waivers:
    description:
      - The file of waivers for M(appsec.perimeter.gate), as JSON or YAML. They are listed with the days that are left.
        O(gate) shows which findings they cover.
    type: path
  services:
    description:
      - The outcome of reading each service, for the section about the data. A service that failed or is not complete is
        reported at the top of every output that has a place for it.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the service, for people.
        type: str
        required: true
      failed:
        description:
          - Whether it could not be read.
        type: bool
        default: false
      complete:
        description:
          - Whether it was read completely.
        type: bool
        default: false
      records:
        description:
          - How many records were read.
        type: int
      reason:
        description:
          - Why it could not be read, or not completely.
        type: str
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
          - All findings, one in each row, for spreadsheets. Cells that a spreadsheet would evaluate are made harmless.
        type: path
      markdown:
        description:
          - The figures and the worst findings, for tickets, chats and step summaries; at most one mebibyte, which is
            the limit of GitHub.
        type: path
      xlsx:
        description:
          - A workbook for Excel, with a sheet for each part of the report. The findings have the columns that people
            sort and filter by; O(outputs.csv) has all of them.
        type: path
      sarif:
        description:
          - SARIF 2.1.0 for GitHub code scanning and other tools. With O(catalog), the location of a result is the line
            that declares its application.
          - Each severity of a scanner's rule is a rule of its own, so that GitHub and others show each result with the
            severity of its finding.
          - GitHub keeps 25,000 results, and accepts 10 MB after compression. Findings that count come first, worst
            first, and the file says how many were left out.
        type: path
      junit:
        description:
          - JUnit XML for Jenkins, GitLab and others, at most 30 MB. Each finding is a case. The verdict of each
            application and the completeness of the data are cases too.
        type: path
      gitlab:
        description:
          - DAST report of GitLab, version 15.1.0. Of the recorded traffic it has the first request and the head of its
            response, without bodies; headers that carry secrets are masked.
        type: path
      ocsf:
        description:
          - Vulnerability findings of OCSF 1.5.0, one JSON object in each line.
        type: path
      github_annotations:
        description:
          - Workflow commands of GitHub Actions, for the verdict and the worst findings. GitHub keeps ten errors of a
            step. They take effect when a step prints the file.
        type: path
      azure_annotations:
        description:
          - The same as logging commands of Azure Pipelines.
        type: path
      gitlab_annotations:
        description:
          - The addresses of the worst findings as links beside a job of GitLab (C(artifacts:reports:annotations)).
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
        report also says which applications have no findings, and which were never scanned.
    type: list
    elements: dict
  knowledge:
    description:
      - File with the entries of a knowledge base, as M(appsec.perimeter.qualys_kb_info) writes it to its
        O(ignore:dest). A JSON list of entries, and NDJSON with one entry in each line, are read too, compressed with
        gzip or not.
      - With it the HTML, JSON and Markdown reports say for each rule what it means, what its consequences are, how to
        fix it, and which CVEs belong to it. SARIF, JUnit, GitLab and OCSF say how to fix it. HTML in these texts is
        reduced to plain text.
    type: path
  scope:
    description:
      - What the findings were limited to, such as the filters of the applications and of the findings. It decides
        whether this report and the earlier one can be compared.
      - Without it the filters of the manifests decide. A filter that was resolved to ids differs as soon as an
        application comes or goes.
    type: list
    elements: raw
  gate:
    description:
      - The verdict that M(appsec.perimeter.gate) wrote. Its file of explanations must be beside it.
      - With it every format shows the verdict and the decision about each finding. Findings that are waived, ignored or
        protected are marked as such, or left out in a format that cannot mark them. SARIF and JUnit also mark findings
        that the policy excludes.
      - If V(markdown) is the only output, no other input is needed. The output then has the verdict and its reasons.
    type: path
  scans:
    description:
      - The scans that the findings come from, as records that M(appsec.perimeter.qualys_was_scan) or
        M(appsec.perimeter.qualys_was_scan_info) returned, or as paths of JSON or NDJSON files of them (gzip too), or of
        the directories of a stream.
      - Scans of container images, as M(appsec.perimeter.carbon_black_scan_log_export) writes them, have a section of
        their own. Of each image the newest scan counts.
    type: list
    elements: raw
  catalog:
    description:
      - YAML files that declare web applications under the key C(webapps), each with a C(name), and folders of them.
        Results of SARIF and annotations point to the line of their application.
      - The files are only parsed; no tag in them is executed. It needs the Python package C(PyYAML).
    type: list
    elements: path
  catalog_root:
    description:
      - Root of the repository that O(catalog) belongs to. Paths in the outputs are relative to it.
    type: path
    default: .
  notes:
    description:
      - Further sentences for the section about the data, such as what could not be read.
    type: list
    elements: str
seealso:
  - module: appsec.perimeter.qualys_was_finding_export
  - module: appsec.perimeter.qualys_kb_info
  - module: appsec.perimeter.gate
  - module: appsec.perimeter.edgecast_waf_event_export
  - module: appsec.perimeter.scutum_alert_export
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

- name: Write the report with what the findings mean and how to fix them
  appsec.perimeter.report:
    findings:
      - findings.ndjson.gz
    knowledge: knowledge.json
    outputs:
      html: report.html

- name: Write the report with the attacks of the last days
  appsec.perimeter.report:
    findings:
      - findings.ndjson.gz
    events:
      - logs/edgecast
      - logs/scutum
    scans:
      - logs/carbon_black
    matches:
      - matches.ndjson
    outputs:
      html: report.html

- name: Write the verdict of the gate for a pipeline
  appsec.perimeter.report:
    findings:
      - findings.ndjson.gz
    gate: gate.json
    catalog:
      - catalog/webapps.yml
    outputs:
      sarif: report.sarif
      junit: junit.xml
      markdown: summary.md
"""

RETURN = r"""
written:
  description: The files, each with whether it differs from the file before, and whether it is new.
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
    - Whether all outputs existed, and have the same content as the earlier report. They then differ at most in the time
      of the data, in ages, and in the changes since the earlier report.
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
    verdict: fail
    attacked: {attacked_not_blocked: 9, blocked: 63, scanner_only: 45, unobserved: 3003}
    events: {total: 120000, not_blocked: 634}
    overdue: 61
error:
  description: The error as data, with C(kind), C(message), C(hint) and C(code).
  type: dict
  returned: failure
  sample:
    kind: file
    message: "outputs.html: cannot write in /reports: permission denied."
    hint: Choose another path, or give this user write permission there.
    code: null
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_local_module
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "findings": {"type": "list", "elements": "path"},
            "events": {"type": "list", "elements": "path"},
            "matches": {"type": "list", "elements": "path"},
            "history": {"type": "path"},
            "waivers": {"type": "path"},
            "services": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "failed": {"type": "bool", "default": False},
                    "complete": {"type": "bool", "default": False},
                    "records": {"type": "int"},
                    "reason": {"type": "str"},
                },
            },
            "outputs": {
                "type": "dict",
                "required": True,
                "options": {
                    "html": {"type": "path"},
                    "json": {"type": "path"},
                    "csv": {"type": "path"},
                    "markdown": {"type": "path"},
                    "xlsx": {"type": "path"},
                    "sarif": {"type": "path"},
                    "junit": {"type": "path"},
                    "gitlab": {"type": "path"},
                    "ocsf": {"type": "path"},
                    "github_annotations": {"type": "path"},
                    "azure_annotations": {"type": "path"},
                    "gitlab_annotations": {"type": "path"},
                },
            },
            "title": {"type": "str", "default": "Web application security report"},
            "previous": {"type": "path"},
            "webapps": {"type": "list", "elements": "dict"},
            "knowledge": {"type": "path"},
            "scope": {"type": "list", "elements": "raw"},
            "gate": {"type": "path"},
            "scans": {"type": "list", "elements": "raw"},
            "catalog": {"type": "list", "elements": "path"},
            "catalog_root": {"type": "path", "default": "."},
            "notes": {"type": "list", "elements": "str"},
        },
    )
    run_local_module(own, run)


if __name__ == "__main__":
    main()
