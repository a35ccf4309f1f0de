# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings in a play as text of a standard format. Each filter is documented in a file of its own name beside this."""

from __future__ import annotations

import io
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.appsec.perimeter.plugins.module_utils._base import log_text
from ansible_collections.appsec.perimeter.plugins.module_utils._report import text
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures import collect
from ansible_collections.appsec.perimeter.plugins.module_utils._report.formats import csv_writer
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.read import FindingList
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import DEFAULT_TITLE
from ansible_collections.appsec.perimeter.plugins.module_utils._report.writers import write_text
from ansible_collections.appsec.perimeter.plugins.plugin_utils._vendor_text import data_from


def _rendered(name: str, records: t.Any, title: str) -> str:
    if not isinstance(records, (list, tuple)) or not all(isinstance(item, t.Mapping) for item in records):
        raise AnsibleFilterError(f"to_{name} takes a list of findings, as an info module returns them.")
    findings = FindingList(records)
    times = (text.canonical_time(finding["last_tested"]) or "" for finding in findings)
    report = collect.build(findings, title=str(title), generated=max(times, default=""))
    stream = io.StringIO(newline="")
    write_text(name, report, stream)
    return stream.getvalue()


def _filter(name: str) -> t.Callable[..., str]:
    def render(findings: t.Any, title: str = DEFAULT_TITLE) -> str:
        return _rendered(name, findings, title)

    return render


def to_csv_safe(value: t.Any) -> str:
    """One value as a cell that no spreadsheet calculates."""
    return csv_writer.safe_cell(None if value is None else str(value))


def to_log_safe(value: t.Any, limit: int = 300) -> t.Any:
    """The value with every text in it as a line for a log."""
    return "" if value is None else log_text.each_text(value, lambda text: log_text.short("".join(text), int(limit)))


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """What Ansible asks for."""
        formats = ("sarif", "junit", "gitlab", "ocsf", "csv", "markdown")
        filters = {f"to_{name}": _filter(name) for name in formats}
        filters |= {"to_csv_safe": to_csv_safe, "to_log_safe": to_log_safe}
        return {name: data_from(function) for name, function in filters.items()}
