# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions of the filters that write findings as text of a standard format."""

from __future__ import annotations

import io
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.appsec.perimeter.plugins.module_utils._report import text
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures import collect
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.read import FindingList
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import DEFAULT_TITLE
from ansible_collections.appsec.perimeter.plugins.module_utils._report.writers import write_text


def _rendered(name: str, records: t.Any, title: str) -> str:
    if not isinstance(records, (list, tuple)) or not all(isinstance(item, t.Mapping) for item in records):
        raise AnsibleFilterError(f"to_{name} takes a list of findings, as an info module returns them.")
    findings = FindingList(records)
    times = (text.whole_seconds(finding["last_tested"]) or "" for finding in findings)
    report = collect.build(findings, title=str(title), generated=max(times, default=""))
    stream = io.StringIO(newline="")
    write_text(name, report, stream)
    return stream.getvalue()


def _filter(name: str) -> t.Callable[..., str]:
    def render(findings: t.Any, title: str = DEFAULT_TITLE) -> str:
        return _rendered(name, findings, title)

    return render


to_sarif = _filter("sarif")
to_junit = _filter("junit")
to_gitlab = _filter("gitlab")
to_ocsf = _filter("ocsf")
to_csv = _filter("csv")
to_markdown = _filter("markdown")
