# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for the cells of spreadsheets, in CSV and in workbooks.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import re

from .._base.log_text import without_workflow_marks
from . import text

# A spreadsheet reads a cell that begins like this as a formula; some skip blanks and quotes first, and East Asian
# editions accept other forms of the signs too: small, full-width, raised, lowered and doubled ones, and the minus sign.
# Tabs and line ends are visible escapes already when this expression is used.
_OTHER_FORMS = (
    "\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20\u207a\u207b\u207c\u208a\u208b\u208c\u2a75\u2a76\u2212\ufb29"
)
_FORMULA = re.compile(rf"[\s\"'`]*[=+\-@{_OTHER_FORMS}]")


def safe_cell(value: str | None) -> str:
    """Text for one cell: one visible line that no spreadsheet evaluates and no pipeline executes."""
    if not value:
        return ""
    # Most cells are harmless at first sight, and there are millions of them.
    if value[0].isalnum() and value.isprintable() and "##" not in value:
        return value
    starts_with_control = value[0] in "\t\r\n"
    shown = without_workflow_marks(text.visible(value))
    return f"'{shown}" if starts_with_control or _FORMULA.match(shown) else shown
