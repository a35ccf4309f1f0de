# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of a report by name. A new format is a new line here.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import io
import typing as t

from .formats.annotations_writer import write_azure, write_github, write_gitlab_annotations
from .formats.csv_writer import write_csv
from .formats.gitlab_writer import write_gitlab
from .formats.json_writer import write_json
from .formats.junit_writer import write_junit
from .formats.markdown_writer import write_markdown
from .formats.ocsf_writer import write_ocsf
from .formats.sarif_writer import write_sarif
from .formats.xlsx_writer import write_xlsx
from .html.writer import write_html
from .inputs.model import ReportInput

Writer = t.Callable[[ReportInput, t.TextIO], None]
BinaryWriter = t.Callable[[ReportInput, t.BinaryIO], None]

# Formats of text; the output encodes it as UTF-8.
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

# Formats of bytes.
BINARY_WRITERS: dict[str, BinaryWriter] = {
    "xlsx": write_xlsx,
}

FORMATS: tuple[str, ...] = (*WRITERS, *BINARY_WRITERS)
"""All formats, in the order in which they are written."""


def write(name: str, report: ReportInput, stream: t.BinaryIO) -> None:
    """Write a report in one format, as bytes."""
    if name in BINARY_WRITERS:
        BINARY_WRITERS[name](report, stream)
    else:
        WRITERS[name](report, t.cast(t.TextIO, _Text(stream)))


class _Text(io.TextIOBase):
    """Text on its way to bytes. Line ends stay as they are: some formats ask for CR LF."""

    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream = stream

    def write(self, value: str, /) -> int:
        """Pass a text on as UTF-8."""
        # Writers make surrogates visible; "replace" only guards a title that no writer touched.
        self._stream.write(value.encode("utf-8", "replace"))
        return len(value)
