# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of a report by name. A new format is a new line here.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .annotations_writer import write_azure, write_github, write_gitlab_annotations
from .csv_writer import write_csv
from .gitlab_writer import write_gitlab
from .html_writer import write_html
from .json_writer import write_json
from .junit_writer import write_junit
from .markdown_writer import write_markdown
from .model import ReportInput
from .ocsf_writer import write_ocsf
from .sarif_writer import write_sarif

Writer = t.Callable[[ReportInput, t.TextIO], None]

WRITERS: dict[str, Writer] = {
    "html": write_html,
    "json": write_json,
    "csv": write_csv,
    "markdown": write_markdown,
    "sarif": write_sarif,
    "junit": write_junit,
    "gitlab": write_gitlab,
    "ocsf": write_ocsf,
    "github_annotations": write_github,
    "azure_annotations": write_azure,
    "gitlab_annotations": write_gitlab_annotations,
}
