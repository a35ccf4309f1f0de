# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of a report by name. A new format is a new line here.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .csv_writer import write_csv
from .html_writer import write_html
from .json_writer import write_json
from .markdown_writer import write_markdown
from .model import ReportInput

Writer = t.Callable[[ReportInput, t.TextIO], None]

WRITERS: dict[str, Writer] = {
    "html": write_html,
    "json": write_json,
    "csv": write_csv,
    "markdown": write_markdown,
}
