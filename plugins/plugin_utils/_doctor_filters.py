# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions of the filters of the role doctor."""

from __future__ import annotations

import typing as t

from ansible_collections.appsec.perimeter.plugins.module_utils._doctor import judge


def doctor_checks(probes: t.Sequence[t.Mapping[str, t.Any]], service: str, configured: bool) -> list[dict[str, str]]:
    """The checks of one service, made from the results of info modules."""
    asked = [judge.Probe(item["part"], item["result"], bool(item.get("optional"))) for item in probes]
    return [check.to_dict() for check in judge.judge(judge.Service(service, asked, bool(configured)))]


def doctor_lines(checks: t.Sequence[t.Mapping[str, str]]) -> list[str]:
    """The checks as lines for people."""
    return judge.lines(checks)
