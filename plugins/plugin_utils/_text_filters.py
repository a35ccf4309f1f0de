# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions of the filters that make one value safe to show."""

from __future__ import annotations

import typing as t

from ansible_collections.appsec.perimeter.plugins.module_utils._base import log_text
from ansible_collections.appsec.perimeter.plugins.module_utils._report.cells import safe_cell


def to_csv_safe(value: t.Any) -> str:
    """One value as a cell that no spreadsheet evaluates."""
    return safe_cell(None if value is None else str(value))


def to_log_safe(value: t.Any, limit: int = 300) -> t.Any:
    """The value with every text in it as a line for a log."""
    return "" if value is None else log_text.each_text(value, lambda text: log_text.short("".join(text), int(limit)))
