# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of a report by name. A new format is a new line here.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import io
import typing as t

from .figures.rows import FormatWriter, Unwritable, feed
from .formats.annotations_writer import AzureWriter, GithubWriter, GitlabLinksWriter
from .formats.csv_writer import CsvWriter
from .formats.gitlab_writer import GitlabWriter
from .formats.json_writer import JsonWriter
from .formats.junit_writer import JunitWriter
from .formats.markdown_writer import MarkdownWriter
from .formats.ocsf_writer import OcsfWriter
from .formats.sarif_writer import SarifWriter
from .formats.xlsx_writer import XlsxWriter
from .html.writer import HtmlWriter
from .inputs.model import ReportInput

# Formats of text; the output encodes it as UTF-8.
WRITERS: dict[str, t.Callable[[ReportInput, t.TextIO], FormatWriter]] = {
    "html": HtmlWriter,
    "json": JsonWriter,
    "csv": CsvWriter,
    "markdown": MarkdownWriter,
    "sarif": SarifWriter,
    "junit": JunitWriter,
    "gitlab": GitlabWriter,
    "ocsf": OcsfWriter,
    "github_annotations": GithubWriter,
    "azure_annotations": AzureWriter,
    "gitlab_annotations": GitlabLinksWriter,
}

# Formats of bytes.
BINARY_WRITERS: dict[str, t.Callable[[ReportInput, t.BinaryIO], FormatWriter]] = {
    "xlsx": XlsxWriter,
}

FORMATS: tuple[str, ...] = (*WRITERS, *BINARY_WRITERS)
"""All formats, in the order in which they are written."""


def write_all(report: ReportInput, streams: t.Mapping[str, t.BinaryIO]) -> None:
    """Write a report in several formats, in one walk over its findings.

    Args:
        report: what to write.
        streams: where the bytes of each format go.

    Raises:
        Unwritable: the stream of a format cannot be written.
    """
    feed(report, {name: _writer(name, report, stream) for name, stream in streams.items()})


def _writer(name: str, report: ReportInput, stream: t.BinaryIO) -> FormatWriter:
    if name in BINARY_WRITERS:
        return BINARY_WRITERS[name](report, stream)
    return WRITERS[name](report, t.cast(t.TextIO, _Text(stream)))


def write(name: str, report: ReportInput, stream: t.BinaryIO) -> None:
    """Write a report in one format, as bytes.

    Raises:
        OSError: the stream cannot be written.
    """
    try:
        write_all(report, {name: stream})
    except Unwritable as error:
        raise error.error from None


def write_text(name: str, report: ReportInput, stream: t.TextIO) -> None:
    """Write a report in one format of text to a stream that does not translate line ends."""
    feed(report, {name: WRITERS[name](report, stream)})


class _Text(io.TextIOBase):
    """Encodes text for a binary stream. Line ends are not translated: some formats need CR LF."""

    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream = stream

    def write(self, value: str, /) -> int:
        """Write a text as UTF-8."""
        # Writers make surrogates visible; "replace" only guards a title that no writer touched.
        self._stream.write(value.encode("utf-8", "replace"))
        return len(value)
